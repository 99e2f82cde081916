//! The table of providers: `spec.provider` to its adapter.

use crate::{adapter::Adapter, gateway_api::GatewayApi, istio::Istio, kubernetes::Kubernetes};

/// Providers that work, in the order of the table.
const SUPPORTED: [&str; 4] = ["gatewayapi:v1", "istio", "kubernetes", "sluice"];

/// A provider without an adapter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.provider is {0:?}: there is no adapter for it; use one of {list}",
    list = SUPPORTED.join(", ")
)]
pub struct UnknownProvider(pub String);

/// The adapter of a provider.
///
/// # Errors
/// When there is none; the error lists what works.
pub fn adapter(provider: &str) -> Result<&'static dyn Adapter, UnknownProvider> {
    match provider {
        "gatewayapi:v1" => Ok(&GatewayApi::V1),
        "sluice" => Ok(&GatewayApi::SLUICE),
        "istio" => Ok(&Istio),
        "kubernetes" => Ok(&Kubernetes),
        other => Err(UnknownProvider(other.to_owned())),
    }
}
