//! Canary: which workload is released, how its traffic is split, and what judges it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod analysis;
pub mod service;
pub mod status;

pub use analysis::{
    CanaryAlert, CanaryAnalysis, CanaryMetric, CanaryWebhook, OnUnknown, SessionAffinity,
    ThresholdRange, UnknownAction, WebhookType,
};
pub use service::CanaryService;
pub use status::{CanaryPhase, CanaryStatus};

/// A `flagger.app/v1beta1` Canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Name, namespace, uid and the rest.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: CanarySpec,
    /// What has happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<CanaryStatus>,
}

/// What the user wants of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanarySpec {
    /// Traffic provider; the operator's `-mesh-provider` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = crate::canary::PROVIDERS))]
    pub provider: Option<String>,
    /// Base URL of the Prometheus that answers built-in and inline queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_server: Option<String>,
    /// The workload to release, in the same namespace.
    pub target_ref: TargetRef,
    /// The autoscaler of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler_ref: Option<AutoscalerRef>,
    /// The Ingress of the workload (NGINX, Skipper).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_ref: Option<ObjectRef>,
    /// The route of the workload (APISIX).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_ref: Option<ObjectRef>,
    /// The Upstream to copy settings from (Gloo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ref: Option<NamespacedObjectRef>,
    /// The Services and routes to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<CanaryService>,
    /// How a new revision is judged. The schema requires it; absent only in objects older than the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<CanaryAnalysis>,
    /// Deprecated name of `analysis`, read when that is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub canary_analysis: Option<CanaryAnalysis>,
    /// Seconds a workload may take to become ready (600).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub progress_deadline_seconds: Option<i32>,
    /// Promote without judging.
    #[serde(default)]
    pub skip_analysis: bool,
    /// Put back what was there before when the Canary is deleted.
    #[serde(default)]
    pub revert_on_deletion: bool,
    /// Freeze: nothing is reconciled.
    #[serde(default)]
    pub suspend: bool,
}

/// The values `spec.provider` can take: Flagger's, and `sluice` for Sluice's own gateway.
pub const PROVIDERS: [&str; 20] = [
    "apisix",
    "appmesh",
    "appmesh:v1beta2",
    "contour",
    "gatewayapi:v1",
    "gatewayapi:v1beta1",
    "gloo",
    "istio",
    "knative",
    "kubernetes",
    "kuma",
    "linkerd",
    "nginx",
    "osm",
    "skipper",
    "sluice",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
    "traefik",
];

/// Names the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// API version, for example `apps/v1`.
    pub api_version: String,
    /// Deployment, DaemonSet or Service.
    #[schemars(extend("enum" = ["DaemonSet", "Deployment", "Service"]))]
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Names an object of a kind in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Names an object of a kind, maybe in another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedObjectRef {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; not defaulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Names the autoscaler and what the primary's differs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerRef {
    /// API version; ignored for HorizontalPodAutoscaler, which is always read as `autoscaling/v2`.
    pub api_version: String,
    /// HorizontalPodAutoscaler or ScaledObject.
    #[schemars(extend("enum" = ["HorizontalPodAutoscaler", "ScaledObject"]))]
    pub kind: String,
    /// Name.
    pub name: String,
    /// KEDA: trigger name to the query that the primary uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub primary_scaler_queries: BTreeMap<String, String>,
    /// Replica bounds of the primary's autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_scaler_replicas: Option<ScalerReplicas>,
}

/// Replica bounds of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalerReplicas {
    /// At least this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub min_replicas: Option<i32>,
    /// At most this many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_replicas: Option<i32>,
}

impl Canary {
    /// The analysis, under its name or its deprecated one.
    #[must_use]
    pub fn analysis(&self) -> Option<&CanaryAnalysis> {
        self.spec
            .analysis
            .as_ref()
            .or(self.spec.canary_analysis.as_ref())
    }

    /// `spec.service.name`, or the target's name: the name users connect to.
    #[must_use]
    pub fn apex(&self) -> &str {
        self.spec
            .service
            .as_ref()
            .and_then(|s| s.name.as_deref())
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.spec.target_ref.name)
    }
}
