//! The rules that a data plane goes by: which request a rule takes, and how it
//! splits it. A rule without weight sends nowhere. Reading them out of a mesh's
//! objects is in `read.rs`.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

/// The rules of a mesh's objects, in their order.
#[derive(Debug, Default)]
pub(super) struct Route {
    pub(super) rules: Vec<Rule>,
    /// Gateway API prefers the more specific rule; Istio takes the first.
    pub(super) is_by_specificity: bool,
    /// Name of the user's own object, where metrics carry it.
    pub(super) object: String,
}

#[derive(Debug, Default)]
pub(super) struct Rule {
    /// Any of them is enough; none takes everything.
    pub(super) matches: Vec<Match>,
    pub(super) backends: Vec<Backend>,
    pub(super) mirrors: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Backend {
    pub(super) service: String,
    pub(super) weight: u32,
}

#[derive(Debug, Default)]
pub(super) struct Match {
    pub(super) path: Option<TextMatch>,
    pub(super) method: Option<TextMatch>,
    /// Names in lower case.
    pub(super) headers: Vec<(String, TextMatch)>,
}

#[derive(Debug)]
pub(super) enum TextMatch {
    Exact(String),
    Prefix(String),
    Contains(String),
    Pattern(Option<Regex>),
}

impl TextMatch {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == text,
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Contains(part) => text.contains(part),
            Self::Pattern(pattern) => pattern.as_ref().is_some_and(|p| p.is_match(text)),
        }
    }

    /// Patterns match the whole text, as RE2 full match does in Envoy.
    pub(super) fn pattern(text: &str) -> Self {
        Self::Pattern(Regex::new(&format!("^(?:{text})$")).ok())
    }

    /// Exact before prefix before pattern, then the longer one.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(text) => (2, text.len()),
            Self::Prefix(text) => (1, text.len()),
            Self::Contains(_) | Self::Pattern(_) => (0, 0),
        }
    }
}

impl Match {
    fn takes(&self, headers: &BTreeMap<String, String>) -> bool {
        self.path.as_ref().is_none_or(|path| path.takes("/"))
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.takes("GET"))
            && self
                .headers
                .iter()
                .all(|(name, text)| headers.get(name).is_some_and(|value| text.takes(value)))
    }

    fn rank(&self) -> ((u8, usize), bool, usize) {
        let path = self.path.as_ref().map_or((0, 0), TextMatch::rank);
        (path, self.method.is_some(), self.headers.len())
    }
}

impl Rule {
    /// Everything that it takes goes to one Service.
    pub(super) fn to_service(service: &str) -> Self {
        Self {
            backends: vec![Backend {
                service: service.to_owned(),
                weight: 1,
            }],
            ..Self::default()
        }
    }

    /// The rank of its best match that takes the request.
    fn takes(&self, headers: &BTreeMap<String, String>) -> Option<((u8, usize), bool, usize)> {
        if self.matches.is_empty() {
            return Some(Match::default().rank());
        }
        self.matches
            .iter()
            .filter(|m| m.takes(headers))
            .map(Match::rank)
            .max()
    }

    /// The backend for a draw from 0 to 1, by weight.
    pub(super) fn backend(&self, draw: f64) -> Option<&str> {
        let all: u32 = self.backends.iter().map(|b| b.weight).sum();
        let mut at = draw * f64::from(all);
        for backend in &self.backends {
            let weight = f64::from(backend.weight);
            if at < weight {
                return Some(&backend.service);
            }
            at -= weight;
        }
        None
    }
}

impl Route {
    pub(super) fn rule(&self, headers: &BTreeMap<String, String>) -> Option<&Rule> {
        let mut best: Option<(&Rule, _)> = None;
        for rule in &self.rules {
            let Some(rank) = rule.takes(headers) else {
                continue;
            };
            if !self.is_by_specificity {
                return Some(rule);
            }
            if best.as_ref().is_none_or(|(_, known)| rank > *known) {
                best = Some((rule, rank));
            }
        }
        best.map(|(rule, _)| rule)
    }

    /// Every Service that can be asked.
    pub(super) fn services(&self) -> BTreeSet<String> {
        let backends = self
            .rules
            .iter()
            .flat_map(|rule| rule.backends.iter().map(|b| b.service.clone()));
        backends
            .chain(self.rules.iter().flat_map(|rule| rule.mirrors.clone()))
            .collect()
    }

    pub(super) fn to_service(service: &str) -> Self {
        Self {
            rules: vec![Rule::to_service(service)],
            ..Self::default()
        }
    }
}
