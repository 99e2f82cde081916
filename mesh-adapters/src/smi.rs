//! SMI (linkerd, osm, smi:*): one TrafficSplit (spec/flagger.md 4.3).

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

/// Istio's SMI adapter reads the gateways from here.
const GATEWAYS: &str = "VirtualService.v1alpha3.networking.istio.io/spec.gateways";

/// v1alpha1's.
pub(crate) const V1ALPHA1: Kind = kind("split.smi-spec.io/v1alpha1");
/// v1alpha2's.
pub(crate) const V1ALPHA2: Kind = kind("split.smi-spec.io/v1alpha2");
/// v1alpha3's.
pub(crate) const V1ALPHA3: Kind = kind("split.smi-spec.io/v1alpha3");

const fn kind(api_version: &'static str) -> Kind {
    Kind {
        api_version,
        kind: "TrafficSplit",
        plural: "trafficsplits",
    }
}

/// TrafficSplits of one version.
#[derive(Debug)]
pub(crate) struct Smi {
    kind: Kind,
    /// v1alpha1 has quantities, which are written as text.
    is_weight_text: bool,
    /// The mesh behind it is Istio.
    is_istio: bool,
}

impl Smi {
    /// Providers `linkerd` and `smi:v1alpha1`.
    pub(crate) const V1ALPHA1: Self = Self {
        kind: V1ALPHA1,
        is_weight_text: true,
        is_istio: false,
    };
    /// Providers `osm` and `smi:v1alpha2`.
    pub(crate) const V1ALPHA2: Self = Self {
        kind: V1ALPHA2,
        is_weight_text: false,
        is_istio: false,
    };
    /// Provider `smi:v1alpha3`.
    pub(crate) const V1ALPHA3: Self = Self {
        kind: V1ALPHA3,
        is_weight_text: false,
        is_istio: false,
    };
    /// Provider `smi:v1alpha1:istio`.
    pub(crate) const V1ALPHA1_ISTIO: Self = Self {
        is_istio: true,
        ..Self::V1ALPHA1
    };
    /// Provider `smi:v1alpha2:istio`.
    pub(crate) const V1ALPHA2_ISTIO: Self = Self {
        is_istio: true,
        ..Self::V1ALPHA2
    };
    /// Provider `smi:v1alpha3:istio`.
    pub(crate) const V1ALPHA3_ISTIO: Self = Self {
        is_istio: true,
        ..Self::V1ALPHA3
    };

    fn object(&self, route: &Route) -> ObjectRef {
        self.kind.named(&route.namespace, route.apex.as_str())
    }

    fn backend(&self, service: &str, weight: Weight) -> Value {
        let weight = if self.is_weight_text {
            Value::from(weight.to_string())
        } else {
            weight.percent().into()
        };
        json!({"service": service, "weight": weight})
    }
}

impl Adapter for Smi {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![self.object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::mirror(route, "SMI")?;
        refuse::sessions(route, "SMI")?;
        refuse::matches(route, "SMI")?;
        let there = live.at(&self.object(route));
        let mut metadata = metadata::named(route, &route.apex, there);
        if self.is_istio && !route.service.gateways.is_empty() {
            let gateways = Value::from(route.service.gateways.clone()).to_string();
            metadata::annotate(&mut metadata, [(GATEWAYS.to_owned(), gateways.into())]);
        }
        let root = route.service.hosts.first().unwrap_or(&route.apex);
        let spec = json!({
            "service": root,
            "backends": [
                self.backend(&route.canary(), route.split.canary),
                self.backend(&route.primary(), route.split.primary()),
            ],
        });
        Ok(vec![self.kind.manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        Backends::of(route, "/service", "/weight", 0).split(
            live,
            &self.object(route),
            "/spec/backends",
        )
    }
}
