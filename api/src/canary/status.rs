//! `status` of a Canary: Flagger's fields, and ours under `analysis`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Time};

/// Where a release stands (Flagger's words).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum CanaryPhase {
    /// Not seen yet.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// The primary is being made.
    Initializing,
    /// The primary serves; no release yet.
    Initialized,
    /// A new revision waits for its confirm-rollout gate.
    Waiting,
    /// The canary gets traffic and is judged.
    Progressing,
    /// The analysis passed and waits for its confirm-promotion gate.
    WaitingPromotion,
    /// The revision is being copied to the primary.
    Promoting,
    /// All traffic is back on the primary; the canary is scaled down.
    Finalising,
    /// Promoted.
    Succeeded,
    /// Rolled back, or the promotion failed.
    Failed,
    /// Being reverted before deletion.
    Terminating,
    /// Reverted; never written, kept for scripts that name it.
    Terminated,
}

/// What has happened to a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// Where the release stands.
    #[serde(default)]
    pub phase: CanaryPhase,
    /// Failed checks of this release.
    #[serde(default)]
    #[schemars(extend("type" = "number"))]
    pub failed_checks: i64,
    /// Percent of traffic on the canary.
    #[serde(default)]
    #[schemars(extend("type" = "number"))]
    pub canary_weight: i64,
    /// Iterations done (A/B and blue/green).
    #[serde(default)]
    #[schemars(extend("type" = "number"))]
    pub iterations: i64,
    /// `configmap/<name>` or `secret/<name>` to the checksum of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_configs: Option<BTreeMap<String, String>>,
    /// Digest of the revision last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_spec: Option<String>,
    /// Digest of the revision last promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_promoted_spec: Option<String>,
    /// When the status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Cookie of this release's canary users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_affinity_cookie: Option<String>,
    /// Cookie of the last release's canary users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_session_affinity_cookie: Option<String>,
    /// Cookie of the primary's users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_session_affinity_cookie: Option<String>,
    /// `Promoted`, and `Stalled` while the spec cannot be followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Sluice: the generation of the spec in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Sluice: why the release stands where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisStatus>,
    /// Sluice: Services and routing objects made for this Canary; they are deleted when the spec asks for others
    /// (at most 128).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<ObjectStatus>,
}

/// An object, in the namespace of the Canary unless its kind has none.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// `gateway.networking.k8s.io/v1`.
    pub api_version: String,
    /// `HTTPRoute`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The evidence of the current or last run, bounded in size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisStatus {
    /// When the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// When the current step began: checks must be measured after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_started: Option<Time>,
    /// When the canary's first traffic had arrived: no check looks back further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_started: Option<Time>,
    /// When the current wait for pods began: the progress deadline counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_started: Option<Time>,
    /// Since when the checks have given no verdict; absent while they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Time>,
    /// The gate that is waited for, while one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_gate: Option<ClosedGateStatus>,
    /// When the checks were last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<Time>,
    /// The weights of the canary so far, in order (at most 101).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<u8>,
    /// Checks that passed, of the whole run.
    #[serde(default)]
    pub passed: u32,
    /// Checks that failed, of the whole run.
    #[serde(default)]
    pub failed: u32,
    /// The last answer of each check (at most 32).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,
    /// The one thing that is waited for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<String>,
    /// The last decision, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// How the run ended, when it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeStatus>,
}

/// A gate that keeps a release waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClosedGateStatus {
    /// Its name.
    pub name: String,
    /// Letters that stand for the revision that it keeps waiting: another one has all of the gate's deadline again.
    pub about: String,
    /// Since when it has been closed.
    pub since: Time,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeStatus {
    /// How, in a word.
    pub kind: OutcomeKind,
    /// The evidence, in one sentence.
    pub reason: String,
}

/// How a run can end.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OutcomeKind {
    /// The first version serves from the primary.
    Initialised,
    /// The new version serves from the primary.
    Promoted,
    /// The old version serves from the primary.
    RolledBack,
    /// The primary did not come up with the new version; the canary serves it.
    PromotionFailed,
}

/// The last answer of one check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// Name of the metric or webhook.
    pub name: String,
    /// Measured value in words with its unit, or why there is none.
    pub value: String,
    /// What it must be, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// `pass`, `fail` or `unknown`.
    pub verdict: String,
    /// When it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}
