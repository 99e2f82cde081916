//! The custom resources that Sluice reads and writes.
//!
//! Types, schemas and lenient decoding only: nothing here decides or talks to a cluster.
//! Field names, defaults and printer columns are Flagger's (`flagger.app/v1beta1`) and
//! Flux's (`*.toolkit.fluxcd.io/v1`); what Sluice adds is optional and says so.

pub mod alert_provider;
pub mod canary;
pub mod condition;
pub mod crd;
pub mod decode;
pub mod duration;
pub mod kustomization;
pub mod metric_template;
mod resource;
pub mod source;
pub mod time;

pub use alert_provider::AlertProvider;
pub use canary::Canary;
pub use condition::{Condition, ConditionStatus};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
pub use kustomization::Kustomization;
pub use metric_template::MetricTemplate;
pub use source::GitRepository;
pub use time::Time;

/// Names an object in the same or another namespace.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct CrossNamespaceRef {
    /// Name of the object.
    pub name: String,
    /// Namespace of the object; that of the referring object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Names an object in the same namespace.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct LocalRef {
    /// Name of the object.
    pub name: String,
}
