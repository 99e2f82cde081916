//! A cluster that runs Flagger 1.44 replaces the image, and nothing else: its flags, its role and its definitions do.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{
    LIMIT, WORLD, account, apply, apply_object, client, delete, deployment, get, of_kinds, prepare,
    refuse_forbidden, wait_for_phase,
};
use crate::cluster::api;
use crate::pods::Kubelet;
use crate::program::{Program, sluice};

const SYSTEM: &str = "flagger-system";
const NAMESPACE: &str = "upgrade";
/// API version and kind of the routes.
const ROUTES: (&str, &str) = ("gateway.networking.k8s.io/v1", "HTTPRoute");
const TAKEN_AWAY: &str = "example.test/asked-for";
/// The interval of the Canary, and how often it passes: once before each of two steps but the first, once before the
/// promotion.
const STEPS_TIME_MIN: Duration = Duration::from_secs(2);

/// What its chart gives the program.
const FLAGS: [&str; 7] = [
    "-log-level=info",
    "-mesh-provider=gatewayapi:v1",
    "-metrics-server=http://prometheus.invalid:9090",
    "-enable-config-tracking=true",
    "-slack-user=flagger",
    "-enable-leader-election=true",
    "-leader-election-namespace=flagger-system",
];

/// Its ClusterRole (docs/spec/flagger.md 8.5): groups, and resources with all verbs. Of all but events and leases the
/// finalizers, too.
const ROLE: [(&str, &str); 17] = [
    ("", "events configmaps secrets services"),
    ("coordination.k8s.io", "leases"),
    ("apps", "daemonsets deployments"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("networking.k8s.io", "ingresses"),
    (
        "flagger.app",
        "canaries canaries/status metrictemplates metrictemplates/status alertproviders alertproviders/status",
    ),
    ("networking.istio.io", "virtualservices destinationrules"),
    (
        "appmesh.k8s.aws",
        "virtualnodes virtualrouters virtualservices",
    ),
    ("split.smi-spec.io", "trafficsplits"),
    ("gloo.solo.io", "upstreams"),
    ("gateway.solo.io", "routetables"),
    ("projectcontour.io", "httpproxies"),
    ("traefik.io", "traefikservices"),
    ("kuma.io", "trafficroutes"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("keda.sh", "scaledobjects"),
    ("apisix.apache.org", "apisixroutes"),
];

#[tokio::test]
async fn plane_flagger_s_flags_role_and_definitions_do() -> Result<()> {
    let Some(admin) = client().await else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    prepare(&admin, NAMESPACE).await?;
    apply_object(&admin, &flagger_s_definition()).await?;
    let lists = ["/apis/flagger.app/v1beta1/canaries"];
    let name = (SYSTEM, "flagger");
    let kubeconfig = account(&admin, folder.path(), name, &[&identity()], &lists).await?;
    let _kubelet = Kubelet::start(admin.clone());
    let kubeconfig = format!("-kubeconfig={}", kubeconfig.display());
    // The last is ours, so that the test need not take a minute.
    let own = [kubeconfig.as_str(), "-port=0", "-interval-min=1s"];
    let flags: Vec<&str> = ["operator"].into_iter().chain(FLAGS).chain(own).collect();
    let operator = Program::start("operator", folder.path(), &sluice(), &flags);

    let routes = api(&admin, ROUTES.0, ROUTES.1, NAMESPACE).await?;
    let flagger = PostParams {
        field_manager: Some("flagger".to_owned()),
        ..PostParams::default()
    };
    let left = serde_json::from_value(route_left_behind())?;
    routes.create(&flagger, &left).await?;
    let kinds = ["ConfigMap", "Secret", "HorizontalPodAutoscaler", "Canary"];
    for object in of_kinds(&WORLD.replace("rbac", NAMESPACE), &kinds)? {
        apply_object(&admin, &object).await?;
    }
    apply(&admin, &deployment(NAMESPACE, "1.0.0")).await?;
    wait_for_phase(&admin, NAMESPACE, "podinfo", &["Initialized"], LIMIT).await?;
    let route = routes.get("podinfo").await?;
    let labels = route.labels();
    assert!(!labels.contains_key(TAKEN_AWAY), "nobody asks for it");
    let is_left = |one: &&ManagedFieldsEntry| one.manager.as_deref() == Some("flagger");
    let left = route.managed_fields().iter().find(is_left);
    let left = serde_json::to_string(&left)?;
    assert!(!left.contains("f:hostnames"), "{left}");
    let begun = tokio::time::Instant::now();
    apply(&admin, &deployment(NAMESPACE, "2.0.0")).await?;
    wait_for_phase(&admin, NAMESPACE, "podinfo", &["Progressing"], LIMIT).await?;
    let ends = ["Succeeded", "Failed"];
    let canary = wait_for_phase(&admin, NAMESPACE, "podinfo", &ends, LIMIT).await?;
    let status = canary.status.unwrap_or_default();
    assert_eq!(format!("{:?}", status.phase), "Succeeded", "{status:?}");
    assert!(status.analysis.is_none(), "the definition drops it");
    assert!(begun.elapsed() >= STEPS_TIME_MIN, "{:?}", begun.elapsed());
    let lease = "flagger-leader-election";
    get(&admin, "coordination.k8s.io/v1", "Lease", SYSTEM, lease).await?;
    delete(&admin, NAMESPACE, "podinfo").await?;

    let log = std::fs::read_to_string(folder.path().join("operator.log"))?;
    let told = log.matches("definition of Canary drops").count();
    assert_eq!(told, 1, "what is missing is told once");
    refuse_forbidden(folder.path(), "operator", operator)?;
    // Tests that come later are about our own.
    prepare(&admin, NAMESPACE).await
}

/// The route of a Canary as Flagger wrote it, with a label that the Canary no longer asks for.
fn route_left_behind() -> Value {
    json!({
        "apiVersion": ROUTES.0, "kind": ROUTES.1,
        "metadata": {"name": "podinfo", "namespace": NAMESPACE, "labels": {TAKEN_AWAY: "yes"}},
        "spec": {
            "hostnames": ["podinfo.example"],
            "parentRefs": [{"name": "web", "namespace": NAMESPACE}],
            "rules": [{"backendRefs": [
                {"name": "podinfo-primary", "port": 80, "weight": 100},
                {"name": "podinfo-canary", "port": 80, "weight": 0},
            ]}],
        },
    })
}

/// The definition of Canary without what only ours holds of a status.
fn flagger_s_definition() -> Value {
    let mut all = api::crd::all();
    all.retain(|definition| definition["spec"]["names"]["kind"] == "Canary");
    let mut definition = all.remove(0);
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let status = &mut schema["properties"]["status"]["properties"];
    let condition = status["conditions"]["items"]["properties"].as_object_mut();
    condition.unwrap().remove("observedGeneration");
    for ours in ["analysis", "inventory", "observedGeneration"] {
        status.as_object_mut().unwrap().remove(ours);
    }
    definition
}

/// Namespace, account, role and binding.
fn identity() -> String {
    let rules = ROLE.iter().map(|(group, resources)| {
        let mut all: Vec<String> = resources.split(' ').map(str::to_owned).collect();
        let finalized = resources
            .split(' ')
            .filter(|one| !one.contains('/') && *one != "events");
        all.extend(finalized.map(|one| format!("{one}/finalizers")));
        let verbs = [
            "get", "list", "watch", "create", "update", "patch", "delete",
        ];
        json!({"apiGroups": [group], "resources": all, "verbs": verbs})
    });
    let name = json!({"name": "flagger"});
    let group = "rbac.authorization.k8s.io";
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "flagger", "namespace": SYSTEM}}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": name,
            "rules": rules.collect::<Vec<_>>()}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": name,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "flagger"},
            "subjects": [{"kind": "ServiceAccount", "name": "flagger", "namespace": SYSTEM}]}),
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
}
