//! What a spec no longer asks for goes, once what it asks for is in force, and nothing else ever does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::Canary;
use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, OPERATOR, canary, deployment, told};
use crate::meshes::{Kind, definition, resource};

const NAMESPACED: &str = "Namespaced";
const HTTP: Kind = (
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    "httproutes",
    NAMESPACED,
);
const GRPC: Kind = (
    "gateway.networking.k8s.io/v1",
    "GRPCRoute",
    "grpcroutes",
    NAMESPACED,
);
const SPLIT: Kind = (
    "split.smi-spec.io/v1alpha1",
    "TrafficSplit",
    "trafficsplits",
    NAMESPACED,
);
const GLOO: [Kind; 2] = [
    (
        "gateway.solo.io/v1",
        "RouteTable",
        "routetables",
        NAMESPACED,
    ),
    ("gloo.solo.io/v1", "Upstream", "upstreams", NAMESPACED),
];
/// Time without a request that shows that nothing is left to do.
const QUIET: Duration = Duration::from_secs(120);

/// A cluster with all these kinds and a Canary that is initialised.
async fn start(spec: &Value) -> Cluster {
    let mut cluster = Cluster::new().await;
    for kind in [GRPC, SPLIT].iter().chain(&GLOO) {
        cluster.load(&definition(*kind)).await;
    }
    let target = deployment("podinfo", "1.0.0", &json!({}));
    cluster.load(&target).await;
    cluster.load(&canary("podinfo", &json!({}), spec)).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster
}

async fn change(cluster: &Cluster, patch: Value) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
    canaries
        .patch("podinfo", &parameters, &patch)
        .await
        .unwrap();
}

fn inventory(canary: &Canary) -> Vec<String> {
    let inventory = canary.status.iter().flat_map(|status| &status.inventory);
    inventory
        .map(|one| format!("{}/{}", one.kind, one.name))
        .collect()
}

/// What is in the namespace of the kinds that Canaries make, as the inventory tells it.
async fn there(cluster: &Cluster) -> Vec<String> {
    let services = ("v1", "Service", "services", NAMESPACED);
    let mut there = Vec::new();
    for kind in [HTTP, GRPC, SPLIT, services].iter().chain(&GLOO) {
        let of = if *kind == services {
            kube::api::ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&())
        } else {
            resource(*kind)
        };
        let all: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), "test", &of);
        for object in all.list(&Default::default()).await.unwrap() {
            there.push(format!("{}/{}", kind.1, object.metadata.name.unwrap()));
        }
    }
    there.sort();
    there
}

/// Waits until the inventory is `wanted` and what is there the same, and then nothing happens any more.
async fn settles(cluster: &Cluster, wanted: &[&str]) {
    cluster
        .until("podinfo", &format!("{wanted:?}"), |found| {
            let mut known = inventory(found);
            known.sort();
            known == wanted
        })
        .await;
    assert_eq!(there(cluster).await, wanted);
    let before = cluster.requests().len();
    tokio::time::sleep(QUIET).await;
    let later = cluster.requests();
    assert_eq!(told(&later[before..]), "", "it writes again and again");
}

async fn has_told(cluster: &Cluster, text: &str) -> bool {
    let events = cluster.events().await;
    events.iter().any(|event| event.contains(text))
}

/// The place in the log of the first request of the operator's like this.
fn place(cluster: &Cluster, verb: Verb, resource: &str, name: &str) -> usize {
    let requests = cluster.requests();
    let found = requests.iter().position(|r| {
        let info = &r.info;
        (info.verb, info.resource.as_str(), info.name.as_str()) == (verb, resource, name)
    });
    found.unwrap_or_else(|| panic!("no {verb:?} {resource}/{name} in\n{}", told(&requests)))
}

const PLAIN: [&str; 4] = [
    "HTTPRoute/podinfo",
    "Service/podinfo",
    "Service/podinfo-canary",
    "Service/podinfo-primary",
];

#[tokio::test(start_paused = true)]
async fn a_renamed_service_leaves_nothing_behind() {
    let cluster = start(&json!({})).await;
    settles(&cluster, &PLAIN).await;
    change(&cluster, json!({"spec": {"service": {"name": "shop"}}})).await;
    let shop = [
        "HTTPRoute/shop",
        "Service/shop",
        "Service/shop-canary",
        "Service/shop-primary",
    ];
    settles(&cluster, &shop).await;
    let text = "Deleted HTTPRoute podinfo, Service podinfo, Service podinfo-canary, Service podinfo-primary: the spec no longer asks for it";
    assert!(
        has_told(&cluster, text).await,
        "{:#?}",
        cluster.events().await
    );
    let written = place(&cluster, Verb::Patch, "httproutes", "shop");
    let deleted = place(&cluster, Verb::Delete, "httproutes", "podinfo");
    assert!(written < deleted);
    assert!(deleted < place(&cluster, Verb::Delete, "services", "podinfo"));
}

#[tokio::test(start_paused = true)]
async fn a_route_of_another_kind_takes_the_place_of_the_old_one() {
    let cluster = start(&json!({})).await;
    let grpc = json!({"spec": {"service": {"routeKind": "GRPCRoute"}}});
    change(&cluster, grpc).await;
    let mut wanted = PLAIN;
    wanted[0] = "GRPCRoute/podinfo";
    settles(&cluster, &wanted).await;
    change(&cluster, json!({"spec": {"service": {"routeKind": null}}})).await;
    settles(&cluster, &PLAIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_route_of_another_mesh_takes_over_in_the_middle_of_a_run() {
    let mut cluster = start(&json!({})).await;
    cluster.release("2.0.0").await;
    let at_20 = |found: &Canary| {
        found
            .status
            .as_ref()
            .is_some_and(|it| it.canary_weight == 20)
    };
    cluster.until("podinfo", "at 20 %", at_20).await;
    // The next process has never seen the old mesh's objects.
    cluster.crash();
    change(&cluster, json!({"spec": {"provider": "linkerd"}})).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Succeeded).await;
    let mut wanted = PLAIN;
    wanted[0] = "TrafficSplit/podinfo";
    wanted.sort_unstable();
    settles(&cluster, &[wanted[0], wanted[1], wanted[2], wanted[3]]).await;
    let first = place(&cluster, Verb::Patch, "trafficsplits", "podinfo");
    assert!(first < place(&cluster, Verb::Delete, "httproutes", "podinfo"));
}

/// Gloo's Upstreams have the port in their names.
#[tokio::test(start_paused = true)]
async fn objects_beside_the_route_go_too() {
    let cluster = start(&json!({"provider": "gloo"})).await;
    let named = |port: u16| {
        let upstream = |role: &str| format!("Upstream/test-podinfo-{role}upstream-{port}");
        [upstream("canary"), upstream("primary")]
    };
    for port in [80, 81] {
        change(&cluster, json!({"spec": {"service": {"port": port}}})).await;
        let [one, other] = named(port);
        let wanted = [
            "RouteTable/podinfo",
            PLAIN[1],
            PLAIN[2],
            PLAIN[3],
            &one,
            &other,
        ];
        settles(&cluster, &wanted).await;
    }
}

/// A version of a kind is not another object.
#[tokio::test(start_paused = true)]
async fn another_version_of_a_kind_deletes_nothing() {
    let cluster = start(&json!({})).await;
    let older = json!([{"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "HTTPRoute", "name": "podinfo"}]);
    forge(&cluster, older).await;
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    settles(&cluster, &PLAIN).await;
    assert!(!has_told(&cluster, "Deleted").await);
}

/// Puts these objects in the place of the inventory.
async fn forge(cluster: &Cluster, inventory: Value) {
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let patch = json!({"status": {"inventory": inventory}});
    let patch = Patch::Merge(patch);
    canaries
        .patch_status("podinfo", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Objects of others stay even if somebody writes them into the inventory: a user's, one that Flagger made for this
/// Canary, one of another Canary, one that was ours by name and is a user's now, and kinds that are no routes.
#[tokio::test(start_paused = true)]
async fn what_is_not_ours_stays() {
    let cluster = start(&json!({})).await;
    cluster.load(&canary("other", &json!({}), &json!({}))).await;
    let canaries: Api<Canary> = Api::namespaced(cluster.client.clone(), "test");
    let mut uids = Vec::new();
    for name in ["podinfo", "other"] {
        uids.extend(canaries.get(name).await.unwrap().metadata.uid);
    }
    let owner = |uid: &str| json!([{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": uid, "controller": true}]);
    let route = |name: &str, owners: Value| {
        json!({"apiVersion": HTTP.0, "kind": HTTP.1, "spec": {},
            "metadata": {"name": name, "namespace": "test", "ownerReferences": owners}})
        .to_string()
    };
    cluster.load(&route("podinfo-users", json!([]))).await;
    cluster
        .load(&route("podinfo-flaggers", owner(&uids[0])))
        .await;
    let others: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), "test", &resource(HTTP));
    let another =
        serde_json::from_str::<Value>(&route("podinfo-anothers", owner(&uids[1]))).unwrap();
    let ours = PatchParams::apply("sluice").force();
    others
        .patch("podinfo-anothers", &ours, &Patch::Apply(&another))
        .await
        .unwrap();
    let named = |api_version: &str, kind: &str, name: &str| json!({"apiVersion": api_version, "kind": kind, "name": name});
    let all = json!([
        named(HTTP.0, HTTP.1, "podinfo-users"),
        named(HTTP.0, HTTP.1, "podinfo-flaggers"),
        named(HTTP.0, HTTP.1, "podinfo-anothers"),
        named(HTTP.0, HTTP.1, "podinfo-long-gone"),
        named("apps/v1", "Deployment", "podinfo-primary"),
    ]);
    forge(&cluster, all).await;
    settles_beside(
        &cluster,
        &["podinfo-anothers", "podinfo-flaggers", "podinfo-users"],
    )
    .await;
    assert!(!has_told(&cluster, "Deleted").await);
    assert_eq!(cluster.image("podinfo-primary").await, "podinfo:1.0.0");
}

/// Waits until the inventory is the plain one, and looks whether these routes are there beside it.
async fn settles_beside(cluster: &Cluster, routes: &[&str]) {
    cluster
        .until("podinfo", "without strangers", |found| {
            inventory(found) == PLAIN
        })
        .await;
    let there = there(cluster).await;
    let mut wanted: Vec<String> = routes
        .iter()
        .map(|name| format!("HTTPRoute/{name}"))
        .collect();
    wanted.extend(PLAIN.map(str::to_owned));
    wanted.sort();
    assert_eq!(there, wanted);
}

/// Refuses the first deletions.
struct Undeletable(AtomicU32);

impl Faults for Undeletable {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_hit = request.user == OPERATOR && request.verb == Verb::Delete;
        let take = |left: u32| left.checked_sub(1);
        let is_hit = is_hit
            && self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok();
        is_hit.then_some(Fault::Answer {
            code: 403,
            retry_after_s: None,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted_holds_nothing_up_and_goes_later() {
    let cluster = start(&json!({})).await;
    cluster
        .server
        .set_faults(Arc::new(Undeletable(AtomicU32::new(20))));
    change(&cluster, json!({"spec": {"service": {"name": "shop"}}})).await;
    cluster.release("2.0.0").await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    assert!(
        has_told(
            &cluster,
            "HTTPRoute podinfo is no longer asked for and stays: "
        )
        .await
    );
    let shop = [
        "HTTPRoute/shop",
        "Service/shop",
        "Service/shop-canary",
        "Service/shop-primary",
    ];
    settles(&cluster, &shop).await;
}
