//! How a gRPC call ended: the status in the trailers, or what HTTP says in its place.
//!
//! Format: "gRPC over HTTP/2" and "HTTP to gRPC Status Code Mapping" of the gRPC project.

use std::fmt;

use http::{HeaderMap, StatusCode};

/// Names of the codes, by their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// A gRPC status code, 0 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(u8);

impl Code {
    /// All went well.
    pub const OK: Self = Self(0);
    /// The server does not have the method.
    pub const UNIMPLEMENTED: Self = Self(12);
    const UNKNOWN: Self = Self(2);

    /// The code's name, such as `Unavailable`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("Unknown")
    }

    /// The code of a number; `Unknown` for numbers that are none.
    fn of(number: u8) -> Self {
        if usize::from(number) < NAMES.len() {
            Self(number)
        } else {
            Self::UNKNOWN
        }
    }

    /// What an answer says. `trailers` are absent if the answer had none; a failure may have its
    /// status in the headers alone.
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        trailers: Option<&HeaderMap>,
    ) -> Self {
        let found = trailers
            .and_then(|trailers| trailers.get("grpc-status"))
            .or_else(|| headers.get("grpc-status"));
        if let Some(value) = found {
            let number = value.to_str().ok().and_then(|text| text.parse().ok());
            return number.map_or(Self::UNKNOWN, Self::of);
        }
        Self(match status.as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            // A proxy, or an answer that broke off before its trailers.
            _ => 2,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, header: Option<&str>, trailer: Option<&str>, wanted: &str) {
        let map = |value: &str| {
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), value.parse().unwrap())])
        };
        let headers = header.map(map).unwrap_or_default();
        let trailers = trailer.map(map);
        let code = Code::read(status.try_into().unwrap(), &headers, trailers.as_ref());
        assert_eq!(code.to_string(), wanted, "{status} {header:?} {trailer:?}");
    }

    #[test]
    fn a_status_is_in_trailers_headers_or_http() {
        check(200, None, Some("0"), "OK");
        check(200, None, Some("5"), "NotFound");
        check(200, Some("12"), None, "Unimplemented");
        check(200, Some("0"), Some("14"), "Unavailable");
        check(200, None, Some("99"), "Unknown");
        check(200, None, Some("x"), "Unknown");
        check(200, None, None, "Unknown");
        check(503, None, None, "Unavailable");
        check(404, None, None, "Unimplemented");
        check(401, None, None, "Unauthenticated");
    }
}
