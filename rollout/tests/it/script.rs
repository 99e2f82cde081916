//! A tiny cluster to try decisions in, and a language to tell it what happens.
//!
//! One line is one moment: its words change what is observed, then decisions are taken and carried out until
//! nothing changes (e2e/scenarios/README.md has the words). Every decision is audited, and every state goes
//! through the stored status and back.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Canary,
    canary::{CanaryPhase, CanaryStatus},
};
use chrono::{DateTime, TimeDelta, Utc};
use rollout::{
    Answers, Decision, Defaults, Measured, Part, Revision, Seen, Snapshot, Split, State,
    TrafficSeen, ValidSpec, Weight, Workload, World, audit, decide, probes, spec::TargetKind,
};
use serde_json::{Value, json};

mod told;
mod words;
mod world;

/// Decisions taken at one moment at most.
const ROUNDS_MAX: usize = 40;
/// Wakes in the time of one line at most.
const WAKES_MAX: usize = 500;
/// Pods of a workload that runs.
const REPLICAS: u32 = 2;

pub(crate) struct Cluster {
    pub(crate) canary: Canary,
    pub(crate) world: World,
    pub(crate) status: Option<CanaryStatus>,
    pub(crate) answers: Answers,
    pub(crate) now: DateTime<Utc>,
    kind: TargetKind,
    metrics: BTreeMap<String, Measured>,
    closed: BTreeMap<String, String>,
    /// Pods of the target and of the primary that can be ready.
    ready: (u32, u32),
    is_promotion_broken: bool,
    /// What was routed last, while the gateway takes nothing up.
    untaken: Option<Split>,
    start: DateTime<Utc>,
    pub(crate) asked: Vec<String>,
    /// When the last decision wants to be taken again.
    wake: Option<DateTime<Utc>>,
    /// Writes until the operator dies: the next one, and what follows in that round, does not happen.
    pub(crate) writes_left: Option<usize>,
    /// Writes so far.
    pub(crate) writes: usize,
    /// Canary weights routed, without repetitions.
    pub(crate) weights: Vec<u8>,
}

/// The Canary of the tests, with `analysis` and more top-level fields put over it.
pub(crate) fn canary(analysis: &Value, spec: &Value) -> Canary {
    let mut object = json!({
        "metadata": {"name": "podinfo", "namespace": "test", "uid": "u1"},
        "spec": {
            "provider": "istio",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 9898},
            "analysis": {"interval": "10s", "threshold": 2}
        }
    });
    merge(&mut object["spec"]["analysis"], analysis);
    merge(&mut object["spec"], spec);
    api::decode::decode(object).unwrap()
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

pub(crate) fn version(name: &str) -> Snapshot {
    of_revision(format!("{name}{}", "0".repeat(64 - name.len())))
}

fn of_revision(name: String) -> Snapshot {
    Snapshot {
        revision: Revision::new(name),
        configs: BTreeMap::new(),
    }
}

impl Cluster {
    pub(crate) fn new(canary: Canary) -> Self {
        // Late in a second: what is cut off a stored time must not make a step shorter.
        let start = DateTime::from_timestamp(1_800_000_000, 900_000_000).unwrap();
        let spec = ValidSpec::validate(&canary, &Defaults::default()).unwrap();
        let mut new = Self {
            canary,
            kind: spec.target.kind,
            world: World {
                primary: Seen::Absent,
                traffic: TrafficSeen::Unreadable(
                    "VirtualService \"podinfo\" does not exist".into(),
                ),
                drift: BTreeSet::from([Part::Routes]),
                ..World::default()
            },
            status: None,
            answers: Answers::default(),
            now: start,
            metrics: BTreeMap::new(),
            closed: BTreeMap::new(),
            ready: (u32::MAX, u32::MAX),
            is_promotion_broken: false,
            untaken: None,
            start,
            asked: Vec::new(),
            wake: None,
            writes_left: None,
            writes: 0,
            weights: Vec::new(),
        };
        new.world.target = Seen::Present(new.workload(Some(new.version(1))));
        new
    }

    /// A cluster in which Flagger left this Canary, and Sluice has not looked yet.
    fn taken_over(canary: Canary, status: CanaryStatus) -> Self {
        let mut new = Self::new(canary);
        let is_settled = matches!(
            status.phase,
            CanaryPhase::Initialized | CanaryPhase::Succeeded | CanaryPhase::Failed
        );
        let target = pods(Some(version("v1")), if is_settled { 0 } else { REPLICAS });
        new.world.target = Seen::Present(target);
        new.world.primary = Seen::Present(pods(None, REPLICAS));
        let weight = Weight::try_from(status.canary_weight).unwrap();
        new.world.traffic = TrafficSeen::Split(Split::to_canary(weight));
        new.world.drift.clear();
        new.status = Some(status);
        new
    }

    /// The cluster at the start of a script with this Canary, which has a status when Flagger left it.
    pub(crate) fn of_script(mut canary: Canary) -> Self {
        match canary.status.take() {
            Some(status) => Self::taken_over(canary, status),
            None => Self::new(canary),
        }
    }

    fn seconds(&self) -> i64 {
        (self.now - self.start).num_seconds()
    }

    pub(crate) fn spec(&self) -> ValidSpec {
        ValidSpec::validate(&self.canary, &Defaults::default()).unwrap()
    }

    /// A version of the target; of Knative its revision.
    fn version(&self, number: u8) -> Snapshot {
        match self.kind {
            TargetKind::Knative => of_revision(format!("podinfo-{number:05}")),
            TargetKind::Deployment | TargetKind::DaemonSet | TargetKind::Service => {
                version(&format!("v{number}"))
            }
        }
    }

    /// What runs, of the target's kind: nothing is counted of a Service, and a revision counts as one.
    fn workload(&self, snapshot: Option<Snapshot>) -> Workload {
        let replicas = match self.kind {
            TargetKind::Deployment | TargetKind::DaemonSet => REPLICAS,
            TargetKind::Service => 0,
            TargetKind::Knative => 1,
        };
        pods(snapshot, replicas)
    }

    pub(crate) fn state(&self) -> State {
        State::read(self.status.as_ref())
    }

    /// One line of a script: the time passes, with every round that falls due in it; then the other words
    /// happen, and decisions are taken until nothing changes.
    pub(crate) fn moment(&mut self, line: &str) -> String {
        let mut out = String::new();
        for word in line.split_whitespace() {
            match word.strip_suffix('s').and_then(|it| it.parse().ok()) {
                Some(seconds) => out.push_str(&self.pass(TimeDelta::seconds(seconds))),
                None => self.word(word),
            }
        }
        out + &self.settle(true)
    }

    /// Lets time pass up to a moment before its end.
    fn pass(&mut self, time: TimeDelta) -> String {
        let end = self.now + time;
        let mut out = String::new();
        for _ in 0..WAKES_MAX {
            let Some(wake) = self.wake.filter(|wake| *wake < end) else {
                self.now = end;
                return out;
            };
            assert!(wake > self.now, "wakes at once, again and again:\n{out}");
            self.now = wake;
            out.push_str(&self.settle(false));
        }
        panic!("no end after {WAKES_MAX} wakes:\n{out}");
    }

    /// Decides until nothing changes; tells what was asked and what changed, and with `always` that nothing did.
    fn settle(&mut self, always: bool) -> String {
        let mut out = String::new();
        for _ in 0..ROUNDS_MAX {
            self.move_pods();
            self.asked.clear();
            let (before, left) = (self.status.clone(), self.writes_left);
            let decision = self.tick();
            let has_died = left.is_some() && self.writes_left.is_none();
            let is_dying = self.writes_left == Some(0) || has_died;
            let is_still = decision.actions.is_empty() && self.status == before && !is_dying;
            if !is_still || !self.asked.is_empty() || (always && out.is_empty()) {
                out.push_str(&self.told(&decision));
            }
            if is_still {
                self.wake = decision.wake;
                return out;
            }
        }
        panic!("no rest after {ROUNDS_MAX} decisions:\n{out}");
    }

    /// Asks, decides, carries out, stores.
    pub(crate) fn tick(&mut self) -> Decision {
        let (spec, state) = (self.spec(), self.state());
        for _ in 0..ROUNDS_MAX {
            let missing = probes(&spec, &state, &self.world, &self.answers, self.now);
            if missing.is_empty() {
                break;
            }
            for probe in missing {
                self.answer(probe);
            }
        }
        let decision = decide(&spec, &state, &self.world, &self.answers, self.now);
        let broken = audit(&spec, &state, &self.world, &decision);
        assert!(
            broken.is_empty(),
            "{broken:#?}\nbefore {state:#?}\n{}in {:#?}",
            self.told(&decision),
            self.world
        );
        for action in &decision.actions {
            if self.has_died() {
                return decision;
            }
            self.carry_out(action);
        }
        let before = self.status.clone();
        let has_died = self.has_died();
        if !has_died {
            self.store(&spec, &decision);
        }
        if !has_died && self.status == before && decision.actions.is_empty() {
            self.writes -= 1;
            self.writes_left = self.writes_left.map(|left| left + 1);
        }
        decision
    }

    /// Counts a write, and lets the operator die before it when its time has come. What it had heard is lost.
    fn has_died(&mut self) -> bool {
        match self.writes_left {
            Some(0) => {
                self.writes_left = None;
                self.answers = Answers::default();
                true
            }
            Some(left) => {
                self.writes_left = Some(left - 1);
                self.writes += 1;
                false
            }
            None => {
                self.writes += 1;
                false
            }
        }
    }

    /// Stores the status, and sees that nothing is lost by it.
    fn store(&mut self, spec: &ValidSpec, decision: &Decision) {
        if decision.state == State::New {
            return;
        }
        let status = decision
            .state
            .to_status(spec, self.status.as_ref(), self.now);
        let text = serde_json::to_string(&status).unwrap();
        let read: CanaryStatus = serde_json::from_str(&text).unwrap();
        let again = State::read(Some(&read)).to_status(spec, Some(&read), self.now);
        assert_eq!(
            again, read,
            "a status that is read and written stays the same"
        );
        if spec.affinity.is_some() {
            let has_canary = read.session_affinity_cookie.is_some();
            assert_eq!(has_canary, read.canary_weight > 0, "{read:#?}");
            assert!(has_canary || read.primary_session_affinity_cookie.is_none());
        }
        self.status = Some(read);
    }
}

pub(crate) fn pods(snapshot: Option<Snapshot>, replicas: u32) -> Workload {
    Workload {
        uid: "w".into(),
        generation: 1,
        observed_generation: 1,
        desired: replicas,
        total: replicas,
        updated: replicas,
        available: replicas,
        progressing: None,
        availability: None,
        snapshot,
    }
}
