//! Gateway API: one HTTPRoute (spec/flagger.md 4.12).
//!
//! Rules are in `gateway_api/rule.rs`, matches in `gateway_api/matches.rs`, filters in `gateway_api/filters.rs`, what
//! the gateway says of it in `gateway_api/status.rs`.

use rollout::Split;
use serde_json::{Map, Value, json};

use crate::{
    adapter::Adapter,
    drift::differs,
    error::{ReadError, RenderError},
    metadata,
    object::{Live, Manifest, ObjectRef, Replacement},
    route::Route,
};

mod filters;
mod matches;
mod rule;
mod status;

const API_VERSION: &str = "gateway.networking.k8s.io/v1";
const GROUP: &str = "gateway.networking.k8s.io";
const KIND: &str = "HTTPRoute";

/// HTTPRoutes of `gateway.networking.k8s.io/v1`.
#[derive(Debug)]
pub(crate) struct GatewayApi {
    /// Gateway for Canaries that name none: name and namespace.
    gateway_default: Option<(&'static str, &'static str)>,
}

impl GatewayApi {
    /// Provider `gatewayapi:v1`: `service.gatewayRefs` is mandatory.
    pub(crate) const V1: Self = Self {
        gateway_default: None,
    };

    /// Provider `sluice`: the same objects, for our own gateway.
    pub(crate) const SLUICE: Self = Self {
        gateway_default: Some(("sluice", "sluice-system")),
    };

    fn parent_refs(&self, route: &Route) -> Result<Vec<Value>, RenderError> {
        let given: Vec<Value> = route
            .service
            .gateway_refs
            .iter()
            .map(|parent| {
                let mut reference = Map::new();
                let group = parent.group.as_deref().unwrap_or(GROUP);
                let kind = parent.kind.as_deref().unwrap_or("Gateway");
                reference.insert("group".into(), group.into());
                reference.insert("kind".into(), kind.into());
                reference.insert("name".into(), parent.name.clone().into());
                put(&mut reference, "namespace", parent.namespace.clone());
                put(&mut reference, "sectionName", parent.section_name.clone());
                put(&mut reference, "port", parent.port);
                reference.into()
            })
            .collect();
        match (given.is_empty(), self.gateway_default) {
            (false, _) => Ok(given),
            (true, Some((name, namespace))) => Ok(vec![json!({
                "group": GROUP, "kind": "Gateway", "name": name, "namespace": namespace,
            })]),
            (true, None) => Err(RenderError::Missing {
                field: "spec.service.gatewayRefs".into(),
                cure: "name the Gateway that takes the route".into(),
            }),
        }
    }
}

/// Puts a value that is there.
fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

impl Adapter for GatewayApi {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![ObjectRef {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            plural: "httproutes".into(),
            namespace: route.namespace.clone(),
            name: route.apex.clone(),
        }]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        if route.session_affinity.is_some() {
            return Err(RenderError::Unsupported {
                field: "spec.analysis.sessionAffinity".into(),
                value: "given".into(),
                cure: "sticky sessions cannot be routed; remove it".into(),
            });
        }
        let mut spec = Map::new();
        spec.insert("parentRefs".into(), self.parent_refs(route)?.into());
        if !route.service.hosts.is_empty() {
            spec.insert("hostnames".into(), route.service.hosts.clone().into());
        }
        spec.insert("rules".into(), rule::rules(route)?.into());
        let there = live.get(KIND, &route.apex);
        Ok(vec![json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata::apex(route, there),
            "spec": spec,
        })])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let object = live
            .get(KIND, &route.apex)
            .ok_or_else(|| ReadError::Missing {
                kind: KIND.into(),
                name: route.apex.clone(),
            })?;
        status::accepted(object, &route.apex)?;
        rule::split(object, route)
    }

    fn restore(&self, _: &Route, _: &Live) -> Vec<Replacement> {
        Vec::new()
    }

    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        let split = live
            .get(KIND, &route.apex)
            .and_then(|object| rule::split(object, route).ok());
        let as_seen = Route {
            split: split.unwrap_or(route.split),
            ..route.clone()
        };
        let wanted = self.render(&as_seen, live)?;
        Ok(wanted
            .iter()
            .any(|manifest| differs(manifest, live.of(manifest))))
    }
}
