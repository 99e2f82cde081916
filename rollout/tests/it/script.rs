//! A tiny cluster to try decisions in, and a language to tell it what happens.
//!
//! One line is one moment: its words change what is observed, then decisions are taken and carried out until
//! nothing changes. Each decision is printed as `time phase weight | actions | what is waited for`. Every decision is audited, and
//! every state goes through the stored status and back.

use std::{collections::BTreeMap, fmt::Write as _};

use api::{Canary, canary::CanaryStatus};
use chrono::{DateTime, TimeDelta, Utc};
use rollout::{
    Action, Answers, Decision, Defaults, GateAnswer, Measured, Part, Probe, Revision, Sample, Seen,
    Snapshot, Split, State, TrafficSeen, ValidSpec, Weight, Workload, World, action::Scale, audit,
    decide, probes,
};
use serde_json::{Value, json};

/// Decisions taken at one moment at most.
const ROUNDS_MAX: usize = 40;

pub(crate) struct Cluster {
    pub(crate) canary: Canary,
    pub(crate) world: World,
    pub(crate) status: Option<CanaryStatus>,
    pub(crate) answers: Answers,
    pub(crate) now: DateTime<Utc>,
    metrics: BTreeMap<String, Measured>,
    closed: BTreeMap<String, String>,
    is_up: (bool, bool),
    is_promotion_broken: bool,
    start: DateTime<Utc>,
    pub(crate) asked: Vec<String>,
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
    Snapshot {
        revision: Revision::new(format!("{name}{}", "0".repeat(64 - name.len()))),
        configs: BTreeMap::new(),
    }
}

impl Cluster {
    pub(crate) fn new(canary: Canary) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self {
            canary,
            world: World {
                target: Seen::Present(pods(Some(version("v1")), 2)),
                primary: Seen::Absent,
                traffic: TrafficSeen::Unreadable(
                    "VirtualService \"podinfo\" does not exist".into(),
                ),
                ..World::default()
            },
            status: None,
            answers: Answers::default(),
            now: start,
            metrics: BTreeMap::new(),
            closed: BTreeMap::new(),
            is_up: (true, true),
            is_promotion_broken: false,
            start,
            asked: Vec::new(),
            writes_left: None,
            writes: 0,
            weights: Vec::new(),
        }
    }

    /// What was decided lately, for messages.
    fn story(&self, decision: &Decision) -> String {
        format!("{} in {:#?}", self.print(decision), self.world)
    }

    pub(crate) fn spec(&self) -> ValidSpec {
        ValidSpec::validate(&self.canary, &Defaults::default()).unwrap()
    }

    pub(crate) fn state(&self) -> State {
        State::read(self.status.as_ref())
    }

    /// One line of a script.
    pub(crate) fn moment(&mut self, line: &str) -> String {
        for word in line.split_whitespace() {
            self.word(word);
        }
        let mut out = String::new();
        for _ in 0..ROUNDS_MAX {
            self.move_pods();
            self.asked.clear();
            let before = self.status.clone();
            let decision = self.tick();
            let is_dying = self.writes_left == Some(0);
            let is_still = decision.actions.is_empty() && self.status == before && !is_dying;
            if !is_still || out.is_empty() {
                let _ = writeln!(out, "{}", self.print(&decision));
            }
            if is_still {
                return out;
            }
        }
        panic!("no rest after {ROUNDS_MAX} decisions:\n{out}");
    }

    fn word(&mut self, word: &str) {
        if let Some(seconds) = word.strip_suffix('s').and_then(|it| it.parse().ok()) {
            self.now += TimeDelta::seconds(seconds);
            return;
        }
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match (key, value) {
            ("canary", "up") => self.is_up.0 = true,
            ("canary", "down") => self.is_up.0 = false,
            ("primary", "up") => {
                self.is_up.1 = true;
                self.is_promotion_broken = false;
            }
            ("primary", "down") => self.is_up.1 = false,
            ("primary", "breaks") => self.is_promotion_broken = true,
            ("primary", "gone") => self.world.primary = Seen::Absent,
            ("target", "gone") => self.world.target = Seen::Absent,
            ("target", "fault") => {
                self.world.target_fault = Some("ConfigMap \"a\" is missing".into())
            }
            ("target", "ok") => self.world.target_fault = None,
            ("routes", "broken") => {
                self.world.traffic = TrafficSeen::Unreadable("not accepted".into());
                self.world.drift.insert(Part::Routes);
            }
            ("routes", weight) => {
                let weight = Weight::try_from(weight.parse::<i64>().unwrap()).unwrap();
                self.world.traffic = TrafficSeen::Split(Split::to_canary(weight));
            }
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
                let why = format!("no values found for metric: {metric}");
                self.metrics.insert(metric.into(), Measured::Nothing(why));
            }
            (metric, "error") => {
                let why = "prometheus http://prom:9090 refused the connection".into();
                self.metrics.insert(metric.into(), Measured::Error(why));
            }
            (gate, "closed") => drop(self.closed.insert(gate.into(), "answered 403".into())),
            (gate, "open") => drop(self.closed.remove(gate)),
            (revision, "") => {
                if !matches!(self.world.target, Seen::Present(_)) {
                    self.world.target = Seen::Present(pods(None, 2));
                }
                if let Seen::Present(target) = &mut self.world.target {
                    target.snapshot = Some(version(revision));
                }
            }
            (metric, value) => {
                let value = Measured::Value(value.parse().unwrap());
                self.metrics.insert(metric.into(), value);
            }
        }
    }

    /// Pods follow what is wanted, when their side is up.
    pub(crate) fn move_pods(&mut self) {
        let (canary, primary) = self.is_up;
        for (seen, is_up) in [
            (&mut self.world.target, canary),
            (&mut self.world.primary, primary),
        ] {
            if let Seen::Present(workload) = seen {
                workload.updated = workload.desired;
                workload.total = workload.desired;
                workload.available = if is_up { workload.desired } else { 0 };
            }
        }
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
            "{broken:#?}\nbefore {state:#?}\n{}",
            self.story(&decision)
        );
        for action in &decision.actions {
            if self.has_died() {
                return decision;
            }
            self.carry_out(action);
        }
        let before = self.status.clone();
        if !self.has_died() {
            self.store(&spec, &decision);
        }
        if self.status == before && decision.actions.is_empty() {
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
        self.status = Some(read);
    }

    fn answer(&mut self, probe: Probe) {
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

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::AddFinalizer => self.world.has_finalizer = true,
            Action::RemoveFinalizer => self.world.has_finalizer = false,
            Action::Primary { from } => {
                if self.world.primary == Seen::Absent {
                    let mut primary = pods(Some(from.clone()), 2);
                    primary.available = 0;
                    self.world.primary = Seen::Present(primary);
                }
            }
            Action::Adopt { snapshot } => self.write_primary(snapshot),
            Action::Promote { snapshot } => {
                self.write_primary(snapshot);
                self.is_up.1 &= !self.is_promotion_broken;
                if let Seen::Present(primary) = &mut self.world.primary {
                    primary.available = 0;
                }
            }
            Action::Routes(split) => {
                if self.weights.last() != Some(&split.canary.percent()) {
                    self.weights.push(split.canary.percent());
                }
                self.world.traffic = TrafficSeen::Split(*split);
                self.world.drift.remove(&Part::Routes);
            }
            Action::ScaleTarget(scale) => self.scale(match scale {
                Scale::Zero => 0,
                Scale::Up => 2,
            }),
            Action::RevertTarget => self.scale(2),
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
        if let Seen::Present(target) = &mut self.world.target
            && (replicas == 0 || target.desired == 0)
        {
            target.desired = replicas;
            target.available = target.available.min(replicas);
        }
    }

    fn print(&self, decision: &Decision) -> String {
        let seconds = (self.now - self.start).num_seconds();
        let mut line = format!(
            "{seconds:>3} {:?} {}",
            decision.state.phase(),
            decision.state.weight()
        );
        if !self.asked.is_empty() {
            let _ = write!(line, " | asked {}", self.asked.join(", "));
        }
        let actions: Vec<String> = decision.actions.iter().map(print_action).collect();
        if !actions.is_empty() {
            let _ = write!(line, " | {}", actions.join("; "));
        }
        if let Some(waiting_on) = &decision.waiting_on {
            let _ = write!(line, " | {}", waiting_on.at(self.now));
        }
        if let Some(outcome) = &decision.report.outcome {
            let _ = write!(
                line,
                " | {} at {} % after {} s: {}",
                outcome.kind.as_str(),
                outcome.at,
                outcome.after.num_seconds(),
                outcome.why
            );
        }
        line
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

fn print_action(action: &Action) -> String {
    match action {
        Action::Routes(split) if split.mirrored => format!("routes {} mirrored", split.canary),
        Action::Routes(split) => format!("routes {}", split.canary),
        Action::Primary { from } => format!("primary {}", &from.short()[..2]),
        Action::Promote { snapshot } => format!("promote {}", &snapshot.short()[..2]),
        Action::Adopt { snapshot } => format!("adopt {}", &snapshot.short()[..2]),
        Action::Event { warning, text, .. } => {
            format!("{}{text:?}", if *warning { "!" } else { "" })
        }
        Action::Alert { severity, text, .. } => format!("alert {severity:?} {text:?}"),
        Action::RunHooks { hooks, phase } => {
            let names: Vec<_> = hooks.iter().map(|hook| hook.name.as_str()).collect();
            format!("hooks {} {phase:?}", names.join(" "))
        }
        Action::ScaleTarget(scale) => format!("scale {scale:?}"),
        Action::ScalePrimary { replicas_min } => format!("primary ≥ {replicas_min}"),
        Action::Count { success, .. } => format!("count {success}"),
        Action::PrimaryScaler { update } => format!("primary scaler update={update}"),
        Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::Services
        | Action::Apex
        | Action::PauseScaler
        | Action::ResumeScaler
        | Action::RevertTarget
        | Action::RevertApex
        | Action::RevertRoutes => format!("{action:?}"),
    }
}
