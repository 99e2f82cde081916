//! Odd live objects of every mesh, made of the golden `plain` files: what is seen, and what counts as drift.

use std::fmt::Write;

use expect_test::{Expect, expect};
use mesh_adapters::{Live, Owner};
use serde_json::{Value, json};

use crate::golden::Case;

/// What is seen, and whether it drifted.
pub(crate) fn told(case: &Case, live: &Live) -> String {
    let seen = match case.adapter.seen(&case.route, live) {
        Ok(split) => split.canary.to_string(),
        Err(error) => error.to_string(),
    };
    let drifted = match case.adapter.has_drifted(&case.route, live) {
        Ok(true) => ", drifted".to_owned(),
        Ok(false) => String::new(),
        Err(error) => format!(", {error}"),
    };
    format!("{seen}{drifted}")
}

type Change = (&'static str, fn(&mut Vec<Value>, &str));

/// Changes of a list of weighted backends; the key of the weight is given.
const CHANGES: [Change; 8] = [
    ("both 0", |list, key| {
        list.iter_mut().for_each(|one| one[key] = json!(0))
    }),
    ("both 100", |list, key| {
        list.iter_mut().for_each(|one| one[key] = json!(100))
    }),
    ("no weights", |list, key| {
        list.iter_mut().for_each(|one| {
            one.as_object_mut().unwrap().remove(key);
        });
    }),
    ("text", |list, key| list[0][key] = json!("x")),
    ("huge", |list, key| {
        list.iter_mut().for_each(|one| one[key] = json!(i64::MAX))
    }),
    ("foreign", |list, key| {
        let mut foreign = list[0].clone();
        foreign[key] = json!(5);
        for name in ["name", "service", "serviceName", "virtualNodeName"] {
            if foreign[name].is_string() {
                foreign[name] = json!("foreign");
            }
        }
        list.push(foreign);
    }),
    ("first alone", |list, _| list.truncate(1)),
    ("empty", |list, _| list.clear()),
];

/// Tells of each change of the list at `pointer` of the object of this kind and name.
fn check(file: &str, name: &str, pointer: &str, key: &str, want: &Expect) {
    let case = Case::load(file);
    let mut text = String::new();
    let mut tell =
        |what: &str, live: &Live| writeln!(text, "{what}: {}", told(&case, live)).unwrap();
    for (what, change) in CHANGES {
        let live = case.written(|object| {
            if object["metadata"]["name"] == name
                && let Some(list) = object.pointer_mut(pointer).and_then(Value::as_array_mut)
            {
                change(list, key);
            }
        });
        tell(what, &live);
    }
    let at = |object: &Value| object["metadata"]["name"] == name;
    tell(
        "no spec",
        &case.written(|object| {
            if at(object) {
                object["spec"] = json!("nonsense");
            }
        }),
    );
    tell("absent", &case.live);
    want.assert_eq(&text);
}

#[test]
fn smi() {
    check(
        "linkerd/plain",
        "podinfo",
        "/spec/backends",
        "weight",
        &expect![[r#"
            both 0: TrafficSplit "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: TrafficSplit "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: TrafficSplit "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            text: TrafficSplit "podinfo" has weights 90 and -1, which are not a split of 100, drifted
            huge: TrafficSplit "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: TrafficSplit "podinfo" does not exist, drifted
        "#]],
    );
    check(
        "osm/plain",
        "podinfo",
        "/spec/backends",
        "weight",
        &expect![[r#"
            both 0: TrafficSplit "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: TrafficSplit "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: TrafficSplit "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            text: TrafficSplit "podinfo" has weights 90 and -1, which are not a split of 100, drifted
            huge: TrafficSplit "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: TrafficSplit "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: TrafficSplit "podinfo" does not exist, drifted
        "#]],
    );
}

#[test]
fn kuma() {
    check(
        "kuma/plain",
        "podinfo",
        "/spec/conf/split",
        "weight",
        &expect![[r#"
            both 0: TrafficRoute "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: TrafficRoute "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: TrafficRoute "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            text: TrafficRoute "podinfo" has weights -1 and 10, which are not a split of 100, drifted
            huge: TrafficRoute "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: TrafficRoute "podinfo" has no rule with "podinfo-primary_test_svc_9898" and "podinfo-canary_test_svc_9898", drifted
            empty: TrafficRoute "podinfo" has no rule with "podinfo-primary_test_svc_9898" and "podinfo-canary_test_svc_9898", drifted
            no spec: TrafficRoute "podinfo.test" does not exist, drifted
            absent: TrafficRoute "podinfo" does not exist, drifted
        "#]],
    );
}

#[test]
fn contour() {
    check(
        "contour/plain",
        "podinfo",
        "/spec/routes/0/services",
        "weight",
        &expect![[r#"
            both 0: HTTPProxy "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: HTTPProxy "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: HTTPProxy "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            text: HTTPProxy "podinfo" has weights -1 and 10, which are not a split of 100, drifted
            huge: HTTPProxy "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: HTTPProxy "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: HTTPProxy "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: HTTPProxy "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: HTTPProxy "podinfo" does not exist, drifted
        "#]],
    );
}

#[test]
fn gloo() {
    let pointer = "/spec/routes/0/routeAction/multi/destinations";
    check(
        "gloo/plain",
        "podinfo",
        pointer,
        "weight",
        &expect![[r#"
        both 0: RouteTable "podinfo" has weights 0 and 0, which are not a split of 100, drifted
        both 100: RouteTable "podinfo" has weights 100 and 100, which are not a split of 100, drifted
        no weights: RouteTable "podinfo" has weights 0 and 0, which are not a split of 100, drifted
        text: RouteTable "podinfo" has weights -1 and 10, which are not a split of 100, drifted
        huge: RouteTable "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
        foreign: 10, drifted
        first alone: RouteTable "podinfo" has no rule with "test-podinfo-primaryupstream-9898" and "test-podinfo-canaryupstream-9898", drifted
        empty: RouteTable "podinfo" has no rule with "test-podinfo-primaryupstream-9898" and "test-podinfo-canaryupstream-9898", drifted
        no spec: RouteTable "podinfo" has no rule with "test-podinfo-primaryupstream-9898" and "test-podinfo-canaryupstream-9898", drifted
        absent: RouteTable "podinfo" does not exist, drifted
    "#]],
    );
}

#[test]
fn traefik() {
    check(
        "traefik/plain",
        "podinfo",
        "/spec/weighted/services",
        "weight",
        &expect![[r#"
            both 0: TraefikService "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: TraefikService "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: TraefikService "podinfo" has weights 1 and 1, which are not a split of 100, drifted
            text: TraefikService "podinfo" has weights -1 and 10, which are not a split of 100, drifted
            huge: TraefikService "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: TraefikService "podinfo" has weights 90 and 0, which are not a split of 100, drifted
            empty: TraefikService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: TraefikService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: TraefikService "podinfo" does not exist, drifted
        "#]],
    );
}

#[test]
fn apisix() {
    check(
        "apisix/plain",
        "web-podinfo-canary",
        "/spec/http/0/backends",
        "weight",
        &expect![[r#"
            both 0: ApisixRoute "web-podinfo-canary" has weights 0 and 0, which are not a split of 100, drifted
            both 100: ApisixRoute "web-podinfo-canary" has weights 100 and 100, which are not a split of 100, drifted
            no weights: ApisixRoute "web-podinfo-canary" has weights 100 and 100, which are not a split of 100, drifted
            text: ApisixRoute "web-podinfo-canary" has weights -1 and 10, which are not a split of 100, drifted
            huge: ApisixRoute "web-podinfo-canary" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: ApisixRoute "web-podinfo-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: ApisixRoute "web-podinfo-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: ApisixRoute "web-podinfo-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: ApisixRoute "web-podinfo-canary" does not exist, drifted
        "#]],
    );
}

#[test]
fn app_mesh() {
    let pointer = "/spec/routes/0/http/action/weightedTargets";
    check(
        "appmesh/plain",
        "podinfo.test",
        pointer,
        "weight",
        &expect![[r#"
            both 0: VirtualService "podinfo.test" has weights 0 and 0, which are not a split of 100, drifted
            both 100: VirtualService "podinfo.test" has weights 100 and 100, which are not a split of 100, drifted
            no weights: VirtualService "podinfo.test" has weights 0 and 0, which are not a split of 100, drifted
            text: VirtualService "podinfo.test" has weights 90 and -1, which are not a split of 100, drifted
            huge: VirtualService "podinfo.test" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: VirtualService "podinfo.test" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: VirtualService "podinfo.test" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: VirtualService "podinfo.test" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: VirtualService "podinfo.test" does not exist, drifted
        "#]],
    );
    let pointer = "/spec/routes/0/httpRoute/action/weightedTargets";
    check(
        "appmesh-v1beta2/plain",
        "podinfo",
        pointer,
        "weight",
        &expect![[r#"
            both 0: VirtualRouter "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            both 100: VirtualRouter "podinfo" has weights 100 and 100, which are not a split of 100, drifted
            no weights: VirtualRouter "podinfo" has weights 0 and 0, which are not a split of 100, drifted
            text: VirtualRouter "podinfo" has weights 90 and -1, which are not a split of 100, drifted
            huge: VirtualRouter "podinfo" has weights 1000000 and 1000000, which are not a split of 100, drifted
            foreign: 10, drifted
            first alone: VirtualRouter "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            empty: VirtualRouter "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            no spec: VirtualRouter "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted
            absent: VirtualRouter "podinfo" does not exist, drifted
        "#]],
    );
}

#[test]
fn knative() {
    check(
        "knative/plain",
        "podinfo",
        "/status/traffic",
        "percent",
        &expect![[r#"
            both 0: Service "podinfo" has weights 0 and 0, which are not a split of 100
            both 100: Service "podinfo" has weights 100 and 100, which are not a split of 100
            no weights: Service "podinfo" has weights 0 and 0, which are not a split of 100
            text: Service "podinfo" has weights 90 and -1, which are not a split of 100
            huge: Service "podinfo" has weights 1000000 and 1000000, which are not a split of 100
            foreign: 10
            first alone: Service "podinfo" has no rule with "podinfo-00001" and "latestRevision"
            empty: Service "podinfo" has no rule with "podinfo-00001" and "latestRevision"
            no spec: 10, drifted
            absent: Service "podinfo" has no rule with "podinfo-00001" and "latestRevision", drifted
        "#]],
    );
}

/// Tells of what is seen after each object is changed.
fn check_one(file: &str, change: impl Fn(&mut Value), want: &Expect) {
    let case = Case::load(file);
    want.assert_eq(&told(&case, &case.written(change)));
}

/// Changes an annotation of the copy.
fn annotated(name: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |object| {
        if object["metadata"]["name"] == "web-canary" {
            object["metadata"]["annotations"][name] = value.clone();
        }
    }
}

#[test]
fn nginx_annotations() {
    const WEIGHT: &str = "nginx.ingress.kubernetes.io/canary-weight";
    const MARK: &str = "nginx.ingress.kubernetes.io/canary";
    const HEADER: &str = "nginx.ingress.kubernetes.io/canary-by-header";
    let plain = "nginx/plain";
    check_one(plain, annotated(WEIGHT, json!("50")), &expect!["50"]);
    check_one(
        plain,
        annotated(WEIGHT, json!("101")),
        &expect![[
            r#"Ingress "web-canary" has weights -1 and 101, which are not a split of 100, drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(WEIGHT, json!("x")),
        &expect![[
            r#"Ingress "web-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(WEIGHT, json!("-9223372036854775808")),
        &expect![[
            r#"Ingress "web-canary" has weights 9223372036854775807 and -9223372036854775808, which are not a split of 100, drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(WEIGHT, json!(null)),
        &expect!["0, drifted"],
    );
    check_one(
        plain,
        annotated(MARK, json!("false")),
        &expect![[
            r#"Ingress "web-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(HEADER, json!("x")),
        &expect![[
            r#"Ingress "web-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check_one(plain, annotated("foreign", json!("x")), &expect!["10"]);
    check_one(
        "nginx/ab-testing",
        annotated(HEADER, json!("other")),
        &expect!["100, drifted"],
    );
}

#[test]
fn nginx_specs() {
    let plain = "nginx/plain";
    // A weight from before users were chosen is repaired, not refused.
    check_one(
        "nginx/ab-testing",
        |object| {
            object["metadata"]["annotations"] = json!({
                "nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": "50",
            });
        },
        &expect!["50, drifted"],
    );
    let elsewhere = |object: &mut Value| {
        object["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("x");
    };
    check_one(plain, elsewhere, &expect!["10, drifted"]);
    check_one(
        plain,
        |object| object["spec"]["tls"] = json!([{}]),
        &expect!["10, drifted"],
    );
    check_one(
        plain,
        |object| object["status"] = json!({"loadBalancer": {}}),
        &expect!["10"],
    );
}

#[test]
fn skipper_annotations() {
    const WEIGHTS: &str = "zalando.org/backend-weights";
    const PREDICATE: &str = "zalando.org/skipper-predicate";
    let plain = "skipper/plain";
    check_one(
        plain,
        annotated(PREDICATE, json!("False() && x")),
        &expect!["0, drifted"],
    );
    check_one(
        plain,
        annotated(PREDICATE, json!("")),
        &expect!["10, drifted"],
    );
    check_one(
        plain,
        annotated(WEIGHTS, json!("{")),
        &expect![[
            r#"Ingress "web-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(WEIGHTS, json!(r#"{"podinfo-primary":100}"#)),
        &expect![[
            r#"Ingress "web-canary" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check_one(
        plain,
        annotated(
            WEIGHTS,
            json!(r#"{"podinfo-primary":0,"podinfo-canary":0}"#),
        ),
        &expect![[
            r#"Ingress "web-canary" has weights 0 and 0, which are not a split of 100, drifted"#
        ]],
    );
    check_one(
        "skipper/plain-at-zero",
        annotated(PREDICATE, json!("Weight(100)")),
        &expect!["0, drifted"],
    );
}

/// Its weights would stay in force until the garbage collector comes to it.
#[test]
fn skippers_copy_goes_with_the_canary() {
    let mut case = Case::load("skipper/plain");
    let orphans = |case: &Case, live: &Live| -> Vec<String> {
        let orphans = case.adapter.orphans(&case.route, live);
        orphans.into_iter().map(|one| one.name).collect()
    };
    let of_somebody = case.written(|_| {});
    let owner = |uid: &str| {
        let (name, uid) = ("podinfo".to_owned(), uid.to_owned());
        Some(Owner { name, uid })
    };
    case.route.owner = owner("u1");
    let ours = case.written(|_| {});
    assert_eq!(orphans(&case, &ours), ["web-canary"]);
    assert_eq!(orphans(&case, &of_somebody), [""; 0]);
    assert_eq!(orphans(&case, &case.live), [""; 0]);
    case.route.owner = owner("u2");
    assert_eq!(orphans(&case, &ours), [""; 0]);
}
