//! The objects of the mesh in another cluster than the Canaries.

use api::canary::CanaryPhase;
use kube::api::{Api, DynamicObject};
use operator::Mesh;
use sandbox::Sandbox;
use serde_json::json;

use crate::cluster::{Cluster, OPERATOR, canary, deployment};
use crate::meshes::{Kind, definition, resource};

const SPLITS: Kind = (
    "split.smi-spec.io/v1alpha1",
    "TrafficSplit",
    "trafficsplits",
    "Namespaced",
);

#[tokio::test(start_paused = true)]
async fn a_release_is_routed_there_and_nothing_there_is_owned() {
    let mut cluster = Cluster::new().await;
    let there = Sandbox::start(sandbox::Options::default()).await.unwrap();
    there.load(&definition(SPLITS)).await.unwrap();
    there
        .load("{apiVersion: v1, kind: Namespace, metadata: {name: test}}")
        .await
        .unwrap();
    cluster.mesh = Some(Mesh {
        client: there.api().client_as(OPERATOR, "test"),
        is_elsewhere: true,
    });
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let spec = json!({"provider": "linkerd"});
    let steps = json!({"stepWeight": 25});
    cluster.load(&canary("podinfo", &steps, &spec)).await;
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    assert_eq!(done.status.unwrap().analysis.unwrap().weights, [25, 50]);
    let splits: Api<DynamicObject> =
        Api::namespaced_with(there.api().client("test"), "test", &resource(SPLITS));
    let split = splits.get("podinfo").await.unwrap();
    assert_eq!(split.metadata.owner_references, None);
    let primary = cluster.service("podinfo-primary").await.metadata;
    assert_eq!(primary.owner_references.unwrap()[0].kind, "Canary");
}
