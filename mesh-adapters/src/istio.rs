//! Istio: one VirtualService and two DestinationRules (spec/flagger.md 4.2).

use rollout::Split;

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    object::{Live, Manifest, ObjectRef, Replacement},
    route::Route,
};

const API_VERSION: &str = "networking.istio.io/v1beta1";

/// Istio's objects.
#[derive(Debug)]
pub(crate) struct Istio;

fn named(route: &Route, kind: &str, plural: &str, name: String) -> ObjectRef {
    ObjectRef {
        api_version: API_VERSION.into(),
        kind: kind.into(),
        plural: plural.into(),
        namespace: route.namespace.clone(),
        name,
    }
}

impl Adapter for Istio {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![
            named(route, "DestinationRule", "destinationrules", route.canary()),
            named(
                route,
                "DestinationRule",
                "destinationrules",
                route.primary(),
            ),
            named(
                route,
                "VirtualService",
                "virtualservices",
                route.apex.clone(),
            ),
        ]
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
