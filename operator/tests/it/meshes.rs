//! One release on each mesh: its objects are applied by an API server, read back, and then left alone.

use std::time::Duration;

use api::canary::CanaryPhase;
use kube::api::{Api, ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, deployment, told};

/// Time without a request of the operator's that shows that it is content.
const QUIET: Duration = Duration::from_secs(120);

/// A kind: `group/version`, kind, plural, scope.
pub(crate) type Kind = (&'static str, &'static str, &'static str, &'static str);

const APP_MESH: &str = "appmesh.k8s.aws/v1beta2";
const NAMESPACED: &str = "Namespaced";

/// A definition that takes any field.
pub(crate) fn definition((api_version, kind, plural, scope): Kind) -> String {
    let (group, version) = api_version.split_once('/').unwrap();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
    .to_string()
}

pub(crate) fn resource((api_version, kind, plural, _): Kind) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap();
    ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: api_version.into(),
        kind: kind.into(),
        plural: plural.into(),
    }
}

/// Releases podinfo on this mesh; gives the object of the first kind and this name as it is at the end.
async fn check(kinds: &[Kind], name: &str, spec: Value, before: &[Value]) -> (Cluster, Value) {
    let mut cluster = Cluster::new().await;
    for kind in kinds {
        // Ingresses are built in.
        if kind.1 != "Ingress" {
            cluster.load(&definition(*kind)).await;
        }
    }
    for object in before {
        cluster.load(&object.to_string()).await;
    }
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    cluster
        .load(&canary(
            "podinfo",
            &json!({"metrics": [], "stepWeight": 25}),
            &spec,
        ))
        .await;
    // A cluster-scoped kind is watched everywhere all the same.
    cluster.start("-namespace=test");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    let done = cluster.until_phase(CanaryPhase::Succeeded).await;
    let analysis = done.status.unwrap().analysis.unwrap();
    assert_eq!(analysis.weights, [25, 50]);

    let before = cluster.requests().len();
    tokio::time::sleep(QUIET).await;
    let later = cluster.requests();
    assert_eq!(told(&later[before..]), "", "it writes again and again");
    let object = object(&cluster, kinds[0], name).await.unwrap();
    (cluster, object)
}

async fn object(cluster: &Cluster, kind: Kind, name: &str) -> Option<Value> {
    let client = cluster.client.clone();
    let of = resource(kind);
    let objects: Api<DynamicObject> = if kind.3 == NAMESPACED {
        Api::namespaced_with(client, "test", &of)
    } else {
        Api::all_with(client, &of)
    };
    let found = objects.get_opt(name).await.unwrap()?;
    Some(serde_json::to_value(found).unwrap())
}

/// The weights at `pointer` of the object.
fn weights(object: &Value, pointer: &str) -> Vec<Value> {
    let list = object.pointer(pointer).and_then(Value::as_array).unwrap();
    list.iter().map(|one| one["weight"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn smi() {
    let kind = (
        "split.smi-spec.io/v1alpha1",
        "TrafficSplit",
        "trafficsplits",
        NAMESPACED,
    );
    let (_, split) = check(&[kind], "podinfo", json!({"provider": "linkerd"}), &[]).await;
    assert_eq!(weights(&split, "/spec/backends"), ["0", "100"]);
}

#[tokio::test(start_paused = true)]
async fn contour() {
    let kind = (
        "projectcontour.io/v1",
        "HTTPProxy",
        "httpproxies",
        NAMESPACED,
    );
    let (_, proxy) = check(&[kind], "podinfo", json!({"provider": "contour"}), &[]).await;
    assert_eq!(weights(&proxy, "/spec/routes/0/services"), [100, 0]);
}

#[tokio::test(start_paused = true)]
async fn traefik() {
    let kind = (
        "traefik.io/v1alpha1",
        "TraefikService",
        "traefikservices",
        NAMESPACED,
    );
    let (_, service) = check(&[kind], "podinfo", json!({"provider": "traefik"}), &[]).await;
    assert_eq!(weights(&service, "/spec/weighted/services"), [100]);
}

#[tokio::test(start_paused = true)]
async fn gloo() {
    let kinds = [
        (
            "gateway.solo.io/v1",
            "RouteTable",
            "routetables",
            NAMESPACED,
        ),
        ("gloo.solo.io/v1", "Upstream", "upstreams", NAMESPACED),
    ];
    let (cluster, table) = check(&kinds, "podinfo", json!({"provider": "gloo"}), &[]).await;
    let pointer = "/spec/routes/0/routeAction/multi/destinations";
    assert_eq!(weights(&table, pointer), [json!(100), Value::Null]);
    let upstream = object(&cluster, kinds[1], "test-podinfo-primaryupstream-80").await;
    let selector = &upstream.unwrap()["spec"]["kube"]["selector"];
    assert_eq!(*selector, json!({"app": "podinfo-primary"}));
}

#[tokio::test(start_paused = true)]
async fn app_mesh() {
    let kinds = [
        (APP_MESH, "VirtualRouter", "virtualrouters", NAMESPACED),
        (APP_MESH, "VirtualNode", "virtualnodes", NAMESPACED),
        (APP_MESH, "VirtualService", "virtualservices", NAMESPACED),
    ];
    let spec = json!({"provider": "appmesh:v1beta2"});
    let (cluster, router) = check(&kinds, "podinfo", spec, &[]).await;
    let pointer = "/spec/routes/0/httpRoute/action/weightedTargets";
    assert_eq!(weights(&router, pointer), [0, 100]);
    let node = object(&cluster, kinds[1], "podinfo-canary").await.unwrap();
    let pods = &node["spec"]["podSelector"]["matchLabels"];
    assert_eq!(*pods, json!({"app": "podinfo"}));
}

#[tokio::test(start_paused = true)]
async fn apisix() {
    let kind = (
        "apisix.apache.org/v2",
        "ApisixRoute",
        "apisixroutes",
        NAMESPACED,
    );
    let web = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "web", "namespace": "test"},
        "spec": {"http": [{"name": "m", "match": {"paths": ["/*"]}, "backends": [{"serviceName": "podinfo", "servicePort": 80}]}]}});
    let reference = json!({"apiVersion": kind.0, "kind": kind.1, "name": "web"});
    let spec = json!({"provider": "apisix", "routeRef": reference});
    let (_, route) = check(&[kind], "web-podinfo-canary", spec, &[web]).await;
    assert_eq!(weights(&route, "/spec/http/0/backends"), [100, 0]);
}

#[tokio::test(start_paused = true)]
async fn ingresses() {
    let kind = ("networking.k8s.io/v1", "Ingress", "ingresses", NAMESPACED);
    let backend = json!({"service": {"name": "podinfo", "port": {"number": 80}}});
    let web = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "web", "namespace": "test"},
        "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}});
    let reference = json!({"apiVersion": kind.0, "kind": kind.1, "name": "web"});
    for (provider, key, value) in [
        ("nginx", "nginx.ingress.kubernetes.io/canary-weight", "0"),
        ("skipper", "zalando.org/skipper-predicate", "False()"),
    ] {
        let spec = json!({"provider": provider, "ingressRef": reference});
        let (_, copy) = check(&[kind], "web-canary", spec, std::slice::from_ref(&web)).await;
        assert_eq!(copy["metadata"]["annotations"][key], value);
    }
}

#[tokio::test(start_paused = true)]
async fn kuma_and_its_route_goes_with_the_canary() {
    let kind = (
        "kuma.io/v1alpha1",
        "TrafficRoute",
        "trafficroutes",
        "Cluster",
    );
    let spec = json!({"provider": "kuma", "revertOnDeletion": true});
    let (cluster, route) = check(&[kind], "podinfo", spec, &[]).await;
    assert_eq!(weights(&route, "/spec/conf/split"), [100, 0]);
    let canaries: Api<api::Canary> = Api::namespaced(cluster.client.clone(), "test");
    canaries
        .delete("podinfo", &Default::default())
        .await
        .unwrap();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if canaries.get_opt("podinfo").await.unwrap().is_none() {
            assert_eq!(object(&cluster, kind, "podinfo").await, None);
            return;
        }
    }
    panic!("not deleted: {:#?}", cluster.events().await);
}
