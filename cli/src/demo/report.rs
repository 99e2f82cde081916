//! The four releases told: as a table for people, and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::colour::{Palette, Tone};

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The first version serves.
    Initialised,
    /// The new version serves.
    Promoted,
    /// The old version serves.
    #[serde(rename = "rolled back")]
    RolledBack,
}

impl Outcome {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Initialised => "initialised",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
        }
    }
}

/// One release, as it went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Release {
    /// Version, for example `2.0.0`.
    pub(crate) version: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Why, in words, with the measured value.
    pub(crate) reason: String,
    /// Percent of traffic on the canary, in order.
    pub(crate) weights: Vec<u8>,
    /// From the commit to the end.
    pub(crate) seconds: f64,
    /// Requests that users sent meanwhile.
    pub(crate) requests: u64,
    /// Of those, the ones that failed although no bad version answered them.
    pub(crate) failed: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    /// In the order released.
    pub(crate) releases: Vec<Release>,
}

impl Report {
    /// Whether every release ended as it should, and no user noticed.
    pub(crate) fn is_as_expected(&self) -> bool {
        let outcomes: Vec<Outcome> = self.releases.iter().map(|r| r.outcome).collect();
        outcomes
            == [
                Outcome::Initialised,
                Outcome::Promoted,
                Outcome::RolledBack,
                Outcome::RolledBack,
            ]
    }

    /// The table, and a line about the users.
    pub(crate) fn table(&self, application: &str, palette: Palette) -> String {
        let mut out = String::new();
        let head = format!(
            "{:<16}{:<14}{:>5}{:>8}  {}",
            "RELEASE", "OUTCOME", "AT", "AFTER", "WHY"
        );
        let _ = writeln!(out, "{}", palette.paint(Tone::Strong, head));
        for release in &self.releases {
            let tone = match release.outcome {
                Outcome::Initialised | Outcome::Promoted => Tone::Good,
                Outcome::RolledBack => Tone::Bad,
            };
            let outcome = palette.paint(tone, format!("{:<14}", release.outcome.as_str()));
            let name = format!("{application} {}", release.version);
            let _ = writeln!(
                out,
                "{name:<16}{outcome}{:>3} %{:>6.0} s  {}",
                peak(release),
                release.seconds,
                release.reason
            );
        }
        let requests: u64 = self.releases.iter().map(|r| r.requests).sum();
        let failed: u64 = self.releases.iter().map(|r| r.failed).sum();
        let releases = self.releases.len();
        let _ = write!(
            out,
            "\n{releases} releases, {} requests by users of good versions, {failed} failed.",
            grouped(requests)
        );
        out
    }
}

/// The highest weight; a first version has all traffic from the start.
fn peak(release: &Release) -> u8 {
    match release.outcome {
        Outcome::Initialised => 100,
        Outcome::Promoted | Outcome::RolledBack => {
            release.weights.iter().copied().max().unwrap_or_default()
        }
    }
}

/// `3914` as `3,914`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, want) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), want);
        }
    }

    #[test]
    fn only_the_four_expected_outcomes_count() {
        let release = |outcome| Release {
            version: "1".to_owned(),
            outcome,
            reason: String::new(),
            weights: vec![20],
            seconds: 1.0,
            requests: 1,
            failed: 0,
        };
        let report = |outcomes: &[Outcome]| Report {
            releases: outcomes.iter().map(|o| release(*o)).collect(),
        };
        use Outcome::{Initialised, Promoted, RolledBack};
        assert!(report(&[Initialised, Promoted, RolledBack, RolledBack]).is_as_expected());
        assert!(!report(&[Initialised, Promoted, Promoted, RolledBack]).is_as_expected());
        assert!(!report(&[Initialised, Promoted, RolledBack]).is_as_expected());
        let json = serde_json::to_value(report(&[RolledBack])).unwrap();
        assert_eq!(json["releases"][0]["outcome"], "rolled back");
    }
}
