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
            let (ours, theirs) = (gateway.parent_refs(one)?, gateway.parent_refs(other)?);
            let meets = |it: &&Value| theirs.iter().any(|other| gateway.meet(it, other));
            let Some(shared) = ours.iter().find(meets).filter(|_| share_hosts(one, other)) else {
                continue;
            };
            let name = shared.get("name").and_then(Value::as_str);
            let cure = if gateway.has_listeners {
                "tell them apart by sectionName, or by port, in the gatewayRefs of both, or give each hosts of its own"
            } else {
                "give each hosts of its own"
            };
            return Err(RenderError::unsupported(
                format!("{FIELD}[{}].gatewayRefs", place.saturating_sub(1)),
                name.unwrap_or_default(),
                format!(
                    "its listener may be that of port {}, too; {cure}",
                    other.service.port
                ),
            ));
        }
    }
    Ok(())
}

impl GatewayApi {
    /// True when both parents may be the same listener, or the same Gateway where that is all there is.
    fn meet(&self, one: &Value, other: &Value) -> bool {
        let is_same = |key: &str| one.get(key) == other.get(key);
        let may_be_same = |key: &str| match (one.get(key), other.get(key)) {
            (Some(one), Some(other)) => one == other,
            (Some(_) | None, Some(_) | None) => true,
        };
        ["group", "kind", "name"].into_iter().all(is_same)
            && may_be_same("namespace")
            && (!self.has_listeners || ["sectionName", "port"].into_iter().all(may_be_same))
    }
}

/// No host name is every one.
fn share_hosts(one: &Route, other: &Route) -> bool {
    let (one, other) = (&one.service.hosts, &other.service.hosts);
    one.is_empty() || other.is_empty() || one.iter().any(|host| other.contains(host))
}
