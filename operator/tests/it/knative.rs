//! Knative Services under release, with a Knative of a few lines: revisions from templates, traffic from spec.

use std::pin::pin;
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, told};

const GROUP: &str = "serving.knative.dev";
const PRIMARY: &str = "flagger.app/primary-revision";
const LOOK_EVERY: Duration = Duration::from_millis(500);

fn resource(kind: &str) -> ApiResource {
    ApiResource {
        group: GROUP.into(),
        version: "v1".into(),
        api_version: format!("{GROUP}/v1"),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
    }
}

fn definition(kind: &str) -> String {
    let plural = resource(kind).plural;
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
    .to_string()
}

/// The Service; a revision of an image that ends in `-broken` is never ready.
fn service(image: &str) -> String {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Service", "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
    .to_string()
}

/// A Canary as the documentation has it: without `spec.service`.
fn of_knative(analysis: &Value, spec: &Value) -> String {
    let mut whole = json!({"provider": "knative", "service": null,
        "targetRef": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "podinfo"}});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    canary("podinfo", analysis, &whole).replace("\"service\":null,", "")
}

struct Knative {
    cluster: Cluster,
    services: Api<DynamicObject>,
}

impl Knative {
    /// Knative, its Service with one revision, and the operator with these flags.
    async fn start(canary: &str) -> Self {
        let mut new = Self::without_operator().await;
        new.cluster.load(&service("podinfo:1")).await;
        new.until_revision("podinfo-00001").await;
        new.cluster.load(canary).await;
        new.cluster.start("");
        new
    }

    async fn without_operator() -> Self {
        let cluster = Cluster::new().await;
        for kind in ["Service", "Revision"] {
            cluster.load(&definition(kind)).await;
        }
        let services = Api::namespaced_with(cluster.client.clone(), "test", &resource("Service"));
        let revisions = Api::namespaced_with(cluster.client.clone(), "test", &resource("Revision"));
        tokio::spawn(reconcile(services.clone(), revisions));
        Self { cluster, services }
    }

    async fn service(&self) -> Value {
        serde_json::to_value(self.services.get("podinfo").await.unwrap()).unwrap()
    }

    /// The primary's revision, and what users get: `latest 10, podinfo-00001 90`.
    async fn seen(&self) -> (String, String) {
        let service = self.service().await;
        let traffic = service["spec"]["traffic"].as_array().cloned();
        let entries = traffic.unwrap_or_default().into_iter().map(|entry| {
            let name = entry["revisionName"].as_str().unwrap_or("latest");
            format!("{name} {}", entry["percent"])
        });
        let primary = service["metadata"]["annotations"][PRIMARY].as_str();
        (
            primary.unwrap_or_default().to_owned(),
            entries.collect::<Vec<_>>().join(", "),
        )
    }

    async fn until_revision(&self, name: &str) {
        for _ in 0..100 {
            if self.service().await["status"]["latestCreatedRevisionName"] == name {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{name} was not made");
    }

    async fn at(&self, weight: i64) {
        let is_there = |found: &Canary| {
            let status = found.status.as_ref();
            status.is_some_and(|status| status.canary_weight == weight)
        };
        let what = format!("at {weight} %");
        self.cluster.until("podinfo", &what, is_there).await;
    }

    async fn patch(&self, patch: Value) {
        self.services
            .patch("podinfo", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    async fn delete_canary(&self) {
        let canaries: Api<Canary> = Api::namespaced(self.cluster.client.clone(), "test");
        canaries
            .delete("podinfo", &Default::default())
            .await
            .unwrap();
        for _ in 0..600 {
            if canaries.get_opt("podinfo").await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("not deleted: {:#?}", self.cluster.events().await);
    }
}

/// Makes a revision of each new template, and does with traffic as the spec says.
async fn reconcile(services: Api<DynamicObject>, revisions: Api<DynamicObject>) {
    let changes = watcher(services.clone(), watcher::Config::default()).applied_objects();
    let mut changes = pin!(changes);
    while let Some(Ok(service)) = changes.next().await {
        look(&service, &services, &revisions).await;
    }
}

async fn look(
    service: &DynamicObject,
    services: &Api<DynamicObject>,
    revisions: &Api<DynamicObject>,
) {
    let (name, data) = (service.metadata.name.as_deref().unwrap(), &service.data);
    let generation = service.metadata.generation;
    if data["status"]["observedGeneration"].as_i64() == generation {
        return;
    }
    let known = revisions.list(&Default::default()).await.unwrap().items;
    let template = &data["spec"]["template"];
    let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
    let is_ready = !image.ends_with("-broken");
    let latest = match known
        .last()
        .filter(|last| last.data["spec"] == template["spec"])
    {
        Some(last) => last.metadata.name.clone().unwrap(),
        None => {
            let own = format!("{name}-{:05}", known.len() + 1);
            let revision = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Revision",
                "metadata": {"name": own, "namespace": "test"}, "spec": template["spec"]});
            let revision = serde_json::from_value(revision).unwrap();
            revisions
                .create(&PostParams::default(), &revision)
                .await
                .unwrap();
            let (status, reason) = if is_ready {
                ("True", "")
            } else {
                ("Unknown", "Deploying")
            };
            let status = json!({"status": {"conditions": [{"type": "Ready", "status": status, "reason": reason,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
            revisions
                .patch_status(&own, &PatchParams::default(), &Patch::Merge(status))
                .await
                .unwrap();
            own
        }
    };
    let before = data["status"]["latestReadyRevisionName"]
        .as_str()
        .unwrap_or(&latest);
    let ready = if is_ready { &latest } else { before };
    let all = json!([{"latestRevision": true, "percent": 100}]);
    let asked = data["spec"]
        .get("traffic")
        .unwrap_or(&all)
        .as_array()
        .unwrap()
        .clone();
    let traffic = asked.into_iter().map(|mut entry| {
        let is_latest = entry["latestRevision"] == true;
        entry["latestRevision"] = json!(is_latest);
        if is_latest {
            entry["revisionName"] = json!(ready);
        }
        entry
    });
    let status = json!({"status": {"observedGeneration": generation, "latestCreatedRevisionName": latest,
        "latestReadyRevisionName": ready, "traffic": traffic.collect::<Vec<_>>()}});
    services
        .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
}

fn pair(primary: &str, traffic: &str) -> (String, String) {
    (primary.to_owned(), traffic.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_good_revision_becomes_the_primary_and_a_bad_one_does_not() {
    let knative = Knative::start(&of_knative(&json!({}), &json!({}))).await;
    let cluster = &knative.cluster;
    cluster.until_phase(CanaryPhase::Initialized).await;
    assert_eq!(
        knative.seen().await,
        pair("podinfo-00001", "latest 0, podinfo-00001 100")
    );

    cluster.load(&service("podinfo:2")).await;
    knative.at(30).await;
    assert_eq!(
        knative.seen().await,
        pair("podinfo-00001", "latest 30, podinfo-00001 70")
    );
    let done = cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.analysis.unwrap().weights, [10, 20, 30, 40, 50]);
    assert_eq!(done.last_promoted_spec.as_deref(), Some("podinfo-00002"));
    let good = pair("podinfo-00002", "latest 0, podinfo-00002 100");
    assert_eq!(knative.seen().await, good);

    cluster.load(&service("podinfo:3")).await;
    knative.at(20).await;
    cluster.outbound.set_success_rate(Some(50.0));
    cluster.until_phase(CanaryPhase::Failed).await;
    assert_eq!(knative.seen().await, good);
    let before = cluster.requests();
    let kinds: std::collections::BTreeSet<_> = before
        .iter()
        .filter(|r| r.info.verb.is_write())
        .map(|r| r.info.resource.clone())
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["canaries", "events", "services"],
        "no workload of ours"
    );
    let cores: Api<k8s_openapi::api::core::v1::Service> =
        Api::namespaced(cluster.client.clone(), "test");
    assert_eq!(
        cores.list(&Default::default()).await.unwrap().items.len(),
        0
    );
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        told(&cluster.requests()[before.len()..]),
        "",
        "idle for an hour"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_never_ready_gets_nothing_and_its_cure_is_released() {
    let knative = Knative::start(&of_knative(&json!({}), &json!({}))).await;
    let cluster = &knative.cluster;
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.load(&service("podinfo:2-broken")).await;
    let failed = cluster
        .until_phase(CanaryPhase::Failed)
        .await
        .status
        .unwrap();
    assert_eq!(failed.analysis.unwrap().weights, [0; 0]);
    let events = cluster.events().await.join("\n");
    let words = "Knative Revision podinfo-00002.test is not ready: its condition Ready has reason \"Deploying\"";
    assert!(events.contains(words), "{events}");
    assert_eq!(
        knative.seen().await,
        pair("podinfo-00001", "latest 0, podinfo-00001 100")
    );
    cluster.load(&service("podinfo:3")).await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(
        knative.seen().await,
        pair("podinfo-00003", "latest 0, podinfo-00003 100")
    );
}

#[tokio::test(start_paused = true)]
async fn a_newer_revision_starts_over_and_edits_by_others_are_put_back() {
    let knative = Knative::start(&of_knative(&json!({}), &json!({}))).await;
    knative.cluster.until_phase(CanaryPhase::Initialized).await;
    knative.cluster.load(&service("podinfo:2")).await;
    knative.at(30).await;
    knative.cluster.load(&service("podinfo:3")).await;
    knative.until_revision("podinfo-00003").await;
    knative.at(10).await;
    let events = knative.cluster.events().await;
    let restart = "New revision detected! Restarting analysis for podinfo.test".to_owned();
    assert!(events.contains(&restart), "{events:?}");
    knative.at(20).await;
    let traffic = json!({"spec": {"traffic": [{"latestRevision": true, "percent": 100}]}});
    knative.patch(traffic).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(knative.seen().await.1, "latest 20, podinfo-00001 80");
    knative
        .patch(json!({"metadata": {"annotations": null}}))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        knative.seen().await,
        pair("podinfo-00001", "latest 20, podinfo-00001 80")
    );
    let done = knative
        .cluster
        .until_phase(CanaryPhase::Succeeded)
        .await
        .status
        .unwrap();
    assert_eq!(done.last_promoted_spec.as_deref(), Some("podinfo-00003"));
}

#[tokio::test(start_paused = true)]
async fn deletion_takes_the_annotation_along_and_lets_the_latest_have_its_traffic_again() {
    let knative = Knative::start(&of_knative(&json!({}), &json!({"revertOnDeletion": true}))).await;
    knative.cluster.until_phase(CanaryPhase::Initialized).await;
    knative.delete_canary().await;
    assert_eq!(knative.seen().await, pair("", "latest 100"));

    // A canary that failed leaves users where they are.
    knative
        .cluster
        .load(&of_knative(&json!({}), &json!({"revertOnDeletion": true})))
        .await;
    knative.cluster.until_phase(CanaryPhase::Initialized).await;
    knative.cluster.load(&service("podinfo:2-broken")).await;
    knative.cluster.until_phase(CanaryPhase::Failed).await;
    knative.cluster.load(&service("podinfo:3")).await;
    knative.at(10).await;
    knative.delete_canary().await;
    assert_eq!(
        knative.seen().await,
        pair("", "latest 10, podinfo-00001 90")
    );
}

/// What Flagger left behind: the phase, and its hashes of the revisions last applied and last promoted.
async fn taken_over(phase: &str, applied: &str, promoted: &str, images: usize) -> Knative {
    let mut knative = Knative::without_operator().await;
    for image in 1..=images {
        knative
            .cluster
            .load(&service(&format!("podinfo:{image}")))
            .await;
        knative.until_revision(&format!("podinfo-{image:05}")).await;
    }
    let traffic = [
        json!({"latestRevision": true, "percent": 0}),
        json!({"revisionName": "podinfo-00001", "percent": 100}),
    ];
    knative
        .patch(json!({"metadata": {"annotations": {PRIMARY: "podinfo-00001"}}, "spec": {"traffic": traffic}}))
        .await;
    knative
        .cluster
        .load(&of_knative(&json!({}), &json!({})))
        .await;
    let status = json!({"status": {"phase": phase, "canaryWeight": 0, "failedChecks": 0, "iterations": 0,
        "lastAppliedSpec": applied, "lastPromotedSpec": promoted}});
    let canaries: Api<Canary> = Api::namespaced(knative.cluster.client.clone(), "test");
    canaries
        .patch_status("podinfo", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    knative.cluster.start("");
    knative
}

/// Flagger's hash of podinfo-00001 (spec/flagger.md 2.6), and of another.
const FIRST: &str = "5498f4fcd6";
const OTHER: &str = "456789bcdf";

#[tokio::test(start_paused = true)]
async fn what_flagger_left_is_taken_over() {
    let knative = taken_over("Succeeded", FIRST, FIRST, 1).await;
    let is_read = |found: &Canary| {
        let status = found.status.as_ref();
        status.is_some_and(|status| status.last_applied_spec.as_deref() == Some("podinfo-00001"))
    };
    let found = knative.cluster.until("podinfo", "read", is_read).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(found.status.unwrap().phase, CanaryPhase::Succeeded);
    let events = knative.cluster.events().await;
    assert!(!events.join("\n").contains("New revision"), "{events:?}");

    // A revision that Flagger never saw is released, one that it was in the middle of begins anew.
    for (phase, applied) in [
        ("Succeeded", FIRST),
        ("Failed", OTHER),
        ("Progressing", OTHER),
    ] {
        let knative = taken_over(phase, applied, FIRST, 2).await;
        knative.at(10).await;
        let done = knative
            .cluster
            .until_phase(CanaryPhase::Succeeded)
            .await
            .status
            .unwrap();
        assert_eq!(
            done.last_promoted_spec.as_deref(),
            Some("podinfo-00002"),
            "{phase}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_knative_it_is_told_and_deletion_does_not_wait() {
    let mut cluster = Cluster::new().await;
    cluster
        .load(&of_knative(&json!({}), &json!({"revertOnDeletion": true})))
        .await;
    cluster.start("");
    let waits = |found: &Canary| {
        let analysis = found
            .status
            .as_ref()
            .and_then(|status| status.analysis.as_ref());
        let waits = analysis.and_then(|analysis| analysis.waiting_on.as_deref());
        waits.is_some_and(|waits| waits.contains("failed to watch serving.knative.dev/v1 Service"))
    };
    cluster.until("podinfo", "told", waits).await;
    let is_finalized = |found: &Canary| found.metadata.finalizers.is_some();
    cluster.until("podinfo", "finalized", is_finalized).await;
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(canaries.get_opt("podinfo").await.unwrap().is_none());
}
