//! The table of providers: `spec.provider` to its adapter.

use crate::{
    adapter::Adapter,
    apisix::Apisix,
    appmesh::{v1beta1::AppMesh, v1beta2::AppMeshV1Beta2},
    contour::Contour,
    gateway_api::GatewayApi,
    gloo::Gloo,
    ingress::{nginx::Nginx, skipper::Skipper},
    istio::Istio,
    knative::Knative,
    kubernetes::Kubernetes,
    kuma::Kuma,
    ports::EachPort,
    smi::Smi,
    traefik::Traefik,
};

/// The providers of a Canary.
const TABLE: [(&str, &dyn Adapter); 20] = [
    ("apisix", &Apisix),
    ("appmesh", &AppMesh),
    ("appmesh:v1beta2", &AppMeshV1Beta2),
    ("contour", &EachPort(Contour)),
    ("gatewayapi:v1", &EachPort(GatewayApi::V1)),
    ("gatewayapi:v1beta1", &EachPort(GatewayApi::V1BETA1)),
    ("gloo", &Gloo),
    ("istio", &Istio),
    ("knative", &Knative),
    ("kubernetes", &Kubernetes),
    ("kuma", &Kuma),
    ("linkerd", &Smi::V1ALPHA1),
    ("nginx", &Nginx),
    ("osm", &Smi::V1ALPHA2),
    ("skipper", &Skipper),
    ("sluice", &EachPort(GatewayApi::SLUICE)),
    ("smi:v1alpha1", &Smi::V1ALPHA1),
    ("smi:v1alpha2", &Smi::V1ALPHA2),
    ("smi:v1alpha3", &Smi::V1ALPHA3),
    ("traefik", &EachPort(Traefik)),
];

/// What only the operator's flag can name: SMI with the mesh behind it.
const SMI_ISTIO: [(&str, &dyn Adapter); 3] = [
    ("smi:v1alpha1:istio", &Smi::V1ALPHA1_ISTIO),
    ("smi:v1alpha2:istio", &Smi::V1ALPHA2_ISTIO),
    ("smi:v1alpha3:istio", &Smi::V1ALPHA3_ISTIO),
];

/// Providers that are told by how they begin, as in Flagger; the first counts. SMI names its mesh behind the version.
const BEGINNINGS: [&str; 7] = [
    "appmesh:v1beta2",
    "gatewayapi:v1beta1",
    "gatewayapi:v1",
    "gloo",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
];

/// A provider without an adapter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.provider is {0:?}: there is no adapter for it; use one of {list}",
    list = TABLE.map(|(name, _)| name).join(", ")
)]
pub struct UnknownProvider(pub String);

/// The adapter of a provider.
///
/// # Errors
/// When there is none; the error lists what works.
pub fn adapter(provider: &str) -> Result<&'static dyn Adapter, UnknownProvider> {
    let find = |name: &str| {
        let mut rows = TABLE.into_iter().chain(SMI_ISTIO);
        rows.find_map(|(known, adapter)| (known == name).then_some(adapter))
    };
    let mut beginnings = BEGINNINGS.into_iter();
    find(provider)
        .or_else(|| find(beginnings.find(|one| provider.starts_with(one))?))
        .ok_or_else(|| UnknownProvider(provider.to_owned()))
}
