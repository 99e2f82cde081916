//! Hangs routes into the listeners of our Gateways that take them.
//!
//! Pure. Follows the route attachment rules of Gateway API v1: parentRef, then namespaces
//! and kinds, then hostnames; the first rule that no listener passes names the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, ListenerVerdict, ParentVerdict, rule};
use crate::host::HostPattern;
use crate::matching::Matcher;
use crate::resource::{
    GROUP, GatewaySpec, KindRef, Listener, Meta, ParentRef, RouteKind, RouteSpec,
};
use crate::table::{Entry, Rule};
use crate::world::{Key, Seen, World};

/// A listener of ours and the namespace of its Gateway.
pub(super) struct Open<'a> {
    pub(super) gateway: &'a Key,
    pub(super) listener: &'a Listener,
    pub(super) attached: usize,
}

/// One entry before it is sorted into its listener.
pub(super) struct Draft {
    pub(super) listener: (HostPattern, u16),
    pub(super) host: HostPattern,
    pub(super) entry: Entry,
}

/// Compiles one route and hangs it into the listeners that take it.
pub(super) fn attach(
    world: &World,
    kind: RouteKind,
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
            compiled.get_or_insert_with(|| rule::compile(world, kind, &route.meta, spec));
        let accepted = match (
            &*route_rules,
            listeners(world, open, &gateway, &wanted, (kind, &route.meta), spec),
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
    (kind, route): (RouteKind, &Meta),
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
        .filter(|(_, open)| allows(world, open, kind, route))
        .collect();
    if allowed.is_empty() {
        let message = format!(
            "no listener takes {}s of namespace {:?}",
            kind.as_str(),
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

fn allows(world: &World, open: &Open<'_>, kind: RouteKind, route: &Meta) -> bool {
    let allowed = &open.listener.allowed_routes;
    let of_kind = allowed.kinds.is_empty()
        || allowed
            .kinds
            .iter()
            .any(|given| served(given) == Some(kind));
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

/// The kind of route that is meant, if it is one of ours.
fn served(given: &KindRef) -> Option<RouteKind> {
    let is_ours = given.group.as_deref().unwrap_or(GROUP) == GROUP;
    RouteKind::ALL
        .into_iter()
        .find(|kind| is_ours && kind.as_str() == given.kind)
}

pub(super) fn judge(open: &Open<'_>) -> ListenerVerdict {
    let protocol = &open.listener.protocol;
    let kinds = &open.listener.allowed_routes.kinds;
    let served_kinds = RouteKind::ALL
        .into_iter()
        .filter(|kind| kinds.is_empty() || kinds.iter().any(|given| served(given) == Some(*kind)));
    ListenerVerdict {
        name: open.listener.name.clone(),
        attached: open.attached,
        kinds: served_kinds.collect(),
        accepted: if protocol == "HTTP" {
            Finding::yes("Accepted")
        } else {
            let message = format!("protocol {protocol:?} is not served: use \"HTTP\"");
            Finding::no("UnsupportedProtocol", message)
        },
        resolved: if kinds.iter().all(|given| served(given).is_some()) {
            Finding::yes("ResolvedRefs")
        } else {
            Finding::no(
                "InvalidRouteKinds",
                "only kinds HTTPRoute and GRPCRoute are served",
            )
        },
    }
}
