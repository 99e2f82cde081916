//! Gateway API: one HTTPRoute (spec/flagger.md 4.12).

use rollout::Split;

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    object::{Live, Manifest, ObjectRef, Replacement},
    route::Route,
};

/// HTTPRoutes of `gateway.networking.k8s.io/v1`.
#[derive(Debug)]
pub(crate) struct GatewayApi {
    /// Gateway for Canaries that name none: name and namespace.
    pub(crate) gateway_default: Option<(&'static str, &'static str)>,
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
}

impl Adapter for GatewayApi {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![ObjectRef {
            api_version: "gateway.networking.k8s.io/v1".into(),
            kind: "HTTPRoute".into(),
            plural: "httproutes".into(),
            namespace: route.namespace.clone(),
            name: route.apex.clone(),
        }]
    }

    fn render(&self, _: &Route, _: &Live) -> Result<Vec<Manifest>, RenderError> {
        Ok(Vec::new())
    }

    fn seen(&self, route: &Route, _: &Live) -> Result<Split, ReadError> {
        Ok(route.split)
    }

    fn restore(&self, _: &Route, _: &Live) -> Vec<Replacement> {
        Vec::new()
    }
}
