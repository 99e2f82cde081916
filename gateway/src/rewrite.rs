//! Edits heads of requests and responses as a route's filters say.
//!
//! Pure. Knows header edits, URL rewrites, redirects and hop-by-hop headers.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};

/// Headers that concern one connection only (RFC 9110 7.6.1), never forwarded.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// `RequestHeaderModifier` or `ResponseHeaderModifier`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderEdit {
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    pub(crate) add: Vec<(HeaderName, HeaderValue)>,
    pub(crate) remove: Vec<HeaderName>,
}

/// What to do with the path.
#[derive(Clone, Debug)]
pub(crate) enum PathEdit {
    Full(String),
    Prefix(String),
}

/// `URLRewrite`.
#[derive(Clone, Debug)]
pub(crate) struct UrlEdit {
    pub(crate) host: Option<HeaderValue>,
    pub(crate) path: Option<PathEdit>,
}

/// `RequestRedirect`.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    pub(crate) scheme: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) path: Option<PathEdit>,
    pub(crate) status: StatusCode,
}

impl HeaderEdit {
    /// Sets, then adds, then removes.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }

    /// Puts the edits of a second filter of the same kind behind ours.
    pub(crate) fn join(&mut self, other: Self) {
        let Self { set, add, remove } = other;
        self.set.extend(set);
        self.add.extend(add);
        self.remove.extend(remove);
    }
}

impl PathEdit {
    /// The new path; `prefix` is what the rule matched, if it matched by prefix.
    pub(crate) fn path(&self, path: &str, prefix: Option<&str>) -> String {
        let new = match self {
            Self::Full(whole) => whole.clone(),
            Self::Prefix(replacement) => {
                let prefix = prefix.unwrap_or("").trim_end_matches('/');
                let rest = path.strip_prefix(prefix).unwrap_or(path);
                format!("{}{rest}", replacement.trim_end_matches('/'))
            }
        };
        if new.starts_with('/') {
            new
        } else {
            format!("/{new}")
        }
    }

    /// The new path with the old query.
    pub(crate) fn target(&self, uri: &Uri, prefix: Option<&str>) -> String {
        let mut target = self.path(uri.path(), prefix);
        if let Some(query) = uri.query() {
            target.push('?');
            target.push_str(query);
        }
        target
    }
}

impl Redirect {
    /// The value of `Location`; `host` and `port` are the request's and the listener's.
    pub(crate) fn location(
        &self,
        uri: &Uri,
        prefix: Option<&str>,
        host: &str,
        port: u16,
    ) -> String {
        let scheme = self.scheme.as_deref().unwrap_or("http");
        let known = match scheme {
            "https" => 443,
            _ => 80,
        };
        let port = match (self.port, &self.scheme) {
            (Some(port), _) => port,
            (None, Some(_)) => known,
            (None, None) => port,
        };
        let host = self.host.as_deref().unwrap_or(host);
        let target = match &self.path {
            Some(edit) => edit.target(uri, prefix),
            None => uri
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str)
                .to_owned(),
        };
        if port == known {
            format!("{scheme}://{host}{target}")
        } else {
            format!("{scheme}://{host}:{port}{target}")
        }
    }
}

/// Whether the head asks to change the protocol, and to which.
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if asked {
        headers.get(header::UPGRADE).cloned()
    } else {
        None
    }
}

/// Removes hop-by-hop headers and those that `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // Taking Host or the framing away by `Connection: host` would be a smuggling aid.
    let kept = [header::HOST, header::CONTENT_LENGTH];
    for name in named
        .iter()
        .filter(|name| !kept.contains(name))
        .chain(&HOP_BY_HOP)
    {
        headers.remove(name);
    }
    // gRPC servers ask for `te: trailers`; every other coding is of one connection.
    if headers.get(header::TE).is_some_and(|te| te != "trailers") {
        headers.remove(header::TE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced_by_element() {
        for (path, prefix, with, result) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
        ] {
            let edit = PathEdit::Prefix(with.into());
            assert_eq!(
                edit.path(path, Some(prefix)),
                result,
                "{path} {prefix} {with}"
            );
        }
        let uri: Uri = "/a/b?c=d".parse().unwrap();
        assert_eq!(PathEdit::Full("/z".into()).target(&uri, None), "/z?c=d");
    }

    #[test]
    fn redirects_name_a_port_only_when_needed() {
        let uri: Uri = "/p?q".parse().unwrap();
        for (scheme, host, port, listener, location) in [
            (None, None, None, 80, "http://h/p?q"),
            (None, None, None, 8080, "http://h:8080/p?q"),
            (Some("https"), None, None, 8080, "https://h/p?q"),
            (
                Some("https"),
                Some("o"),
                Some(8443),
                80,
                "https://o:8443/p?q",
            ),
            (Some("http"), None, Some(80), 8080, "http://h/p?q"),
        ] {
            let redirect = Redirect {
                scheme: scheme.map(String::from),
                host: host.map(String::from),
                port,
                path: None,
                status: StatusCode::FOUND,
            };
            assert_eq!(redirect.location(&uri, None, "h", listener), location);
        }
    }

    #[test]
    fn heads_are_edited_and_stripped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private, host"),
            ("x-private", "1"),
            ("host", "h"),
            ("te", "gzip"),
            ("keep-alive", "5"),
            ("x-a", "old"),
            ("x-c", "1"),
        ] {
            headers.append(
                HeaderName::from_static(name.to_lowercase().leak()),
                HeaderValue::from_static(value),
            );
        }
        strip_hop_by_hop(&mut headers);
        let edit = HeaderEdit {
            set: vec![(
                HeaderName::from_static("x-a"),
                HeaderValue::from_static("new"),
            )],
            add: vec![(
                HeaderName::from_static("x-a"),
                HeaderValue::from_static("too"),
            )],
            remove: vec![HeaderName::from_static("x-c")],
        };
        edit.apply(&mut headers);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        left.sort();
        assert_eq!(left, ["host=h", "x-a=new", "x-a=too"]);
    }
}
