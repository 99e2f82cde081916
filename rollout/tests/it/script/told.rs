//! Tells a decision in the words of a golden file.

use std::fmt::Write as _;

use rollout::{Action, Decision, Severity, Split, action::Scale, report::word};

use super::Cluster;

impl Cluster {
    /// `20s Promoting 50/50`, then a line for each thing that was asked, done or is waited for.
    pub(super) fn told(&self, decision: &Decision) -> String {
        let mut text = format!(
            "{}s {}\n{}",
            self.seconds(),
            self.standing(),
            self.cookies()
        );
        let mut line = |verb: &str, words: &str| {
            let _ = writeln!(text, "    {verb:<8} {words}");
        };
        if !self.asked.is_empty() {
            line("asks", &self.asked.join(", "));
        }
        for action in &decision.actions {
            let (verb, words) = action_told(action);
            line(verb, &words);
        }
        if let Some(waiting_on) = &decision.waiting_on {
            let words = waiting_on.at(self.now).to_string();
            let what = words.strip_prefix("waiting ").unwrap_or(&words);
            line("waits", what);
        }
        if let Some(outcome) = &decision.report.outcome {
            let (at, seconds) = (outcome.at, outcome.after.num_seconds());
            let kind = word(outcome.kind);
            line(
                "ends",
                &format!("{kind} at {at} % after {seconds} s: {}", outcome.why),
            );
        }
        text
    }

    /// Whom session affinity keeps where; each value is told by its first letter.
    fn cookies(&self) -> String {
        let Some(status) = &self.status else {
            return String::new();
        };
        let cookies = [
            ("canary", &status.session_affinity_cookie),
            ("primary", &status.primary_session_affinity_cookie),
            ("gone", &status.previous_session_affinity_cookie),
        ];
        let told = cookies.into_iter().filter_map(|(whose, cookie)| {
            let cookie = cookie.as_ref().filter(|cookie| !cookie.is_empty())?;
            let (name, value) = cookie.split_once('=')?;
            Some(format!("{whose} {name}={}…", value.get(..1)?))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() {
            return String::new();
        }
        format!("    cookies  {}\n", told.join(", "))
    }

    /// Phase, weights of primary and canary, and counts above 0, as the status has them.
    fn standing(&self) -> String {
        let Some(status) = &self.status else {
            return "without a status".to_owned();
        };
        let canary = status.canary_weight;
        let mut text = format!("{:?} {}/{canary}", status.phase, 100 - canary);
        if status.iterations != 0 {
            let _ = write!(text, ", iteration {}", status.iterations);
        }
        if status.failed_checks != 0 {
            let _ = write!(text, ", failed checks {}", status.failed_checks);
        }
        text
    }
}

fn action_told(action: &Action) -> (&'static str, String) {
    match action {
        Action::Routes(split) => ("route", split_told(*split)),
        Action::Primary { from } => ("create", format!("the primary, from {}", short(from))),
        Action::Promote { snapshot } => ("copy", format!("{} to the primary", short(snapshot))),
        Action::Adopt { snapshot } => ("adopt", format!("the primary as {}", short(snapshot))),
        Action::Event { warning, text, .. } => {
            (if *warning { "warning" } else { "event" }, text.clone())
        }
        Action::Alert { severity, text, .. } => {
            let severity = match severity {
                Severity::Info => "info",
                Severity::Warn => "warn",
                Severity::Error => "error",
            };
            ("alert", format!("{severity}: {text}"))
        }
        Action::RunHooks { hooks, phase, .. } => {
            let names: Vec<_> = hooks.iter().map(|hook| hook.name.as_str()).collect();
            ("call", format!("{} ({phase:?})", names.join(", ")))
        }
        Action::ScaleTarget(Scale::Up) => ("scale", "the target up".to_owned()),
        Action::ScaleTarget(Scale::Zero) => ("scale", "the target to zero".to_owned()),
        Action::ScalePrimary { replicas_min } => {
            ("scale", format!("the primary to {replicas_min} at least"))
        }
        Action::Count { success: true, .. } => ("count", "a success".to_owned()),
        Action::Count { success: false, .. } => ("count", "a failure".to_owned()),
        Action::PrimaryScaler { update: false } => ("create", "the primary's scaler".to_owned()),
        Action::PrimaryScaler { update: true } => {
            ("copy", "the scaler to the primary's".to_owned())
        }
        Action::PauseScaler => ("pause", "the target's scaler".to_owned()),
        Action::ResumeScaler => ("resume", "the target's scaler".to_owned()),
        Action::Services => ("write", "the Services".to_owned()),
        Action::Apex => ("write", "the apex Service".to_owned()),
        Action::RevertTarget => ("revert", "the target".to_owned()),
        Action::RevertApex => ("revert", "the apex Service".to_owned()),
        Action::RevertRoutes => ("revert", "the routes".to_owned()),
        Action::AddFinalizer => ("add", "the finalizer".to_owned()),
        Action::RemoveFinalizer => ("remove", "the finalizer".to_owned()),
    }
}

fn split_told(split: Split) -> String {
    let canary = split.canary.percent();
    let mirrored = if split.mirrored { " mirrored" } else { "" };
    format!("{}/{canary}{mirrored}", 100 - canary)
}

/// A version's name, such as `v2`; of Knative a revision's.
fn short(snapshot: &rollout::Snapshot) -> &str {
    let name = snapshot.short();
    if name.contains('-') {
        return name;
    }
    name.get(..2).unwrap_or(name)
}
