//! Words events and alerts as Flagger does: scripts and dashboards read them.
//!
//! Texts are from spec/flagger.md 3, 6, 7 and 8.1.

use std::time::Duration;

use crate::{
    action::{Action, Severity},
    answers::Measured,
    spec::{Check, CheckSource, Gate, GateKind, ValidSpec},
    state::Phase,
    waiting::{Patience, WaitingOn, span},
};

/// A Normal event.
pub(crate) const fn event(phase: Phase, text: String) -> Action {
    Action::Event {
        warning: false,
        text,
        phase,
    }
}

/// A Warning event.
pub(crate) const fn warning(phase: Phase, text: String) -> Action {
    Action::Event {
        warning: true,
        text,
        phase,
    }
}

pub(crate) fn alert(severity: Severity, text: impl Into<String>) -> Action {
    Action::Alert {
        severity,
        text: text.into(),
        has_fields: false,
    }
}

pub(crate) fn alert_with_fields(text: impl Into<String>) -> Action {
    Action::Alert {
        severity: Severity::Info,
        text: text.into(),
        has_fields: true,
    }
}

/// Told when a gate or hook answered that it is open.
pub(crate) fn passed(gate: &Gate, phase: Phase) -> Option<Action> {
    let name = match gate.kind {
        GateKind::ConfirmRollout => "Confirm-rollout",
        GateKind::PreRollout => "Pre-rollout",
        GateKind::ConfirmTrafficIncrease => "Confirm-traffic-increase",
        GateKind::ConfirmPromotion => "Confirm-promotion",
        GateKind::PostRollout => "Post-rollout",
        GateKind::Rollback => {
            return Some(warning(
                phase,
                format!("Rollback check {} passed", gate.name),
            ));
        }
        GateKind::Rollout => return None,
    };
    Some(event(phase, format!("{name} check {} passed", gate.name)))
}

/// Told when a hook of a round of checks failed.
pub(crate) fn hook_failed(spec: &ValidSpec, gate: &Gate, detail: &str) -> String {
    let word = match gate.kind {
        GateKind::PreRollout => "pre-rollout check",
        GateKind::Rollout
        | GateKind::ConfirmRollout
        | GateKind::ConfirmTrafficIncrease
        | GateKind::ConfirmPromotion
        | GateKind::PostRollout
        | GateKind::Rollback => "external check",
    };
    format!(
        "Halt {} advancement {word} {} failed {detail}",
        spec.dotted(),
        gate.name
    )
}

/// Told when a metric is outside its limits.
pub(crate) fn metric_failed(spec: &ValidSpec, check: &Check, value: f64) -> String {
    let limit = match (check.limits.min, check.limits.max) {
        (Some(min), _) if value < min => ('<', min),
        (_, Some(max)) => ('>', max),
        (Some(min), None) => ('<', min),
        (None, None) => ('>', 0.0),
    };
    let (sign, bound) = limit;
    let told = match check.source {
        CheckSource::SuccessRate => format!("success rate {value:.2}% {sign} {bound}%"),
        CheckSource::Duration => format!(
            "request duration {} {sign} {}",
            milliseconds(value),
            milliseconds(bound)
        ),
        CheckSource::Query(_) | CheckSource::Template { .. } => {
            format!("{} {value:.2} {sign} {bound}", check.name)
        }
    };
    format!("Halt {} advancement {told}", spec.dotted())
}

/// Milliseconds as Go prints durations: `1.515s`.
fn milliseconds(value: f64) -> String {
    // Whole milliseconds are kept whole: a duration made from a fraction may fall a nanosecond short.
    let nearly = Duration::try_from_secs_f64(value.trunc().max(0.0) / 1000.0).unwrap_or_default();
    let whole = nearly
        .saturating_add(Duration::from_micros(500))
        .as_millis();
    api::duration::format(Duration::from_millis(
        u64::try_from(whole).unwrap_or(u64::MAX),
    ))
}

/// Told when a metric gave no verdict.
pub(crate) fn metric_unknown(check: &Check, measured: &Measured, why: &str) -> String {
    match (measured, &check.source) {
        (Measured::Nothing(_), _) => format!("Halt advancement {why}"),
        (Measured::Error(_) | Measured::Value(_), CheckSource::Template { .. }) => {
            format!("Metric query failed for {}: {why}", check.name)
        }
        (Measured::Error(_) | Measured::Value(_), CheckSource::Query(_)) => {
            format!("Prometheus query failed for {}: {why}", check.name)
        }
        (
            Measured::Error(_) | Measured::Value(_),
            CheckSource::SuccessRate | CheckSource::Duration,
        ) => format!("Prometheus query failed: {why}"),
    }
}

/// What to tell when a wait begins: an event, and an alert for a gate that people have to open.
pub(crate) fn hold(spec: &ValidSpec, waiting_on: &WaitingOn, phase: Phase) -> Vec<Action> {
    match waiting_on {
        WaitingOn::Gate { closed, kind, .. } => gate_closed(spec, &closed.name, *kind, phase),
        WaitingOn::Pods { text, .. } => vec![warning(phase, text.clone())],
        WaitingOn::Metrics {
            event,
            why,
            patience,
            ..
        } => {
            let mut actions = vec![warning(phase, event.clone())];
            if let Patience::Over(length) = patience {
                let text = format!("No verdict for {}: {why}", span(*length));
                actions.push(alert(Severity::Warn, text));
            }
            actions
        }
        WaitingOn::Routes(why) | WaitingOn::TargetFault(why) => {
            vec![warning(phase, why.clone())]
        }
        WaitingOn::Target { name } => vec![warning(phase, format!("{name} does not exist"))],
        WaitingOn::Suspended
        | WaitingOn::Cache(_)
        | WaitingOn::Settling { .. }
        | WaitingOn::Check { .. }
        | WaitingOn::Answers => Vec::new(),
    }
}

fn gate_closed(spec: &ValidSpec, name: &str, kind: GateKind, phase: Phase) -> Vec<Action> {
    let whose = match kind {
        GateKind::ConfirmPromotion => "promotion approval",
        GateKind::ConfirmTrafficIncrease => "traffic increase approval",
        GateKind::ConfirmRollout
        | GateKind::PreRollout
        | GateKind::Rollout
        | GateKind::PostRollout
        | GateKind::Rollback => "approval",
    };
    let mut actions = vec![warning(
        phase,
        format!(
            "Halt {} advancement waiting for {whose} {name}",
            spec.dotted()
        ),
    )];
    let text = match kind {
        GateKind::ConfirmRollout => "Canary is waiting for approval.",
        GateKind::ConfirmPromotion => "Canary promotion is waiting for approval.",
        GateKind::ConfirmTrafficIncrease => "Canary traffic increase is waiting for approval.",
        GateKind::PreRollout | GateKind::Rollout | GateKind::PostRollout | GateKind::Rollback => {
            return actions;
        }
    };
    let is_muted = spec
        .gates_of(kind)
        .any(|gate| gate.name == name && gate.is_alert_muted);
    if !is_muted {
        actions.push(alert(Severity::Warn, text));
    }
    actions
}
