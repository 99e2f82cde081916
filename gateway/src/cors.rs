//! Answers CORS preflights and marks answers, as an HTTPRoute `CORS` filter says.
//!
//! Pure. Origins are scheme, host and port; `*` stands for all or for host labels.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// A `CORS` filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<String>,
    pub(crate) credentials: bool,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) expose: Vec<String>,
    pub(crate) max_age_s: u32,
}

/// Whether the request asks for permission rather than for the resource.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// Headers of the answer to a preflight; none when the origin is not allowed.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut answer = self.origin(request);
        if answer.is_empty() {
            return answer;
        }
        let asked = |name: HeaderName| request.get(name).cloned();
        answer.extend(self.list(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &self.methods,
            asked(header::ACCESS_CONTROL_REQUEST_METHOD),
        ));
        answer.extend(self.list(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &self.headers,
            asked(header::ACCESS_CONTROL_REQUEST_HEADERS),
        ));
        // The CRD's default; 0 would be written by hand and is then kept.
        answer.push((
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(self.max_age_s),
        ));
        answer
    }

    /// Headers of an ordinary answer; none when the origin is not allowed.
    pub(crate) fn actual(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut answer = self.origin(request);
        if !answer.is_empty() {
            answer.extend(self.list(header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose, None));
        }
        answer
    }

    fn origin(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let Some(origin) = request.get(header::ORIGIN) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(origin.as_bytes());
        if !self.origins.iter().any(|pattern| covers(pattern, &text)) {
            return Vec::new();
        }
        let every = self.origins.iter().any(|pattern| pattern == "*");
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            return vec![
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
                (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes),
            ];
        }
        let shown = if every {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown)]
    }

    /// A list header. With credentials a `*` has no meaning to browsers, so the
    /// requested names are echoed.
    fn list(
        &self,
        name: HeaderName,
        allowed: &[String],
        asked: Option<HeaderValue>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let every = allowed.iter().any(|word| word == "*");
        let value = match (every && self.credentials, asked) {
            (true, Some(asked)) => asked,
            (true, None) | (false, Some(_) | None) => allowed.join(", ").parse().ok()?,
        };
        (!allowed.is_empty()).then_some((name, value))
    }
}

/// Whether an origin meets a pattern such as `https://*.example.com`.
fn covers(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some(("", "")) => true,
        Some((head, tail)) => {
            let origin = origin.to_ascii_lowercase();
            origin.len() > head.len() + tail.len()
                && origin.starts_with(&head.to_ascii_lowercase())
                && origin.ends_with(&tail.to_ascii_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    fn check(cors: &Cors, request: &[(HeaderName, &str)], answer: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in request {
            headers.insert(name, value.parse().unwrap());
        }
        let told = if is_preflight(&Method::OPTIONS, &headers) {
            cors.preflight(&headers)
        } else {
            cors.actual(&headers)
        };
        let told: Vec<String> = told
            .iter()
            .map(|(name, value)| format!("{}={}", &name.as_str()[15..], value.to_str().unwrap()))
            .collect();
        assert_eq!(told.join(" "), answer);
    }

    #[test]
    fn origins_are_allowed_by_pattern() {
        let cors = Cors {
            origins: words(&["https://a.com", "https://*.b.com"]),
            methods: words(&["GET", "PUT"]),
            headers: words(&["*"]),
            expose: words(&["x-id"]),
            credentials: true,
            max_age_s: 5,
        };
        let origin = header::ORIGIN;
        check(&cors, &[(origin.clone(), "https://evil.com")], "");
        check(&cors, &[(origin.clone(), "https://b.com")], "");
        check(
            &cors,
            &[(origin.clone(), "https://x.b.com")],
            "allow-origin=https://x.b.com allow-credentials=true expose-headers=x-id",
        );
        let ask = [
            (origin.clone(), "https://a.com"),
            (header::ACCESS_CONTROL_REQUEST_METHOD, "PUT"),
            (header::ACCESS_CONTROL_REQUEST_HEADERS, "x-one"),
        ];
        check(
            &cors,
            &ask,
            "allow-origin=https://a.com allow-credentials=true allow-methods=GET, PUT allow-headers=x-one max-age=5",
        );
        let open = Cors {
            origins: words(&["*"]),
            methods: words(&["*"]),
            ..Cors::default()
        };
        check(&open, &[(origin, "http://any")], "allow-origin=*");
        check(&open, &ask, "allow-origin=* allow-methods=* max-age=0");
    }
}
