//! What the words of a script change in what is observed.

use std::collections::BTreeMap;

use rollout::world::WorkloadCondition;
use rollout::{Measured, Part, Seen, Split, TrafficSeen, Weight, spec::TargetKind};

use super::Cluster;

/// `up`, `down`, or how many pods of it are ready.
fn ready(count: &str) -> u32 {
    match count {
        "up" => u32::MAX,
        "down" => 0,
        number => number.parse().unwrap(),
    }
}

impl Cluster {
    pub(super) fn word(&mut self, word: &str) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match (key, value) {
            ("canary", count) => self.ready.0 = ready(count),
            ("primary", "breaks") => self.is_promotion_broken = true,
            ("primary", "gone") => self.world.primary = Seen::Absent,
            ("primary", count) => {
                self.ready.1 = ready(count);
                self.is_promotion_broken = false;
            }
            ("target", "gone") => self.world.target = Seen::Absent,
            ("target", "fault") => {
                let why = "ConfigMap test/a does not exist, and the target's pods need it: create it or mark the reference optional";
                self.world.target_fault = Some(why.into());
            }
            ("target", "ok") => self.world.target_fault = None,
            ("routes", what) => self.route_word(what),
            ("suspend", on) => self.canary.spec.suspend = on == "on",
            ("skip", on) => self.canary.spec.skip_analysis = on == "on",
            ("delete", _) => self.world.is_deleting = true,
            ("config", checksum) => {
                if let Seen::Present(target) = &mut self.world.target {
                    let configs = BTreeMap::from([("configmap/a".to_owned(), checksum.to_owned())]);
                    target.snapshot.as_mut().unwrap().configs = configs;
                }
            }
            (metric, "none") => {
                let why = format!(
                    "no values found for istio metric {metric} probably podinfo.test is not receiving traffic"
                );
                self.metrics.insert(metric.into(), Measured::Nothing(why));
            }
            (metric, "error") => {
                let why = "prometheus http://prom:9090 refused the connection".into();
                self.metrics.insert(metric.into(), Measured::Error(why));
            }
            (gate, "closed") => drop(self.closed.insert(gate.into(), "answered 403".into())),
            (gate, "open") => drop(self.closed.remove(gate)),
            (revision, "") => {
                let number = revision.strip_prefix('v').map(str::parse::<u8>);
                let Some(Ok(number)) = number else {
                    panic!("no such word: {revision}");
                };
                self.release(number);
            }
            (metric, value) => {
                let value = Measured::Value(value.parse().unwrap());
                self.metrics.insert(metric.into(), value);
            }
        }
    }

    /// The target becomes this version. The canary's copy of a Service is then behind.
    fn release(&mut self, number: u8) {
        let snapshot = Some(self.version(number));
        match &mut self.world.target {
            Seen::Present(target) if target.snapshot == snapshot => return,
            Seen::Present(target) => target.snapshot = snapshot,
            Seen::Absent | Seen::Unread => {
                self.world.target = Seen::Present(self.workload(snapshot));
            }
        }
        if self.kind == TargetKind::Service {
            self.world.drift.insert(Part::Services);
        }
    }

    /// What others, the gateway and the caches do to the routes.
    fn route_word(&mut self, what: &str) {
        match what {
            "broken" => {
                self.untaken = None;
                self.world.traffic = TrafficSeen::Unreadable("not accepted".into());
                self.world.drift.insert(Part::Routes);
            }
            "slow" => self.untaken = self.world.traffic.split().or(self.untaken),
            "unread" => {
                self.untaken = self.world.traffic.split().or(self.untaken);
                self.world.traffic = TrafficSeen::Unread;
            }
            "taken" => match self.untaken.take() {
                Some(split) => self.world.traffic = TrafficSeen::Split(split),
                None if self.world.traffic == TrafficSeen::Unread => self.route_word("broken"),
                None => {}
            },
            weight => {
                let weight = Weight::try_from(weight.parse::<i64>().unwrap()).unwrap();
                self.world.traffic = TrafficSeen::Split(Split::to_canary(weight));
            }
        }
    }

    /// Pods follow what is wanted, when their side is up.
    pub(crate) fn move_pods(&mut self) {
        let is_knative = self.kind == TargetKind::Knative;
        let (canary, primary) = self.ready;
        for (seen, ready) in [
            (&mut self.world.target, canary),
            (&mut self.world.primary, primary),
        ] {
            if let Seen::Present(workload) = seen {
                workload.updated = workload.desired;
                workload.total = workload.desired;
                workload.available = workload.desired.min(ready);
                workload.availability = is_knative.then(|| WorkloadCondition {
                    is_true: ready > 0,
                    reason: "Deploying".into(),
                    updated: self.start,
                });
            }
        }
    }
}
