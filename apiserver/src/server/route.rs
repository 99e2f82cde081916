//! Reads paths and queries: which resource, which object, which verb.

use http::{Method, request::Parts};

use crate::requests::{RequestInfo, Verb};

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Version,
    Discovery(GroupPath),
    /// The rest of the path after `/openapi/`.
    OpenApi(String),
    Resource(Target),
    Unknown,
}

/// A place of discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupPath {
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/api/v1` and `/apis/{group}/{version}`
    Version(String, String),
}

/// A resource, one object of it, or a subresource of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: String,
}

impl Route {
    /// Reads a path.
    pub(super) fn parse(path: &str) -> Self {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["openapi", rest @ ..] => Self::OpenApi(rest.join("/")),
            ["api"] => Self::Discovery(GroupPath::Core),
            ["apis"] => Self::Discovery(GroupPath::Groups),
            ["apis", group] => Self::Discovery(GroupPath::Group((*group).to_owned())),
            ["api", version] => {
                Self::Discovery(GroupPath::Version(String::new(), (*version).to_owned()))
            }
            ["apis", group, version] => Self::Discovery(GroupPath::Version(
                (*group).to_owned(),
                (*version).to_owned(),
            )),
            ["api", version, rest @ ..] => resource("", version, rest),
            ["apis", group, version, rest @ ..] => resource(group, version, rest),
            _ => Self::Unknown,
        }
    }

    /// Describes the request.
    pub(super) fn info(&self, parts: &Parts, query: &Query) -> RequestInfo {
        let mut info = RequestInfo {
            verb: Verb::Other,
            group: String::new(),
            version: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            user: user_of(parts),
            path: parts.uri.path().to_owned(),
        };
        if let Self::Resource(target) = self {
            info.verb = verb_of(&parts.method, target, query);
            info.group.clone_from(&target.group);
            info.version.clone_from(&target.version);
            info.resource.clone_from(&target.plural);
            info.subresource.clone_from(&target.subresource);
            info.namespace = target.namespace.clone().unwrap_or_default();
            info.name = target.name.clone().unwrap_or_default();
        }
        info
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Route {
    let target = |namespace: Option<&str>, plural: &str, name: Option<&str>, subresource: &str| {
        Route::Resource(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.map(ToOwned::to_owned),
            name: name.map(ToOwned::to_owned),
            subresource: subresource.to_owned(),
        })
    };
    match rest {
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            target(None, "namespaces", Some(name), sub)
        }
        ["namespaces", namespace, plural] => target(Some(namespace), plural, None, ""),
        ["namespaces", namespace, plural, name] => target(Some(namespace), plural, Some(name), ""),
        ["namespaces", namespace, plural, name, sub] => {
            target(Some(namespace), plural, Some(name), sub)
        }
        [plural] => target(None, plural, None, ""),
        [plural, name] => target(None, plural, Some(name), ""),
        [plural, name, sub] => target(None, plural, Some(name), sub),
        _ => Route::Unknown,
    }
}

fn verb_of(method: &Method, target: &Target, query: &Query) -> Verb {
    let has_name = target.name.is_some();
    match method.as_str() {
        "GET" if query.flag("watch") => Verb::Watch,
        "GET" if has_name => Verb::Get,
        "GET" => Verb::List,
        "POST" => Verb::Create,
        "PUT" => Verb::Update,
        "PATCH" => Verb::Patch,
        "DELETE" if has_name => Verb::Delete,
        "DELETE" => Verb::DeleteCollection,
        _ => Verb::Other,
    }
}

/// The user that a proxy or an impersonation names, else the program that asks.
fn user_of(parts: &Parts) -> String {
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    header("impersonate-user")
        .or_else(|| header("x-remote-user"))
        .or_else(|| header("user-agent").and_then(|agent| agent.split('/').next()))
        .unwrap_or("anonymous")
        .to_owned()
}

/// The parameters of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (
                    decode(&key.replace('+', " ")),
                    decode(&value.replace('+', " ")),
                )
            })
            .collect();
        Self(pairs)
    }

    /// A parameter; empty counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, value)| name == key && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is `true` or `1`.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }
}

/// Decodes `%XX`; what is malformed stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
