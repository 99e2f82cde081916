//! Describes requests and keeps a bounded log of them, so that tests can count who asked what.
//!
//! Bodies are never kept: they may hold secrets.

use std::collections::{BTreeMap, VecDeque};

/// What a request asks for, in the words of Kubernetes' authorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the verbs are the API's own words")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// Anything outside resources, such as discovery.
    Other,
}

impl Verb {
    /// The verb as Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Other => "other",
        }
    }

    /// Whether the verb changes something.
    #[must_use]
    pub fn is_write(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection => {
                true
            }
            Self::Get | Self::List | Self::Watch | Self::Other => false,
        }
    }
}

/// What a request asks for and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// What is asked for.
    pub verb: Verb,
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural of the resource; empty outside resources.
    pub resource: String,
    /// Subresource; empty for the object itself.
    pub subresource: String,
    /// Namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// Name of the object; empty for collections.
    pub name: String,
    /// `X-Remote-User`, else the product of `User-Agent`.
    pub user: String,
    /// The path, without the query.
    pub path: String,
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The request.
    pub info: RequestInfo,
    /// The HTTP code; 0 when the connection was broken by a fault.
    pub code: u16,
    /// Counts up from 1 over all requests.
    pub number: u64,
}

/// The last requests, and counts of all.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    entries_max: usize,
    total: u64,
    by_user: BTreeMap<(String, Verb), u64>,
}

impl RequestLog {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, info: RequestInfo, code: u16) {
        self.total += 1;
        *self
            .by_user
            .entry((info.user.clone(), info.verb))
            .or_default() += 1;
        self.entries.push_back(LoggedRequest {
            info,
            code,
            number: self.total,
        });
        while self.entries.len() > self.entries_max {
            self.entries.pop_front();
        }
    }

    /// The last requests, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.entries.iter()
    }

    /// All requests ever answered, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// All requests of a user.
    #[must_use]
    pub fn count_of(&self, user: &str) -> u64 {
        self.by_user
            .iter()
            .filter(|((name, _), _)| name == user)
            .map(|(_, count)| count)
            .sum()
    }

    /// All requests of a user with one verb.
    #[must_use]
    pub fn count_of_verb(&self, user: &str, verb: Verb) -> u64 {
        self.by_user
            .get(&(user.to_owned(), verb))
            .copied()
            .unwrap_or(0)
    }

    /// All writes of a user.
    #[must_use]
    pub fn writes_of(&self, user: &str) -> u64 {
        self.by_user
            .iter()
            .filter(|((name, verb), _)| name == user && verb.is_write())
            .map(|(_, count)| count)
            .sum()
    }
}
