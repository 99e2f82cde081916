//! Builds the primary's HorizontalPodAutoscaler from the target's.
//!
//! KEDA's ScaledObject is in `scaled_object.rs`.

use api::canary::AutoscalerRef;
use serde_json::{Map, Value, json};

use super::{Owner, primary_name, without_toolkit};
use crate::json::{map_at, str_at};

/// Fields of the source that follow it.
const COPIED: [&str; 4] = ["minReplicas", "maxReplicas", "metrics", "behavior"];

/// The autoscaler of the primary as it is created.
pub fn create(source: &Value, wanted: &AutoscalerRef, target: &str, owner: &Owner) -> Value {
    let mut spec = followed(source, wanted);
    spec.insert(
        "scaleTargetRef".to_owned(),
        json!({
            "apiVersion": str_at(source, "/spec/scaleTargetRef/apiVersion"),
            "kind": str_at(source, "/spec/scaleTargetRef/kind"),
            "name": primary_name(target),
        }),
    );
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": primary_name(&wanted.name),
            "namespace": owner.namespace,
            "labels": without_toolkit(map_at(source, "/metadata/labels")),
            "ownerReferences": [owner.reference()],
        },
        "spec": spec,
    })
}

/// The merge patch that lets the primary's autoscaler follow the target's; none if it does.
pub fn update(source: &Value, live: &Value, wanted: &AutoscalerRef) -> Option<Value> {
    let next = followed(source, wanted);
    let mut patch = Map::new();
    for field in COPIED {
        let (new, old) = (
            next.get(field),
            live.get("spec").and_then(|spec| spec.get(field)),
        );
        if new.unwrap_or(&Value::Null) != old.unwrap_or(&Value::Null) {
            patch.insert(field.to_owned(), new.cloned().unwrap_or_default());
        }
    }
    (!patch.is_empty()).then(|| json!({"spec": patch}))
}

fn followed(source: &Value, wanted: &AutoscalerRef) -> Map<String, Value> {
    let mut spec: Map<String, Value> = COPIED
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), source.get("spec")?.get(field)?.clone())))
        .collect();
    let own = wanted.primary_scaler_replicas.clone().unwrap_or_default();
    for (field, replicas) in [
        ("minReplicas", own.min_replicas),
        ("maxReplicas", own.max_replicas),
    ] {
        if let Some(replicas) = replicas {
            spec.insert(field.to_owned(), json!(replicas));
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::canary::ScalerReplicas;

    #[test]
    fn follows_the_source_but_for_its_own_bounds() {
        let source = json!({
            "metadata": {"name": "podinfo", "labels": {"a": "b", "x.toolkit.fluxcd.io/name": "c"}, "annotations": {"d": "e"}},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
                     "minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "Resource"}]},
        });
        let wanted = AutoscalerRef {
            name: "podinfo".into(),
            primary_scaler_replicas: Some(ScalerReplicas {
                min_replicas: Some(3),
                max_replicas: None,
            }),
            ..AutoscalerRef::default()
        };
        let owner = Owner {
            name: "podinfo".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let built = create(&source, &wanted, "podinfo", &owner);
        assert_eq!(
            built["spec"],
            json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo-primary"},
                   "minReplicas": 3, "maxReplicas": 4, "metrics": [{"type": "Resource"}]})
        );
        assert_eq!(built["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(update(&source, &built, &wanted), None);
        let mut live = built;
        live["spec"]["maxReplicas"] = json!(9);
        live["spec"]["behavior"] = json!({"scaleDown": {}});
        assert_eq!(
            update(&source, &live, &wanted),
            Some(json!({"spec": {"maxReplicas": 4, "behavior": null}}))
        );
    }
}
