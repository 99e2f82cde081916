//! Builds the primary's KEDA ScaledObject from the target's, and the pause of the target's.
//!
//! All of the spec is copied, fields that are not known here too.

use api::canary::AutoscalerRef;
use serde_json::{Map, Value, json};

use super::{LAST_APPLIED, Owner, included, primary_name, without_toolkit};
use crate::json::{list_at_mut, map_at, str_at};

/// Annotations that pause a ScaledObject; the first is the one that is set.
const PAUSES: [&str; 2] = [
    "autoscaling.keda.sh/paused-replicas",
    "autoscaling.keda.sh/paused",
];

/// What the primary's takes from elsewhere than the source.
pub struct Plan<'a> {
    /// `spec.autoscalerRef`.
    pub wanted: &'a AutoscalerRef,
    /// Name of the target.
    pub target: &'a str,
    /// The Canary.
    pub owner: &'a Owner,
}

/// The ScaledObject of the primary as it is created. It never inherits a pause.
pub fn create(source: &Value, plan: &Plan<'_>) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": primary_name(&plan.wanted.name),
            "namespace": plan.owner.namespace,
            "labels": without_toolkit(map_at(source, "/metadata/labels")),
            "annotations": unpaused(without_toolkit(map_at(source, "/metadata/annotations"))),
            "ownerReferences": [plan.owner.reference()],
        },
        "spec": spec(source, plan),
    })
}

/// The live one made to follow the source; none if it does.
pub fn update(source: &Value, live: &Value, plan: &Plan<'_>, prefixes: &[String]) -> Option<Value> {
    let wanted = spec(source, plan);
    if live.get("spec") == Some(&wanted) {
        return None;
    }
    let labels = included(map_at(source, "/metadata/labels"), prefixes);
    let annotations = unpaused(included(map_at(source, "/metadata/annotations"), prefixes));
    let mut metadata = map_at(live, "/metadata");
    metadata.remove("managedFields");
    metadata.insert("labels".to_owned(), Value::Object(labels));
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    Some(json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata,
        "spec": wanted,
    }))
}

/// The merge patch that pauses a ScaledObject at no replicas, or lets it go on.
pub fn pause(is_paused: bool) -> Value {
    let value = is_paused.then_some("0");
    let [key, _] = PAUSES;
    json!({"metadata": {"annotations": {key: value}}})
}

/// Whether it is paused at no replicas.
pub fn is_paused(scaled_object: &Value) -> bool {
    let [key, _] = PAUSES;
    let annotations = scaled_object.pointer("/metadata/annotations");
    annotations
        .and_then(|all| all.get(key))
        .and_then(Value::as_str)
        == Some("0")
}

fn unpaused(mut annotations: Map<String, Value>) -> Map<String, Value> {
    for key in PAUSES.into_iter().chain([LAST_APPLIED]) {
        annotations.remove(key);
    }
    annotations
}

fn spec(source: &Value, plan: &Plan<'_>) -> Value {
    let mut whole = json!({"spec": map_at(source, "/spec")});
    if let Some(spec) = whole.get_mut("spec").and_then(Value::as_object_mut) {
        let mut scaled = map_at(source, "/spec/scaleTargetRef");
        scaled.insert("name".to_owned(), json!(primary_name(plan.target)));
        spec.insert("scaleTargetRef".to_owned(), Value::Object(scaled));
        let own = plan
            .wanted
            .primary_scaler_replicas
            .clone()
            .unwrap_or_default();
        for (field, replicas) in [
            ("minReplicaCount", own.min_replicas),
            ("maxReplicaCount", own.max_replicas),
        ] {
            if let Some(replicas) = replicas {
                spec.insert(field.to_owned(), json!(replicas));
            }
        }
        let advanced = advanced(source);
        spec.insert("advanced".to_owned(), Value::Object(advanced));
    }
    for trigger in list_at_mut(&mut whole, "/spec/triggers") {
        requery(trigger, plan);
    }
    whole.get_mut("spec").map(Value::take).unwrap_or_default()
}

/// `advanced` with an HPA configuration, whose name is the primary's own.
fn advanced(source: &Value) -> Map<String, Value> {
    let mut advanced = map_at(source, "/spec/advanced");
    let mut config = map_at(source, "/spec/advanced/horizontalPodAutoscalerConfig");
    let name = str_at(source, "/spec/advanced/horizontalPodAutoscalerConfig/name");
    if !name.is_empty() {
        config.insert("name".to_owned(), json!(primary_name(name)));
    }
    advanced.insert(
        "horizontalPodAutoscalerConfig".to_owned(),
        Value::Object(config),
    );
    advanced
}

/// Points a trigger's query at the primary: by the Canary's own query, or by name.
fn requery(trigger: &mut Value, plan: &Plan<'_>) {
    let queries = &plan.wanted.primary_scaler_queries;
    let query = if queries.is_empty() {
        let old = trigger.pointer("/metadata/query").and_then(Value::as_str);
        old.map(|old| of_primary(old, plan.target))
    } else {
        queries.get(str_at(trigger, "/name")).cloned()
    };
    if let (Some(query), Some(metadata)) = (
        query,
        trigger.get_mut("metadata").and_then(Value::as_object_mut),
    ) {
        metadata.insert("query".to_owned(), json!(query));
    }
}

/// `<target>-canary` and `<target>` become `<target>-primary`, and that stays.
fn of_primary(query: &str, target: &str) -> String {
    if target.is_empty() {
        return query.to_owned();
    }
    let primary = primary_name(target);
    let mut text = String::new();
    for (place, rest) in query.split(target).enumerate() {
        if place == 0 {
            text.push_str(rest);
            continue;
        }
        let rest = rest
            .strip_prefix("-primary")
            .or_else(|| rest.strip_prefix("-canary"))
            .unwrap_or(rest);
        text.push_str(&primary);
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::canary::ScalerReplicas;
    use expect_test::expect;

    fn source() -> Value {
        json!({
            "metadata": {"name": "podinfo", "labels": {"a": "b", "x.toolkit.fluxcd.io/name": "c"},
                "annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true", "autoscaling.keda.sh/paused-replicas": "0"}},
            "spec": {"scaleTargetRef": {"name": "podinfo", "kind": "Deployment"}, "minReplicaCount": 0, "maxReplicaCount": 4, "newField": 1,
                "advanced": {"horizontalPodAutoscalerConfig": {"name": "podinfo-hpa"}},
                "triggers": [
                    {"name": "rps", "type": "prometheus", "metadata": {"query": "sum(rate(a{w=~\"podinfo|podinfo-canary\"}[1m])) + b{w=\"podinfo-primary\"}"}},
                    {"type": "cron", "metadata": {"start": "0 8 * * *"}}]},
        })
    }

    #[test]
    fn the_primary_scales_by_its_own_load() {
        let owner = Owner {
            name: "podinfo".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let mut wanted = AutoscalerRef {
            name: "podinfo".into(),
            ..AutoscalerRef::default()
        };
        let plan = Plan {
            wanted: &wanted,
            target: "podinfo",
            owner: &owner,
        };
        let built = create(&source(), &plan);
        expect![[r#"
            {"annotations":{"scaledobject.keda.sh/transfer-hpa-ownership":"true"},"labels":{"a":"b"},"name":"podinfo-primary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
            {"advanced":{"horizontalPodAutoscalerConfig":{"name":"podinfo-hpa-primary"}},"maxReplicaCount":4,"minReplicaCount":0,"newField":1,"scaleTargetRef":{"kind":"Deployment","name":"podinfo-primary"},"triggers":[{"metadata":{"query":"sum(rate(a{w=~\"podinfo-primary|podinfo-primary\"}[1m])) + b{w=\"podinfo-primary\"}"},"name":"rps","type":"prometheus"},{"metadata":{"start":"0 8 * * *"},"type":"cron"}]}"#]].assert_eq(&format!("{}\n{}", built["metadata"], built["spec"]));
        assert_eq!(update(&source(), &built, &plan, &[]), None);
        assert!(is_paused(&source()) && !is_paused(&built));
        wanted
            .primary_scaler_queries
            .insert("rps".into(), "own".into());
        wanted.primary_scaler_replicas = Some(ScalerReplicas {
            min_replicas: Some(2),
            max_replicas: None,
        });
        let plan = Plan {
            wanted: &wanted,
            target: "podinfo",
            owner: &owner,
        };
        let next = update(&source(), &built, &plan, &["a".into()]).unwrap();
        assert_eq!(next["spec"]["triggers"][0]["metadata"]["query"], "own");
        assert_eq!(next["spec"]["minReplicaCount"], 2);
        assert_eq!(next["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(next["metadata"]["annotations"], json!({}));
    }
}
