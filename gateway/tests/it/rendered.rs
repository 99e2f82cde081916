//! Routes as the operator writes them, obeyed by the gateway over loopback: weights, and testers beside them.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mesh_adapters::{Live, Route, Split, Weight};
use serde_json::{Value, json};

use crate::support::{Backend, GRPC_STATUS, Running, read, route, service};

const REQUESTS: usize = 100;
/// How far a share may be off: a table that is made anew in between takes its turns from the beginning.
const SKEW_MAX: usize = 4;

/// The routes of a Canary with testers at this weight, and a class and gateway for it.
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
async fn of_canary(gateway: &Running, header: (&str, &str), is_grpc: bool) -> usize {
    of_canary_at(gateway, "127.0.0.1", header, is_grpc).await
}

/// The same of this host, which for gRPC has to be one that resolves to the gateway.
async fn of_canary_at(
    gateway: &Running,
    host: &str,
    (name, value): (&str, &str),
    is_grpc: bool,
) -> usize {
    let port = gateway.address.port();
    let authority = if is_grpc { host } else { "127.0.0.1" };
    let uri = format!("http://{authority}:{port}/echo.Echo/Say");
    let client = Client::builder(TokioExecutor::new())
        .http2_only(is_grpc)
        .build_http::<Full<Bytes>>();
    let mut found = 0;
    for _ in 0..REQUESTS {
        let request = http::Request::post(&uri).header(name, value);
        let request = if is_grpc {
            let request = request.header("content-type", "application/grpc");
            request.header("te", "trailers")
        } else {
            request.header("host", host)
        };
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
            let skew_max = if weight == 20 { SKEW_MAX } else { 0 };
            assert!(found.abs_diff(users) <= skew_max, "{found} of users {at}");
        }
    }
}

#[tokio::test]
async fn each_port_is_split_and_keeps_to_its_own_pods() {
    let ports =
        json!([{"name": "grpc", "port": 90, "hosts": ["localhost"], "routeKind": "GRPCRoute"}]);
    let spec = json!({"port": 80, "hosts": ["app.example"], "gatewayRefs": [{"name": "gw"}], "ports": ports});
    let backends = [
        Backend::start("primary").await,
        Backend::start("canary").await,
        Backend::start("primary").await,
        Backend::start("canary").await,
    ];
    let [primary, canary, grpc_primary, grpc_canary] = &backends;
    let both = |name: &str, http: &Backend, grpc: &Backend| {
        let mut objects = service(name, &[(http.address, true)]);
        let ports = objects[0]["spec"]["ports"].as_array_mut().unwrap();
        ports.push(json!({"name": "grpc", "port": 90}));
        let mut slice = objects[1].clone();
        slice["metadata"]["name"] = json!(format!("{name}-grpc"));
        slice["ports"] = json!([{"name": "grpc", "port": grpc.address.port()}]);
        objects.push(slice);
        objects
    };
    let gateway = Running::start(&[
        objects(&spec, 20),
        both("podinfo-primary", primary, grpc_primary),
        both("podinfo-canary", canary, grpc_canary),
    ])
    .await;
    let nobody = ("x-tester", "no");
    for (host, is_grpc) in [("app.example", false), ("localhost", true)] {
        let found = of_canary_at(&gateway, host, nobody, is_grpc).await;
        assert!(found.abs_diff(20) <= SKEW_MAX, "{found} of users of {host}");
        let testers = of_canary_at(&gateway, host, ("x-tester", "yes"), is_grpc).await;
        assert_eq!(testers, REQUESTS, "{host}");
    }
    for backend in &backends {
        let seen = backend.seen.lock().unwrap();
        let is_grpc = |one: &String| one.contains("application/grpc");
        let grpcs = seen.iter().filter(|one| is_grpc(one)).count();
        assert!(
            [0, seen.len()].contains(&grpcs),
            "{grpcs} of {}",
            seen.len()
        );
    }
}
