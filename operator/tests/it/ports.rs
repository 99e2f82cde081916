//! Several ports of one target: in the three Services, and split by the same weights in the same round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, OPERATOR, canary, deployment, http_route, told};

fn service() -> Value {
    json!({"service": {
        "port": 80, "targetPort": 9898, "hosts": ["app.example"],
        "gatewayRefs": [{"name": "gate", "namespace": "test"}],
        "ports": [{"name": "admin", "port": 90, "targetPort": 9797, "hosts": ["admin.example"]}],
    }})
}

fn at(weight: i64) -> impl Fn(&Canary) -> bool {
    move |found| {
        let status = found.status.as_ref();
        status.is_some_and(|status| status.canary_weight == weight)
    }
}

fn routes(cluster: &Cluster) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client.clone(), "test", &http_route())
}

/// The canary's weight and the port in a route.
async fn backend(cluster: &Cluster, name: &str) -> (i64, i64) {
    let route = routes(cluster).get(name).await.unwrap();
    let canary = &route.data["spec"]["rules"][0]["backendRefs"][1];
    assert_eq!(canary["name"], "podinfo-canary");
    (
        canary["weight"].as_i64().unwrap(),
        canary["port"].as_i64().unwrap(),
    )
}

/// The weight of all ports, which have the same.
async fn weight(cluster: &Cluster) -> i64 {
    let (first, port) = backend(cluster, "podinfo").await;
    assert_eq!(port, 80);
    let admin = backend(cluster, "podinfo-admin").await;
    assert_eq!(admin, (first, 90));
    first
}

#[tokio::test(start_paused = true)]
async fn all_ports_go_the_same_way() {
    let cluster = Cluster::with_podinfo(&json!({}), &service()).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    for name in ["podinfo", "podinfo-primary", "podinfo-canary"] {
        let ports = cluster.service(name).await.spec.unwrap().ports.unwrap();
        let ports: Vec<_> = ports
            .iter()
            .map(|port| (port.name.as_deref(), port.port))
            .collect();
        assert_eq!(ports, [(Some("http"), 80), (Some("admin"), 90)], "{name}");
    }
    assert_eq!(weight(&cluster).await, 0);
    cluster.release("2.0.0").await;
    for step in [10, 20, 30] {
        cluster.until("podinfo", "at the next step", at(step)).await;
        assert_eq!(weight(&cluster).await, step);
    }
    // A port that joins in the middle has the weight of the others at once.
    let mut more = service();
    let ports = more["service"]["ports"].as_array_mut().unwrap();
    ports.push(json!({"name": "late", "port": 91, "hosts": ["late.example"]}));
    change(&cluster, more).await;
    cluster
        .until("podinfo", "with a third route", |found| {
            found.status.iter().any(|it| it.inventory.len() == 6)
        })
        .await;
    let late = backend(&cluster, "podinfo-late").await;
    assert_eq!(late, (weight(&cluster).await, 91));
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(
        done.status.unwrap().analysis.unwrap().weights,
        [10, 20, 30, 40, 50]
    );
    assert_eq!(weight(&cluster).await, 0);

    // One that leaves takes its route along.
    change(&cluster, json!({"service": {"ports": null}})).await;
    cluster
        .until("podinfo", "with one route", |found| {
            found.status.iter().any(|it| it.inventory.len() == 4)
        })
        .await;
    let left = routes(&cluster).list(&Default::default()).await.unwrap();
    let left: Vec<_> = left
        .into_iter()
        .filter_map(|route| route.metadata.name)
        .collect();
    assert_eq!(left, ["podinfo"]);
    let ports = cluster
        .service("podinfo")
        .await
        .spec
        .unwrap()
        .ports
        .unwrap();
    assert_eq!(ports.len(), 1);
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        told(&cluster.requests()[before..]),
        "",
        "it writes again and again"
    );
}

async fn change(cluster: &Cluster, spec: Value) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(json!({"spec": spec})));
    canaries
        .patch("podinfo", &parameters, &patch)
        .await
        .unwrap();
}

/// Breaks writes of the second port's route while it is set.
#[derive(Default)]
struct SecondPort(AtomicBool);

impl Faults for SecondPort {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_hit = request.user == OPERATOR
            && request.verb == Verb::Patch
            && (request.resource.as_str(), request.name.as_str())
                == ("httproutes", "podinfo-admin");
        (is_hit && self.0.load(Ordering::Relaxed)).then_some(Fault::Refuse)
    }
}

/// The operator dies between the routes of two ports, again and again: no port ever has a weight other than that of
/// the step, or of the one that is being taken.
#[tokio::test(start_paused = true)]
async fn a_crash_between_two_ports_is_put_right() {
    let mut cluster = Cluster::new().await;
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    cluster
        .load(&canary("podinfo", &json!({}), &service()))
        .await;
    let faults = Arc::new(SecondPort::default());
    cluster.server.set_faults(Arc::clone(&faults) as _);
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    for step in [10, 20, 30] {
        cluster.until("podinfo", "at the next step", at(step)).await;
        faults.0.store(true, Ordering::Relaxed);
        let (mut first, mut second) = (step, step);
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            (first, _) = backend(&cluster, "podinfo").await;
            (second, _) = backend(&cluster, "podinfo-admin").await;
            if first != second {
                break;
            }
        }
        assert_eq!((first, second), (step + 10, step));
        cluster.crash();
        faults.0.store(false, Ordering::Relaxed);
        cluster.start("");
    }
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(
        done.status.unwrap().analysis.unwrap().weights,
        [10, 20, 30, 40, 50]
    );
    assert_eq!(weight(&cluster).await, 0);
}

/// Somebody sets one of them: it comes back to where the release is.
#[tokio::test(start_paused = true)]
async fn one_port_out_of_step_is_put_back() {
    let cluster = Cluster::with_podinfo(&json!({}), &service()).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 20 %", at(20)).await;
    let mut route = routes(&cluster).get("podinfo-admin").await.unwrap();
    let backends = &mut route.data["spec"]["rules"][0]["backendRefs"];
    backends[0]["weight"] = json!(0);
    backends[1]["weight"] = json!(100);
    routes(&cluster)
        .replace("podinfo-admin", &Default::default(), &route)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(weight(&cluster).await, 20);
    cluster.until_phase(CanaryPhase::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn ports_that_would_meet_are_refused() {
    let mut cluster = Cluster::new().await;
    let mut same = service();
    same["service"]["ports"][0]["hosts"] = json!(null);
    cluster.load_podinfo(&json!({}), &same).await;
    cluster.start("");
    let told = |found: &Canary| {
        let conditions = found.status.iter().flat_map(|it| &it.conditions);
        let stalled = conditions.into_iter().find(|one| one.type_ == "Stalled");
        stalled.map(|one| one.message.clone()).unwrap_or_default()
    };
    let stalled = cluster
        .until("podinfo", "stalled", |found| !told(found).is_empty())
        .await;
    let message = told(&stalled);
    let wanted =
        "spec.service.ports[0].gatewayRefs is \"gate\": its listener may be that of port 80, too";
    assert!(message.contains(wanted), "{message}");
}
