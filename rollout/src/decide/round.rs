//! One round of questions in a run: rollback gates, then hooks in order, then metrics, then confirm gates.
//!
//! An answer counts while it is current: it belongs to this question, is not older than the round, and not
//! older than an interval. What is missing becomes a probe, so that probes and decisions cannot disagree.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    scene::{Scene, later},
    wording,
};
use crate::{
    action::Action,
    answers::{GateAnswer, Measured, Sample},
    cookies::letters,
    probes::Probe,
    report::Evidence,
    spec::{Check, Gate, GateKind, OnUnknown, UnknownAction},
    state::{Closed, Memory, Phase, Run},
    verdict::{self, Verdict},
    waiting::{Patience, WaitingOn},
};

/// What a part of a round came to.
#[derive(Debug)]
pub(super) enum Heard {
    /// These must be asked first.
    Ask(Vec<Probe>),
    /// All passed.
    Passed(Checked),
    /// Something failed.
    Failed(Checked),
    /// Nothing can be said yet: what is waited for, and what was measured all the same.
    Unknown(WaitingOn, Vec<Evidence>),
}

/// Evidence of a part of a round, and the events that tell of it.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) evidence: Vec<Evidence>,
    pub(super) events: Vec<Action>,
}

/// A question's identity within a run, and when answers to it begin to count.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// Start of every key: canary, revision, run.
    pub(super) about: String,
    /// End of every key: where the run stands.
    pub(super) place: String,
    /// Answers from before say nothing.
    pub(super) opening: DateTime<Utc>,
    /// Sent along, and told by events.
    pub(super) phase: Phase,
}

impl Asking {
    /// The questions of `run` where it stands.
    pub(super) fn of(scene: &Scene<'_>, run: &Run, phase: Phase) -> Self {
        let started = run.memory.started.map_or(0, |at| at.timestamp());
        let position = run.position;
        Self {
            about: format!(
                "{}/{}/{started}",
                scene.spec.uid,
                run.snapshot.revision.as_str()
            ),
            place: format!(
                "{}-{}-{}",
                position.split.canary, position.iterations, run.failed_checks
            ),
            opening: opening(scene, run),
            phase,
        }
    }

    /// The key of a gate; hooks with effects keep theirs while the run stands where it is.
    fn gate_key(&self, gate: &Gate) -> String {
        format!(
            "{}/{}-{}/{}",
            self.about,
            gate.kind.as_str(),
            gate.id.0,
            self.place
        )
    }

    fn check_key(&self, check: &Check) -> String {
        format!("{}/check-{}/{}", self.about, check.id.0, self.place)
    }

    fn probe_gate(&self, scene: &Scene<'_>, gate: &Gate) -> Probe {
        let key = self.gate_key(gate);
        // A pre-rollout hook does its work once. Of the others an answer counts for an interval, so that two calls are
        // never in the same one.
        let call = match gate.kind {
            GateKind::PreRollout => key.clone(),
            GateKind::Rollout
            | GateKind::ConfirmRollout
            | GateKind::ConfirmTrafficIncrease
            | GateKind::ConfirmPromotion
            | GateKind::PostRollout
            | GateKind::Rollback => {
                let interval_s = scene.spec.interval.num_seconds().max(1);
                format!("{key}/{}", scene.now.timestamp().div_euclid(interval_s))
            }
        };
        Probe::Gate {
            gate: gate.clone(),
            key,
            call,
            phase: gate.kind.hears(self.phase),
        }
    }

    /// The answer of a gate, while it counts.
    fn heard<'a>(&self, scene: &Scene<'a>, gate: &Gate) -> Option<&'a GateAnswer> {
        let answer = scene.answers.gate(gate.id)?;
        // A hook that did its work is not called twice for one step, however long a later gate takes.
        let is_lasting = gate.kind == GateKind::PreRollout && answer.is_open;
        let is_current = answer.at >= self.opening && (is_lasting || is_fresh(scene, answer.at));
        (is_current && answer.key == self.gate_key(gate)).then_some(answer)
    }

    /// Since when a gate that is closed has kept waiting what it is asked about.
    fn closed(&self, scene: &Scene<'_>, gate: &Gate, memory: &Memory) -> Closed {
        let about = letters(&gate.name, &[&self.about]);
        let known = memory.closed.as_ref();
        let known = known.filter(|known| known.name == gate.name && known.about == about);
        known.cloned().unwrap_or_else(|| Closed {
            name: gate.name.clone(),
            about,
            since: scene.stamp(),
        })
    }

    fn sample<'a>(&self, scene: &Scene<'a>, check: &Check) -> Option<&'a Sample> {
        let sample = scene.answers.sample(check.id)?;
        let is_current = sample.at >= self.opening && is_fresh(scene, sample.at);
        (is_current && sample.key == self.check_key(check)).then_some(sample)
    }
}

/// When the round opens: an interval after the step began or the last round ended; at once before the
/// first step. A start in the future means that the clock was set back: then at once, too.
fn opening(scene: &Scene<'_>, run: &Run) -> DateTime<Utc> {
    let begun = run.memory.step_started.or(run.memory.started);
    let last = match (run.memory.weights.is_empty(), run.memory.checked, begun) {
        (true, None, begun) => return begun.unwrap_or(scene.now).min(scene.now),
        (true, Some(checked), _) => checked,
        (false, Some(checked), Some(begun)) => checked.max(begun),
        (false, checked, begun) => checked.or(begun).unwrap_or(scene.now),
    };
    if last > scene.now {
        return later(scene.now, -scene.spec.interval);
    }
    scene.after_interval(last)
}

/// True for less than an interval, and not for times that a clock set back has left in the future.
fn is_fresh(scene: &Scene<'_>, at: DateTime<Utc>) -> bool {
    scene.after_interval(at) > scene.now && at <= scene.after_interval(scene.now)
}

/// The rollback gates: the first that is open rolls back. All are asked at once.
pub(super) fn rollback_hook<'a>(
    scene: &Scene<'a>,
    asking: &Asking,
) -> Result<Option<&'a Gate>, Vec<Probe>> {
    let mut missing = Vec::new();
    for gate in scene.spec.gates_of(GateKind::Rollback) {
        match asking.heard(scene, gate) {
            Some(answer) if answer.is_open => return Ok(Some(gate)),
            Some(_) => {}
            None => missing.push(asking.probe_gate(scene, gate)),
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    Err(missing)
}

/// Hooks of one kind, one after the other; the first closed one fails the round.
pub(super) fn hooks(scene: &Scene<'_>, asking: &Asking, kind: GateKind) -> Heard {
    let mut checked = Checked::default();
    for gate in scene.spec.gates_of(kind) {
        let Some(answer) = asking.heard(scene, gate) else {
            return Heard::Ask(vec![asking.probe_gate(scene, gate)]);
        };
        checked.evidence.push(Evidence {
            name: gate.name.clone(),
            value: answer.detail.clone(),
            needs: None,
            verdict: if answer.is_open {
                Verdict::Pass
            } else {
                Verdict::Fail
            },
            at: Some(answer.at),
        });
        if !answer.is_open {
            let text = wording::hook_failed(scene.spec, gate, &answer.detail);
            checked.events.push(wording::warning(asking.phase, text));
            return Heard::Failed(checked);
        }
        checked.events.extend(wording::passed(gate, asking.phase));
    }
    Heard::Passed(checked)
}

/// Confirm gates of one kind, one after the other; the first closed one holds.
pub(super) fn confirm(
    scene: &Scene<'_>,
    asking: &Asking,
    kind: GateKind,
    memory: &Memory,
) -> Heard {
    let mut checked = Checked::default();
    for gate in scene.spec.gates_of(kind) {
        let Some(answer) = asking.heard(scene, gate) else {
            return Heard::Ask(vec![asking.probe_gate(scene, gate)]);
        };
        if !answer.is_open {
            let closed = asking.closed(scene, gate, memory);
            let waiting_on = WaitingOn::Gate {
                kind,
                detail: answer.detail.clone(),
                at: answer.at,
                next: scene.after_interval(answer.at),
                deadline: gate.deadline.map(|length| later(closed.since, length)),
                closed,
            };
            return Heard::Unknown(waiting_on, Vec::new());
        }
        checked.events.extend(wording::passed(gate, asking.phase));
    }
    Heard::Passed(checked)
}

/// The window to measure over: never from before the canary had traffic, when the same series told of another version.
fn window(wanted: TimeDelta, started: Option<DateTime<Utc>>, now: DateTime<Utc>) -> TimeDelta {
    let Some(age) = started.map(|started| now.signed_duration_since(started)) else {
        return wanted;
    };
    wanted.min(TimeDelta::seconds(age.num_seconds().max(1)))
}

/// All metrics, asked at once. One that fails fails the round; else one without a verdict holds it.
pub(super) fn metrics(scene: &Scene<'_>, asking: &Asking, run: &Run) -> Heard {
    let mut missing = Vec::new();
    let mut checked = Checked::default();
    let mut unknown = None;
    for check in &scene.spec.checks {
        let Some(sample) = asking.sample(scene, check) else {
            missing.push(Probe::Check {
                check: Check {
                    interval: window(check.interval, run.memory.traffic_started, scene.now),
                    ..check.clone()
                },
                key: asking.check_key(check),
                since: asking.opening,
            });
            continue;
        };
        let verdict = verdict::judge(check, &sample.measured);
        match (&verdict, &sample.measured) {
            (Verdict::Fail, Measured::Value(value)) => {
                let text = wording::metric_failed(scene.spec, check, *value);
                checked.events.push(wording::warning(asking.phase, text));
            }
            (Verdict::Unknown(why), measured) if unknown.is_none() => {
                unknown = Some(WaitingOn::Metrics {
                    check: check.name.clone(),
                    why: why.clone(),
                    event: wording::metric_unknown(check, measured, why),
                    weight: run.position.split.canary,
                    next: scene.after_interval(sample.at),
                    patience: patience(scene, run),
                });
            }
            (Verdict::Pass | Verdict::Fail | Verdict::Unknown(_), _) => {}
        }
        checked.evidence.push(Evidence::of(check, sample, verdict));
    }
    let has_failed = !checked.events.is_empty();
    match (missing.is_empty(), has_failed, unknown) {
        (false, _, _) => Heard::Ask(missing),
        (true, true, _) => Heard::Failed(checked),
        (true, false, Some(waiting_on)) => Heard::Unknown(waiting_on, checked.evidence),
        (true, false, None) => Heard::Passed(checked),
    }
}

/// How long it is borne that the checks of `run` give no verdict.
fn patience(scene: &Scene<'_>, run: &Run) -> Patience {
    let Some(OnUnknown { deadline, action }) = scene.spec.on_unknown else {
        return Patience::Endless;
    };
    let since = run.memory.unknown_since.unwrap_or(scene.stamp());
    let end = later(since, deadline);
    match action {
        UnknownAction::Hold if end <= scene.now => Patience::Over(deadline),
        UnknownAction::Hold | UnknownAction::Rollback => Patience::Until(end, action),
    }
}
