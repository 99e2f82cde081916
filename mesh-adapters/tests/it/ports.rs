//! Several ports: seen as one split, or told which of them is out of step.

use expect_test::{Expect, expect};
use mesh_adapters::Live;
use serde_json::{Value, json};

use crate::golden::Case;

/// Changes what was written for `testdata/<name>.yaml`; says what is seen, and whether it drifted.
fn check(name: &str, change: impl Fn(&mut Value), want: &Expect) {
    let Case { route, adapter, .. } = &Case::load(name);
    let written = adapter.marked(route, &Live::default()).unwrap();
    let live: Live = written
        .into_iter()
        .map(|mut object| {
            change(&mut object);
            object
        })
        .collect();
    let seen = match adapter.seen(route, &live) {
        Ok(split) => split.canary.to_string(),
        Err(error) => error.to_string(),
    };
    let drifted = adapter.has_drifted(route, &live).unwrap();
    want.assert_eq(&format!("{seen}{}", if drifted { ", drifted" } else { "" }));
    // Whatever is there, one write brings all ports to the split wanted.
    let repaired: Live = adapter.render(route, &live).unwrap().into_iter().collect();
    assert_eq!(adapter.seen(route, &repaired), Ok(route.split));
}

fn weigh(backends: &mut Value, primary: i64, canary: i64) {
    backends[0]["weight"] = json!(primary);
    backends[1]["weight"] = json!(canary);
}

#[test]
fn routes_of_the_gateway_api() {
    let ports = "gatewayapi/ports";
    let is_grpc = |object: &Value| object["kind"] == "GRPCRoute";
    check(ports, |_| {}, &expect!["10"]);
    check(
        ports,
        |object| {
            if is_grpc(object) {
                weigh(&mut object["spec"]["rules"][0]["backendRefs"], 80, 20);
            }
        },
        &expect![[
            r#"the canary has 20 % of port "grpc" and 10 % of service.port, which go together"#
        ]],
    );
    check(
        ports,
        |object| {
            if is_grpc(object) {
                weigh(&mut object["spec"]["rules"][0]["backendRefs"], 80, 10);
            }
        },
        &expect![[
            r#"GRPCRoute "podinfo-grpc" has weights 80 and 10, which are not a split of 100, drifted"#
        ]],
    );
    check(
        ports,
        |object| {
            if is_grpc(object) {
                object["metadata"]["name"] = json!("another");
            }
        },
        &expect![[r#"GRPCRoute "podinfo-grpc" does not exist, drifted"#]],
    );
    check(
        ports,
        |object| {
            if is_grpc(object) {
                object["spec"]["rules"][0]["backendRefs"][0]["port"] = json!(1);
            }
        },
        &expect!["10, drifted"],
    );
    check(
        ports,
        |object| {
            if is_grpc(object) {
                let condition =
                    json!({"type": "Accepted", "status": "True", "observedGeneration": 1});
                object["metadata"]["generation"] = json!(2);
                object["status"] = json!({"parents": [{"parentRef": {"name": "gate"}, "conditions": [condition]}]});
            }
        },
        &expect![[r#"GRPCRoute "podinfo-grpc": "gate" has not looked at generation 2 yet"#]],
    );
    check(
        "gatewayapi/ports-mirrored",
        |object| {
            if is_grpc(object) {
                object["spec"]["rules"][0]["filters"] = json!([]);
            }
        },
        &expect![[
            r#"the canary has 10 % of port "grpc" and 10 % and a copy of service.port, which go together"#
        ]],
    );
}

#[test]
fn routes_of_one_virtual_service() {
    let ports = "istio/ports";
    let routes = |list: &'static str, change: fn(&mut Value)| {
        move |object: &mut Value| {
            if object["kind"] == "VirtualService" {
                change(&mut object["spec"][list]);
            }
        }
    };
    check(ports, |_| {}, &expect!["10"]);
    check(
        ports,
        routes("http", |http| weigh(&mut http[0]["route"], 70, 30)),
        &expect![[
            r#"the canary has 30 % of port "grpc" and 10 % of service.port, which go together, drifted"#
        ]],
    );
    check(
        ports,
        routes("http", |http| weigh(&mut http[1]["route"], 70, 30)),
        &expect![[
            r#"the canary has 10 % of port "grpc" and 30 % of service.port, which go together, drifted"#
        ]],
    );
    check(
        ports,
        routes("tcp", |tcp| weigh(&mut tcp[0]["route"], 70, 30)),
        &expect![[
            r#"the canary has 30 % of port "redis" and 10 % of service.port, which go together, drifted"#
        ]],
    );
    check(
        ports,
        routes("http", |http| {
            http.as_array_mut().unwrap().remove(0);
        }),
        &expect![[
            r#"VirtualService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
    check(
        ports,
        routes("http", |http| {
            http.as_array_mut().unwrap().pop();
        }),
        &expect![[
            r#"VirtualService "podinfo" has no rule with "podinfo-primary" and "podinfo-canary", drifted"#
        ]],
    );
}

#[test]
fn objects_of_each_port() {
    for (name, list) in [
        ("contour/ports", "/spec/routes/0/services"),
        ("traefik/ports", "/spec/weighted/services"),
    ] {
        check(name, |_| {}, &expect!["10"]);
        check(
            name,
            |object| {
                if object["metadata"]["name"] == "podinfo-grpc" {
                    weigh(object.pointer_mut(list).unwrap(), 50, 50);
                }
            },
            &expect![[
                r#"the canary has 50 % of port "grpc" and 10 % of service.port, which go together"#
            ]],
        );
    }
}

/// A port that is no longer named is no longer among the objects, which is how it is found to be deleted.
#[test]
fn objects_follow_the_list() {
    let Case { route, adapter, .. } = Case::load("gatewayapi/ports");
    let names = |route: &mesh_adapters::Route| {
        let objects = adapter.objects(route).into_iter();
        objects
            .map(|one| format!("{}/{}", one.kind, one.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&route),
        ["HTTPRoute/podinfo", "GRPCRoute/podinfo-grpc"]
    );
    let mut fewer = route.clone();
    fewer.service.ports.clear();
    assert_eq!(names(&fewer), ["HTTPRoute/podinfo"]);
}
