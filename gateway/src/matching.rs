//! Decides whether a request meets one `matches` entry, and how precise it is.
//!
//! Pure. The order among entries follows the HTTPRoute reference of Gateway API v1;
//! a regular expression must match the whole text and stands between exact and
//! prefix paths, as the common implementations have it.

use std::borrow::Cow;
use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, Method};
use regex::Regex;

/// What a request is matched by.
pub(crate) struct Ask<'a> {
    /// Host, lower case, without port.
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

/// A condition on the path.
#[derive(Clone, Debug)]
pub(crate) enum PathMatch {
    Exact(String),
    /// By path element; without a final slash, so "" means every path.
    Prefix(String),
    Regex(Regex),
}

/// A condition on a header's or query parameter's value.
#[derive(Clone, Debug)]
pub(crate) enum TextMatch {
    Exact(String),
    Regex(Regex),
}

/// One `matches` entry; all its conditions must hold.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    pub(crate) path: PathMatch,
    pub(crate) method: Option<Method>,
    pub(crate) headers: Vec<(HeaderName, TextMatch)>,
    pub(crate) queries: Vec<(String, TextMatch)>,
}

/// Sort key of a matcher: the smallest wins.
pub(crate) type Rank = (u8, Reverse<usize>, bool, Reverse<usize>, Reverse<usize>);

impl PathMatch {
    fn holds(&self, path: &str) -> bool {
        match self {
            Self::Exact(whole) => whole == path,
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    fn rank(&self) -> (u8, Reverse<usize>) {
        match self {
            Self::Exact(whole) => (0, Reverse(whole.len())),
            Self::Regex(regex) => (1, Reverse(regex.as_str().len())),
            Self::Prefix(prefix) => (2, Reverse(prefix.len())),
        }
    }
}

impl TextMatch {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl Matcher {
    /// Whether every condition holds of the request.
    pub(crate) fn holds(&self, ask: &Ask<'_>) -> bool {
        self.path.holds(ask.path)
            && self
                .method
                .as_ref()
                .is_none_or(|method| method == ask.method)
            && self.headers.iter().all(|(name, value)| {
                header(ask.headers, name).is_some_and(|seen| value.holds(&seen))
            })
            && self.queries.iter().all(|(name, value)| {
                parameter(ask.query, name).is_some_and(|seen| value.holds(&seen))
            })
    }

    /// Path kind and length, then method, then number of headers, then of parameters.
    pub(crate) fn rank(&self) -> Rank {
        let (kind, length) = self.path.rank();
        let headers = Reverse(self.headers.len());
        (
            kind,
            length,
            self.method.is_none(),
            headers,
            Reverse(self.queries.len()),
        )
    }

    /// The path prefix to be replaced by a rewrite, when the match is by prefix.
    pub(crate) fn prefix(&self) -> Option<&str> {
        match &self.path {
            PathMatch::Prefix(prefix) => Some(prefix),
            PathMatch::Exact(whole) => Some(whole),
            PathMatch::Regex(_) => None,
        }
    }
}

/// A header's value; repeated headers are one list (RFC 9110 5.3), cookies by "; ".
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = headers.get_all(name).iter();
    let text = |value: &'a http::HeaderValue| String::from_utf8_lossy(value.as_bytes());
    let first = text(values.next()?);
    let Some(second) = values.next() else {
        return Some(first);
    };
    let comma = if name == http::header::COOKIE {
        "; "
    } else {
        ","
    };
    let mut joined = first.into_owned();
    for value in std::iter::once(second).chain(values) {
        joined.push_str(comma);
        joined.push_str(&text(value));
    }
    Some(Cow::Owned(joined))
}

/// The first value of a query parameter, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// Undoes form encoding; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |at: usize| {
            tail.get(at)
                .and_then(|digit| char::from(*digit).to_digit(16))
        };
        rest = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                tail.get(2..).unwrap_or_default()
            }
            (b'+', _, _) => {
                bytes.push(b' ');
                tail
            }
            (_, _, _) => {
                bytes.push(first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(path: PathMatch) -> Matcher {
        Matcher {
            path,
            method: None,
            headers: vec![],
            queries: vec![],
        }
    }

    fn check(matcher: &Matcher, line: &str, headers: &[(&str, &str)], holds: bool) {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let method = method.parse().unwrap();
        let ask = Ask {
            host: "h",
            path,
            query,
            method: &method,
            headers: &map,
        };
        assert_eq!(
            matcher.holds(&ask),
            holds,
            "{line} {headers:?} against {matcher:?}"
        );
    }

    #[test]
    fn paths() {
        let prefix = matcher(PathMatch::Prefix("/v2".into()));
        for (path, holds) in [
            ("/v2", true),
            ("/v2/", true),
            ("/v2/x", true),
            ("/v2x", false),
            ("/", false),
        ] {
            check(&prefix, &format!("GET {path}"), &[], holds);
        }
        check(
            &matcher(PathMatch::Prefix(String::new())),
            "GET /any",
            &[],
            true,
        );
        check(
            &matcher(PathMatch::Exact("/a".into())),
            "GET /a/",
            &[],
            false,
        );
        let regex = matcher(PathMatch::Regex(Regex::new("^(?:/a[0-9]+)$").unwrap()));
        check(&regex, "GET /a12", &[], true);
        check(&regex, "GET /a12/b", &[], false);
    }

    #[test]
    fn headers_and_queries() {
        let mut wanted = matcher(PathMatch::Prefix(String::new()));
        wanted.method = Some(Method::POST);
        wanted.headers = vec![(
            http::header::COOKIE,
            TextMatch::Regex(Regex::new("^(?:.*canary=always.*)$").unwrap()),
        )];
        wanted.queries = vec![("user name".into(), TextMatch::Exact("a&b".into()))];
        let cookies = [("cookie", "a=1"), ("cookie", "canary=always")];
        check(&wanted, "POST /?x=1&user+name=a%26b", &cookies, true);
        check(&wanted, "GET /?user+name=a%26b", &cookies, false);
        check(
            &wanted,
            "POST /?user+name=zzz&user+name=a%26b",
            &cookies,
            false,
        );
        check(
            &wanted,
            "POST /?user+name=a%26b",
            &[("cookie", "a=1")],
            false,
        );
        check(&wanted, "POST /?user%20name=a%26b", &cookies, true);
        check(&wanted, "POST /?user%2", &cookies, false);
    }

    #[test]
    fn the_more_precise_match_ranks_first() {
        let with = |path, method, headers: usize| {
            let mut matcher = matcher(path);
            matcher.method = method;
            matcher.headers = vec![(http::header::HOST, TextMatch::Exact(String::new())); headers];
            matcher
        };
        let ranked = [
            with(PathMatch::Exact("/a".into()), None, 0),
            with(PathMatch::Prefix("/abc".into()), None, 0),
            with(PathMatch::Prefix("/a".into()), Some(Method::GET), 0),
            with(PathMatch::Prefix("/a".into()), None, 2),
            with(PathMatch::Prefix("/a".into()), None, 1),
            with(PathMatch::Prefix("/a".into()), None, 0),
        ];
        assert!(
            ranked
                .windows(2)
                .all(|pair| pair[0].rank() < pair[1].rank())
        );
    }
}
