//! Answers the probes of a decision and carries its actions out, each at once.

use rollout::{
    Action, GateAnswer, Measured, Part, Probe, Sample, Seen, Snapshot, TrafficSeen, action::Scale,
    spec::TargetKind,
};

use super::{Cluster, REPLICAS};

impl Cluster {
    pub(super) fn answer(&mut self, probe: Probe) {
        match probe {
            Probe::Check { check, key, since } => {
                self.asked.push(check.name.clone());
                assert!(since <= self.now, "asked for data of the future");
                let fallback = if check.name == "request-success-rate" {
                    100.0
                } else {
                    0.0
                };
                let measured = self.metrics.get(&check.name).cloned();
                let sample = Sample {
                    key,
                    at: self.now,
                    measured: measured.unwrap_or(Measured::Value(fallback)),
                };
                self.answers.put_sample(check.id, sample);
            }
            Probe::Gate { gate, key, .. } => {
                self.asked.push(gate.name.clone());
                let closed = self.closed.get(&gate.name);
                let answer = GateAnswer {
                    key,
                    at: self.now,
                    is_open: closed.is_none(),
                    detail: closed.cloned().unwrap_or_default(),
                };
                self.answers.put_gate(gate.id, answer);
            }
        }
    }

    pub(super) fn carry_out(&mut self, action: &Action) {
        match action {
            Action::AddFinalizer => self.world.has_finalizer = true,
            Action::RemoveFinalizer => self.world.has_finalizer = false,
            Action::Primary { from } => {
                if self.world.primary == Seen::Absent {
                    let mut primary = self.workload(Some(from.clone()));
                    primary.available = 0;
                    self.world.primary = Seen::Present(primary);
                }
            }
            Action::Adopt { snapshot } => self.write_primary(snapshot),
            Action::Promote { snapshot } => {
                self.write_primary(snapshot);
                if self.is_promotion_broken {
                    self.ready.1 = 0;
                }
                if let Seen::Present(primary) = &mut self.world.primary {
                    primary.available = 0;
                }
            }
            Action::Routes(split) => {
                if self.weights.last() != Some(&split.canary.percent()) {
                    self.weights.push(split.canary.percent());
                }
                self.world.traffic = match &mut self.untaken {
                    Some(untaken) => {
                        *untaken = *split;
                        TrafficSeen::Pending(
                            "HTTPRoute \"podinfo\": its Gateway has not looked at it yet".into(),
                        )
                    }
                    None => TrafficSeen::Split(*split),
                };
                self.world.drift.remove(&Part::Routes);
            }
            Action::ScaleTarget(scale) => self.scale(match scale {
                Scale::Zero => 0,
                Scale::Up => REPLICAS,
            }),
            Action::RevertTarget => self.scale(REPLICAS),
            Action::ScalePrimary { replicas_min } => {
                if let Seen::Present(primary) = &mut self.world.primary {
                    primary.desired = primary.desired.max(*replicas_min);
                }
            }
            Action::Services => drop(self.world.drift.remove(&Part::Services)),
            Action::Apex => drop(self.world.drift.remove(&Part::Apex)),
            Action::PrimaryScaler { .. } => drop(self.world.drift.remove(&Part::PrimaryScaler)),
            Action::PauseScaler
            | Action::ResumeScaler
            | Action::RevertApex
            | Action::RevertRoutes
            | Action::RunHooks { .. }
            | Action::Event { .. }
            | Action::Alert { .. }
            | Action::Count { .. } => {}
        }
    }

    fn write_primary(&mut self, snapshot: &Snapshot) {
        if let Seen::Present(primary) = &mut self.world.primary {
            primary.snapshot = Some(snapshot.clone());
        }
    }

    fn scale(&mut self, replicas: u32) {
        let is_scaled = matches!(self.kind, TargetKind::Deployment | TargetKind::DaemonSet);
        if let Seen::Present(target) = &mut self.world.target
            && is_scaled
            && (replicas == 0 || target.desired == 0)
        {
            target.desired = replicas;
            target.available = target.available.min(replicas);
        }
    }
}
