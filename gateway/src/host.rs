//! Hostnames of listeners, routes and requests: patterns, overlap, matching.
//!
//! Does not decide which route wins; `table.rs` orders the patterns.

/// A hostname pattern of a listener or route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HostPattern {
    /// Every host.
    Any,
    /// One host, lower case.
    Exact(String),
    /// Every host below a domain; the text starts with a dot (`.example.com`).
    Wildcard(String),
}

impl HostPattern {
    /// Reads a Gateway API hostname; an absent or empty one means every host.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let text = text
            .unwrap_or("")
            .trim_end_matches('.')
            .to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some("") => Self::Any,
            Some(suffix) => Self::Wildcard(suffix.to_owned()),
            None if text.is_empty() => Self::Any,
            None => Self::Exact(text),
        }
    }

    /// Whether a request's host (lower case, without port) is meant.
    pub(crate) fn covers(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            // `*.example.com` takes one or more labels, never `example.com` itself.
            Self::Wildcard(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        }
    }

    /// The hosts that both patterns mean, if any.
    pub(crate) fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, narrow) | (narrow, Self::Any) => Some(narrow.clone()),
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => {
                pattern.covers(name).then(|| Self::Exact(name.clone()))
            }
            (Self::Wildcard(a), Self::Wildcard(b)) => {
                let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
                long.ends_with(short).then(|| Self::Wildcard(long.clone()))
            }
        }
    }

    /// Sort key: the most specific pattern first (exact, then by length).
    pub(crate) fn rank(&self) -> (u8, std::cmp::Reverse<usize>) {
        match self {
            Self::Exact(name) => (0, std::cmp::Reverse(name.len())),
            Self::Wildcard(suffix) => (1, std::cmp::Reverse(suffix.len())),
            Self::Any => (2, std::cmp::Reverse(0)),
        }
    }
}

/// The host of a `Host` value or authority: lower case, without port and final dot.
pub(crate) fn host_of(authority: &str) -> String {
    let host = if authority.starts_with('[') {
        authority
            .find(']')
            .and_then(|end| authority.get(..=end))
            .unwrap_or(authority)
    } else {
        authority.split(':').next().unwrap_or("")
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_both_apply() {
        for (a, b, met) in [
            ("", "", Some(HostPattern::Any)),
            ("", "a.com", Some(HostPattern::Exact("a.com".into()))),
            (
                "*.a.com",
                "B.A.com",
                Some(HostPattern::Exact("b.a.com".into())),
            ),
            ("*.a.com", "a.com", None),
            (
                "*.a.com",
                "*.b.a.com",
                Some(HostPattern::Wildcard(".b.a.com".into())),
            ),
            ("*.a.com", "*.b.com", None),
            ("a.com", "b.com", None),
        ] {
            let (a, b) = (HostPattern::parse(Some(a)), HostPattern::parse(Some(b)));
            assert_eq!(a.meet(&b), met, "{a:?} {b:?}");
            assert_eq!(b.meet(&a), met, "{b:?} {a:?}");
        }
    }

    #[test]
    fn hosts_are_cut_from_authorities() {
        for (authority, host) in [
            ("A.com:80", "a.com"),
            ("a.com.", "a.com"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host);
        }
        assert!(HostPattern::parse(Some("*.a.com")).covers("x.y.a.com"));
        assert!(!HostPattern::parse(Some("*.a.com")).covers("xa.com"));
    }
}
