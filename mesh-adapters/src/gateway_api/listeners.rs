//! Keeps the ports of one Canary apart: a rule cannot ask for a port, so two routes of it must differ by listener
//! or by host name.

use serde_json::Value;

use super::GatewayApi;
use crate::{
    error::RenderError,
    ports::{self, FIELD},
    route::Route,
};

/// Refuses ports whose requests one listener would take for both.
pub(super) fn check(gateway: &GatewayApi, route: &Route) -> Result<(), RenderError> {
    let all = ports::each(route);
    for (place, one) in all.iter().enumerate().skip(1) {
        for other in all.iter().take(place) {
            let both = gateway.parent_refs(one)?;
            let parents = gateway.parent_refs(other)?;
            let shared = both
                .iter()
                .find(|one| parents.iter().any(|it| meet(one, it)));
            if let (Some(shared), true) = (shared, share_hosts(one, other)) {
                let name = shared.get("name").and_then(Value::as_str);
                return Err(RenderError::unsupported(
                    format!("{FIELD}[{}].gatewayRefs", place.saturating_sub(1)),
                    name.unwrap_or_default(),
                    format!(
                        "it may be the listener of port {}, too; tell them apart by sectionName, or by port, in the gatewayRefs of both, or give each hosts of its own",
                        other.service.port
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// True when both may be the same listener.
fn meet(one: &Value, other: &Value) -> bool {
    let is_same = |key: &str| one.get(key) == other.get(key);
    let may_be_same = |key: &str| match (one.get(key), other.get(key)) {
        (Some(one), Some(other)) => one == other,
        (Some(_) | None, Some(_) | None) => true,
    };
    ["group", "kind", "name"].into_iter().all(is_same)
        && ["namespace", "sectionName", "port"]
            .into_iter()
            .all(may_be_same)
}

/// No host name is every one.
fn share_hosts(one: &Route, other: &Route) -> bool {
    let (one, other) = (&one.service.hosts, &other.service.hosts);
    one.is_empty() || other.is_empty() || one.iter().any(|host| other.contains(host))
}
