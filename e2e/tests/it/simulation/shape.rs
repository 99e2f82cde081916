//! Random ways to release: strategies, cookies, gates, patience without a verdict, and how each must end.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use sandbox::Users;

use super::Version;

/// How a Canary is released.
pub(super) struct Shape {
    pub(super) provider: &'static str,
    /// More fields of `spec`, a line each.
    pub(super) spec: &'static str,
    /// Fields of `spec.analysis`, a line each.
    pub(super) analysis: String,
    /// Who comes.
    pub(super) users: Vec<Users>,
    /// How often the gate stays closed.
    pub(super) refusals: u32,
    pub(super) judged: Judged,
}

/// Whose requests a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Those of users.
    ByUsers,
    /// Those of a load tester, which asks the canary's Service.
    ByLoad,
    /// Nobody measures: whatever becomes ready is promoted.
    Not,
    /// Nobody asks the canary: nothing is promoted.
    Never,
}

/// How traffic moves, and who is asked.
struct Strategy {
    analysis: &'static str,
    spec: &'static str,
    providers: &'static [&'static str],
    judged: Judged,
}

const MESHES: [&str; 3] = ["sluice", "gatewayapi:v1", "istio"];
/// Without routes; what its pods count of themselves is looked at.
const PLAIN: [&str; 1] = ["kubernetes"];
const INSIDERS: &str = "[{headers: {x-user: {exact: insider}}}]";

const fn by_users(analysis: &'static str) -> Strategy {
    Strategy {
        analysis,
        spec: "",
        providers: &MESHES,
        judged: Judged::ByUsers,
    }
}

/// Weights that users judge are such that requests come every second: of fewer, `rate` guesses those of each bucket
/// of a histogram apart from the others.
const STRATEGIES: [Strategy; 14] = [
    by_users("stepWeight: 20\nmaxWeight: 60"),
    by_users("stepWeight: 50"),
    by_users("stepWeights: [20, 30, 60]\nstepWeightPromotion: 40"),
    by_users("stepWeight: 30\nmaxWeight: 60\nmirror: true"),
    by_users("stepWeight: 30\nmaxWeight: 60\nsessionAffinity: {cookieName: canary}"),
    by_users("iterations: 4\nmirror: true"),
    by_users("iterations: 4\nmatch: INSIDERS"),
    by_users("stepWeight: 50\nmatch: INSIDERS"),
    by_users("stepWeight: 20\nmaxWeight: 60\ntesters: INSIDERS"),
    Strategy {
        providers: &PLAIN,
        judged: Judged::ByLoad,
        ..by_users("iterations: 4")
    },
    Strategy {
        providers: &PLAIN,
        judged: Judged::ByLoad,
        ..by_users("stepWeight: 20\nmaxWeight: 60")
    },
    Strategy {
        judged: Judged::Not,
        ..by_users("iterations: 4")
    },
    Strategy {
        judged: Judged::Never,
        ..by_users("iterations: 4\nonUnknown: {deadline: 5m, action: rollback}")
    },
    Strategy {
        spec: "skipAnalysis: true",
        judged: Judged::Not,
        ..by_users("stepWeight: 20\nmaxWeight: 60")
    },
];

const GATES: [&str; 3] = [
    "confirm-rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
];
/// The last is late: it is asked each interval, so it opens after ten minutes.
const REFUSALS: [u32; 5] = [0, 1, 2, 3, 60];

const METRICS: &str = "
metrics:
  - {name: request-success-rate, interval: 1m, thresholdRange: {min: 99}}
  - {name: request-duration, interval: 1m, thresholdRange: {max: 500}}";

impl Shape {
    pub(super) fn any(rng: &mut StdRng) -> Self {
        let Strategy {
            analysis,
            spec,
            providers,
            judged,
        } = STRATEGIES[rng.random_range(0..STRATEGIES.len())];
        let mut analysis = analysis.replace("INSIDERS", INSIDERS);
        if judged != Judged::Not {
            analysis.push_str(METRICS);
        }
        let gate = GATES[rng.random_range(0..GATES.len())];
        let deadline = ["", ", deadline: 20m"][rng.random_range(0..2)];
        analysis.push_str(&format!(
            "\nwebhooks: [{{name: go, type: {gate}, url: 'http://gate.test/approve'{deadline}}}]"
        ));
        if judged != Judged::Never && rng.random_bool(0.5) {
            let action = ["hold", "rollback"][rng.random_range(0..2)];
            analysis.push_str(&format!("\nonUnknown: {{deadline: 15m, action: {action}}}"));
        }
        let users = |share, name: Option<&str>| Users {
            share,
            headers: BTreeMap::from_iter(name.map(|name| ("x-user".to_owned(), name.to_owned()))),
        };
        Self {
            provider: providers[rng.random_range(0..providers.len())],
            spec,
            analysis,
            users: vec![users(3, None), users(1, Some("insider"))],
            refusals: REFUSALS[rng.random_range(0..REFUSALS.len())],
            judged,
        }
    }

    /// How the release of a version must end.
    pub(super) fn phase(&self, version: Version) -> &'static str {
        match (self.judged, version) {
            (Judged::Never, _) | (_, Version::NeverReady) => "Failed",
            (Judged::Not, Version::Good | Version::Failing | Version::Slow)
            | (Judged::ByUsers | Judged::ByLoad, Version::Good) => "Succeeded",
            (Judged::ByUsers | Judged::ByLoad, Version::Failing | Version::Slow) => "Failed",
        }
    }

    /// The fields of the analysis, `indent` columns in.
    pub(super) fn indented(&self, indent: usize) -> String {
        let lines = self.analysis.lines();
        lines
            .map(|line| format!("{:indent$}{line}\n", ""))
            .collect()
    }
}
