//! Reads a script: its Canary, its moments, and what is told of each.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One script.
pub(super) struct Script {
    pub(super) canary: Value,
    pub(super) moments: Vec<Moment>,
}

/// One line of what happens.
pub(super) struct Moment {
    pub(super) words: String,
    /// What then happens; None if nobody is told.
    pub(super) told: Option<Trace>,
}

/// What happens at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    /// Phases with weights and counts, none twice in a row.
    pub(super) standings: Vec<String>,
    /// Texts of events.
    pub(super) events: Vec<String>,
    /// Metrics and webhooks.
    pub(super) asked: Vec<String>,
    /// Weights routed last, if any were.
    pub(super) route: Option<String>,
    /// What is waited for at the end, up to its details.
    pub(super) wait: Option<String>,
}

impl Script {
    pub(super) fn read(text: &str) -> Result<Self> {
        let (head, rest) = text.split_once("\n---\n").context("no line ---")?;
        let mut objects = goyaml::parse_json(head, &goyaml::Limits::default())?;
        let canary = objects.pop().context("no Canary")?;
        let mut moments: Vec<Moment> = Vec::new();
        for line in rest
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some(words) = line.strip_prefix(">> ") {
                moments.push(Moment::of(words, None));
            } else if let Some(words) = line.strip_prefix("> ") {
                moments.push(Moment::of(words, Some(Trace::default())));
            } else {
                let told = moments.last_mut().and_then(|moment| moment.told.as_mut());
                told.with_context(|| format!("before any moment: {line}"))?
                    .add(line)?;
            }
        }
        Ok(Self { canary, moments })
    }
}

impl Moment {
    fn of(words: &str, told: Option<Trace>) -> Self {
        let words = words.to_owned();
        Self { words, told }
    }
}

impl Trace {
    fn add(&mut self, line: &str) -> Result<()> {
        let Some(line) = line.strip_prefix("    ") else {
            let (_, standing) = line.split_once(' ').context("a time and a phase")?;
            self.stand(standing);
            self.wait = None;
            return Ok(());
        };
        let (verb, words) = line.split_once(' ').context("a verb and its words")?;
        let words = words.trim_start();
        match verb {
            "asks" => self.asked.extend(words.split(", ").map(str::to_owned)),
            "call" => {
                let (names, _) = words.rsplit_once(" (").context("names and a phase")?;
                for name in names.split(", ") {
                    self.asked.push(name.to_owned());
                    self.events
                        .push(format!("Post-rollout check {name} passed"));
                }
            }
            "event" | "warning" => self.events.extend(event(words)),
            "route" => self.route = Some(words.to_owned()),
            "waits" => self.wait = gist(words),
            "alert" | "cookies" | "scale" | "copy" | "create" | "adopt" | "write" | "count"
            | "ends" | "add" | "remove" | "pause" | "resume" | "revert" => {}
            other => bail!("no such verb: {other}"),
        }
        Ok(())
    }

    pub(super) fn stand(&mut self, standing: &str) {
        if self.standings.last().is_none_or(|last| last != standing) {
            self.standings.push(standing.to_owned());
        }
    }

    /// The same, of a Canary that stood so before.
    pub(super) fn after(&self, before: &str) -> Self {
        let mut after = self.clone();
        if after.standings.first().is_some_and(|first| first == before) {
            after.standings.remove(0);
        }
        after
    }
}

/// The text of an event, as far as it is compared. When pods are told not to be there yet depends on who looks
/// when, and lengths of time are longer here.
pub(super) fn event(text: &str) -> Option<String> {
    let is_of_pods = |of: &str| text.starts_with(&format!("{of} not ready: "));
    let is_passing = is_of_pods("canary deployment podinfo.test")
        || is_of_pods("podinfo-primary.test")
        || text.starts_with("Knative Revision ");
    let timed = [" no verdict for ", " stayed closed for "];
    let found = timed.iter().find_map(|what| {
        let (before, rest) = text.split_once(what)?;
        let (_, why) = rest.split_once(':').unwrap_or(("", rest));
        Some(format!("{before}{what}:{why}"))
    });
    (!is_passing).then(|| found.unwrap_or_else(|| text.to_owned()))
}

/// What a wait is for, without numbers and times; None for what no status tells.
pub(super) fn gist(wait: &str) -> Option<String> {
    if wait.starts_with("suspended") || wait.starts_with("next check") {
        return None;
    }
    let wait = wait.strip_prefix("waiting ").unwrap_or(wait);
    let (gist, _) = wait.split_once(':').unwrap_or((wait, ""));
    Some(gist.to_owned())
}
