//! Turns the objects seen into a routing table and a verdict on each of them.
//!
//! Pure: same world, same table. `compile/attach.rs` hangs routes into listeners,
//! `compile/rule.rs` compiles rules, `compile/backend.rs` resolves references. Writes no status.

mod attach;
pub(crate) mod backend;
pub(crate) mod rule;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use attach::{Draft, Open, attach, judge};

use crate::host::HostPattern;
use crate::resource::{GatewaySpec, RouteKind, RouteSpec};
use crate::table::{ListenerTable, Rule, Table};
use crate::world::{Key, Seen, World};

/// Which Gateways are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The `controllerName` of our GatewayClasses.
    pub controller: String,
    /// Only this Gateway (namespace, name); every Gateway of our classes if absent.
    pub gateway: Option<(String, String)>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            controller: crate::CONTROLLER_NAME.to_owned(),
            gateway: None,
        }
    }
}

/// What a world means.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Where requests go.
    pub table: Table,
    pub(crate) classes: BTreeSet<Key>,
    pub(crate) gateways: BTreeMap<Key, Vec<ListenerVerdict>>,
    pub(crate) routes: BTreeMap<(RouteKind, Key), Vec<ParentVerdict>>,
}

/// A condition without its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) is_true: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What a route is to one of our Gateways.
#[derive(Clone, Debug)]
pub(crate) struct ParentVerdict {
    /// The parentRef as the user wrote it.
    pub(crate) parent: Value,
    pub(crate) accepted: Finding,
    pub(crate) resolved: Finding,
}

/// What a listener of our Gateway is.
#[derive(Clone, Debug)]
pub(crate) struct ListenerVerdict {
    pub(crate) name: String,
    pub(crate) attached: usize,
    /// Kinds of routes that it takes.
    pub(crate) kinds: Vec<RouteKind>,
    pub(crate) accepted: Finding,
    pub(crate) resolved: Finding,
}

impl Finding {
    pub(crate) fn yes(reason: &'static str) -> Self {
        Self {
            is_true: true,
            reason,
            message: String::new(),
        }
    }

    pub(crate) fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_true: false,
            reason,
            message: message.into(),
        }
    }
}

/// Builds the table and the verdicts.
#[must_use]
pub fn compile(world: &World, selection: &Selection) -> Compiled {
    let mut compiled = Compiled {
        classes: classes(world, selection),
        ..Compiled::default()
    };
    let gateways: BTreeMap<&Key, &Seen<GatewaySpec>> = world
        .gateways
        .iter()
        .filter(|(key, gateway)| is_ours(key, gateway, &compiled.classes, selection))
        .collect();
    let mut open: Vec<Open<'_>> = gateways
        .iter()
        .flat_map(|(key, gateway)| {
            let listeners = gateway.spec.as_ref().map(|spec| spec.listeners.as_slice());
            listeners
                .unwrap_or_default()
                .iter()
                .map(|listener| (*key, listener))
        })
        .map(|(gateway, listener)| Open {
            gateway,
            listener,
            attached: 0,
        })
        .collect();

    let mut drafts = Vec::new();
    for (kind, key, route) in oldest_first(world) {
        let verdicts = attach(
            world,
            kind,
            route,
            &gateways,
            &mut open,
            &mut compiled.table.rules,
            &mut drafts,
        );
        if !verdicts.is_empty() || has_our_parent(&route.status, &selection.controller) {
            compiled.routes.insert((kind, key.clone()), verdicts);
        }
    }
    compiled.table.listeners = sort(drafts, &compiled.table.rules);
    for key in gateways.keys() {
        let of_gateway = open.iter().filter(|open| open.gateway == *key);
        compiled
            .gateways
            .insert((*key).clone(), of_gateway.map(judge).collect());
    }
    compiled
}

fn classes(world: &World, selection: &Selection) -> BTreeSet<Key> {
    let ours = world.classes.iter().filter(|(_, class)| {
        class
            .spec
            .as_ref()
            .is_ok_and(|spec| spec.controller_name == selection.controller)
    });
    ours.map(|(key, _)| key.clone()).collect()
}

fn is_ours(
    key: &Key,
    gateway: &Seen<GatewaySpec>,
    classes: &BTreeSet<Key>,
    selection: &Selection,
) -> bool {
    let of_class = gateway
        .spec
        .as_ref()
        .is_ok_and(|spec| classes.contains(&(String::new(), spec.gateway_class_name.clone())));
    of_class
        && selection
            .gateway
            .as_ref()
            .is_none_or(|wanted| wanted == key)
}

/// Whether an earlier status entry is ours, which must then be taken back.
fn has_our_parent(status: &Value, controller: &str) -> bool {
    let parents = status.get("parents").and_then(Value::as_array);
    parents.is_some_and(|parents| {
        parents
            .iter()
            .any(|parent| parent.get("controllerName").and_then(Value::as_str) == Some(controller))
    })
}

/// Routes by age, then by name: the order that breaks ties between matches.
fn oldest_first(world: &World) -> Vec<(RouteKind, &Key, &Seen<RouteSpec>)> {
    let of_kind = |kind| {
        let routes = world.routes_of(kind).iter();
        routes.map(move |(key, route)| (kind, key, route))
    };
    let mut sorted: Vec<_> = RouteKind::ALL.into_iter().flat_map(of_kind).collect();
    sorted.sort_by_key(|(_, key, route)| {
        (
            route.meta.creation_timestamp.as_deref().unwrap_or("~"),
            *key,
        )
    });
    sorted
}

/// Sorts entries into listeners and hosts, each in order of precedence.
fn sort(mut drafts: Vec<Draft>, rules: &[Rule]) -> Vec<ListenerTable> {
    // The sort is stable: rules came by age and name of their routes, then in list order.
    drafts.sort_by_cached_key(|draft| {
        let position = rules.get(draft.entry.rule).map(|rule| rule.index);
        (
            draft.listener.0.rank(),
            draft.host.rank(),
            draft.entry.matcher.rank(),
            draft.entry.rule,
            position,
        )
    });
    let mut tables: Vec<ListenerTable> = Vec::new();
    let mut at: HashMap<HostPattern, usize> = HashMap::new();
    for Draft {
        listener: (listener, port),
        host,
        entry,
    } in drafts
    {
        let index = *at.entry(listener.clone()).or_insert(tables.len());
        if index == tables.len() {
            let (exact, wide) = (HashMap::new(), Vec::new());
            tables.push(ListenerTable {
                host: listener,
                port,
                exact,
                wide,
            });
        }
        let Some(table) = tables.get_mut(index) else {
            continue;
        };
        match host {
            HostPattern::Exact(name) => table.exact.entry(name).or_default().push(entry),
            HostPattern::Wildcard(_) | HostPattern::Any => {
                match table.wide.iter_mut().find(|wide| wide.0 == host) {
                    Some((_, entries)) => entries.push(entry),
                    None => table.wide.push((host, vec![entry])),
                }
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests;
