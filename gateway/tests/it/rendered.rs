//! Routes as the operator writes them, obeyed by the gateway over loopback: weights, and testers beside them.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mesh_adapters::{Live, Route, Split, Weight};
use serde_json::{Value, json};

use crate::support::{Backend, GRPC_STATUS, Running, read, route, service};

const REQUESTS: usize = 100;

/// The route of a Canary with testers at this weight, and a class and gateway for it.
fn objects(service: &Value, weight: i64) -> Vec<Value> {
    let canary = json!({
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": service,
            "analysis": {"stepWeight": 10, "testers": [
                {"headers": {"x-tester": {"exact": "yes"}}},
                {"headers": {"cookie": {"regex": ".*tester=always.*"}}},
            ]},
        },
    });
    let canary = api::decode::decode(canary).unwrap();
    let split = Split::to_canary(Weight::try_from(weight).unwrap());
    let wanted = Route::new(&canary, split).unwrap();
    let adapter = mesh_adapters::adapter("gatewayapi:v1").unwrap();
    let mut objects = route(&json!([]));
    objects.pop();
    objects.extend(adapter.render(&wanted, &Live::default()).unwrap());
    objects
}

/// How many of the requests with this header the canary answered.
async fn of_canary(gateway: &Running, (name, value): (&str, &str), is_grpc: bool) -> usize {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(is_grpc)
        .build_http::<Full<Bytes>>();
    let mut found = 0;
    for _ in 0..REQUESTS {
        let uri = format!("http://{}/echo.Echo/Say", gateway.address);
        let mut request = http::Request::post(uri).header(name, value);
        if is_grpc {
            request = request
                .header("content-type", "application/grpc")
                .header("te", "trailers");
        }
        let request = request.body(Full::from("hi")).unwrap();
        let answer = read(client.request(request).await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.trailers.contains_key(GRPC_STATUS), is_grpc);
        found += usize::from(answer.by() == "canary");
    }
    found
}

#[tokio::test]
async fn testers_always_reach_the_canary_and_users_by_weight() {
    let http = json!({"port": 80, "gatewayRefs": [{"name": "gw"}]});
    let mut grpc = http.clone();
    grpc["routeKind"] = json!("GRPCRoute");
    grpc["match"] =
        json!([{"uri": {"exact": "/echo.Echo/Say"}}, {"uri": {"prefix": "/echo.Other/"}}]);
    for (spec, is_grpc) in [(http, false), (grpc, true)] {
        for (weight, testers, users) in [(0, 0, 0), (20, REQUESTS, 20), (100, REQUESTS, 100)] {
            let (primary, canary) = (
                Backend::start("primary").await,
                Backend::start("canary").await,
            );
            let gateway = Running::start(&[
                objects(&spec, weight),
                service("podinfo-primary", &[(primary.address, true)]),
                service("podinfo-canary", &[(canary.address, true)]),
            ])
            .await;
            let at = format!("{spec} at {weight}");
            for header in [("x-tester", "yes"), ("cookie", "a=b; tester=always")] {
                assert_eq!(
                    of_canary(&gateway, header, is_grpc).await,
                    testers,
                    "{header:?} {at}"
                );
            }
            let found = of_canary(&gateway, ("x-tester", "no"), is_grpc).await;
            assert!(found.abs_diff(users) <= 1, "{found} of users {at}");
        }
    }
}
