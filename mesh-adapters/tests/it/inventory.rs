//! What the inventory knows: every kind that an adapter makes, and whose an object is.

use std::{collections::BTreeSet, fs, path::Path};

use mesh_adapters::{ObjectRef, Owner, inventory};
use serde_json::{Value, json};

use crate::golden::Case;

/// Objects that golden files name come back as they went in, so that they can be deleted one day.
#[test]
fn every_kind_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut kinds = BTreeSet::new();
    for mesh in fs::read_dir(folder).unwrap() {
        let mesh = mesh.unwrap().path();
        for file in fs::read_dir(&mesh).unwrap() {
            let name = Path::new(mesh.file_name().unwrap()).join(file.unwrap().file_name());
            let case = Case::load(name.with_extension("").to_str().unwrap());
            for object in case.adapter.objects(&case.route) {
                // A Knative Service is the target: it is never made. A Gloo Upstream may be a user's elsewhere.
                if object.api_version.starts_with("serving.knative.dev/")
                    || ![case.route.namespace.as_str(), ""].contains(&object.namespace.as_str())
                {
                    continue;
                }
                let told = inventory::told(&object);
                let known = inventory::known(&told, &case.route.namespace);
                assert_eq!(known, Some(object), "{name:?}");
                kinds.insert((told.api_version, told.kind));
            }
        }
    }
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}

#[test]
fn kinds_that_are_not_made_for_canaries_are_not_known() {
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("v1", "Secret"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("serving.knative.dev/v1", "Service"),
        ("", ""),
    ] {
        let mut told = inventory::told(&inventory::service("test", "podinfo"));
        told.api_version = api_version.into();
        told.kind = kind.into();
        assert_eq!(inventory::known(&told, "test"), None, "{told:?}");
    }
}

fn of(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    let mut told = inventory::told(&inventory::service("", name));
    told.api_version = api_version.into();
    told.kind = kind.into();
    inventory::known(&told, "test").unwrap()
}

fn is_ours(object: &ObjectRef, live: &Value) -> bool {
    let owner = Owner {
        name: "podinfo".into(),
        uid: "u1".into(),
    };
    inventory::is_ours(object, live, &owner, "test", "sluice")
}

#[test]
fn an_object_is_ours_when_we_wrote_it_and_the_canary_owns_it() {
    let route = of("gateway.networking.k8s.io/v1", "HTTPRoute", "podinfo");
    for (managers, owners, want) in [
        (json!([{"manager": "sluice"}]), json!([{"uid": "u1"}]), true),
        (
            json!([{"manager": "flagger"}, {"manager": "sluice"}]),
            json!([{"uid": "u2"}, {"uid": "u1"}]),
            true,
        ),
        (
            json!([{"manager": "flagger"}]),
            json!([{"uid": "u1"}]),
            false,
        ),
        (
            json!([{"manager": "sluice"}]),
            json!([{"uid": "u2"}]),
            false,
        ),
        (json!([{"manager": "sluice"}]), json!([]), false),
        (json!(null), json!([{"uid": "u1"}]), false),
        (json!([{"manager": 1}]), json!("u1"), false),
    ] {
        let live = json!({"metadata": {"managedFields": managers, "ownerReferences": owners}});
        assert_eq!(is_ours(&route, &live), want, "{live}");
    }
}

/// Kuma's routes are of no namespace: whose they are is in what they lead to.
#[test]
fn a_route_of_kuma_is_ours_when_it_leads_to_us() {
    let route = |service: &str| {
        json!({"metadata": {"managedFields": [{"manager": "sluice"}]},
            "spec": {"destinations": [{"match": {"kuma.io/service": service}}]}})
    };
    for (name, service, want) in [
        ("podinfo", "podinfo_test_svc_80", true),
        ("podinfo.test", "podinfo_test_svc_81", true),
        ("podinfo", "podinfo_prod_svc_80", false),
        ("podinfo.prod", "podinfo_prod_svc_80", false),
        ("podinfo", "other_test_svc_80", false),
    ] {
        let object = of("kuma.io/v1alpha1", "TrafficRoute", name);
        assert_eq!(object.namespace, "");
        assert_eq!(is_ours(&object, &route(service)), want, "{name} {service}");
    }
}

#[test]
fn versions_of_a_kind_are_one_object() {
    let of = |version: &str, name| {
        of(
            &format!("split.smi-spec.io/{version}"),
            "TrafficSplit",
            name,
        )
    };
    assert!(of("v1alpha1", "a").is_same(&of("v1alpha3", "a")));
    assert!(!of("v1alpha1", "a").is_same(&of("v1alpha1", "b")));
    let upstream = |kind, group: &str| self::of(&format!("{group}/v1"), kind, "a");
    let (one, other) = ("gateway.networking.k8s.io", "networking.istio.io");
    assert!(!upstream("HTTPRoute", one).is_same(&upstream("GRPCRoute", one)));
    let service = self::of(&format!("{other}/v1beta1"), "VirtualService", "a");
    assert!(!service.is_same(&self::of("appmesh.k8s.aws/v1beta2", "VirtualService", "a")));
}
