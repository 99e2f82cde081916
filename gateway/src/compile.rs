//! Turns the objects seen into a routing table and a verdict on each of them.
//!
//! Pure: same world, same table. Attaches routes to listeners here; `compile/rule.rs`
//! compiles rules, `compile/backend.rs` resolves references. Writes no status.

pub(crate) mod backend;
pub(crate) mod rule;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::host::HostPattern;
use crate::matching::Matcher;
use crate::resource::{GROUP, GatewaySpec, Listener, Meta, ParentRef, RouteSpec};
use crate::table::{Entry, ListenerTable, Rule, Table};
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
    pub(crate) routes: BTreeMap<Key, Vec<ParentVerdict>>,
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

/// A listener of ours and the namespace of its Gateway.
struct Open<'a> {
    gateway: &'a Key,
    listener: &'a Listener,
    attached: usize,
}

/// One entry before it is sorted into its listener.
struct Draft {
    listener: (HostPattern, u16),
    host: HostPattern,
    entry: Entry,
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
    for (key, route) in oldest_first(&world.routes) {
        let verdicts = attach(
            world,
            route,
            &gateways,
            &mut open,
            &mut compiled.table.rules,
            &mut drafts,
        );
        if !verdicts.is_empty() || has_our_parent(&route.status, &selection.controller) {
            compiled.routes.insert(key.clone(), verdicts);
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
fn oldest_first(routes: &BTreeMap<Key, Seen<RouteSpec>>) -> Vec<(&Key, &Seen<RouteSpec>)> {
    let mut sorted: Vec<_> = routes.iter().collect();
    sorted.sort_by_key(|(key, route)| {
        (
            route.meta.creation_timestamp.as_deref().unwrap_or("~"),
            *key,
        )
    });
    sorted
}

/// Compiles one route and hangs it into the listeners that take it.
fn attach(
    world: &World,
    route: &Seen<RouteSpec>,
    gateways: &BTreeMap<&Key, &Seen<GatewaySpec>>,
    open: &mut [Open<'_>],
    rules: &mut Vec<Rule>,
    drafts: &mut Vec<Draft>,
) -> Vec<ParentVerdict> {
    let Ok(spec) = &route.spec else {
        return Vec::new();
    };
    let mut compiled = None;
    let mut verdicts = Vec::new();
    let mut taken = BTreeSet::new();
    for parent in &spec.parent_refs {
        let Ok(wanted) = serde_json::from_value::<ParentRef>(parent.clone()) else {
            continue;
        };
        let namespace = wanted
            .namespace
            .as_ref()
            .unwrap_or(&route.meta.namespace)
            .clone();
        let gateway = (namespace, wanted.name.clone());
        let is_gateway = wanted.kind.as_deref().unwrap_or("Gateway") == "Gateway"
            && wanted.group.as_deref().unwrap_or(GROUP) == GROUP;
        if !is_gateway || !gateways.contains_key(&gateway) {
            continue;
        }
        let (route_rules, resolved) =
            compiled.get_or_insert_with(|| rule::compile(world, &route.meta, spec));
        let accepted = match (
            &*route_rules,
            listeners(world, open, &gateway, &wanted, &route.meta, spec),
        ) {
            (Err(fault), _) => Finding::no("UnsupportedValue", fault.clone()),
            (Ok(_), Err(finding)) => finding,
            (Ok(_), Ok(hosts)) => {
                taken.extend(hosts);
                Finding::yes("Accepted")
            }
        };
        verdicts.push(ParentVerdict {
            parent: parent.clone(),
            accepted,
            resolved: resolved.clone(),
        });
    }
    if let Some((Ok(route_rules), _)) = compiled
        && !taken.is_empty()
    {
        for index in taken
            .iter()
            .map(|(index, _)| *index)
            .collect::<BTreeSet<_>>()
        {
            if let Some(open) = open.get_mut(index) {
                open.attached += 1;
            }
        }
        draft(route_rules, &taken, open, rules, drafts);
    }
    verdicts
}

/// Adds a route's rules to the table and an entry for each match, listener and host.
fn draft(
    route_rules: Vec<(Rule, Vec<Matcher>)>,
    taken: &BTreeSet<(usize, HostPattern)>,
    open: &[Open<'_>],
    rules: &mut Vec<Rule>,
    drafts: &mut Vec<Draft>,
) {
    for (rule, matchers) in route_rules {
        let index = rules.len();
        rules.push(rule);
        for matcher in &matchers {
            for (listener, host) in taken {
                let Some(open) = open.get(*listener) else {
                    continue;
                };
                drafts.push(Draft {
                    listener: (
                        HostPattern::parse(open.listener.hostname.as_deref()),
                        open.listener.port,
                    ),
                    host: host.clone(),
                    entry: Entry {
                        matcher: matcher.clone(),
                        rule: index,
                    },
                });
            }
        }
    }
}

/// The listeners (by index) that a parentRef means and that take the route, with the
/// hosts they share with it.
fn listeners(
    world: &World,
    open: &[Open<'_>],
    gateway: &Key,
    wanted: &ParentRef,
    route: &Meta,
    spec: &RouteSpec,
) -> Result<Vec<(usize, HostPattern)>, Finding> {
    let named: Vec<(usize, &Open<'_>)> = open
        .iter()
        .enumerate()
        .filter(|(_, open)| open.gateway == gateway)
        .filter(|(_, open)| {
            wanted
                .section_name
                .as_ref()
                .is_none_or(|name| *name == open.listener.name)
        })
        .filter(|(_, open)| wanted.port.is_none_or(|port| port == open.listener.port))
        .collect();
    if named.is_empty() {
        let message = format!("gateway {:?} has no such listener", gateway.1);
        return Err(Finding::no("NoMatchingParent", message));
    }
    let allowed: Vec<_> = named
        .into_iter()
        .filter(|(_, open)| allows(world, open, route))
        .collect();
    if allowed.is_empty() {
        let message = format!(
            "no listener takes HTTPRoutes of namespace {:?}",
            route.namespace
        );
        return Err(Finding::no("NotAllowedByListeners", message));
    }
    let hosts: Vec<HostPattern> = match spec.hostnames.as_slice() {
        [] => vec![HostPattern::Any],
        names => names
            .iter()
            .map(|name| HostPattern::parse(Some(name)))
            .collect(),
    };
    let met: Vec<(usize, HostPattern)> = allowed
        .iter()
        .flat_map(|(index, open)| {
            let listener = HostPattern::parse(open.listener.hostname.as_deref());
            hosts
                .iter()
                .filter_map(move |host| Some((*index, listener.meet(host)?)))
        })
        .collect();
    if met.is_empty() {
        let message = "no hostname of the route is one of the listener's";
        return Err(Finding::no("NoMatchingListenerHostname", message));
    }
    Ok(met)
}

fn allows(world: &World, open: &Open<'_>, route: &Meta) -> bool {
    let allowed = &open.listener.allowed_routes;
    let of_kind = allowed.kinds.is_empty() || allowed.kinds.iter().any(is_http_route);
    let of_namespace = match allowed.namespaces.from.as_deref().unwrap_or("Same") {
        "All" => true,
        "Same" => open.gateway.0 == route.namespace,
        "Selector" => world
            .namespaces
            .get(&(String::new(), route.namespace.clone()))
            .is_some_and(|namespace| allowed.namespaces.selector.holds(&namespace.meta.labels)),
        _ => false,
    };
    of_kind && of_namespace && open.listener.protocol == "HTTP"
}

fn is_http_route(kind: &crate::resource::KindRef) -> bool {
    kind.kind == "HTTPRoute" && kind.group.as_deref().unwrap_or(GROUP) == GROUP
}

fn judge(open: &Open<'_>) -> ListenerVerdict {
    let protocol = &open.listener.protocol;
    let kinds = &open.listener.allowed_routes.kinds;
    ListenerVerdict {
        name: open.listener.name.clone(),
        attached: open.attached,
        accepted: if protocol == "HTTP" {
            Finding::yes("Accepted")
        } else {
            let message = format!("protocol {protocol:?} is not served: use \"HTTP\"");
            Finding::no("UnsupportedProtocol", message)
        },
        resolved: if kinds.iter().all(is_http_route) {
            Finding::yes("ResolvedRefs")
        } else {
            Finding::no("InvalidRouteKinds", "only kind HTTPRoute is served")
        },
    }
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
