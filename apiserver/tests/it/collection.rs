//! What follows from a deletion: dependents, namespaces, CRDs, pods with grace.

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Pod},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy},
};
use serde_json::json;

use crate::server;

fn config_map(name: &str, owner: Option<&ConfigMap>) -> ConfigMap {
    let mut map: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    map.metadata.owner_references = owner.map(|owner| {
        vec![OwnerReference {
            block_owner_deletion: Some(true),
            ..owner.controller_owner_ref(&()).unwrap()
        }]
    });
    map
}

async fn family(client: &Client, namespace: &str) -> Api<ConfigMap> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let parent = maps
        .create(&PostParams::default(), &config_map("parent", None))
        .await
        .unwrap();
    let child = maps
        .create(&PostParams::default(), &config_map("child", Some(&parent)))
        .await
        .unwrap();
    maps.create(
        &PostParams::default(),
        &config_map("grandchild", Some(&child)),
    )
    .await
    .unwrap();
    maps
}

async fn names(maps: &Api<ConfigMap>) -> Vec<String> {
    maps.list(&Default::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect()
}

fn deletion(policy: PropagationPolicy) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    }
}

#[tokio::test(start_paused = true)]
async fn dependents_follow_their_owner() {
    let client = server().client("default");
    for (policy, left) in [
        (PropagationPolicy::Background, vec![]),
        (PropagationPolicy::Foreground, vec![]),
        (PropagationPolicy::Orphan, vec!["child", "grandchild"]),
    ] {
        let maps = family(&client, "default").await;
        maps.delete("parent", &deletion(policy.clone()))
            .await
            .unwrap();
        assert_eq!(names(&maps).await, left, "{policy:?}");
    }
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    assert!(
        maps.get("child")
            .await
            .unwrap()
            .owner_references()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreground_deletion_waits_for_a_dependent_that_is_held() {
    let client = server().client("default");
    let maps = family(&client, "default").await;
    let hold = |finalizers: serde_json::Value| {
        Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }))
    };
    maps.patch(
        "child",
        &PatchParams::default(),
        &hold(json!(["x.example.com/hold"])),
    )
    .await
    .unwrap();
    let gone = maps
        .delete("parent", &deletion(PropagationPolicy::Foreground))
        .await
        .unwrap();
    assert_eq!(gone.left().unwrap().finalizers(), ["foregroundDeletion"]);
    assert_eq!(names(&maps).await, ["child", "parent"]);
    let left = maps.get("child").await.unwrap().finalizers().to_vec();
    assert!(left.contains(&"x.example.com/hold".to_owned()));
    maps.patch("child", &PatchParams::default(), &hold(json!(null)))
        .await
        .unwrap();
    assert!(names(&maps).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_object_of_a_gone_owner_does_not_stay() {
    let maps: Api<ConfigMap> = Api::default_namespaced(server().client("default"));
    let mut owner = config_map("never", None);
    owner.metadata.uid = Some("no-such-uid".to_owned());
    maps.create(&PostParams::default(), &config_map("child", Some(&owner)))
        .await
        .unwrap();
    assert!(names(&maps).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_ends_when_its_last_object_does() {
    let client = server().client("default");
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": "team" } })).unwrap();
    spaces.create(&PostParams::default(), &space).await.unwrap();
    let maps = family(&client, "team").await;
    let hold = |finalizers: serde_json::Value| {
        Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }))
    };
    maps.patch(
        "child",
        &PatchParams::default(),
        &hold(json!(["x.example.com/hold"])),
    )
    .await
    .unwrap();
    let ending = spaces
        .delete("team", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .unwrap();
    assert_eq!(ending.status.unwrap().phase.as_deref(), Some("Terminating"));
    assert_eq!(names(&maps).await, ["child"]);
    let refused = maps
        .create(&PostParams::default(), &config_map("late", None))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("because it is being terminated"),
        "{refused}"
    );
    maps.patch("child", &PatchParams::default(), &hold(json!(null)))
        .await
        .unwrap();
    assert!(spaces.get_opt("team").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_has_its_grace() {
    let pods: Api<Pod> = Api::default_namespaced(server().client("default"));
    let pod = |name: &str, node: Option<&str>| -> Pod {
        let spec = json!({ "nodeName": node, "containers": [{ "name": "c", "image": "c:1" }] });
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
    };
    for (name, node) in [("free", None), ("placed", Some("node-1"))] {
        pods.create(&PostParams::default(), &pod(name, node))
            .await
            .unwrap();
        pods.delete(name, &DeleteParams::default()).await.unwrap();
    }
    assert!(pods.get_opt("free").await.unwrap().is_none());
    let ending = pods.get("placed").await.unwrap().metadata;
    assert_eq!(ending.deletion_grace_period_seconds, Some(30));
    let now = DeleteParams::default().grace_period(0);
    pods.delete("placed", &now).await.unwrap();
    assert!(pods.get_opt("placed").await.unwrap().is_none());
}
