//! Random ways to release: strategies, cookies, gates, and patience without a verdict.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use sandbox::Users;

/// How a Canary judges.
pub(super) struct Shape {
    /// Fields of `spec.analysis`, a line each.
    pub(super) analysis: String,
    /// Who comes.
    pub(super) users: Vec<Users>,
    /// How often the gate stays closed.
    pub(super) refusals: u32,
}

/// How traffic moves. Blue/Green mirrors: without a request there is no verdict. Weights are such that requests come
/// every second: of fewer, `rate` guesses those of each bucket of a histogram apart from the others.
const STRATEGIES: [&str; 7] = [
    "stepWeight: 20\nmaxWeight: 60",
    "stepWeight: 50",
    "stepWeights: [20, 30, 60]\nstepWeightPromotion: 40",
    "stepWeight: 30\nmaxWeight: 60\nmirror: true",
    "stepWeight: 30\nmaxWeight: 60\nsessionAffinity: {cookieName: canary}",
    "iterations: 4\nmirror: true",
    "iterations: 4\nmatch: [{headers: {x-user: {exact: insider}}}]",
];

const GATES: [&str; 3] = [
    "confirm-rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
];

impl Shape {
    pub(super) fn any(rng: &mut StdRng) -> Self {
        let mut analysis = STRATEGIES[rng.random_range(0..STRATEGIES.len())].to_owned();
        let gate = GATES[rng.random_range(0..GATES.len())];
        let deadline = ["", ", deadline: 20m"][rng.random_range(0..2)];
        analysis.push_str(&format!(
            "\nwebhooks: [{{name: go, type: {gate}, url: 'http://gate.test/approve'{deadline}}}]"
        ));
        if rng.random_bool(0.5) {
            let action = ["hold", "rollback"][rng.random_range(0..2)];
            analysis.push_str(&format!("\nonUnknown: {{deadline: 15m, action: {action}}}"));
        }
        let users = |share, name: Option<&str>| Users {
            share,
            headers: BTreeMap::from_iter(name.map(|name| ("x-user".to_owned(), name.to_owned()))),
        };
        Self {
            analysis,
            users: vec![users(3, None), users(1, Some("insider"))],
            refusals: rng.random_range(0..4),
        }
    }

    /// The fields, `indent` columns in.
    pub(super) fn indented(&self, indent: usize) -> String {
        let lines = self.analysis.lines();
        lines
            .map(|line| format!("{:indent$}{line}\n", ""))
            .collect()
    }
}
