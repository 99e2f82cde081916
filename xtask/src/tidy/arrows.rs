//! The table of arrows between crates: each may use those named here and no other of ours.
//!
//! ```text
//! 6  cli  e2e  xtask
//! 5  operator
//! 4  gitops  sandbox
//! 3  apply  sources  analysis  gateway  apiserver  loadtester  notifier  EDGE: IO allowed, few decisions
//! ────────────────────────────────────────────────────────────────────────────────────────────
//! 2  mesh-adapters                                                 PURE: no runtime, client, clock
//! 1  rollout  kustomize
//! 0  api  goyaml  gotemplate  promql
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Broken;
use crate::run::output;

/// Crate, and what it may use. `cli`, `e2e` and `xtask` may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("goyaml", &[]),
    ("gotemplate", &[]),
    ("promql", &[]),
    ("rollout", &["api"]),
    ("kustomize", &["goyaml"]),
    ("mesh-adapters", &["api", "rollout"]),
    ("apply", &["api"]),
    ("sources", &["api"]),
    ("analysis", &["api", "rollout", "gotemplate"]),
    ("gateway", &["api"]),
    ("apiserver", &["goyaml"]),
    ("loadtester", &["gotemplate"]),
    ("notifier", &["api"]),
    ("sandbox", &["api", "apiserver", "goyaml", "promql"]),
    (
        "gitops",
        &["api", "apply", "goyaml", "kustomize", "sources"],
    ),
    (
        "operator",
        &[
            "api",
            "analysis",
            "gitops",
            "mesh-adapters",
            "notifier",
            "rollout",
            "sources",
        ],
    ),
];

/// Crates at the top, which may use every other.
const TOP: [&str; 3] = ["cli", "e2e", "xtask"];

/// Crates without IO: they may link none of these.
const PURE: [&str; 7] = [
    "api",
    "goyaml",
    "gotemplate",
    "promql",
    "rollout",
    "kustomize",
    "mesh-adapters",
];

/// Libraries that do IO, keep time or start threads.
const IMPURE: [&str; 9] = [
    "tokio", "kube", "reqwest", "hyper", "axum", "tracing", "rand", "futures", "uuid",
];

/// Compares the table with what the crates declare.
pub(super) fn check() -> Result<Vec<Broken>> {
    let metadata = output(
        "cargo",
        &[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ],
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata names no packages")?;
    let declared: BTreeMap<String, BTreeSet<String>> = packages.iter().map(uses).collect();
    let mut broken = Vec::new();
    for (name, uses) in &declared {
        if PURE.contains(&name.as_str()) {
            let impure = uses.iter().filter(|used| IMPURE.contains(&used.as_str()));
            broken.extend(impure.map(|used| format!("{name} is pure and must not use {used}")));
        }
        if TOP.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            broken.push(format!(
                "{name} is not in the table of arrows (xtask/src/tidy/arrows.rs)"
            ));
            continue;
        };
        let ours = uses.iter().filter(|used| declared.contains_key(*used));
        broken.extend(
            ours.filter(|used| !allowed.contains(&used.as_str()))
                .map(|used| format!("{name} must not use {used}")),
        );
    }
    Ok(broken)
}

/// A package and its normal dependencies; those of tests may point anywhere.
fn uses(package: &Value) -> (String, BTreeSet<String>) {
    let name = package
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let all = package
        .get("dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let normal = all.filter(|d| d.get("kind").is_none_or(Value::is_null));
    (
        name,
        normal
            .filter_map(|d| d.get("name").and_then(Value::as_str))
            .map(str::to_owned)
            .collect(),
    )
}
