//! The table of Kubernetes' own resources.
//!
//! The facts are those of `kubectl api-resources` on Kubernetes 1.33, for the groups that are served here.

use super::{Generation, ResourceType, ScalePaths, StoreKey, join_version};
use crate::schema::builtin;

/// What a row says beyond names.
mod mark {
    pub(super) const NAMESPACED: u8 = 1;
    pub(super) const STATUS: u8 = 2;
    pub(super) const SCALE: u8 = 4;
    pub(super) const COUNTED: u8 = 8;
    pub(super) const VIRTUAL: u8 = 16;
}

/// Group, version, plural, kind, marks, short names, categories.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u8,
    &'static str,
    &'static str,
);

const N: u8 = mark::NAMESPACED;
const S: u8 = mark::STATUS;
const SC: u8 = mark::SCALE;
const G: u8 = mark::COUNTED;
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const ROWS: &[Row] = &[
    ("", "v1", "namespaces", "Namespace", S, "ns", ""),
    ("", "v1", "pods", "Pod", N | S | G, "po", "all"),
    ("", "v1", "services", "Service", N | S, "svc", "all"),
    ("", "v1", "endpoints", "Endpoints", N, "ep", ""),
    ("", "v1", "configmaps", "ConfigMap", N, "cm", ""),
    ("", "v1", "secrets", "Secret", N, "", ""),
    ("", "v1", "serviceaccounts", "ServiceAccount", N, "sa", ""),
    ("", "v1", "events", "Event", N, "ev", ""),
    ("", "v1", "nodes", "Node", S, "no", ""),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        N | S,
        "pvc",
        "",
    ),
    (
        "",
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        S,
        "pv",
        "",
    ),
    ("", "v1", "limitranges", "LimitRange", N, "limits", ""),
    (
        "",
        "v1",
        "resourcequotas",
        "ResourceQuota",
        N | S,
        "quota",
        "",
    ),
    (
        "apps",
        "v1",
        "deployments",
        "Deployment",
        N | S | SC | G,
        "deploy",
        "all",
    ),
    (
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        N | S | SC | G,
        "rs",
        "all",
    ),
    (
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        N | S | G,
        "ds",
        "all",
    ),
    (
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        N | S | SC | G,
        "sts",
        "all",
    ),
    (
        "apps",
        "v1",
        "controllerrevisions",
        "ControllerRevision",
        N,
        "",
        "",
    ),
    ("batch", "v1", "jobs", "Job", N | S | G, "", "all"),
    ("batch", "v1", "cronjobs", "CronJob", N | S | G, "cj", "all"),
    (
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        N | S,
        "hpa",
        "all",
    ),
    (
        "networking.k8s.io",
        "v1",
        "ingresses",
        "Ingress",
        N | S | G,
        "ing",
        "",
    ),
    (
        "networking.k8s.io",
        "v1",
        "ingressclasses",
        "IngressClass",
        G,
        "",
        "",
    ),
    (
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        N | G,
        "netpol",
        "",
    ),
    (
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        N | G,
        "",
        "",
    ),
    ("coordination.k8s.io", "v1", "leases", "Lease", N, "", ""),
    ("events.k8s.io", "v1", "events", "Event", N, "ev", ""),
    (RBAC, "v1", "roles", "Role", N, "", ""),
    (RBAC, "v1", "rolebindings", "RoleBinding", N, "", ""),
    (RBAC, "v1", "clusterroles", "ClusterRole", 0, "", ""),
    (
        RBAC,
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        0,
        "",
        "",
    ),
    (
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        N | S | G,
        "pdb",
        "",
    ),
    (
        "storage.k8s.io",
        "v1",
        "storageclasses",
        "StorageClass",
        0,
        "sc",
        "",
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        G,
        "pc",
        "",
    ),
    (
        ADMISSION,
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        G,
        "",
        "api-extensions",
    ),
    (
        ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        G,
        "",
        "api-extensions",
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        S | G,
        "crd,crds",
        "api-extensions",
    ),
    (
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        mark::VIRTUAL,
        "",
        "",
    ),
    (
        "authorization.k8s.io",
        "v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        mark::VIRTUAL,
        "",
        "",
    ),
];

/// The built-in resources.
pub(super) fn types() -> impl Iterator<Item = ResourceType> {
    ROWS.iter().map(resource)
}

fn resource(row: &Row) -> ResourceType {
    let (group, version, plural, kind, marks, short_names, categories) = *row;
    let has = |bit: u8| marks & bit != 0;
    // Both groups of events show the same objects; they are kept in the form of the core group.
    let home = if plural == "events" { "" } else { group };
    ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_ascii_lowercase(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        is_namespaced: has(N),
        short_names: words(short_names),
        categories: words(categories),
        has_status: has(S),
        scale: has(SC).then(|| ScalePaths {
            spec: vec!["spec".to_owned(), "replicas".to_owned()],
            status: vec!["status".to_owned(), "replicas".to_owned()],
            selector: None,
        }),
        extras: extras(plural),
        generation: if has(G) {
            Generation::Counted
        } else {
            Generation::Absent
        },
        schema: builtin::named(&builtin::full_name(group, version, kind)),
        raw_schema: None,
        is_custom: false,
        stored_as: join_version(home, version),
        store_key: StoreKey {
            group: home.to_owned(),
            plural: plural.to_owned(),
        },
        columns: Vec::new(),
        selectable_fields: Vec::new(),
        is_virtual: has(mark::VIRTUAL),
    }
}

fn extras(plural: &str) -> Vec<(&'static str, &'static str)> {
    match plural {
        "namespaces" => vec![("finalize", "Namespace")],
        "pods" => vec![("binding", "Binding"), ("eviction", "Eviction")],
        _ => Vec::new(),
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}
