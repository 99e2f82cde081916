//! `spec.analysis`: the steps of a release, and the metrics, webhooks and alerts beside it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::{StringMatch, matches};
use crate::CrossNamespaceRef;

/// How a new revision is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryAnalysis {
    /// Time between checks, a Go duration (60s; at least 10s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(m|s)"))]
    pub interval: Option<String>,
    /// Failed checks before the release is rolled back (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub threshold: Option<i64>,
    /// Checks to pass in A/B and blue/green releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub iterations: Option<i64>,
    /// Percent of traffic that each step adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub step_weight: Option<i64>,
    /// Percent of traffic at each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "number"}))]
    pub step_weights: Option<Vec<i64>>,
    /// Percent of traffic after which the release is promoted (100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub max_weight: Option<i64>,
    /// Percent of traffic that each promotion step gives back to the primary; 0 gives all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub step_weight_promotion: Option<i64>,
    /// Copy requests to the canary before it gets any.
    #[serde(default)]
    pub mirror: bool,
    /// Percent of requests to copy (Istio); 0 means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub mirror_weight: Option<i64>,
    /// Percent of the primary's pods that must be available (100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub primary_ready_threshold: Option<i64>,
    /// Percent of the canary's pods that must be available (100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub canary_ready_threshold: Option<i64>,
    /// Which requests reach the canary in an A/B release.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "match")]
    pub match_: Option<Vec<AnalysisMatch>>,
    /// Which requests always reach the canary once it has traffic, while all others are split by weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub testers: Vec<AnalysisMatch>,
    /// Metrics that must stay within their thresholds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<CanaryMetric>,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<CanaryAlert>,
    /// Gates and hooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<CanaryWebhook>,
    /// Keep a user on the version first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<SessionAffinity>,
    /// Sluice: what is done when metrics give no verdict for long; hold for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<OnUnknown>,
}

/// What is done when metrics give no verdict for long (server away, no traffic, several series).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnUnknown {
    /// How long in a row there may be no verdict, a Go duration.
    #[schemars(regex(pattern = "^[0-9]+(h|m|s)"))]
    pub deadline: String,
    /// What is done then.
    #[serde(default)]
    pub action: UnknownAction,
}

/// What is done when there was no verdict for as long as `deadline`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownAction {
    /// The weight stays, and an alert is sent.
    #[default]
    Hold,
    /// The release is rolled back.
    Rollback,
}

/// One condition that chooses users: all of its parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisMatch {
    /// Header name to the value wanted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "matches::headers_of_users")]
    pub headers: BTreeMap<String, StringMatch>,
    /// Query parameter to the value wanted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "matches::named")]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Labels of the workload that sends the request (Istio).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
}

/// One metric of an analysis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryMetric {
    /// Name; `request-success-rate` and `request-duration` are built in.
    pub name: String,
    /// Window that the query looks at, a Go duration (1m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(m|s)"))]
    pub interval: Option<String>,
    /// Highest value allowed (lowest for request-success-rate). Deprecated for `thresholdRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Lowest and highest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_range: Option<ThresholdRange>,
    /// A query of the canary's Prometheus. Deprecated for `templateRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The MetricTemplate that measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<CrossNamespaceRef>,
    /// Values for `{{ variables.key }}` in the template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub template_variables: BTreeMap<String, String>,
}

/// Lowest and highest value allowed, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdRange {
    /// Lowest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Highest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// Where alerts of a canary go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryAlert {
    /// Name.
    pub name: String,
    /// Least severe alert that is sent: info, warn or error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["", "info", "warn", "error"]))]
    pub severity: Option<String>,
    /// The AlertProvider that sends it.
    pub provider_ref: CrossNamespaceRef,
}

/// A gate or a hook of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryWebhook {
    /// When it is asked; `rollout` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub type_: Option<WebhookType>,
    /// Name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Leave out the alert that it is waited for.
    #[serde(default)]
    pub mute_alert: bool,
    /// Time an attempt may take, a Go duration (10s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(m|s)"))]
    pub timeout: Option<String>,
    /// Further attempts after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number"))]
    pub retries: Option<i64>,
    /// Sluice, of confirm-… alone: how long it may stay closed, a Go duration (24h); then the release is rolled back.
    /// Without it, it is waited for without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Accept any certificate.
    #[serde(default, rename = "disableTLS")]
    pub disable_tls: bool,
    /// Sent along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// When a webhook is asked (Flagger's words).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookType {
    /// The empty type, which Flagger reads as `rollout`.
    #[serde(rename = "")]
    Unset,
    /// Before a new revision is scaled up.
    ConfirmRollout,
    /// Before the canary gets its first traffic.
    PreRollout,
    /// At the start of each check.
    #[default]
    Rollout,
    /// Before each rise of the canary's weight.
    ConfirmTrafficIncrease,
    /// Before promotion.
    ConfirmPromotion,
    /// After the end, either way.
    PostRollout,
    /// At each check: an approval rolls back.
    Rollback,
    /// At each event.
    Event,
}

/// Cookies that keep a user on the version first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionAffinity {
    /// Cookie for users of the canary.
    pub cookie_name: String,
    /// Cookie for users of the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_cookie_name: Option<String>,
    /// Attribute Domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Attribute HttpOnly.
    #[serde(default)]
    pub http_only: bool,
    /// Attribute Max-Age in seconds (86400).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "number", "default" = 86400))]
    pub max_age: Option<i64>,
    /// Attribute Partitioned.
    #[serde(default)]
    pub partitioned: bool,
    /// Attribute Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Attribute SameSite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Strict", "Lax", "None"]))]
    pub same_site: Option<String>,
    /// Attribute Secure.
    #[serde(default)]
    pub secure: bool,
}
