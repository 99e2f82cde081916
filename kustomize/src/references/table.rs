//! Lists which field of which kind names an object of which kind.
//!
//! The facts are those of kustomize's default configuration. Workloads share a
//! pod spec, so their fields are made from a prefix and a list of paths.

use std::sync::LazyLock;

use crate::field::{self, Owner};

/// A field of `referrer` at `path` names a `target`.
pub(super) struct Reference {
    pub(super) target: Owner,
    pub(super) referrer: Owner,
    pub(super) path: String,
    /// The path, split.
    pub(super) parts: Vec<String>,
}

impl Reference {
    fn new(target: Owner, referrer: Owner, path: String) -> Self {
        Self {
            target,
            referrer,
            parts: field::split(&path),
            path,
        }
    }
}

pub(super) static REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    let mut all = Vec::new();
    in_pods(&mut all, CORE_CONFIG_MAP, TEMPLATED, CONFIG_MAP_IN_POD);
    in_pods(&mut all, CORE_SECRET, TEMPLATED, SECRET_IN_POD);
    in_pods(
        &mut all,
        CORE_SERVICE_ACCOUNT,
        RUNNING,
        &["serviceAccountName"],
    );
    let claim = &["volumes/persistentVolumeClaim/claimName"];
    in_pods(&mut all, CORE_CLAIM, RUNNING, claim);
    in_pods(&mut all, PRIORITY_CLASS, RUNNING, &["priorityClassName"]);
    for &(target, referrer, path) in SINGLE {
        all.push(Reference::new(target, referrer, path.to_owned()));
    }
    all
});

fn in_pods(all: &mut Vec<Reference>, target: Owner, pods: &[(Owner, &str)], paths: &[&str]) {
    for (referrer, prefix) in pods {
        for path in paths {
            let path = format!("{prefix}/{path}");
            all.push(Reference::new(target, *referrer, path));
        }
    }
}

const fn owner(group: &'static str, version: &'static str, kind: &'static str) -> Owner {
    Owner {
        group,
        version,
        kind,
    }
}

const fn kind(kind: &'static str) -> Owner {
    owner("", "", kind)
}

const CORE_CONFIG_MAP: Owner = owner("", "v1", "ConfigMap");
const CORE_SECRET: Owner = owner("", "v1", "Secret");
const CORE_SERVICE: Owner = owner("", "v1", "Service");
const CORE_SERVICE_ACCOUNT: Owner = owner("", "v1", "ServiceAccount");
const CORE_CLAIM: Owner = owner("", "v1", "PersistentVolumeClaim");
const CORE_VOLUME: Owner = owner("", "v1", "PersistentVolume");
const PRIORITY_CLASS: Owner = owner("scheduling.k8s.io", "v1", "PriorityClass");
const STORAGE_CLASS: Owner = owner("storage.k8s.io", "v1", "StorageClass");
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const TEMPLATE: &str = "spec/template/spec";
const CRON_TEMPLATE: &str = "spec/jobTemplate/spec/template/spec";

/// Kinds with a pod spec, as ConfigMaps and Secrets are looked for.
const TEMPLATED: &[(Owner, &str)] = &[
    (owner("", "v1", "Pod"), "spec"),
    (kind("PodTemplate"), "template/spec"),
    (kind("Deployment"), TEMPLATE),
    (kind("ReplicaSet"), TEMPLATE),
    (kind("DaemonSet"), TEMPLATE),
    (kind("StatefulSet"), TEMPLATE),
    (kind("Job"), TEMPLATE),
    (kind("CronJob"), CRON_TEMPLATE),
];

/// Kinds with a pod spec, as everything else is looked for.
const RUNNING: &[(Owner, &str)] = &[
    (kind("Pod"), "spec"),
    (kind("StatefulSet"), TEMPLATE),
    (kind("Deployment"), TEMPLATE),
    (kind("ReplicationController"), TEMPLATE),
    (kind("CronJob"), CRON_TEMPLATE),
    (kind("Job"), TEMPLATE),
    (kind("DaemonSet"), TEMPLATE),
];

const CONFIG_MAP_IN_POD: &[&str] = &[
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];

const SECRET_IN_POD: &[&str] = &[
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

/// Target, referrer, path.
const SINGLE: &[(Owner, Owner, &str)] = &[
    (
        kind("Deployment"),
        kind("HorizontalPodAutoscaler"),
        "spec/scaleTargetRef/name",
    ),
    (
        kind("ReplicationController"),
        kind("HorizontalPodAutoscaler"),
        "spec/scaleTargetRef/name",
    ),
    (
        kind("ReplicaSet"),
        kind("HorizontalPodAutoscaler"),
        "spec/scaleTargetRef/name",
    ),
    (
        kind("StatefulSet"),
        kind("HorizontalPodAutoscaler"),
        "spec/scaleTargetRef/name",
    ),
    (CORE_CONFIG_MAP, kind("Node"), "spec/configSource/configMap"),
    (CORE_CONFIG_MAP, kind("Role"), "rules/resourceNames"),
    (CORE_CONFIG_MAP, kind("ClusterRole"), "rules/resourceNames"),
    (
        CORE_CONFIG_MAP,
        kind("Ingress"),
        "metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap",
    ),
    (CORE_SECRET, kind("Ingress"), "spec/tls/secretName"),
    (
        CORE_SECRET,
        kind("Ingress"),
        "metadata/annotations/ingress.kubernetes.io\\/auth-secret",
    ),
    (
        CORE_SECRET,
        kind("Ingress"),
        "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret",
    ),
    (
        CORE_SECRET,
        kind("Ingress"),
        "metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret",
    ),
    (CORE_SECRET, kind("ServiceAccount"), "imagePullSecrets/name"),
    (CORE_SECRET, kind("StorageClass"), "parameters/secretName"),
    (
        CORE_SECRET,
        kind("StorageClass"),
        "parameters/adminSecretName",
    ),
    (
        CORE_SECRET,
        kind("StorageClass"),
        "parameters/userSecretName",
    ),
    (CORE_SECRET, kind("StorageClass"), "parameters/secretRef"),
    (CORE_SECRET, kind("Role"), "rules/resourceNames"),
    (CORE_SECRET, kind("ClusterRole"), "rules/resourceNames"),
    (
        CORE_SECRET,
        owner("serving.knative.dev", "v1", "Service"),
        "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
    ),
    (
        CORE_SECRET,
        kind("PersistentVolume"),
        "spec/azureFile/secretName",
    ),
    (
        CORE_SERVICE,
        owner("apps", "", "StatefulSet"),
        "spec/serviceName",
    ),
    (
        CORE_SERVICE,
        kind("Ingress"),
        "spec/rules/http/paths/backend/serviceName",
    ),
    (CORE_SERVICE, kind("Ingress"), "spec/backend/serviceName"),
    (
        CORE_SERVICE,
        kind("Ingress"),
        "spec/rules/http/paths/backend/service/name",
    ),
    (
        CORE_SERVICE,
        kind("Ingress"),
        "spec/defaultBackend/service/name",
    ),
    (
        CORE_SERVICE,
        owner("apiregistration.k8s.io", "", "APIService"),
        "spec/service/name",
    ),
    (
        CORE_SERVICE,
        owner(ADMISSION, "", "ValidatingWebhookConfiguration"),
        "webhooks/clientConfig/service",
    ),
    (
        CORE_SERVICE,
        owner(ADMISSION, "", "MutatingWebhookConfiguration"),
        "webhooks/clientConfig/service",
    ),
    (
        owner(RBAC, "", "Role"),
        owner(RBAC, "", "RoleBinding"),
        "roleRef/name",
    ),
    (
        owner(RBAC, "", "ClusterRole"),
        owner(RBAC, "", "RoleBinding"),
        "roleRef/name",
    ),
    (
        owner(RBAC, "", "ClusterRole"),
        owner(RBAC, "", "ClusterRoleBinding"),
        "roleRef/name",
    ),
    (
        CORE_SERVICE_ACCOUNT,
        owner(RBAC, "", "RoleBinding"),
        "subjects",
    ),
    (
        CORE_SERVICE_ACCOUNT,
        owner(RBAC, "", "ClusterRoleBinding"),
        "subjects",
    ),
    (
        CORE_VOLUME,
        kind("PersistentVolumeClaim"),
        "spec/volumeName",
    ),
    (CORE_VOLUME, kind("ClusterRole"), "rules/resourceNames"),
    (
        STORAGE_CLASS,
        kind("PersistentVolume"),
        "spec/storageClassName",
    ),
    (
        STORAGE_CLASS,
        kind("PersistentVolumeClaim"),
        "spec/storageClassName",
    ),
    (
        STORAGE_CLASS,
        kind("StatefulSet"),
        "spec/volumeClaimTemplates/spec/storageClassName",
    ),
    (
        owner(ADMISSION, "", "ValidatingAdmissionPolicy"),
        owner(ADMISSION, "", "ValidatingAdmissionPolicyBinding"),
        "spec/policyName",
    ),
];
