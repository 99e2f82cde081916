//! Builds the primary Deployment or DaemonSet: at its creation, and at each promotion.
//!
//! It decides nothing: which version of the target may be copied is the rollout's to say.

use rollout::spec::TargetKind;
use serde_json::{Map, Value, json};

use super::config::ConfigRef;
use super::{Owner, REVISION_ANNOTATION, Selector, included, primary_name, without_toolkit, zero};
use crate::json::{int_at, list_at_mut, map_at, str_at};

/// What the primary takes from elsewhere than the target.
pub struct Plan<'a> {
    /// Kind of target and primary: Deployment or DaemonSet.
    pub kind: TargetKind,
    /// The Canary.
    pub owner: &'a Owner,
    /// The label that tells the pods apart.
    pub selector: &'a Selector,
    /// All keys that may be a selector label: affinity rules are rewritten for each.
    pub selector_labels: &'a [String],
    /// Prefixes of labels and annotations to copy.
    pub include_label_prefix: &'a [String],
    /// Tracked ConfigMaps and Secrets: the primary reads copies of them.
    pub tracked: &'a [ConfigRef],
    /// Text of the revision annotation.
    pub snapshot: String,
    /// A fresh UUID: it rolls the primary's pods even if nothing else changed.
    pub flagger_id: String,
    /// Whether an autoscaler sets the replicas.
    pub has_autoscaler: bool,
}

/// The primary as it is created from `target`.
pub fn create(target: &Value, plan: &Plan<'_>) -> Value {
    let mut annotations = without_toolkit(map_at(target, "/metadata/annotations"));
    annotations.insert(REVISION_ANNOTATION.to_owned(), json!(plan.snapshot));
    let mut spec = copied_spec(target, plan.kind);
    if plan.kind == TargetKind::Deployment {
        let replicas = int_at(target, "/spec/replicas").filter(|count| *count > 0);
        spec.insert("replicas".to_owned(), json!(replicas.unwrap_or(1)));
    }
    spec.insert(
        "selector".to_owned(),
        json!({"matchLabels": {&plan.selector.key: plan.selector.primary_value()}}),
    );
    spec.insert("template".to_owned(), template(target, plan));
    json!({
        "apiVersion": "apps/v1",
        "kind": plan.kind.as_str(),
        "metadata": {
            "name": primary_name(str_at(target, "/metadata/name")),
            "namespace": plan.owner.namespace,
            "labels": labels(target, plan),
            "annotations": annotations,
            "ownerReferences": [plan.owner.reference()],
        },
        "spec": spec,
    })
}

/// The primary as it is after promotion: `live` with everything of `target` that is promoted.
pub fn promote(target: &Value, live: &Value, plan: &Plan<'_>) -> Value {
    let mut annotations = included(
        map_at(target, "/metadata/annotations"),
        plan.include_label_prefix,
    );
    annotations.insert(REVISION_ANNOTATION.to_owned(), json!(plan.snapshot));
    let mut metadata = map_at(live, "/metadata");
    metadata.remove("managedFields");
    metadata.insert("labels".to_owned(), Value::Object(labels(target, plan)));
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    let mut spec = map_at(live, "/spec");
    for field in copied(plan.kind) {
        spec.remove(*field);
    }
    spec.append(&mut copied_spec(target, plan.kind));
    if !plan.has_autoscaler
        && plan.kind == TargetKind::Deployment
        && let Some(replicas) = target.pointer("/spec/replicas")
    {
        spec.insert("replicas".to_owned(), replicas.clone());
    }
    spec.insert("template".to_owned(), template(target, plan));
    json!({"apiVersion": "apps/v1", "kind": plan.kind.as_str(), "metadata": metadata, "spec": spec})
}

/// Fields of `spec` that are the target's, as they are.
const fn copied(kind: TargetKind) -> &'static [&'static str] {
    match kind {
        TargetKind::Deployment => &[
            "progressDeadlineSeconds",
            "minReadySeconds",
            "revisionHistoryLimit",
            "strategy",
        ],
        TargetKind::DaemonSet => &["minReadySeconds", "revisionHistoryLimit", "updateStrategy"],
        // Copied whole, by `copy.rs`.
        TargetKind::Service | TargetKind::Knative => &[],
    }
}

fn copied_spec(target: &Value, kind: TargetKind) -> Map<String, Value> {
    copied(kind)
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), target.get("spec")?.get(field)?.clone())))
        .collect()
}

fn labels(target: &Value, plan: &Plan<'_>) -> Map<String, Value> {
    let mut labels = included(
        map_at(target, "/metadata/labels"),
        plan.include_label_prefix,
    );
    labels.insert(
        plan.selector.key.clone(),
        json!(plan.selector.primary_value()),
    );
    labels
}

fn template(target: &Value, plan: &Plan<'_>) -> Value {
    let template = target
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let mut template = match plan.kind {
        TargetKind::DaemonSet => zero::without(template),
        TargetKind::Deployment | TargetKind::Service | TargetKind::Knative => template,
    };
    let mut labels = without_toolkit(map_at(&template, "/metadata/labels"));
    labels.insert(
        plan.selector.key.clone(),
        json!(plan.selector.primary_value()),
    );
    let mut annotations = without_toolkit(map_at(&template, "/metadata/annotations"));
    annotations.insert("flagger-id".to_owned(), json!(plan.flagger_id));
    if let Some(template) = template.as_object_mut() {
        template.insert(
            "metadata".to_owned(),
            json!({"labels": labels, "annotations": annotations}),
        );
    }
    if let Some(spec) = template.get_mut("spec") {
        super::config::rename(spec, plan.tracked);
        rewrite_affinity(spec, str_at(target, "/metadata/name"), plan.selector_labels);
    }
    template
}

/// Points spread and anti-affinity rules at the primary's own pods. podAffinity stays.
fn rewrite_affinity(pod: &mut Value, target: &str, keys: &[String]) {
    for constraint in list_at_mut(pod, "/topologySpreadConstraints") {
        rewrite_selector(constraint.get_mut("labelSelector"), target, keys);
    }
    for term in list_at_mut(
        pod,
        "/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution",
    ) {
        rewrite_selector(term.get_mut("labelSelector"), target, keys);
    }
    for term in list_at_mut(
        pod,
        "/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution",
    ) {
        rewrite_selector(
            term.pointer_mut("/podAffinityTerm/labelSelector"),
            target,
            keys,
        );
    }
}

fn rewrite_selector(selector: Option<&mut Value>, target: &str, keys: &[String]) {
    let Some(selector) = selector else { return };
    if let Some(labels) = selector
        .get_mut("matchLabels")
        .and_then(Value::as_object_mut)
    {
        for (key, value) in labels {
            if keys.contains(key) && value.as_str() == Some(target) {
                *value = json!(primary_name(target));
            }
        }
    }
    for expression in list_at_mut(selector, "/matchExpressions") {
        if !keys.iter().any(|key| key == str_at(expression, "/key")) {
            continue;
        }
        let found = list_at_mut(expression, "/values").find(|value| value.as_str() == Some(target));
        if let Some(value) = found {
            *value = json!(primary_name(target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::*;
    use expect_test::{Expect, expect};

    fn target() -> Value {
        json!({
            "kind": "Deployment",
            "metadata": {
                "name": "podinfo", "namespace": "test",
                "labels": {"app": "podinfo", "team": "a", "kustomize.toolkit.fluxcd.io/name": "apps"},
                "annotations": {"team/mail": "a@b", "kustomize.toolkit.fluxcd.io/ssa": "merge"},
            },
            "spec": {
                "replicas": 0, "minReadySeconds": 5,
                "selector": {"matchLabels": {"app": "podinfo", "tier": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "podinfo", "tier": "web"}, "annotations": {"flagger-id": "old", "a": "b"}},
                    "spec": {
                        "containers": [{"name": "podinfod", "image": "podinfo:2", "envFrom": [{"configMapRef": {"name": "env"}}]}],
                        "topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "podinfo", "x": "podinfo"}}}],
                        "affinity": {
                            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"app": "podinfo"}}}]},
                            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm":
                                {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["other", "podinfo"]}]}}}]},
                        },
                    },
                },
            },
        })
    }

    fn check(prefixes: &[&str], has_autoscaler: bool, live: Option<&Value>, expected: &Expect) {
        let target = target();
        let selector_labels = ["app".to_owned(), "name".to_owned()];
        let owner = Owner {
            name: "podinfo".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let plan = Plan {
            kind: TargetKind::Deployment,
            owner: &owner,
            selector: &Selector::find(&target, "Deployment", "podinfo", &selector_labels).unwrap(),
            selector_labels: &selector_labels,
            include_label_prefix: &prefixes.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>(),
            tracked: &config::references(&target["spec"]["template"]),
            snapshot: "digest".into(),
            flagger_id: "id-1".into(),
            has_autoscaler,
        };
        let mut built = match live {
            None => create(&target, &plan),
            Some(live) => promote(&target, live, &plan),
        };
        let template = built["spec"]["template"].take();
        let (metadata, spec) = (&built["metadata"], &built["spec"]);
        expected.assert_eq(&format!(
            "{metadata}\n{spec}\n{}\n{}",
            template["metadata"], template["spec"]
        ));
    }

    #[test]
    fn is_created_from_the_target() {
        check(
            &[],
            false,
            None,
            &expect![[r#"
            {"annotations":{"sluice.dev/revision":"digest","team/mail":"a@b"},"labels":{"app":"podinfo-primary"},"name":"podinfo-primary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
            {"minReadySeconds":5,"replicas":1,"selector":{"matchLabels":{"app":"podinfo-primary"}},"template":null}
            {"annotations":{"a":"b","flagger-id":"id-1"},"labels":{"app":"podinfo-primary","tier":"web"}}
            {"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{"matchLabels":{"app":"podinfo"}}}]},"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":{"labelSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["other","podinfo-primary"]}]}}}]}},"containers":[{"envFrom":[{"configMapRef":{"name":"env-primary"}}],"image":"podinfo:2","name":"podinfod"}],"topologySpreadConstraints":[{"labelSelector":{"matchLabels":{"app":"podinfo-primary","x":"podinfo"}}}]}"#]],
        );
    }

    #[test]
    fn is_promoted_in_place() {
        let live = json!({
            "metadata": {"name": "podinfo-primary", "namespace": "test", "uid": "u9", "resourceVersion": "7",
                "labels": {"old": "x"}, "annotations": {"old": "x"}, "managedFields": [{}]},
            "spec": {"replicas": 3, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app": "podinfo-primary"}},
                "template": {"spec": {"containers": [{"name": "gone"}]}}},
            "status": {"replicas": 3},
        });
        check(
            &["team"],
            true,
            Some(&live),
            &expect![[r#"
            {"annotations":{"sluice.dev/revision":"digest","team/mail":"a@b"},"labels":{"app":"podinfo-primary","team":"a"},"name":"podinfo-primary","namespace":"test","resourceVersion":"7","uid":"u9"}
            {"minReadySeconds":5,"replicas":3,"selector":{"matchLabels":{"app":"podinfo-primary"}},"template":null}
            {"annotations":{"a":"b","flagger-id":"id-1"},"labels":{"app":"podinfo-primary","tier":"web"}}
            {"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{"matchLabels":{"app":"podinfo"}}}]},"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":{"labelSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["other","podinfo-primary"]}]}}}]}},"containers":[{"envFrom":[{"configMapRef":{"name":"env-primary"}}],"image":"podinfo:2","name":"podinfod"}],"topologySpreadConstraints":[{"labelSelector":{"matchLabels":{"app":"podinfo-primary","x":"podinfo"}}}]}"#]],
        );
    }

    #[test]
    fn a_daemon_set_keeps_its_own_fields_and_wakes_up() {
        let owner = Owner {
            name: "agent".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let target = json!({"metadata": {"name": "agent"}, "spec": {
            "updateStrategy": {"type": "RollingUpdate"}, "minReadySeconds": 3,
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"nodeSelector": {"flagger.app/scale-to-zero": "true", "a": "b"},
                "topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "agent"}}}]}},
        }});
        let labels = ["app".to_owned()];
        let plan = Plan {
            kind: TargetKind::DaemonSet,
            owner: &owner,
            selector: &Selector::find(&target, "DaemonSet", "agent", &labels).unwrap(),
            selector_labels: &labels,
            include_label_prefix: &[],
            tracked: &[],
            snapshot: "digest".into(),
            flagger_id: "id-1".into(),
            has_autoscaler: false,
        };
        let built = create(&target, &plan);
        assert_eq!(built["kind"], "DaemonSet");
        expect![[r#"{"minReadySeconds":3,"selector":{"matchLabels":{"app":"agent-primary"}},"template":{"metadata":{"annotations":{"flagger-id":"id-1"},"labels":{"app":"agent-primary"}},"spec":{"nodeSelector":{"a":"b"},"topologySpreadConstraints":[{"labelSelector":{"matchLabels":{"app":"agent-primary"}}}]}},"updateStrategy":{"type":"RollingUpdate"}}"#]].assert_eq(&built["spec"].to_string());
        let again = promote(&target, &built, &plan);
        assert_eq!(again["spec"], built["spec"]);
    }
}
