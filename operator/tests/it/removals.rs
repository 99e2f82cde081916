//! Settings that are taken away leave the routing objects, whoever wrote them first.

use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, deployment, http_route, told};
use crate::meshes::{Kind, definition, resource};

const ROUTES: Kind = (
    "networking.istio.io/v1beta1",
    "VirtualService",
    "virtualservices",
    "Namespaced",
);
const RULES: Kind = (
    "networking.istio.io/v1beta1",
    "DestinationRule",
    "destinationrules",
    "Namespaced",
);
/// Time in which everything is put right.
const SOON: Duration = Duration::from_secs(30);
/// Time without a request that shows that nothing is left to do.
const QUIET: Duration = Duration::from_secs(120);

/// A cluster with Istio's kinds and podinfo, which nobody watches yet.
async fn istio() -> Cluster {
    let cluster = Cluster::new().await;
    cluster.load(&definition(ROUTES)).await;
    cluster.load(&definition(RULES)).await;
    let target = deployment("podinfo", "1.0.0", &json!({}));
    cluster.load(&target).await;
    cluster
}

async fn settle(cluster: &Cluster) {
    tokio::time::sleep(SOON).await;
    let before = cluster.requests().len();
    tokio::time::sleep(QUIET).await;
    let later = cluster.requests();
    assert_eq!(told(&later[before..]), "", "it writes again and again");
}

fn objects(cluster: &Cluster, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client.clone(), "test", &resource(kind))
}

/// Changes `service` of the Canary, and gives its VirtualService and the primary's DestinationRule afterwards.
async fn changed(cluster: &Cluster, service: Value) -> (Value, Value) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let patch = Patch::Merge(json!({"spec": {"service": service}}));
    let parameters = PatchParams::default();
    canaries
        .patch("podinfo", &parameters, &patch)
        .await
        .unwrap();
    settle(cluster).await;
    let of = async |kind, name| {
        let found = objects(cluster, kind).get(name).await.unwrap();
        serde_json::to_value(found).unwrap()
    };
    (
        of(ROUTES, "podinfo").await,
        of(RULES, "podinfo-primary").await,
    )
}

/// Makes all that we wrote this manager's, as if we had never been there.
async fn hand_over(cluster: &Cluster, manager: &str) {
    for kind in [ROUTES, RULES] {
        let objects = objects(cluster, kind);
        for mut object in objects.list(&Default::default()).await.unwrap() {
            let name = object.metadata.name.clone().unwrap();
            let entries = object.metadata.managed_fields.as_mut().unwrap();
            assert_eq!(entries.len(), 1, "{entries:?}");
            entries[0].manager = Some(manager.to_owned());
            entries[0].operation = Some("Update".to_owned());
            let mark = object.annotations_mut().remove("sluice.dev/applied");
            assert!(mark.is_some(), "{name}");
            objects
                .replace(&name, &Default::default(), &object)
                .await
                .unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_asked_for_goes_whoever_wrote_it() {
    for manager in ["sluice", "flagger", "kubectl-client-side-apply"] {
        let mut cluster = istio().await;
        let service = json!({"port": 80, "targetPort": 9898,
            "apex": {"labels": {"team": "a"}}, "retries": {"attempts": 3, "retryOn": "5xx"},
            "trafficPolicy": {"tls": {"mode": "DISABLE"}, "loadBalancer": {"simple": "RANDOM"}}});
        let spec = json!({"provider": "istio", "service": service});
        cluster.load(&canary("podinfo", &json!({}), &spec)).await;
        cluster.start("");
        cluster.until_phase(CanaryPhase::Initialized).await;
        settle(&cluster).await;
        if manager != "sluice" {
            cluster.crash();
            hand_over(&cluster, manager).await;
            cluster.start("");
            settle(&cluster).await;
        }

        let part = json!({"apex": null, "retries": {"retryOn": null}, "trafficPolicy": {"loadBalancer": null}});
        let (routes, rule) = changed(&cluster, part).await;
        let retries = &routes["spec"]["http"][0]["retries"];
        assert_eq!(*retries, json!({"attempts": 3}), "{manager}");
        let policy = &rule["spec"]["trafficPolicy"];
        assert_eq!(*policy, json!({"tls": {"mode": "DISABLE"}}), "{manager}");
        // Labels of users are theirs.
        let label = routes["metadata"]["labels"]["team"].as_str();
        assert_eq!(label, manager.starts_with("kubectl").then_some("a"));

        let (routes, rule) = changed(&cluster, json!({"trafficPolicy": null})).await;
        assert_eq!(rule["spec"], json!({"host": "podinfo-primary"}));
        assert!(routes["metadata"]["annotations"]["sluice.dev/applied"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_add_where_the_canary_alone_has_a_say_goes() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    let rival = cluster.server.client_as("rival", "test");
    let routes: Api<DynamicObject> = Api::namespaced_with(rival, "test", &http_route());
    let added = Patch::Merge(
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"hostnames": ["a.example.com"]}}),
    );
    let parameters = PatchParams::default();
    routes.patch("podinfo", &parameters, &added).await.unwrap();
    settle(&cluster).await;
    let found = routes.get("podinfo").await.unwrap();
    assert!(found.data["spec"].get("hostnames").is_none(), "{found:?}");
    assert_eq!(found.labels()["a"], "b");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_put_back_has_no_mark() {
    let mut cluster = istio().await;
    let spec =
        json!({"hosts": ["podinfo"], "http": [{"route": [{"destination": {"host": "podinfo"}}]}]});
    let users = json!({"apiVersion": ROUTES.0, "kind": ROUTES.1, "spec": spec,
        "metadata": {"name": "podinfo", "namespace": "test"}});
    cluster.load(&users.to_string()).await;
    let reverted = json!({"provider": "istio", "revertOnDeletion": true});
    cluster
        .load(&canary("podinfo", &json!({}), &reverted))
        .await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    let routes = objects(&cluster, ROUTES);
    let is_marked = async || {
        let route = routes.get("podinfo").await.unwrap();
        route.annotations().contains_key("sluice.dev/applied")
    };
    assert!(is_marked().await);
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    settle(&cluster).await;
    assert!(!is_marked().await);
    assert_eq!(routes.get("podinfo").await.unwrap().data["spec"], spec);
}
