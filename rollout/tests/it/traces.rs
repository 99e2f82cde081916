//! Short runs told beside their test; whole strategies are told in e2e/scenarios.

use expect_test::Expect;
use serde_json::{Value, json};

use crate::script::{Cluster, canary};

/// Runs a script on a Canary with this analysis (and further spec fields), and compares what was decided.
/// Lines before `---` are carried out without being printed.
pub(crate) fn check(analysis: &Value, spec: &Value, script: &str, want: &Expect) {
    let mut cluster = Cluster::new(canary(analysis, spec));
    let mut out = String::new();
    let (quiet, told) = script.split_once("---").unwrap_or(("", script));
    for line in quiet.lines().map(str::trim).filter(|line| !line.is_empty()) {
        cluster.moment(line);
    }
    for line in told.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(&format!("> {line}\n{}", cluster.moment(line)));
    }
    want.assert_eq(&out);
}

pub(crate) fn weighted() -> Value {
    json!({"stepWeight": 25, "maxWeight": 50, "metrics": [
        {"name": "request-success-rate", "threshold": 99, "interval": "1m"},
        {"name": "request-duration", "threshold": 500, "interval": "1m"},
    ]})
}

pub(crate) fn none() -> Value {
    json!({})
}
