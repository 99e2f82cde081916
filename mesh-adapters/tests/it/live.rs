//! Live objects: what splits are seen in them, what counts as drift, what is put back.

use expect_test::{Expect, expect};
use mesh_adapters::{Adapter, Live, Manifest, Owner, Route, Split, Weight, adapter};
use serde_json::{Value, json};

fn route(provider: &str) -> (Route, &'static dyn Adapter) {
    let canary = api::decode::decode(json!({
        "metadata": {"name": "podinfo", "namespace": "test", "uid": "u1"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 9898, "gatewayRefs": [{"name": "gw"}], "timeout": "15s"},
            "analysis": {},
        },
    }))
    .unwrap();
    let split = Split::to_canary(Weight::try_from(10).unwrap());
    (
        Route::new(&canary, split).unwrap(),
        adapter(provider).unwrap(),
    )
}

/// Renders, changes the object of this kind, and says what is seen and whether it drifted.
fn check(provider: &str, kind: &str, change: impl Fn(&mut Value), want: &Expect) {
    let (route, adapter) = route(provider);
    let rendered = adapter.marked(&route, &Live::default()).unwrap();
    let live: Live = rendered
        .into_iter()
        .map(|mut object| {
            if object["kind"] == kind {
                change(&mut object);
            }
            object
        })
        .collect();
    let seen = match adapter.seen(&route, &live) {
        Ok(split) if split.mirrored => format!("{} mirrored", split.canary),
        Ok(split) => split.canary.to_string(),
        Err(error) => error.to_string(),
    };
    let drifted = adapter.has_drifted(&route, &live).unwrap();
    want.assert_eq(&format!("{seen}{}", if drifted { ", drifted" } else { "" }));
}

#[test]
fn weights_of_a_virtual_service() {
    let kind = "VirtualService";
    let weights = |primary: Value, canary: Value| {
        move |object: &mut Value| {
            object["spec"]["http"][0]["route"][0]["weight"] = primary.clone();
            object["spec"]["http"][0]["route"][1]["weight"] = canary.clone();
        }
    };
    check("istio", kind, |_| {}, &expect!["10"]);
    check(
        "istio",
        kind,
        weights(json!(100), json!(null)),
        &expect!["0, drifted"],
    );
    check(
        "istio",
        kind,
        weights(json!(0), json!(0)),
        &expect![[
            r#"VirtualService "podinfo" has weights 0 and 0, which are not a split of 100, drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        weights(json!(100), json!(100)),
        &expect![[
            r#"VirtualService "podinfo" has weights 100 and 100, which are not a split of 100, drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        weights(json!(-10), json!(110)),
        &expect![[
            r#"VirtualService "podinfo" has weights -1 and 110, which are not a split of 100, drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        weights(json!(i64::MAX), json!(i64::MAX)),
        &expect![[
            r#"VirtualService "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        |vs| vs["spec"]["http"] = json!([]),
        &expect![[
            r#"VirtualService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        |vs| vs["spec"] = json!("nonsense"),
        &expect![[
            r#"VirtualService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check(
        "istio",
        kind,
        |vs| vs["kind"] = json!("Other"),
        &expect![[r#"VirtualService "podinfo" does not exist, drifted"#]],
    );
}

#[test]
fn drift_is_what_we_write_and_nothing_else() {
    check(
        "istio",
        "VirtualService",
        |vs| vs["spec"]["http"][0]["name"] = json!("x"),
        &expect!["10"],
    );
    check(
        "istio",
        "VirtualService",
        |vs| vs["metadata"]["labels"] = json!({"a": "b"}),
        &expect!["10"],
    );
    check(
        "istio",
        "VirtualService",
        |vs| vs["spec"]["http"][0]["timeout"] = json!("9s"),
        &expect!["10, drifted"],
    );
    check(
        "istio",
        "VirtualService",
        |vs| vs["spec"]["http"][0]["retries"] = json!({"attempts": 1}),
        &expect!["10, drifted"],
    );
    check(
        "istio",
        "VirtualService",
        |vs| vs["spec"]["http"].as_array_mut().unwrap().push(json!({})),
        &expect!["10, drifted"],
    );
    check(
        "istio",
        "VirtualService",
        |vs| vs["metadata"]["annotations"] = json!({}),
        &expect!["10, drifted"],
    );
    check(
        "istio",
        "DestinationRule",
        |dr| dr["spec"]["trafficPolicy"] = json!({"tls": {}}),
        &expect!["10, drifted"],
    );
    check(
        "istio",
        "DestinationRule",
        |dr| {
            dr["metadata"]["ownerReferences"]
                .as_array_mut()
                .unwrap()
                .push(json!({"uid": "u2"}))
        },
        &expect!["10"],
    );
    check(
        "istio",
        "DestinationRule",
        |dr| dr["metadata"]["ownerReferences"] = json!([{"uid": "u2"}]),
        &expect!["10"],
    );
}

#[test]
fn what_the_api_server_fills_in_is_no_drift() {
    let filled_in = |object: &mut Value| {
        object["spec"]["rules"][0]["backendRefs"][0]["namespace"] = json!("test");
        object["spec"]["rules"][0]["matches"][0]["headers"] = json!([]);
        object["spec"]["rules"][0]["filters"] = json!([]);
    };
    check("gatewayapi:v1", "HTTPRoute", filled_in, &expect!["10"]);
    check(
        "gatewayapi:v1",
        "HTTPRoute",
        |hr| hr["spec"]["hostnames"] = json!(["a"]),
        &expect!["10, drifted"],
    );
    check(
        "gatewayapi:v1",
        "HTTPRoute",
        |hr| hr["spec"]["rules"][0]["timeouts"] = json!(null),
        &expect!["10, drifted"],
    );
    check(
        "gatewayapi:v1",
        "HTTPRoute",
        |hr| hr["spec"]["rules"][0]["filters"] = json!([{"type": "CORS"}]),
        &expect!["10, drifted"],
    );
}

#[test]
fn weights_and_acceptance_of_an_http_route() {
    let kind = "HTTPRoute";
    let gateway = "gatewayapi:v1";
    let weights = |primary: Value, canary: Value| {
        move |object: &mut Value| {
            object["spec"]["rules"][0]["backendRefs"][0]["weight"] = primary.clone();
            object["spec"]["rules"][0]["backendRefs"][1]["weight"] = canary.clone();
        }
    };
    check(gateway, kind, |_| {}, &expect!["10"]);
    check(
        gateway,
        kind,
        weights(json!(0), json!(0)),
        &expect![[
            r#"HTTPRoute "podinfo" has weights 0 and 0, which are not a split of 100, drifted"#
        ]],
    );
    check(
        gateway,
        kind,
        weights(json!(99), json!(null)),
        &expect!["1, drifted"],
    );
    check(
        gateway,
        kind,
        |hr| hr["spec"]["rules"][0]["backendRefs"] = json!([]),
        &expect![[
            r#"HTTPRoute "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    let says = |parent: &str, accepted: &str, observed: i64| {
        let parent = json!({"parentRef": {"name": parent}, "conditions": [
            {"type": "ResolvedRefs", "status": "False"},
            {"type": "Accepted", "status": accepted, "reason": "NotAllowedByListeners",
                "message": "no listener", "observedGeneration": observed}]});
        move |object: &mut Value| {
            object["metadata"]["generation"] = json!(2);
            object["status"] = json!({"parents": [parent.clone()]});
        }
    };
    check(gateway, kind, says("gw", "True", 2), &expect!["10"]);
    check(
        gateway,
        kind,
        says("gw", "True", 1),
        &expect![[r#"HTTPRoute "podinfo": "gw" has not looked at generation 2 yet"#]],
    );
    check(
        gateway,
        kind,
        says("gw", "False", 2),
        &expect![[
            r#"HTTPRoute "podinfo" is not accepted by "gw": NotAllowedByListeners no listener"#
        ]],
    );
    check(gateway, kind, says("another", "False", 2), &expect!["10"]);
    let (route, adapter) = route(gateway);
    let error = adapter.seen(&route, &Live::default()).unwrap_err();
    expect![[r#"HTTPRoute "podinfo" does not exist"#]].assert_eq(&error.to_string());
}

#[test]
fn mirror_that_is_not_wanted_any_more_is_a_difference() {
    for provider in ["istio", "gatewayapi:v1"] {
        let (mut route, adapter) = route(provider);
        route.split = Split {
            canary: Weight::ZERO,
            mirrored: true,
        };
        let mirrored: Live = adapter
            .render(&route, &Live::default())
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(adapter.seen(&route, &mirrored), Ok(route.split));
        route.split = Split::PRIMARY;
        let wanted = adapter.render(&route, &mirrored).unwrap();
        assert!(
            wanted
                .iter()
                .any(|manifest| mesh_adapters::differs(manifest, mirrored.of(manifest)))
        );
    }
}

/// A VirtualService that a user had before.
fn users_own(annotations: &Value) -> Manifest {
    json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
        "metadata": {"name": "podinfo", "namespace": "test", "annotations": annotations},
        "spec": {"hosts": ["podinfo"], "http": [{"route": [{"destination": {"host": "podinfo"}}]}]}})
}

#[test]
fn what_a_user_had_is_kept_and_put_back() {
    let (route, adapter) = route("istio");
    let before = users_own(&json!({}));
    let live: Live = [before.clone()].into_iter().collect();
    let taken = adapter.render(&route, &live).unwrap().pop().unwrap();
    assert!(
        taken["metadata"].get("ownerReferences").is_none(),
        "it is not ours to delete"
    );
    // The annotation stays in what is rendered, or the next apply would take it away.
    let again = adapter
        .render(&route, &[taken.clone()].into_iter().collect())
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(again, taken);
    let back = adapter.restore(&route, &[taken].into_iter().collect());
    assert_eq!(back[0].spec, before["spec"]);
    assert_eq!(
        back[0].annotations_dropped,
        ["flagger.kubernetes.io/original-configuration"]
    );

    let applied = json!({"spec": {"hosts": ["applied"]}}).to_string();
    let with_applied =
        users_own(&json!({"kubectl.kubernetes.io/last-applied-configuration": applied}));
    let live: Live = [with_applied].into_iter().collect();
    let taken = adapter.render(&route, &live).unwrap().pop().unwrap();
    assert!(!taken.to_string().contains("original-configuration"));
    assert_eq!(
        adapter.restore(&route, &live)[0].spec,
        json!({"hosts": ["applied"]})
    );

    let broken = users_own(&json!({"kubectl.kubernetes.io/last-applied-configuration": "{"}));
    assert!(
        adapter
            .restore(&route, &[broken].into_iter().collect())
            .is_empty()
    );
    assert!(adapter.restore(&route, &Live::default()).is_empty());
}

#[test]
fn owner_is_kept_on_what_we_made() {
    let (mut route, adapter) = route("gatewayapi:v1");
    let live: Live = adapter
        .render(&route, &Live::default())
        .unwrap()
        .into_iter()
        .collect();
    let again = adapter.render(&route, &live).unwrap();
    assert_eq!(again[0]["metadata"]["ownerReferences"][0]["uid"], "u1");
    route.owner = Some(Owner {
        name: "podinfo".into(),
        uid: "u2".into(),
    });
    assert!(
        adapter.render(&route, &live).unwrap()[0]["metadata"]
            .get("ownerReferences")
            .is_none()
    );
}

#[test]
fn every_provider_of_the_schema_has_an_adapter() {
    for provider in api::canary::PROVIDERS {
        assert!(adapter(provider).is_ok(), "{provider}");
    }
    for provider in ["gatewayapi", "smi", "", "smi:v1alpha4", "kuma:x", "Istio"] {
        assert!(adapter(provider).is_err(), "{provider}");
    }
    for (provider, same) in [
        ("gatewayapi:v1alpha2", "gatewayapi:v1"),
        ("gatewayapi:v1beta12", "gatewayapi:v1beta1"),
        ("gloo:v1", "gloo"),
        ("appmesh:v1beta2:x", "appmesh:v1beta2"),
        ("smi:v1alpha2:linkerd", "smi:v1alpha2"),
    ] {
        let objects = |provider| {
            let (route, adapter) = route(provider);
            adapter.objects(&route)
        };
        assert_eq!(objects(provider), objects(same), "{provider}");
    }
    let Err(error) = adapter("smi") else {
        panic!("there is none")
    };
    expect![[r#"spec.provider is "smi": there is no adapter for it; use one of apisix, appmesh, appmesh:v1beta2, contour, gatewayapi:v1, gatewayapi:v1beta1, gloo, istio, knative, kubernetes, kuma, linkerd, nginx, osm, skipper, sluice, smi:v1alpha1, smi:v1alpha2, smi:v1alpha3, traefik"#]].assert_eq(&error.to_string());
}

#[test]
fn plain_services_are_as_wanted() {
    let (route, adapter) = route("kubernetes");
    let live = Live::default();
    assert_eq!(adapter.objects(&route), []);
    assert_eq!(adapter.render(&route, &live), Ok(Vec::new()));
    assert_eq!(adapter.seen(&route, &live), Ok(route.split));
    assert_eq!(adapter.has_drifted(&route, &live), Ok(false));
    assert_eq!(adapter.restore(&route, &live), []);
}

#[test]
fn cookies_left_behind_are_drift() {
    for (file, pointer, left) in [
        (
            "istio/plain",
            "/spec/http/0/route/1",
            json!({"headers": {"response": {"add": {"Set-Cookie": "a=b"}}}}),
        ),
        (
            "gatewayapi/plain",
            "/spec/rules/0/backendRefs/1",
            json!({"filters": [{"type": "ResponseHeaderModifier"}]}),
        ),
    ] {
        let case = crate::golden::Case::load(file);
        let live = case.written(|object| {
            if let Some(Value::Object(backend)) = object.pointer_mut(pointer) {
                backend.extend(left.as_object().unwrap().clone());
            }
        });
        assert_eq!(case.adapter.seen(&case.route, &live), Ok(case.route.split));
        assert_eq!(
            case.adapter.has_drifted(&case.route, &live),
            Ok(true),
            "{file}"
        );
    }
}
