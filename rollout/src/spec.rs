//! The Canary spec after validation: every value parsed, every default filled in.
//!
//! Past this border nothing is checked again. Parsing is in `spec/parse.rs`; what was wrong comes back as
//! findings, all at once. It does not look at the cluster.

use chrono::TimeDelta;

use crate::{cookies::Affinity, weight::Weight};

pub mod check;
pub mod finding;
pub mod gate;
mod parse;
pub mod strategy;
pub mod unknown;

pub use check::{Check, CheckId, CheckSource, Limits};
pub use finding::{Finding, Findings};
pub use gate::{Gate, GateId, GateKind};
pub use strategy::{Next, Strategy};
pub use unknown::{OnUnknown, UnknownAction};

/// Settings of the operator that a Canary falls back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// `-mesh-provider`.
    pub provider: String,
    /// `-metrics-server`.
    pub metrics_server: String,
    /// Shorter analysis intervals are raised to this; 10 s as Flagger has it.
    pub interval_min: TimeDelta,
    /// `-no-cross-namespace-refs`.
    pub is_cross_namespace_blocked: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            provider: "istio".into(),
            metrics_server: "http://prometheus:9090".into(),
            interval_min: TimeDelta::seconds(10),
            is_cross_namespace_blocked: false,
        }
    }
}

/// A Canary that can be acted on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidSpec {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`; part of the idempotency keys of webhooks.
    pub uid: String,
    /// The routing provider, from the spec or the default.
    pub provider: String,
    /// Base URL of the Prometheus for built-in and inline queries.
    pub metrics_server: String,
    /// The workload under release.
    pub target: Target,
    /// Name of the apex Service: `service.name`, else the target's name.
    pub apex: String,
    /// The target's autoscaler, when there is one.
    pub autoscaler: Option<Autoscaler>,
    /// Time between two rounds of checks.
    pub interval: TimeDelta,
    /// Failed rounds before a rollback, at least 1.
    pub threshold: u32,
    /// How traffic moves.
    pub strategy: Strategy,
    /// Step by which the primary takes its traffic back; `None` is one jump.
    pub promotion_step: Option<Weight>,
    /// Share of the canary's pods that must be available.
    pub canary_ready_threshold: Percent,
    /// Share of the primary's pods that must be available.
    pub primary_ready_threshold: Percent,
    /// Time without progress before a workload counts as stuck.
    pub progress_deadline: TimeDelta,
    /// Promote without analysing.
    pub is_analysis_skipped: bool,
    /// Put things back on deletion.
    pub is_reverted_on_deletion: bool,
    /// Frozen.
    pub is_suspended: bool,
    /// Metrics to check, in the order they are asked: built-in and inline ones, then templates.
    pub checks: Vec<Check>,
    /// What is done when they give no verdict for long; `None` is to hold for ever.
    pub on_unknown: Option<OnUnknown>,
    /// Cookies that keep users where they are; `None` without.
    pub affinity: Option<Affinity>,
    /// Webhooks in the order of the spec, but for those of type event.
    pub gates: Vec<Gate>,
    /// Warnings about settings that the provider cannot follow, told as events when a run starts.
    pub notices: Vec<&'static str>,
}

/// The workload of `spec.targetRef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub kind: TargetKind,
    /// Its apiVersion.
    pub api_version: String,
    /// Its name.
    pub name: String,
}

/// Kinds that can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// core/v1 Service.
    Service,
    /// serving.knative.dev/v1 Service: its revisions are primary and canary.
    Knative,
}

impl TargetKind {
    /// The kind as manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::Service | Self::Knative => "Service",
        }
    }
}

/// The autoscaler of `spec.autoscalerRef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaler {
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A share in per cent, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const FULL: Self = Self(100);

    /// `None` above 100.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// The share in per cent.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl ValidSpec {
    /// Parses and checks a Canary.
    ///
    /// # Errors
    /// Everything that is wrong with it, not just the first thing.
    pub fn validate(canary: &api::Canary, defaults: &Defaults) -> Result<Self, Findings> {
        parse::validate(canary, defaults)
    }

    /// `<name>.<namespace>`, as events name a canary.
    #[must_use]
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// Name of the primary: `<target>-primary`.
    #[must_use]
    pub fn primary_name(&self) -> String {
        format!("{}-primary", self.target.name)
    }

    /// False for provider `kubernetes`, which has no routing objects: its Services switch at once.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        self.provider != "kubernetes"
    }

    /// True for App Mesh: a pod gets its proxy only when its VirtualNode is there before it.
    #[must_use]
    pub fn is_routed_before_pods(&self) -> bool {
        self.provider.starts_with("appmesh")
    }

    /// The gates of one kind, in the order of the spec.
    pub fn gates_of(&self, kind: GateKind) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(move |gate| gate.kind == kind)
    }
}
