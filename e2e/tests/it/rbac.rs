//! What `deploy/` grants is what the programs need: they run here under their ServiceAccounts' tokens.
//!
//! The operator's flags are those of `deploy/install.yaml` too. That its objects are valid is asked of the
//! API server by a strict dry run; no image is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::Canary;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
    ValidationDirective,
};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::cluster::{apply, apply_object, client, get, prepare, wait_for_phase};
use crate::podinfo;
use crate::pods::Kubelet;
use crate::program::{Program, sluice};

mod upgrade;

const INSTALL: &str = include_str!("../../../deploy/install.yaml");
const GITOPS: &str = include_str!("../../../deploy/gitops/rbac.yaml");
const GATEWAY: &str = include_str!("../../../deploy/gateway.yaml");
const OTHERS: [&str; 3] = [
    include_str!("../../../deploy/gitops/cluster-admin.yaml"),
    include_str!("../../../deploy/gitops/artifacts.yaml"),
    include_str!("../../../deploy/loadtester.yaml"),
];
const SYSTEM: &str = "sluice-system";
const NAMESPACE: &str = "rbac";
const LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test]
async fn plane_deploy_grants_what_the_operator_needs() -> Result<()> {
    let Some(admin) = client().await else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    prepare(&admin, NAMESPACE).await?;
    let lists = [
        "/apis/flagger.app/v1beta1/canaries",
        "/apis/source.toolkit.fluxcd.io/v1/gitrepositories",
    ];
    let name = (SYSTEM, "sluice");
    let kubeconfig = account(&admin, folder.path(), name, &[INSTALL, GITOPS], &lists).await?;
    let _kubelet = Kubelet::start(admin.clone());
    let flags = operator_flags(&kubeconfig, folder.path())?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let operator = Program::start("operator", folder.path(), &sluice(), &flags);

    apply(&admin, WORLD).await?;
    apply(&admin, &deployment(NAMESPACE, "1.0.0")).await?;
    wait_for_phase(&admin, NAMESPACE, "podinfo", &["Initialized"], LIMIT).await?;
    apply(&admin, &deployment(NAMESPACE, "2.0.0")).await?;
    let ends = ["Succeeded", "Failed"];
    let canary = wait_for_phase(&admin, NAMESPACE, "podinfo", &ends, LIMIT).await?;
    let status = canary.status.unwrap_or_default();
    assert_eq!(format!("{:?}", status.phase), "Succeeded", "{status:?}");

    let copies = [
        ("v1", "ConfigMap", "settings-primary"),
        ("v1", "Secret", "keys-primary"),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "podinfo-primary",
        ),
    ];
    for (api_version, kind, name) in copies {
        get(&admin, api_version, kind, NAMESPACE, name).await?;
    }
    let lease = "flagger-leader-election";
    get(&admin, "coordination.k8s.io/v1", "Lease", SYSTEM, lease).await?;
    for (api_version, kind) in [
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    ] {
        wait_for_condition(&admin, api_version, kind, NAMESPACE, "shop", "Ready").await?;
    }
    delete(&admin, NAMESPACE, "podinfo").await?;
    refuse_forbidden(folder.path(), "operator", operator)
}

#[tokio::test]
async fn plane_deploy_grants_what_the_gateway_needs() -> Result<()> {
    let Some(admin) = client().await else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    prepare(&admin, SYSTEM).await?;
    let lists = ["/apis/gateway.networking.k8s.io/v1/gatewayclasses"];
    let name = (SYSTEM, "sluice-gateway");
    let kubeconfig = account(&admin, folder.path(), name, &[GATEWAY], &lists).await?;
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let own = "127.0.0.1:0";
    let flags = [
        "gateway",
        "--listen",
        own,
        "--metrics",
        own,
        "--gateway=sluice-system/sluice",
        &kubeconfig,
    ];
    let gateway = Program::start("gateway", folder.path(), &sluice(), &flags);
    for object in of_kinds(GATEWAY, &["GatewayClass", "Gateway"])? {
        apply_object(&admin, &object).await?;
    }
    let group = "gateway.networking.k8s.io/v1";
    wait_for_condition(&admin, group, "GatewayClass", "", "sluice", "Accepted").await?;
    wait_for_condition(&admin, group, "Gateway", SYSTEM, "sluice", "Programmed").await?;
    refuse_forbidden(folder.path(), "gateway", gateway)
}

/// Every field is one that the API server knows.
#[tokio::test]
async fn plane_deploy_is_valid() -> Result<()> {
    let Some(admin) = client().await else {
        return Ok(());
    };
    prepare(&admin, SYSTEM).await?;
    for text in [INSTALL, GITOPS, GATEWAY].iter().chain(&OTHERS) {
        for object in goyaml::parse_json(text, &goyaml::Limits::default())? {
            try_strictly(&admin, &object)
                .await
                .with_context(|| object.to_string())?;
        }
    }
    let mut wrong = of_kinds(INSTALL, &["Deployment"])?;
    let wrong = wrong.first_mut().context("install.yaml has a Deployment")?;
    wrong["spec"]["replica"] = json!(1);
    let refused = try_strictly(&admin, wrong).await.unwrap_err();
    assert!(format!("{refused:#}").contains("replica"), "{refused:#}");
    Ok(())
}

/// Applies the account with its roles, waits until they count, and writes a kubeconfig with its token.
async fn account(
    admin: &Client,
    folder: &Path,
    (namespace, name): (&str, &str),
    manifests: &[&str],
    lists: &[&str],
) -> Result<PathBuf> {
    let kinds = [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
    ];
    for manifest in manifests {
        for object in of_kinds(manifest, &kinds)? {
            apply_object(admin, &object).await?;
        }
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let wanted = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let given = accounts
        .create_token_request(name, &PostParams::default(), &wanted)
        .await?;
    let token = given.status.context("the API server gave no token")?.token;

    let mut config = serde_json::to_value(Kubeconfig::read()?)?;
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({"token": token});
    }
    let path = folder.join(format!("{name}.kubeconfig"));
    std::fs::write(&path, config.to_string())?;
    let read = Kubeconfig::read_from(&path)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    let own = Client::try_from(config)?;
    for list in lists {
        until_allowed(&own, list).await?;
    }
    let nodes = status_of(&own, "/api/v1/nodes").await?;
    assert_eq!(nodes, 403, "{name} must not be an administrator");
    Ok(path)
}

/// The API server learns of a binding a moment after it was written.
async fn until_allowed(own: &Client, path: &str) -> Result<()> {
    for _ in 0..50 {
        if status_of(own, path).await? == 200 {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    bail!("{path} stays forbidden")
}

async fn status_of(own: &Client, path: &str) -> Result<u16> {
    let request = http::Request::get(format!("{path}?limit=1")).body(Vec::new())?;
    match own.request::<Value>(request).await {
        Ok(_) => Ok(200),
        Err(kube::Error::Api(status)) => Ok(status.code),
        Err(error) => Err(error.into()),
    }
}

/// The flags of the Deployment, then those that a process beside the cluster needs.
fn operator_flags(kubeconfig: &Path, folder: &Path) -> Result<Vec<String>> {
    let deployments = of_kinds(INSTALL, &["Deployment"])?;
    let shipped = deployments
        .first()
        .and_then(|deployment| deployment.pointer("/spec/template/spec/containers/0/args"))
        .and_then(Value::as_array)
        .context("install.yaml has a Deployment with args")?;
    let mut flags: Vec<String> = shipped
        .iter()
        .filter_map(|flag| flag.as_str().map(str::to_owned))
        .collect();
    flags.extend([
        format!("-kubeconfig={}", kubeconfig.display()),
        format!("-storage-path={}", folder.join("artifacts").display()),
        "-storage-addr=127.0.0.1:0".to_owned(),
        "-port=0".to_owned(),
        "-interval-min=1s".to_owned(),
    ]);
    Ok(flags)
}

fn of_kinds(manifest: &str, kinds: &[&str]) -> Result<Vec<Value>> {
    let mut objects = goyaml::parse_json(manifest, &goyaml::Limits::default())?;
    objects.retain(|object| kinds.iter().any(|kind| object["kind"] == *kind));
    Ok(objects)
}

async fn wait_for_condition(
    admin: &Client,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    condition: &str,
) -> Result<()> {
    let ends = tokio::time::Instant::now() + LIMIT;
    let mut last = Value::Null;
    while tokio::time::Instant::now() < ends {
        last = get(admin, api_version, kind, namespace, name).await?;
        let conditions = last["status"]["conditions"].as_array();
        // A GatewayClass comes with Accepted: Unknown, which nobody wrote.
        let is_told = |one: &Value| one["type"] == condition && one["reason"] != "Pending";
        if conditions.into_iter().flatten().any(is_told) {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    bail!("{kind} {name} never told {condition}: {}", last["status"])
}

/// With `revertOnDeletion` it goes when its finalizer's work is done.
async fn delete(admin: &Client, namespace: &str, name: &str) -> Result<()> {
    let canaries: Api<Canary> = Api::namespaced(admin.clone(), namespace);
    canaries.delete(name, &DeleteParams::default()).await?;
    let ends = tokio::time::Instant::now() + LIMIT;
    while canaries.get_opt(name).await?.is_some() {
        if tokio::time::Instant::now() > ends {
            bail!("Canary {name} was not let go");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

fn refuse_forbidden(folder: &Path, name: &str, program: Program) -> Result<()> {
    let log = std::fs::read_to_string(folder.join(format!("{name}.log")))?;
    let is_refusal =
        |line: &&str| line.to_lowercase().contains("forbidden") || line.contains("answered 403");
    let refusals: Vec<&str> = log.lines().filter(is_refusal).collect();
    assert!(!log.is_empty(), "{name} tells nothing");
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
    drop(program);
    Ok(())
}

/// Sends an object as if to apply it; unknown and doubled fields are refused.
async fn try_strictly(admin: &Client, object: &Value) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
    let gvk = GroupVersionKind::gvk(group, version, &kind);
    let (resource, capabilities) = kube::discovery::pinned_kind(admin, &gvk).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        kube::discovery::Scope::Cluster => Api::all_with(admin.clone(), &resource),
        kube::discovery::Scope::Namespaced => {
            Api::namespaced_with(admin.clone(), SYSTEM, &resource)
        }
    };
    let parameters = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("e2e").force()
    };
    let name = text(&object["metadata"]["name"]);
    api.patch(&name, &parameters, &Patch::Apply(object)).await?;
    Ok(())
}

fn deployment(namespace: &str, version: &str) -> String {
    let container = format!(
        "image: 'example.test/podinfo:{version}', \
         envFrom: [{{configMapRef: {{name: settings}}}}, {{secretRef: {{name: keys}}}}]"
    );
    podinfo::deployment(&format!("namespace: {namespace}"), "", &container)
}

/// A canary that makes use of every kind of object, and GitOps objects whose Git server does not answer.
const WORLD: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: rbac}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: rbac}
stringData: {key: value}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: podinfo, namespace: rbac}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: rbac}
spec:
  provider: gatewayapi:v1
  revertOnDeletion: true
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}
  service:
    port: 80
    targetPort: 9898
    hosts: [podinfo.example]
    gatewayRefs: [{name: web, namespace: rbac}]
  analysis: {interval: 1s, threshold: 2, stepWeight: 50, maxWeight: 100}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: rbac}
spec: {interval: 1m, url: 'http://127.0.0.1:9/shop.git'}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: rbac}
spec:
  interval: 1m
  path: ./
  prune: true
  sourceRef: {kind: GitRepository, name: shop}
";
