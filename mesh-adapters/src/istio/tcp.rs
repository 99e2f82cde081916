//! TCP routes of a VirtualService: ports and weights, nothing else.

use serde_json::{Map, Value, json};

use super::destinations;
use crate::route::Route;

/// The one route wanted.
pub(super) fn routes(route: &Route) -> Vec<Value> {
    let ports: Vec<Value> = route
        .service
        .match_
        .iter()
        .filter_map(|given| given.port)
        .map(|port| json!({"port": port}))
        .collect();
    let mut wanted = Map::new();
    if !ports.is_empty() {
        wanted.insert("match".into(), ports.into());
    }
    wanted.insert("route".into(), destinations(route).into());
    vec![wanted.into()]
}
