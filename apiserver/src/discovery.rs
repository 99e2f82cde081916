//! Tells clients which groups, versions and resources there are, in both forms of Kubernetes' discovery.

use http::Response;
use serde_json::{Value, json};

use crate::{
    resource::{Registry, ResourceType, join_version},
    server::{Accept, GroupPath, ReplyBody, reply},
    status::ApiError,
};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// The answer of `/version`.
pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.0",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

/// The answer of a place of discovery.
///
/// # Errors
/// 404 for a group or version that is not there, 406 when JSON is not accepted.
pub(crate) fn answer(
    registry: &Registry,
    path: &GroupPath,
    accept: &Accept,
) -> Result<Response<ReplyBody>, ApiError> {
    if !accept.takes_json() {
        return Err(ApiError::not_acceptable());
    }
    let found = match path {
        GroupPath::Core | GroupPath::Groups if accept.takes_aggregated() => {
            let document = aggregated(registry, *path == GroupPath::Core);
            return Ok(reply::with_type(
                200,
                AGGREGATED,
                document.to_string().into(),
            ));
        }
        GroupPath::Core => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        GroupPath::Groups => {
            let groups: Vec<Value> = registry
                .groups()
                .iter()
                .filter(|(group, _)| !group.is_empty())
                .map(|(group, versions)| group_of(group, versions))
                .collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        GroupPath::Group(group) => registry.groups().get(group).map(|versions| {
            let mut found = group_of(group, versions);
            crate::object::put(&mut found, &["kind"], json!("APIGroup"));
            crate::object::put(&mut found, &["apiVersion"], json!("v1"));
            found
        }),
        GroupPath::Version(group, version) => resources_of(registry, group, version),
    };
    found
        .map(|found| reply::json(200, &found))
        .ok_or_else(ApiError::no_such_path)
}

fn group_of(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": join_version(group, version), "version": version }))
        .collect();
    json!({ "name": group, "versions": versions, "preferredVersion": versions.first() })
}

fn resources_of(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in registry.in_version(group, version) {
        let mut resource = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.is_namespaced,
            "kind": kind.kind,
            "verbs": verbs_of(kind),
        });
        if !kind.short_names.is_empty() {
            crate::object::put(&mut resource, &["shortNames"], json!(kind.short_names));
        }
        if !kind.categories.is_empty() {
            crate::object::put(&mut resource, &["categories"], json!(kind.categories));
        }
        resources.push(resource);
        for sub in subresources(kind) {
            let mut resource = json!({
                "name": format!("{}/{}", kind.plural, sub.name),
                "singularName": "",
                "namespaced": kind.is_namespaced,
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if sub.group != kind.group || sub.version != kind.version {
                crate::object::put(&mut resource, &["group"], json!(sub.group));
                crate::object::put(&mut resource, &["version"], json!(sub.version));
            }
            resources.push(resource);
        }
    }
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": join_version(group, version),
            "resources": resources,
        })
    })
}

struct Subresource {
    name: &'static str,
    group: String,
    version: String,
    kind: String,
    verbs: &'static [&'static str],
}

fn subresources(kind: &ResourceType) -> Vec<Subresource> {
    const CHANGED: &[&str] = &["get", "patch", "update"];
    let mut found = Vec::new();
    if kind.has_status {
        found.push(Subresource {
            name: "status",
            group: kind.group.clone(),
            version: kind.version.clone(),
            kind: kind.kind.clone(),
            verbs: CHANGED,
        });
    }
    if kind.scale.is_some() {
        found.push(Subresource {
            name: "scale",
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: CHANGED,
        });
    }
    for (name, taken) in &kind.extras {
        let group = if *taken == "Eviction" {
            "policy"
        } else {
            kind.group.as_str()
        };
        found.push(Subresource {
            name,
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: (*taken).to_owned(),
            verbs: if *name == "finalize" {
                &["update"]
            } else {
                &["create"]
            },
        });
    }
    found
}

fn verbs_of(kind: &ResourceType) -> Vec<&'static str> {
    VERBS
        .into_iter()
        .filter(|verb| !kind.is_virtual || *verb == "create")
        .filter(|verb| *verb != "deletecollection" || kind.plural != "namespaces")
        .collect()
}

/// All groups in one document: the core group alone, or all the others.
fn aggregated(registry: &Registry, is_core: bool) -> Value {
    let items: Vec<Value> = registry
        .groups()
        .iter()
        .filter(|(group, _)| group.is_empty() == is_core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = registry
                        .in_version(group, version)
                        .map(|kind| aggregated_resource(kind))
                        .collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let mut metadata = json!({ "creationTimestamp": null });
            if !is_core {
                crate::object::put(&mut metadata, &["name"], json!(group));
            }
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(kind: &ResourceType) -> Value {
    let subresources: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|sub| {
            json!({
                "subresource": sub.name,
                "responseKind": { "group": sub.group, "version": sub.version, "kind": sub.kind },
                "verbs": sub.verbs,
            })
        })
        .collect();
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
        "scope": if kind.is_namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs_of(kind),
    });
    for (field, words) in [
        ("shortNames", &kind.short_names),
        ("categories", &kind.categories),
    ] {
        if !words.is_empty() {
            crate::object::put(&mut resource, &[field], json!(words));
        }
    }
    if !subresources.is_empty() {
        crate::object::put(&mut resource, &["subresources"], json!(subresources));
    }
    resource
}
