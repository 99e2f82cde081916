//! Traefik: one TraefikService (spec/flagger.md 4.9).
//!
//! Traefik takes a missing weight for 1, so weights of 0 are written.

use rollout::{Split, Weight};
use serde_json::{Value, json};

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen::Backends,
};

pub(crate) const TRAEFIK_SERVICE: Kind = Kind {
    api_version: "traefik.io/v1alpha1",
    kind: "TraefikService",
    plural: "traefikservices",
};
const WEIGHT_DEFAULT: i64 = 1;

/// Traefik's objects.
#[derive(Debug)]
pub(crate) struct Traefik;

fn object(route: &Route) -> ObjectRef {
    TRAEFIK_SERVICE.named(&route.namespace, route.name.as_str())
}

fn service(route: &Route, name: &str, weight: Weight) -> Value {
    json!({
        "name": name,
        "namespace": route.namespace,
        "port": route.service.port,
        "weight": weight.percent(),
    })
}

impl Adapter for Traefik {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::mirror(route, "Traefik")?;
        refuse::sessions(route, "Traefik")?;
        refuse::matches(route, "Traefik")?;
        let mut services = vec![service(route, &route.primary(), route.split.primary())];
        // A canary that rests has no endpoints, and Traefik complains of a listed Service without any.
        if !route.split.canary.is_zero() {
            services.push(service(route, &route.canary(), route.split.canary));
        }
        let metadata = metadata::apex(route, live.at(&object(route)));
        let spec = json!({"weighted": {"services": services}});
        Ok(vec![TRAEFIK_SERVICE.manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let backends = Backends {
            is_canary_optional: true,
            ..Backends::of(route, "/name", "/weight", WEIGHT_DEFAULT)
        };
        backends.split(live, &object(route), "/spec/weighted/services")
    }
}
