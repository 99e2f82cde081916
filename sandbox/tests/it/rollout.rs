//! Deployments, DaemonSets and endpoints under paused time.

use std::sync::Arc;

use apiserver::{NoFaults, RandomFaults};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Endpoints, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use sandbox::Sandbox;
use serde_json::json;

use crate::support::{podinfo, simulated, until};

fn counts(d: &Deployment) -> (i32, i32, i32, i32) {
    let s = d.status.clone().unwrap_or_default();
    let n = |v: Option<i32>| v.unwrap_or(0);
    (
        n(s.replicas),
        n(s.updated_replicas),
        n(s.ready_replicas),
        n(s.available_replicas),
    )
}

fn condition(d: &Deployment, type_: &str) -> String {
    let all = d
        .status
        .as_ref()
        .and_then(|s| s.conditions.clone())
        .unwrap_or_default();
    let found = all.into_iter().find(|c| c.type_ == type_);
    found.map_or_else(String::new, |c| {
        format!("{} {}", c.status, c.reason.unwrap_or_default())
    })
}

fn is_complete(d: &Deployment, replicas: i32) -> bool {
    counts(d) == (replicas, replicas, replicas, replicas)
        && d.status.as_ref().and_then(|s| s.observed_generation) == d.metadata.generation
}

async fn patch(sandbox: &Sandbox, name: &str, body: serde_json::Value) {
    let api: Api<Deployment> = Api::default_namespaced(sandbox.client());
    api.patch(name, &PatchParams::default(), &Patch::Merge(body))
        .await
        .unwrap();
}

fn image(version: &str) -> serde_json::Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": format!("podinfo:{version}"),
        "ports": [{"name": "http", "containerPort": 9898}]}]}}}})
}

async fn ready_addresses(sandbox: &Sandbox, service: &str) -> usize {
    let api: Api<EndpointSlice> = Api::default_namespaced(sandbox.client());
    let own = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let slices = api.list(&own).await.unwrap().items;
    let endpoints = slices.iter().flat_map(|s| &s.endpoints);
    endpoints
        .filter(|e| e.conditions.as_ref().is_some_and(|c| c.ready == Some(true)))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_available_and_rolls_to_a_new_version() {
    let sandbox = simulated(7).await;
    sandbox
        .load(&podinfo("podinfo", 3, "1.0.0", ""))
        .await
        .unwrap();
    let d: Deployment = until(&sandbox, "podinfo", |d| is_complete(d, 3)).await;
    assert_eq!(condition(&d, "Available"), "True MinimumReplicasAvailable");
    assert_eq!(condition(&d, "Progressing"), "True NewReplicaSetAvailable");
    assert_eq!(
        d.annotations()
            .get("deployment.kubernetes.io/revision")
            .map(String::as_str),
        Some("1")
    );
    let _: EndpointSlice = until_slice(&sandbox, 3).await;

    patch(&sandbox, "podinfo", image("2.0.0")).await;
    let mut fewest = usize::MAX;
    loop {
        let api: Api<Deployment> = Api::default_namespaced(sandbox.client());
        let d = api.get("podinfo").await.unwrap();
        let (all, ..) = counts(&d);
        assert!(all <= 4, "maxSurge 25 % of 3 is one pod: {all}");
        fewest = fewest.min(ready_addresses(&sandbox, "podinfo").await);
        if is_complete(&d, 3) && condition(&d, "Progressing") == "True NewReplicaSetAvailable" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(fewest, 3, "maxUnavailable 25 % of 3 is none");
    let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
    let list = pods.list(&ListParams::default()).await.unwrap().items;
    let new = list
        .iter()
        .filter(|p| p.metadata.deletion_timestamp.is_none());
    assert!(
        new.clone()
            .all(|p| p.spec.as_ref().unwrap().containers[0].image.as_deref()
                == Some("podinfo:2.0.0"))
    );
    assert_eq!(new.count(), 3);
    let sets: Api<ReplicaSet> = Api::default_namespaced(sandbox.client());
    assert_eq!(
        sets.list(&ListParams::default()).await.unwrap().items.len(),
        2,
        "the old set is kept for a rollback"
    );
}

async fn until_slice(sandbox: &Sandbox, ready: usize) -> EndpointSlice {
    let api: Api<EndpointSlice> = Api::default_namespaced(sandbox.client());
    for _ in 0..1_000 {
        if ready_addresses(sandbox, "podinfo").await == ready {
            let own = ListParams::default().labels("kubernetes.io/service-name=podinfo");
            return api.list(&own).await.unwrap().items.remove(0);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("endpoints never had {ready} ready addresses");
}

#[tokio::test(start_paused = true)]
async fn pods_that_never_become_ready_exceed_the_progress_deadline() {
    let sandbox = simulated(1).await;
    sandbox
        .load(&podinfo("podinfo", 2, "1.0.0", ""))
        .await
        .unwrap();
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 2)).await;
    let started = sandbox.clock().now();
    let never =
        json!({"spec": {"template": {"metadata": {"annotations": {sandbox::READY: "never"}}}}});
    patch(&sandbox, "podinfo", never).await;
    let is_late = |d: &Deployment| condition(d, "Progressing") == "False ProgressDeadlineExceeded";
    let d: Deployment = until(&sandbox, "podinfo", is_late).await;
    let took = (sandbox.clock().now() - started).num_seconds();
    assert!((60..70).contains(&took), "took {took} s");
    assert_eq!(
        condition(&d, "Available"),
        "True MinimumReplicasAvailable",
        "the old pods still serve"
    );
    assert_eq!(ready_addresses(&sandbox, "podinfo").await, 2);

    let back = json!({"spec": {"template": {"metadata": {"annotations": {sandbox::READY: null}}}}});
    patch(&sandbox, "podinfo", back).await;
    until::<Deployment>(&sandbox, "podinfo", |d| {
        is_complete(d, 2) && condition(d, "Progressing") == "True NewReplicaSetAvailable"
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unavailable_pods_say_so_and_crash_loops_count() {
    let sandbox = simulated(1).await;
    let crash = format!("{}: 'true'", sandbox::CRASH_LOOP);
    sandbox
        .load(&podinfo("podinfo", 1, "1.0.0", &crash))
        .await
        .unwrap();
    let is_down = |d: &Deployment| condition(d, "Available") == "False MinimumReplicasUnavailable";
    until::<Deployment>(&sandbox, "podinfo", is_down).await;
    let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
    let name = pods.list(&ListParams::default()).await.unwrap().items[0].name_any();
    until::<Pod>(&sandbox, &name, |p| {
        let status = p
            .status
            .as_ref()
            .and_then(|s| s.container_statuses.as_ref())
            .map(|s| s[0].clone());
        status.is_some_and(|s| s.restart_count == 3 && s.state.is_some_and(|s| s.waiting.is_some()))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn scaling_recreate_and_deletion() {
    let sandbox = simulated(3).await;
    sandbox
        .load(&podinfo("podinfo", 1, "1.0.0", ""))
        .await
        .unwrap();
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 1)).await;
    patch(&sandbox, "podinfo", json!({"spec": {"replicas": 4}})).await;
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 4)).await;
    patch(
        &sandbox,
        "podinfo",
        json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}),
    )
    .await;
    patch(&sandbox, "podinfo", image("2.0.0")).await;
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 4)).await;
    patch(&sandbox, "podinfo", json!({"spec": {"replicas": 0}})).await;
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 0)).await;
    until_slice(&sandbox, 0).await;
    patch(&sandbox, "podinfo", json!({"spec": {"replicas": 1}})).await;
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 1)).await;
    until::<Endpoints>(&sandbox, "podinfo", |e| {
        e.subsets.as_ref().is_some_and(|s| s[0].addresses.is_some())
    })
    .await;

    let api: Api<Deployment> = Api::default_namespaced(sandbox.client());
    api.delete("podinfo", &DeleteParams::default())
        .await
        .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        if pods
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
        {
            return;
        }
    }
    panic!("pods outlived their Deployment");
}

#[tokio::test(start_paused = true)]
async fn a_terminating_pod_leaves_the_endpoints_before_it_is_gone() {
    let sandbox = simulated(5).await;
    sandbox
        .load(&podinfo("podinfo", 1, "1.0.0", ""))
        .await
        .unwrap();
    let slice = until_slice(&sandbox, 1).await;
    let pod = slice.endpoints[0].target_ref.clone().unwrap().name.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
    pods.delete(&pod, &DeleteParams::default()).await.unwrap();
    let mut was_seen_ending = false;
    while let Some(seen) = pods.get_opt(&pod).await.unwrap() {
        let api: Api<EndpointSlice> = Api::default_namespaced(sandbox.client());
        let slice = api.get(&slice.name_any()).await.unwrap();
        let own = slice
            .endpoints
            .iter()
            .find(|e| e.target_ref.as_ref().unwrap().name.as_deref() == Some(&pod));
        let conditions = own.and_then(|e| e.conditions.clone()).unwrap_or_default();
        was_seen_ending |= seen.metadata.deletion_timestamp.is_some()
            && conditions.ready == Some(false)
            && conditions.terminating == Some(true);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(was_seen_ending);
    until_slice(&sandbox, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_runs_on_the_node_unless_its_selector_forbids() {
    let sandbox = simulated(2).await;
    let manifest =
        podinfo("podinfo", 1, "1.0.0", "").replace("kind: Deployment", "kind: DaemonSet");
    let manifest = manifest.replace("  replicas: 1\n  progressDeadlineSeconds: 60\n", "");
    sandbox.load(&manifest).await.unwrap();
    let status = |d: &DaemonSet| {
        let s = d.status.clone().unwrap_or_default();
        (
            s.desired_number_scheduled,
            s.updated_number_scheduled.unwrap_or(0),
            s.number_available.unwrap_or(0),
        )
    };
    until::<DaemonSet>(&sandbox, "podinfo", |d| status(d) == (1, 1, 1)).await;
    let api: Api<DaemonSet> = Api::default_namespaced(sandbox.client());
    let merge = |body| Patch::Merge(body);
    api.patch("podinfo", &PatchParams::default(), &merge(image("2.0.0")))
        .await
        .unwrap();
    until::<DaemonSet>(&sandbox, "podinfo", |d| {
        status(d) == (1, 0, 0) || status(d) == (1, 1, 0)
    })
    .await;
    until::<DaemonSet>(&sandbox, "podinfo", |d| status(d) == (1, 1, 1)).await;
    let off = json!({"spec": {"template": {"spec": {"nodeSelector": {"flagger.app/scale-to-zero": "true"}}}}});
    api.patch("podinfo", &PatchParams::default(), &merge(off))
        .await
        .unwrap();
    until::<DaemonSet>(&sandbox, "podinfo", |d| status(d) == (0, 0, 0)).await;
    until_slice(&sandbox, 0).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_names() {
    let mut names = Vec::new();
    for _ in 0..2 {
        let sandbox = simulated(11).await;
        sandbox
            .load(&podinfo("podinfo", 2, "1.0.0", ""))
            .await
            .unwrap();
        until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 2)).await;
        let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
        let list = pods.list(&ListParams::default()).await.unwrap().items;
        names.push(list.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
    }
    assert_eq!(names[0], names[1]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_made_by_hand_is_bound_and_runs() {
    let sandbox = simulated(1).await;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: hand}\nspec: {containers: [{name: c, image: 'i:1'}]}\n";
    sandbox.load(pod).await.unwrap();
    let is_ready = |p: &Pod| {
        let conditions = p
            .status
            .as_ref()
            .and_then(|s| s.conditions.clone())
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    until::<Pod>(&sandbox, "hand", is_ready).await;
    let never = json!({"metadata": {"annotations": {sandbox::READY: "never"}}});
    let api: Api<Pod> = Api::default_namespaced(sandbox.client());
    api.patch("hand", &PatchParams::default(), &Patch::Merge(never))
        .await
        .unwrap();
    until::<Pod>(&sandbox, "hand", |p| !is_ready(p)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_nothing_changes() {
    let sandbox = simulated(1).await;
    sandbox
        .load(&podinfo("podinfo", 2, "1.0.0", ""))
        .await
        .unwrap();
    until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 2)).await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    let writes = || {
        sandbox
            .api()
            .requests(|log| log.writes_of(sandbox::CONTROLLERS_USER))
    };
    let before = writes();
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    assert_eq!(writes(), before);
}

#[tokio::test(start_paused = true)]
async fn controllers_come_through_faults() {
    for seed in 1..=5 {
        let sandbox = simulated(seed).await;
        let faults = RandomFaults::new(seed, 200, Some(sandbox::CONTROLLERS_USER));
        sandbox.api().set_faults(Arc::new(faults));
        sandbox
            .load(&podinfo("podinfo", 3, "1.0.0", ""))
            .await
            .unwrap();
        until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 3)).await;
        patch(&sandbox, "podinfo", image("2.0.0")).await;
        until::<Deployment>(&sandbox, "podinfo", |d| is_complete(d, 3)).await;
        sandbox.api().set_faults(Arc::new(NoFaults));
        tokio::time::sleep(std::time::Duration::from_secs(900)).await;
        until_slice(&sandbox, 3).await;
        let pods: Api<Pod> = Api::default_namespaced(sandbox.client());
        assert_eq!(
            pods.list(&ListParams::default()).await.unwrap().items.len(),
            3,
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn bad_manifests_are_named() {
    let sandbox = simulated(1).await;
    let error = sandbox
        .load("apiVersion: v1\nkind: ConfigMap\n")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "document 1 of the manifests has no name");
    let error = sandbox
        .load("apiVersion: no.such/v1\nkind: Thing\nmetadata: {name: x}\n")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to find kind \"Thing\" of \"no.such/v1\""
    );
}
