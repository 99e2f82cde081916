//! Looks up what a spec names by kind: the target, its primary, their autoscalers.
//!
//! Services under release and ScaledObjects are kept whole, for they are copied; what is
//! asked of them is made from that.

use std::sync::Arc;

use rollout::spec::{Autoscaler, TargetKind};

use super::Caches;
use super::key::Key;
use super::kind;
use super::objects::ScalerSeen;
use super::store::Known;
use super::workload::WorkloadSeen;

impl Caches {
    /// A workload that is released, or its primary; of Knative only the canary's revision is told.
    pub fn workload(self: &Arc<Self>, kind: TargetKind, key: &Key) -> Known<WorkloadSeen> {
        match kind {
            TargetKind::Deployment => self.deployments.get(key).map(|seen| seen.open()),
            TargetKind::DaemonSet => self.daemon_sets().get(key).map(|seen| seen.open()),
            TargetKind::Service => self
                .raw(&kind::service())
                .get(key)
                .map(|seen| WorkloadSeen::of_service(&seen.value())),
            TargetKind::Knative => self.latest_revision(key),
        }
    }

    /// The resourceVersion last seen of one.
    pub fn workload_version(self: &Arc<Self>, kind: TargetKind, key: &Key) -> Option<String> {
        match kind {
            TargetKind::Deployment => self.deployments.version(key),
            TargetKind::DaemonSet => self.daemon_sets().version(key),
            TargetKind::Service => self.raw(&kind::service()).version(key),
            TargetKind::Knative => self.raw(&kind::knative_service()).version(key),
        }
    }

    /// An autoscaler of a kind that the spec may name.
    pub fn scaler(self: &Arc<Self>, of: &Autoscaler, key: &Key) -> Known<ScalerSeen> {
        if of.kind != kind::SCALED_OBJECT {
            return self.scalers().get(key);
        }
        self.raw(&kind::scaled_object())
            .get(key)
            .map(|seen| ScalerSeen::of_scaled_object(&seen.value()))
    }
}
