//! Builds the copies `<target>-canary` and `<target>-primary` of a core Service that is released.
//!
//! What the API server assigned to the target (addresses, node ports) is the target's alone.

use serde_json::{Map, Value, json};

use super::{LAST_APPLIED, Owner, REVISION_ANNOTATION, included, without_toolkit};
use crate::json::{list_at, list_at_mut, map_at, str_at};

/// Fields of `spec` that the API server assigns.
const ASSIGNED: [&str; 3] = ["clusterIP", "clusterIPs", "healthCheckNodePort"];

/// What every copy takes from elsewhere than the target.
pub struct Plan<'a> {
    /// The Canary.
    pub owner: &'a Owner,
    /// Name of the copy.
    pub name: String,
    /// `spec.service.trafficDistribution` of the Canary.
    pub distribution: Option<&'a str>,
    /// Text of the revision annotation; none on the canary's copy.
    pub snapshot: Option<String>,
}

/// The spec of a Service without what the API server assigned.
pub fn released(service: &Value) -> Value {
    let mut spec = map_at(service, "/spec");
    let is_headless = str_at(service, "/spec/clusterIP") == "None";
    for field in ASSIGNED {
        spec.remove(field);
    }
    if is_headless {
        spec.insert("clusterIP".to_owned(), json!("None"));
    }
    let mut whole = json!({"spec": spec});
    for port in list_at_mut(&mut whole, "/spec/ports") {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
    whole.get_mut("spec").map(Value::take).unwrap_or_default()
}

/// The copy as it is created.
pub fn create(target: &Value, plan: &Plan<'_>) -> Value {
    let mut annotations = without_toolkit(map_at(target, "/metadata/annotations"));
    annotations.remove(LAST_APPLIED);
    annotations.remove(REVISION_ANNOTATION);
    if let Some(snapshot) = &plan.snapshot {
        annotations.insert(REVISION_ANNOTATION.to_owned(), json!(snapshot));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": plan.name,
            "namespace": plan.owner.namespace,
            "labels": without_toolkit(map_at(target, "/metadata/labels")),
            "annotations": annotations,
            "ownerReferences": [plan.owner.reference()],
        },
        "spec": wanted_spec(target, plan),
    })
}

/// The live copy made to follow the target again; none if it does.
pub fn follow(target: &Value, live: &Value, plan: &Plan<'_>) -> Option<Value> {
    let mut wanted = create(target, plan);
    let of = |object: &Value, field: &str| {
        let mut map = map_at(object, &format!("/metadata/{field}"));
        map.remove(LAST_APPLIED);
        map
    };
    let is_same = released(live) == released(&wanted)
        && ["labels", "annotations"]
            .iter()
            .all(|field| of(live, field) == of(&wanted, field));
    if is_same {
        return None;
    }
    let metadata = wanted.get_mut("metadata").map(Value::take)?;
    Some(replaced(target, live, &metadata, plan))
}

/// The primary's copy after promotion: `live` with everything of `target` that is promoted.
pub fn promote(target: &Value, live: &Value, plan: &Plan<'_>, prefixes: &[String]) -> Value {
    let mut annotations = included(map_at(target, "/metadata/annotations"), prefixes);
    annotations.remove(LAST_APPLIED);
    if let Some(snapshot) = &plan.snapshot {
        annotations.insert(REVISION_ANNOTATION.to_owned(), json!(snapshot));
    }
    let labels = included(map_at(target, "/metadata/labels"), prefixes);
    let metadata = json!({"labels": labels, "annotations": annotations});
    replaced(target, live, &metadata, plan)
}

/// `live` with other labels, annotations and spec; what was assigned to it stays.
fn replaced(target: &Value, live: &Value, wanted: &Value, plan: &Plan<'_>) -> Value {
    let mut metadata = map_at(live, "/metadata");
    metadata.remove("managedFields");
    for field in ["labels", "annotations"] {
        metadata.insert(
            field.to_owned(),
            Value::Object(map_at(wanted, &format!("/{field}"))),
        );
    }
    let mut spec = wanted_spec(target, plan);
    if str_at(target, "/spec/type") != "ExternalName" {
        for field in ASSIGNED {
            if let (false, Some(old)) = (
                spec.contains_key(field),
                live.get("spec").and_then(|spec| spec.get(field)),
            ) {
                spec.insert(field.to_owned(), old.clone());
            }
        }
    }
    let mut whole =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
    for port in list_at_mut(&mut whole, "/spec/ports") {
        let old = list_at(live, "/spec/ports")
            .iter()
            .find(|old| str_at(old, "/name") == str_at(port, "/name"));
        if let (Some(assigned), Some(port)) = (
            old.and_then(|old| old.get("nodePort")),
            port.as_object_mut(),
        ) {
            port.insert("nodePort".to_owned(), assigned.clone());
        }
    }
    whole
}

fn wanted_spec(target: &Value, plan: &Plan<'_>) -> Map<String, Value> {
    let mut spec = match released(target) {
        Value::Object(spec) => spec,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    if let Some(distribution) = plan.distribution {
        spec.insert("trafficDistribution".to_owned(), json!(distribution));
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn target() -> Value {
        json!({
            "metadata": {"name": "podinfo", "namespace": "test", "resourceVersion": "5",
                "labels": {"app": "podinfo", "team/a": "b", "kustomize.toolkit.fluxcd.io/name": "x"},
                "annotations": {LAST_APPLIED: "{}", "note": "n"}},
            "spec": {"type": "NodePort", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "selector": {"app": "podinfo-2"},
                "ports": [{"name": "http", "port": 80, "targetPort": 9898, "nodePort": 30001}]},
        })
    }

    fn check(built: &Value, expected: &Expect) {
        expected.assert_eq(&format!("{}\n{}", built["metadata"], built["spec"]));
    }

    #[test]
    fn copies_leave_addresses_to_the_target() {
        let owner = Owner {
            name: "podinfo".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let plan = |name: &str, snapshot: Option<&str>| Plan {
            owner: &owner,
            name: name.into(),
            distribution: Some("PreferClose"),
            snapshot: snapshot.map(str::to_owned),
        };
        let canary = plan("podinfo-canary", None);
        let mut live = create(&target(), &canary);
        check(
            &live,
            &expect![[r#"
            {"annotations":{"note":"n"},"labels":{"app":"podinfo","team/a":"b"},"name":"podinfo-canary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
            {"ports":[{"name":"http","port":80,"targetPort":9898}],"selector":{"app":"podinfo-2"},"trafficDistribution":"PreferClose","type":"NodePort"}"#]],
        );
        live["spec"]["clusterIP"] = json!("10.0.0.9");
        live["spec"]["clusterIPs"] = json!(["10.0.0.9"]);
        live["spec"]["ports"][0]["nodePort"] = json!(30009);
        assert_eq!(follow(&target(), &live, &canary), None);
        live["spec"]["selector"] = json!({"app": "old"});
        check(
            &follow(&target(), &live, &canary).unwrap(),
            &expect![[r#"
                {"annotations":{"note":"n"},"labels":{"app":"podinfo","team/a":"b"},"name":"podinfo-canary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
                {"clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],"ports":[{"name":"http","nodePort":30009,"port":80,"targetPort":9898}],"selector":{"app":"podinfo-2"},"trafficDistribution":"PreferClose","type":"NodePort"}"#]],
        );
        let primary = plan("podinfo-primary", Some("digest"));
        live["metadata"]["name"] = json!("podinfo-primary");
        check(
            &promote(&target(), &live, &primary, &["team".into()]),
            &expect![[r#"
                {"annotations":{"sluice.dev/revision":"digest"},"labels":{"team/a":"b"},"name":"podinfo-primary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
                {"clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],"ports":[{"name":"http","nodePort":30009,"port":80,"targetPort":9898}],"selector":{"app":"podinfo-2"},"trafficDistribution":"PreferClose","type":"NodePort"}"#]],
        );
    }

    #[test]
    fn headless_stays_headless() {
        let mut headless = target();
        headless["spec"]["clusterIP"] = json!("None");
        assert_eq!(released(&headless)["clusterIP"], "None");
        assert_eq!(released(&json!({"spec": 7})), json!({}));
    }
}
