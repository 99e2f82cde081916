//! What counts as drift on each mesh, and what does not.

use expect_test::expect;
use mesh_adapters::Live;
use serde_json::{Value, json};

use crate::golden::Case;
use crate::meshes::told;

#[test]
fn what_others_fill_in_is_no_drift() {
    for (file, pointer, key, value) in [
        (
            "contour/plain",
            "/spec/routes/0",
            "permitInsecure",
            json!(false),
        ),
        (
            "contour/plain",
            "/spec/routes/0/services/0",
            "mirror",
            json!(false),
        ),
        (
            "traefik/plain",
            "/spec/weighted/services/0",
            "kind",
            json!("Service"),
        ),
        ("gloo/plain", "/spec", "discoveryMetadata", json!({})),
        ("apisix/everything", "/spec/http/0", "timeout", json!(null)),
        (
            "appmesh-v1beta2/plain",
            "/spec",
            "awsName",
            json!("podinfo_test"),
        ),
        (
            "appmesh-v1beta2/plain",
            "/spec",
            "meshRef",
            json!({"name": "global"}),
        ),
        (
            "knative/plain",
            "/spec/traffic/1",
            "latestRevision",
            json!(false),
        ),
        (
            "knative/plain",
            "/spec/template/spec",
            "timeoutSeconds",
            json!(300),
        ),
        ("kuma/plain", "/metadata", "generation", json!(4)),
        ("osm/plain", "/spec", "matches", json!([])),
        ("gloo/plain", "/metadata", "labels", json!({"a": "b"})),
    ] {
        let case = Case::load(file);
        let live = case.written(|object| {
            if let Some(Value::Object(found)) = object.pointer_mut(pointer) {
                found.insert(key.to_owned(), value.clone());
            }
        });
        assert_eq!(told(&case, &live), "10", "{file} {pointer}/{key}");
    }
}

#[test]
fn settings_that_are_not_wanted_any_more_are_drift() {
    for (file, pointer, key, value) in [
        (
            "contour/plain",
            "/spec/routes/0",
            "timeoutPolicy",
            json!({"response": "1s"}),
        ),
        (
            "contour/plain",
            "/spec/routes/0",
            "retryPolicy",
            json!({"count": 1}),
        ),
        ("gloo/plain", "/spec/routes/0", "matchers", json!([{}])),
        (
            "gloo/plain",
            "/spec",
            "loadBalancerConfig",
            json!({"random": {}}),
        ),
        ("gloo/plain", "/spec", "sslConfig", json!({"secretRef": {}})),
        (
            "appmesh/plain",
            "/spec/routes/0/http",
            "retryPolicy",
            json!({"maxRetries": 1}),
        ),
        ("appmesh/plain", "/spec", "backends", json!([{}])),
        (
            "appmesh-v1beta2/plain",
            "/spec/routes/0/httpRoute",
            "timeout",
            json!({"idle": {}}),
        ),
        (
            "appmesh-v1beta2/plain",
            "/spec/listeners/0",
            "timeout",
            json!({"http": {}}),
        ),
        (
            "gatewayapi-v1beta1/plain",
            "/spec/rules/0",
            "timeouts",
            json!({"request": "1s"}),
        ),
    ] {
        let case = Case::load(file);
        let live = case.written(|object| {
            if let Some(Value::Object(found)) = object.pointer_mut(pointer) {
                found.insert(key.to_owned(), value.clone());
            }
        });
        assert_eq!(told(&case, &live), "10, drifted", "{file} {pointer}/{key}");
    }
}

/// Gone from the Canary, or from the object that is copied.
#[test]
fn what_is_no_longer_asked_for_is_drift_until_it_was_written() {
    let service = |key: &str| format!("/canary/service/{key}");
    let source = |key: &str| format!("/live/0/{key}");
    for (file, gone) in [
        ("istio/everything", service("trafficPolicy/tls/mode")),
        ("istio/everything", service("retries/retryOn")),
        ("istio/everything", service("corsPolicy/maxAge")),
        ("istio/everything", service("headers/request/remove")),
        ("istio/everything", service("rewrite/authority")),
        ("istio/everything", service("match/0/headers")),
        ("istio/mirrored", "/canary/analysis/mirrorWeight".to_owned()),
        ("gatewayapi/everything", service("backendTimeout")),
        ("gatewayapi/everything", service("match/0/headers/a")),
        ("gatewayapi/everything", service("match/0/method")),
        ("gatewayapi/everything", service("match/0/queryParams")),
        ("gatewayapi/everything", service("rewrite/authority")),
        ("traefik/owned", service("apex")),
        ("gloo/upstream-ref", source("spec/circuitBreakers")),
        ("gloo/upstream-ref", source("spec/connectionConfig")),
        ("gloo/upstream-ref", source("spec/useHttp2")),
        ("nginx/everything", source("metadata/labels/app")),
        (
            "nginx/everything",
            source("metadata/annotations/nginx.ingress.kubernetes.io~1rewrite-target"),
        ),
        ("skipper/everything", source("metadata/labels")),
        ("apisix/everything", source("metadata/annotations/a")),
        ("apisix/everything", source("spec/http/1/plugins")),
    ] {
        let mut case = Case::without(file, &gone);
        let mut live = Case::load(file).written(|_| {});
        for reference in case.adapter.objects(&case.route) {
            if let Some(source) = case.live.at(&reference) {
                live.put(source.clone());
            }
        }
        let at = |weight: u8, drifted: &str| format!("{weight}{drifted}");
        let weight = case.route.split.canary.percent();
        assert_eq!(told(&case, &live), at(weight, ", drifted"), "{file} {gone}");
        case.live = live;
        let written = case.written(|_| {});
        assert_eq!(told(&case, &written), at(weight, ""), "{file} {gone}");
    }
}

#[test]
fn source_that_changed_is_drift_and_keeps_the_weights() {
    for (file, kind, pointer) in [
        ("nginx/plain", "Ingress", "/spec/rules/0/host"),
        (
            "nginx/everything",
            "Ingress",
            "/metadata/annotations/nginx.ingress.kubernetes.io~1rewrite-target",
        ),
        ("skipper/everything", "Ingress", "/metadata/labels/app"),
        ("apisix/plain", "ApisixRoute", "/spec/http/0/match/hosts/0"),
    ] {
        let case = Case::load(file);
        let mut live = case.written(|_| {});
        let mut source = live.get(kind, "test", "web").unwrap().clone();
        *source.pointer_mut(pointer).unwrap() = json!("changed");
        live.put(source);
        assert_eq!(told(&case, &live), "10, drifted", "{file}");
        let text = format!("{:?}", case.adapter.render(&case.route, &live));
        assert!(
            text.contains("changed") && text.contains("90") | text.contains("\"10\""),
            "{text}"
        );
    }
    let case = Case::load("gloo/upstream-ref");
    let mut live = case.written(|_| {});
    let mut source = live.get("Upstream", "gloo-system", "web").unwrap().clone();
    source["spec"]["loadBalancerConfig"] = json!({"random": {}});
    live.put(source);
    assert_eq!(told(&case, &live), "10, drifted");
}

#[test]
fn gloo_and_app_mesh_keep_the_selector_while_the_target_is_unknown() {
    for (file, kind) in [
        ("gloo/plain", "Upstream"),
        ("appmesh-v1beta2/plain", "VirtualNode"),
    ] {
        let mut case = Case::load(file);
        let live = case.written(|_| {});
        case.route.selector = None;
        let rendered = case.adapter.render(&case.route, &live).unwrap();
        let of_kind = || rendered.iter().filter(|one| one["kind"] == kind);
        assert_eq!(of_kind().count(), 2);
        assert!(
            of_kind().all(|one| one.to_string().contains(r#"{"app":"podinfo"#)),
            "{file}"
        );
        assert_eq!(told(&case, &live), "10");
    }
}

#[test]
fn kuma_routes_of_two_namespaces_do_not_meet() {
    let ours = Case::load("kuma/plain");
    let mut theirs = Case::load("kuma/plain");
    theirs.route.namespace = "other".into();
    // Both came at once: the last write has the name, and the other makes way.
    let live = theirs.written(|_| {});
    assert_eq!(
        told(&ours, &live),
        r#"TrafficRoute "podinfo.test" does not exist, drifted"#
    );
    let mut both = live.clone();
    both.put(ours.adapter.marked(&ours.route, &live).unwrap().remove(0));
    for case in [&ours, &theirs] {
        assert_eq!(told(case, &both), "10");
    }
    let names = |case: &Case, live: &Live| -> Vec<String> {
        let orphans = case.adapter.orphans(&case.route, live);
        orphans.into_iter().map(|one| one.name).collect()
    };
    assert_eq!(names(&ours, &both), ["podinfo.test"]);
    assert_eq!(names(&theirs, &both), ["podinfo"]);
    assert_eq!(names(&ours, &live), [""; 0]);
    assert_eq!(names(&ours, &Live::default()), [""; 0]);
}

#[test]
fn knative_reads_what_was_carried_out_and_lets_go_of_the_annotation() {
    let case = Case::load("knative/plain");
    let late = case.written(|object| {
        object["metadata"]["generation"] = json!(3);
        object["status"]["observedGeneration"] = json!(2);
        object["status"]["traffic"][0]["percent"] = json!(0);
        object["status"]["traffic"][1]["percent"] = json!(100);
    });
    assert_eq!(
        told(&case, &late),
        r#"Service "podinfo": "Knative" has not looked at generation 3 yet"#
    );
    // The latest revision is the primary itself: its entry comes first and names it, too.
    let same = case
        .written(|object| object["status"]["traffic"][0]["revisionName"] = json!("podinfo-00001"));
    assert_eq!(told(&case, &same), "10");
    let lost = case.written(|object| object["metadata"]["annotations"] = json!({}));
    expect![[r#"Service "podinfo" has no rule with "an annotated primary revision" and "latestRevision", drifted"#]].assert_eq(&told(&case, &lost));

    let live = case.written(|_| {});
    let back = case.adapter.restore(&case.route, &live).remove(0);
    assert_eq!(back.annotations_dropped, ["flagger.app/primary-revision"]);
    assert_eq!(
        &back.spec,
        &live.get("Service", "test", "podinfo").unwrap()["spec"]
    );
    let latest = case
        .written(|object| object["status"]["latestCreatedRevisionName"] = json!("podinfo-00001"));
    let back = case.adapter.restore(&case.route, &latest).remove(0);
    assert_eq!(
        back.spec["traffic"],
        json!([{"latestRevision": true, "percent": 100}])
    );
    assert!(
        case.adapter
            .restore(&case.route, &Live::default())
            .is_empty()
    );
    assert!(case.adapter.restore(&case.route, &lost).is_empty());
}

#[test]
fn rules_of_testers_are_put_right_with_the_weights_in_force() {
    for (file, kind, rules, backends) in [
        (
            "gatewayapi/testers",
            "HTTPRoute",
            "/spec/rules",
            "backendRefs",
        ),
        (
            "gatewayapi/grpc-testers",
            "GRPCRoute",
            "/spec/rules",
            "backendRefs",
        ),
        ("istio/testers", "VirtualService", "/spec/http", "route"),
    ] {
        let case = Case::load(file);
        let changed = |change: &dyn Fn(&mut Vec<Value>)| {
            let live = case.written(|object| {
                if object["kind"] == kind {
                    change(object.pointer_mut(rules).unwrap().as_array_mut().unwrap());
                }
            });
            told(&case, &live)
        };
        assert_eq!(changed(&|_| {}), "10", "{file}");
        assert_eq!(
            changed(&|rules| drop(rules.remove(0))),
            "10, drifted",
            "{file}"
        );
        assert_eq!(
            changed(&|rules| rules[0][backends][1]["weight"] = json!(10)),
            "10, drifted",
            "{file}"
        );
        assert_eq!(changed(&|rules| rules.swap(0, 1)), "100, drifted", "{file}");
    }
    let nginx = Case::load("nginx/testers");
    let live = nginx.written(|object| {
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("nginx.ingress.kubernetes.io/canary-by-header");
    });
    assert_eq!(told(&nginx, &live), "10, drifted");
}

#[test]
fn matches_that_a_grpc_route_should_not_have_are_drift() {
    let case = Case::load("gatewayapi/grpc");
    let live = case.written(|object| {
        object["spec"]["rules"][0]["matches"] = json!([{"method": {"service": "a.B"}}]);
    });
    assert_eq!(told(&case, &live), "10, drifted");
}
