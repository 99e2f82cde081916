//! DaemonSets and core Services under release, and edits that break a canary on its way.

use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use api::condition;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary};

fn target(kind: &str) -> Value {
    let version = if kind == "Service" { "v1" } else { "apps/v1" };
    json!({"targetRef": {"apiVersion": version, "kind": kind, "name": "podinfo"}})
}

fn daemon_set(image: &str, strategy: &str) -> String {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"selector": {"matchLabels": {"app": "podinfo"}}, "updateStrategy": {"type": strategy},
            "template": {"metadata": {"labels": {"app": "podinfo"}}, "spec": {"containers": [{"name": "podinfod", "image": image}]}}}})
    .to_string()
}

/// Image, and whether it is at rest.
async fn seen(cluster: &Cluster, name: &str) -> (String, bool) {
    let sets: Api<DaemonSet> = Api::namespaced(cluster.client.clone(), "test");
    let pod = sets
        .get(name)
        .await
        .unwrap()
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let image = pod.containers[0].image.clone().unwrap();
    let is_at_rest = pod
        .node_selector
        .is_some_and(|selector| selector.contains_key("flagger.app/scale-to-zero"));
    (image, is_at_rest)
}

fn at(weight: i64) -> impl Fn(&Canary) -> bool {
    move |found| {
        let status = found.status.as_ref();
        status.is_some_and(|status| status.canary_weight == weight)
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_is_released_and_reverted() {
    let mut cluster = Cluster::new().await;
    cluster.load(&daemon_set("podinfo:1.0.0", "OnDelete")).await;
    let mut spec = target("DaemonSet");
    spec["revertOnDeletion"] = json!(true);
    cluster.load(&canary("podinfo", &json!({}), &spec)).await;
    cluster.start("");
    let is_told = |found: &Canary| {
        let analysis = found
            .status
            .as_ref()
            .and_then(|status| status.analysis.as_ref());
        let waits = analysis.and_then(|analysis| analysis.waiting_on.as_deref());
        waits.is_some_and(|waits| waits.contains("spec.updateStrategy.type is \"OnDelete\""))
    };
    cluster
        .until("podinfo", "waiting for its strategy", is_told)
        .await;
    cluster
        .load(&daemon_set("podinfo:1.0.0", "RollingUpdate"))
        .await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    assert_eq!(
        seen(&cluster, "podinfo").await,
        ("podinfo:1.0.0".into(), true)
    );
    assert_eq!(
        seen(&cluster, "podinfo-primary").await,
        ("podinfo:1.0.0".into(), false)
    );

    let sets: Api<DaemonSet> = Api::namespaced(cluster.client.clone(), "test");
    let release = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:2.0.0"}]}}}});
    sets.patch(
        "podinfo",
        &PatchParams::default(),
        &Patch::Strategic(release),
    )
    .await
    .unwrap();
    cluster.until("podinfo", "at 10 %", at(10)).await;
    assert_eq!(
        seen(&cluster, "podinfo").await,
        ("podinfo:2.0.0".into(), false)
    );
    assert_eq!(seen(&cluster, "podinfo-primary").await.0, "podinfo:1.0.0");
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
    assert_eq!(
        seen(&cluster, "podinfo-primary").await,
        ("podinfo:2.0.0".into(), false)
    );
    assert_eq!(
        seen(&cluster, "podinfo").await,
        ("podinfo:2.0.0".into(), true)
    );
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(cluster.requests().len(), before, "idle for an hour");

    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(canaries.get_opt("podinfo").await.unwrap().is_none());
    assert!(!seen(&cluster, "podinfo").await.1);
}

async fn selected(cluster: &Cluster, name: &str) -> String {
    cluster.service(name).await.spec.unwrap().selector.unwrap()["app"].clone()
}

fn service(app: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo", "namespace": "test", "labels": {"team": "a"}},
        "spec": {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_service_is_released() {
    let mut cluster = Cluster::new().await;
    cluster.load(&service("one")).await;
    cluster
        .load(&canary("podinfo", &json!({}), &target("Service")))
        .await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    for name in ["podinfo", "podinfo-primary", "podinfo-canary"] {
        assert_eq!(selected(&cluster, name).await, "one", "{name}");
    }
    let addresses: std::collections::BTreeSet<_> = [
        cluster.service("podinfo").await,
        cluster.service("podinfo-primary").await,
        cluster.service("podinfo-canary").await,
    ]
    .map(|service| service.spec.unwrap().cluster_ip)
    .into();
    assert_eq!(addresses.len(), 3, "{addresses:?}");

    cluster.load(&service("two")).await;
    cluster.until("podinfo", "at 30 %", at(30)).await;
    assert_eq!(selected(&cluster, "podinfo-canary").await, "two");
    assert_eq!(selected(&cluster, "podinfo-primary").await, "one");
    cluster.set_gateway(false);
    cluster.load(&service("three")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        cluster.weights().await["podinfo-canary"],
        0,
        "50 ms after the change"
    );
    cluster.set_gateway(true);
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(selected(&cluster, "podinfo-primary").await, "three");
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(cluster.requests().len(), before, "idle for an hour");
}

const SCALED_OBJECTS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: scaledobjects.keda.sh}
spec:
  group: keda.sh
  names: {plural: scaledobjects, singular: scaledobject, kind: ScaledObject, listKind: ScaledObjectList}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn scaled_object(max: u32) -> String {
    json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"scaleTargetRef": {"name": "podinfo"}, "minReplicaCount": 3, "maxReplicaCount": max,
            "triggers": [{"type": "prometheus", "metadata": {"query": "rate(a{w=\"podinfo\"}[1m])"}}]}})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_scaled_object_is_copied_and_rests_with_its_target() {
    let mut cluster = Cluster::new().await;
    cluster.load(SCALED_OBJECTS).await;
    cluster.load(&scaled_object(5)).await;
    cluster
        .load(&crate::cluster::deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let reference = json!({"autoscalerRef": {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo"}});
    cluster
        .load(&canary("podinfo", &json!({}), &reference))
        .await;
    cluster.start("");
    let resource = kube::api::ApiResource {
        group: "keda.sh".into(),
        version: "v1alpha1".into(),
        api_version: "keda.sh/v1alpha1".into(),
        kind: "ScaledObject".into(),
        plural: "scaledobjects".into(),
    };
    let scalers: Api<kube::api::DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), "test", &resource);
    // The pause, and the most replicas.
    let told = async |name: &str| {
        let found = scalers.get(name).await.unwrap();
        let annotations = found.metadata.annotations.unwrap_or_default();
        let pause = annotations
            .get("autoscaling.keda.sh/paused-replicas")
            .cloned();
        (
            pause,
            found.data["spec"]["maxReplicaCount"].as_u64().unwrap(),
        )
    };
    cluster.until_phase(CanaryPhase::Initialized).await;
    assert_eq!(told("podinfo").await, (Some("0".into()), 5));
    assert_eq!(told("podinfo-primary").await, (None, 5));
    let own = scalers.get("podinfo-primary").await.unwrap().data;
    assert_eq!(own["spec"]["scaleTargetRef"]["name"], "podinfo-primary");
    assert!(
        own["spec"]["triggers"][0]
            .to_string()
            .contains("podinfo-primary")
    );

    cluster.load(&scaled_object(7)).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 10 %", at(10)).await;
    assert_eq!(told("podinfo").await, (None, 7));
    assert_eq!(told("podinfo-primary").await, (None, 5));
    assert_eq!(cluster.replicas("podinfo").await, 3);
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(told("podinfo").await, (Some("0".into()), 7));
    assert_eq!(told("podinfo-primary").await, (None, 7));
}

fn stalled(found: &Canary) -> Option<String> {
    let status = found.status.as_ref()?;
    condition::get(&status.conditions, "Stalled").map(|found| found.message.clone())
}

async fn break_it(cluster: &Cluster) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let patch = json!({"spec": {"analysis": {"stepWeight": null, "stepWeights": [20, 10]}}});
    canaries
        .patch("podinfo", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_keeps_the_last_valid_spec() {
    let cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 20 %", at(20)).await;
    break_it(&cluster).await;
    let found = cluster
        .until("podinfo", "told", |found| stalled(found).is_some())
        .await;
    let told = stalled(&found).unwrap();
    assert!(
        told.contains("stepWeights[1]")
            && told.ends_with("the last valid spec stays in force until this run ends"),
        "{told}"
    );
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
    let told = |text: &String| text.contains("the last valid spec stays in force");
    assert_eq!(
        cluster
            .events()
            .await
            .iter()
            .filter(|text| told(text))
            .count(),
        1
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    let found = cluster
        .until("podinfo", "stalled", |found| stalled(found).is_some())
        .await;
    assert!(!told(&stalled(&found).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_broken_edit_holds() {
    let mut cluster = Cluster::with_podinfo(&json!({}), &json!({})).await;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster.until("podinfo", "at 20 %", at(20)).await;
    break_it(&cluster).await;
    cluster.crash();
    let weights = cluster.weights().await;
    cluster.start("");
    cluster
        .until("podinfo", "stalled", |found| stalled(found).is_some())
        .await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cluster.weights().await, weights);
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let cure = json!({"spec": {"analysis": {"stepWeight": 10, "stepWeights": null}}});
    canaries
        .patch("podinfo", &PatchParams::default(), &Patch::Merge(cure))
        .await
        .unwrap();
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(stalled(&done), None);
}
