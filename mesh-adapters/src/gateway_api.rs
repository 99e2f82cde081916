//! Gateway API: one HTTPRoute (spec/flagger.md 4.12), or one GRPCRoute where `service.routeKind` says so.
//!
//! What a GRPCRoute has instead is in `gateway_api/grpc.rs`. Rules are in `gateway_api/rule.rs` and
//! `gateway_api/sticky.rs`, matches in `gateway_api/matches.rs`, filters in `gateway_api/filters.rs`, what keeps several
//! ports apart in `gateway_api/listeners.rs`, what the gateway says of it in `gateway_api/status.rs`.

use api::canary::service::RouteKind;
use rollout::Split;
use serde_json::{Map, Value, json};

use crate::{
    adapter::Adapter,
    drift,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef},
    route::Route,
    seen,
};

mod filters;
mod grpc;
mod listeners;
mod matches;
mod rule;
mod status;
mod sticky;

const GROUP: &str = "gateway.networking.k8s.io";
pub(crate) const ROUTE_V1: Kind = Kind {
    api_version: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    plural: "httproutes",
};
pub(crate) const ROUTE_V1BETA1: Kind = Kind {
    api_version: "gateway.networking.k8s.io/v1beta1",
    ..ROUTE_V1
};

/// The only version of GRPCRoute that is stable, whatever that of the others.
pub(crate) const GRPC_ROUTE: Kind = Kind {
    kind: "GRPCRoute",
    plural: "grpcroutes",
    ..ROUTE_V1
};

/// Routes of one version.
#[derive(Debug)]
pub(crate) struct GatewayApi {
    kind: Kind,
    /// Time-outs and CORS are written, and the gateway's word is waited for.
    has_v1_fields: bool,
    /// Gateway for Canaries that name none: name and namespace.
    gateway_default: Option<(&'static str, &'static str)>,
    /// Listeners of one Gateway are told apart; where they are not, hosts alone keep ports apart.
    has_listeners: bool,
}

impl GatewayApi {
    /// Provider `gatewayapi:v1`: `service.gatewayRefs` is mandatory.
    pub(crate) const V1: Self = Self {
        kind: ROUTE_V1,
        has_v1_fields: true,
        gateway_default: None,
        has_listeners: true,
    };

    /// Provider `gatewayapi:v1beta1`: as `V1`, less what that version did not have when it came.
    pub(crate) const V1BETA1: Self = Self {
        kind: ROUTE_V1BETA1,
        has_v1_fields: false,
        gateway_default: None,
        has_listeners: true,
    };

    /// Provider `sluice`: the same objects, for our own gateway, which has one address for all of its listeners.
    pub(crate) const SLUICE: Self = Self {
        kind: ROUTE_V1,
        has_v1_fields: true,
        gateway_default: Some(("sluice", "sluice-system")),
        has_listeners: false,
    };

    fn kind(&self, route: &Route) -> &Kind {
        match route.service.route_kind.unwrap_or_default() {
            RouteKind::Http => &self.kind,
            RouteKind::Grpc => &GRPC_ROUTE,
        }
    }

    fn object(&self, route: &Route) -> ObjectRef {
        self.kind(route)
            .named(&route.namespace, route.name.as_str())
    }

    /// The route less what this version does not honour.
    fn honoured(&self, route: &Route) -> Result<Route, RenderError> {
        let mut honoured = route.clone();
        match route.service.route_kind.unwrap_or_default() {
            RouteKind::Http => {}
            RouteKind::Grpc => grpc::honour(&mut honoured)?,
        }
        if !self.has_v1_fields {
            honoured.service.timeout = None;
            honoured.service.backend_timeout = None;
            honoured.service.cors_policy = None;
            if let Some(cookies) = &mut honoured.cookies {
                cookies.primary = None;
            }
        }
        Ok(honoured)
    }

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
        vec![self.object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        listeners::check(self, route)?;
        let mut spec = Map::new();
        spec.insert("parentRefs".into(), self.parent_refs(route)?.into());
        if !route.service.hosts.is_empty() {
            spec.insert("hostnames".into(), route.service.hosts.clone().into());
        }
        spec.insert("rules".into(), rule::rules(&self.honoured(route)?)?.into());
        let metadata = metadata::apex(route, live.at(&self.object(route)));
        Ok(vec![self.kind(route).manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let reference = self.object(route);
        let object = seen::there(live, &reference)?;
        if self.has_v1_fields {
            status::accepted(object, &reference)?;
        }
        rule::split(object, route, &reference)
    }

    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        // What the gateway says of the route is no drift.
        let reference = self.object(route);
        let split = live
            .at(&reference)
            .and_then(|object| rule::split(object, route, &reference).ok());
        drift::has_drifted(self, route, live, split)
    }
}
