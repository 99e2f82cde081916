//! Decides whether the Kustomizations that one depends on are ready.
//!
//! Reads the watch cache only. A cycle is found from each of its members, and
//! named, because nobody in it can ever become ready.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::Kustomization;
use api::kustomization::{KustomizationStatus, SourceRef};

use crate::conditions::{self, READY};
use crate::subject::Key;

/// Kustomizations looked at when searching for a cycle.
const CYCLE_NODES_MAX: usize = 10_000;

/// Why the dependencies are not ready; `None` when they are.
///
/// `find` gives a Kustomization, `revision` the current revision of a source.
pub(super) fn blocker(
    key: &Key,
    own: &Kustomization,
    find: &impl Fn(&Key) -> Option<Arc<Kustomization>>,
    revision: Option<&str>,
) -> Option<String> {
    if let Some(cycle) = find_cycle(key, own, find) {
        return Some(format!(
            "dependency cycle: {cycle}; remove one of these from spec.dependsOn"
        ));
    }
    keys(key, own).into_iter().find_map(|dependency| {
        let Some(found) = find(&dependency) else {
            return Some(format!(
                "dependency '{dependency}' not found: no such Kustomization"
            ));
        };
        let is_same_source =
            source(key, &own.spec.source_ref) == source(&dependency, &found.spec.source_ref);
        unready(&found, revision.filter(|_| is_same_source))
            .map(|why| format!("dependency '{dependency}' {why}"))
    })
}

fn unready(dependency: &Kustomization, revision: Option<&str>) -> Option<&'static str> {
    let none = KustomizationStatus::default();
    let status = dependency.status.as_ref().unwrap_or(&none);
    let is_current = dependency.metadata.generation == status.observed_generation;
    if !is_current || !conditions::is_true(&status.conditions, READY) {
        return Some("is not ready");
    }
    (revision.is_some() && status.last_applied_revision.as_deref() != revision)
        .then_some("revision is not up to date")
}

/// Kind, namespace and name of a source, the namespace filled in.
fn source<'a>(key: &'a Key, reference: &'a SourceRef) -> (&'a str, &'a str, &'a str) {
    let namespace = reference.namespace.as_deref().unwrap_or(&key.namespace);
    (&reference.kind, namespace, &reference.name)
}

fn keys(key: &Key, kustomization: &Kustomization) -> Vec<Key> {
    let all = kustomization.spec.depends_on.iter();
    all.map(|one| {
        Key::new(
            one.namespace.as_deref().unwrap_or(&key.namespace),
            &one.name,
        )
    })
    .collect()
}

/// A way from `start` back to itself.
fn find_cycle(
    start: &Key,
    own: &Kustomization,
    find: &impl Fn(&Key) -> Option<Arc<Kustomization>>,
) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<Vec<Key>> = keys(start, own)
        .into_iter()
        .map(|next| vec![next])
        .collect();
    while let Some(path) = waiting.pop() {
        let here = path.last()?;
        if here == start {
            let steps: Vec<String> = std::iter::once(start)
                .chain(&path)
                .map(ToString::to_string)
                .collect();
            return Some(steps.join(" → "));
        }
        if seen.len() >= CYCLE_NODES_MAX || !seen.insert(here.clone()) {
            continue;
        }
        if let Some(found) = find(here) {
            for next in keys(here, &found) {
                let mut longer = path.clone();
                longer.push(next);
                waiting.push(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::json;

    type All = BTreeMap<Key, Arc<Kustomization>>;

    fn one(depends_on: &[&str], ready: &str, generation: i64, applied: &str) -> Arc<Kustomization> {
        let depends_on: Vec<_> = depends_on
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        let value = json!({
            "metadata": {"generation": generation},
            "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "r"}, "dependsOn": depends_on},
            "status": {"observedGeneration": 1, "lastAppliedRevision": applied,
                "conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": ""}]},
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    fn check(all: &[(&str, Arc<Kustomization>)], wanted: Option<&str>) {
        let all: All = all
            .iter()
            .map(|(name, k)| (Key::new("ns", name), Arc::clone(k)))
            .collect();
        let own = Key::new("ns", "a");
        let found = blocker(
            &own,
            &all[&own],
            &|key| all.get(key).cloned(),
            Some("main@sha1:2"),
        );
        assert_eq!(found.as_deref(), wanted);
    }

    #[test]
    fn dependencies_block_until_ready_at_the_same_revision() {
        let a = || one(&["b"], "Unknown", 1, "");
        check(&[("a", one(&[], "Unknown", 1, ""))], None);
        check(
            &[("a", a())],
            Some("dependency 'ns/b' not found: no such Kustomization"),
        );
        check(
            &[("a", a()), ("b", one(&[], "False", 1, "main@sha1:2"))],
            Some("dependency 'ns/b' is not ready"),
        );
        check(
            &[("a", a()), ("b", one(&[], "True", 2, "main@sha1:2"))],
            Some("dependency 'ns/b' is not ready"),
        );
        check(
            &[("a", a()), ("b", one(&[], "True", 1, "main@sha1:1"))],
            Some("dependency 'ns/b' revision is not up to date"),
        );
        check(
            &[("a", a()), ("b", one(&[], "True", 1, "main@sha1:2"))],
            None,
        );
    }

    #[test]
    fn a_cycle_is_named() {
        let ready = |depends_on: &[&str]| one(depends_on, "True", 1, "main@sha1:2");
        check(
            &[
                ("a", ready(&["b"])),
                ("b", ready(&["c", "d"])),
                ("c", ready(&["a"])),
                ("d", ready(&[])),
            ],
            Some(
                "dependency cycle: ns/a → ns/b → ns/c → ns/a; remove one of these from spec.dependsOn",
            ),
        );
        check(
            &[("a", ready(&["a"]))],
            Some("dependency cycle: ns/a → ns/a; remove one of these from spec.dependsOn"),
        );
        // A cycle further on blocks its members, not this one.
        check(
            &[
                ("a", ready(&["b"])),
                ("b", ready(&["c"])),
                ("c", ready(&["b"])),
            ],
            None,
        );
    }
}
