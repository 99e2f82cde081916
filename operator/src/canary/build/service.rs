//! Builds the three Services of a canary, and the patch that repairs a live one.
//!
//! It knows which fields are ours: ports and selector always, labels and annotations only on
//! Services that the Canary owns. Type, headless and trafficDistribution are set at creation
//! only, as Flagger does.

use api::canary::service::{CanaryService, CustomMetadata, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LAST_APPLIED, Owner, Selector};
use crate::digest;
use crate::json::{controller_uid, int_at, list_at, map_at, str_at};

/// Annotations that keep Flux from fighting over the objects.
pub const FLUX_OFF: [(&str, &str); 2] = [
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
];
/// Containers whose ports are not discovered.
const SIDECARS: [&str; 2] = ["istio-proxy", "envoy"];

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What users connect to.
    Apex,
    /// Pods of the primary.
    Primary,
    /// Pods of the canary.
    Canary,
}

/// One port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Name of the port: its own, or `tcp-<container>-<index>`.
    pub name: String,
    /// Whether the name is the port's own.
    pub is_named: bool,
    /// The port.
    pub port: i64,
}

/// Ports of a pod template's containers, without known sidecars.
pub fn container_ports(template: &Value) -> Vec<ContainerPort> {
    let mut found = Vec::new();
    for container in list_at(template, "/spec/containers") {
        let owner = str_at(container, "/name");
        if SIDECARS.contains(&owner) {
            continue;
        }
        for (index, port) in list_at(container, "/ports").iter().enumerate() {
            let own = str_at(port, "/name");
            let name = if own.is_empty() {
                format!("tcp-{owner}-{index}")
            } else {
                own.to_owned()
            };
            let port = int_at(port, "/containerPort").unwrap_or_default();
            found.push(ContainerPort {
                name,
                is_named: !own.is_empty(),
                port,
            });
        }
    }
    found
}

/// What one Service needs to know.
pub struct Plan<'a> {
    /// The Canary.
    pub owner: &'a Owner,
    /// Name of the apex Service.
    pub apex: &'a str,
    /// `spec.service`.
    pub service: &'a CanaryService,
    /// The label that tells the pods apart.
    pub selector: &'a Selector,
    /// Ports of the target's containers.
    pub ports: &'a [ContainerPort],
}

impl Plan<'_> {
    /// Name of the Service.
    pub fn name(&self, role: Role) -> String {
        match role {
            Role::Apex => self.apex.to_owned(),
            Role::Primary => format!("{}-primary", self.apex),
            Role::Canary => format!("{}-canary", self.apex),
        }
    }

    /// The Service as it is created.
    pub fn build(&self, role: Role) -> Value {
        let name = self.name(role);
        let custom = match role {
            Role::Apex => self.service.apex.as_ref(),
            Role::Primary => self.service.primary.as_ref(),
            Role::Canary => self.service.canary.as_ref(),
        };
        let (mut labels, mut annotations) = metadata(custom);
        labels.insert(self.selector.key.clone(), json!(name));
        for (key, value) in FLUX_OFF {
            annotations.insert(key.to_owned(), json!(value));
        }
        let pods = match role {
            Role::Apex | Role::Primary => self.selector.primary_value(),
            Role::Canary => self.selector.value.clone(),
        };
        let mut spec = Map::new();
        spec.insert("type".to_owned(), json!("ClusterIP"));
        spec.insert("selector".to_owned(), json!({&self.selector.key: pods}));
        spec.insert("ports".to_owned(), Value::Array(self.service_ports()));
        if self.service.headless {
            spec.insert("clusterIP".to_owned(), json!("None"));
        }
        if let Some(distribution) = &self.service.traffic_distribution {
            spec.insert("trafficDistribution".to_owned(), json!(distribution));
        }
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": self.owner.namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [self.owner.reference()],
            },
            "spec": spec,
        })
    }

    fn service_ports(&self) -> Vec<Value> {
        let service = self.service;
        let name = service.port_name.as_deref().filter(|it| !it.is_empty());
        let first = ServicePort {
            name: name.unwrap_or("http").to_owned(),
            port: service.port,
            target_port: service.target_port.clone(),
            app_protocol: service.app_protocol.clone(),
            ..ServicePort::default()
        };
        let declared: Vec<_> = std::iter::once(&first).chain(&service.ports).collect();
        let mut all: Vec<Value> = declared.iter().map(|port| service_port(port)).collect();
        if service.port_discovery {
            let is_new = |found: &&ContainerPort| !declared.iter().any(|port| holds(port, found));
            all.extend(self.ports.iter().filter(is_new).map(|found| {
                json!({"name": found.name, "protocol": "TCP", "port": found.port, "targetPort": found.port})
            }));
        }
        all
    }
}

fn service_port(port: &ServicePort) -> Value {
    let target = target(port).unwrap_or(IntOrString::Int(port.port));
    let mut built =
        json!({"name": port.name, "protocol": "TCP", "port": port.port, "targetPort": target});
    if let (Some(protocol), Some(built)) = (&port.app_protocol, built.as_object_mut()) {
        built.insert("appProtocol".to_owned(), json!(protocol));
    }
    built
}

/// Where a port leads when it is not to its own number.
fn target(port: &ServicePort) -> Option<IntOrString> {
    port.target_port.clone().filter(|target| match target {
        IntOrString::Int(number) => *number != 0,
        IntOrString::String(name) => !name.is_empty() && name != "0",
    })
}

/// Whether a port leads to a container's, or takes the place that it would have in a Service.
fn holds(port: &ServicePort, found: &ContainerPort) -> bool {
    let is_target = match target(port) {
        None => false,
        Some(IntOrString::Int(number)) => found.port == i64::from(number),
        Some(IntOrString::String(name)) => found.is_named && found.name == name,
    };
    is_target || found.port == i64::from(port.port) || found.name == port.name
}

fn metadata(custom: Option<&CustomMetadata>) -> (Map<String, Value>, Map<String, Value>) {
    let map = |entries: &std::collections::BTreeMap<String, String>| {
        entries
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect()
    };
    custom
        .map(|custom| (map(&custom.labels), map(&custom.annotations)))
        .unwrap_or_default()
}

/// The merge patch that makes `live` as `wanted`; none if it is. Carries the resourceVersion.
pub fn repair(
    live: &Value,
    wanted: &Value,
    service: &CanaryService,
    owner: &Owner,
) -> Option<Value> {
    let is_ours = controller_uid(live) == Some(owner.uid.as_str());
    let mut patch = Map::new();
    if wiring(live) != wiring(wanted) {
        patch.insert(
            "spec".to_owned(),
            json!({"ports": with_node_ports(live, wanted), "selector": replaced(live, wanted, "/spec/selector", &[])}),
        );
    }
    let mut metadata = Map::new();
    if is_ours {
        let unmanaged = service.unmanaged_metadata.clone().unwrap_or_default();
        for (field, kept) in [
            ("labels", &unmanaged.labels),
            ("annotations", &unmanaged.annotations),
        ] {
            let change = replaced(live, wanted, &format!("/metadata/{field}"), kept);
            let lacks = |(key, value): (&String, &Value)| {
                live.pointer(&format!("/metadata/{field}"))
                    .and_then(|map| map.get(key))
                    .unwrap_or(&Value::Null)
                    != value
            };
            if change.iter().any(lacks) {
                metadata.insert(field.to_owned(), Value::Object(change));
            }
        }
    } else if !patch.is_empty() {
        metadata.insert(
            "annotations".to_owned(),
            FLUX_OFF
                .iter()
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect(),
        );
    }
    if patch.is_empty() && metadata.is_empty() {
        return None;
    }
    metadata.insert(
        "resourceVersion".to_owned(),
        json!(str_at(live, "/metadata/resourceVersion")),
    );
    patch.insert("metadata".to_owned(), Value::Object(metadata));
    Some(Value::Object(patch))
}

/// Digest of labels and annotations, without what kubectl adds.
pub fn metadata_digest(object: &Value) -> u64 {
    let mut annotations = map_at(object, "/metadata/annotations");
    annotations.remove(LAST_APPLIED);
    digest::short(&json!([map_at(object, "/metadata/labels"), annotations]))
}

/// Ports as they are compared (sorted by port, defaults filled, no nodePort) and the selector.
pub fn wiring(object: &Value) -> Value {
    let mut ports: Vec<_> = list_at(object, "/spec/ports")
        .iter()
        .map(|port| {
            let number = int_at(port, "/port").unwrap_or_default();
            let target = port
                .get("targetPort")
                .cloned()
                .unwrap_or_else(|| json!(number));
            let protocol = Some(str_at(port, "/protocol"))
                .filter(|word| !word.is_empty())
                .unwrap_or("TCP");
            (
                number,
                json!([
                    str_at(port, "/name"),
                    protocol,
                    number,
                    target,
                    str_at(port, "/appProtocol")
                ]),
            )
        })
        .collect();
    ports.sort_by_key(|(number, _)| *number);
    let ports: Vec<_> = ports.into_iter().map(|(_, port)| port).collect();
    json!({"ports": ports, "selector": map_at(object, "/spec/selector")})
}

/// A merge patch replaces lists as a whole, so node ports are carried over by name.
fn with_node_ports(live: &Value, wanted: &Value) -> Vec<Value> {
    let mut ports = list_at(wanted, "/spec/ports").to_vec();
    for port in &mut ports {
        let old = list_at(live, "/spec/ports")
            .iter()
            .find(|old| str_at(old, "/name") == str_at(port, "/name"));
        if let (Some(node_port), Some(port)) = (
            old.and_then(|old| old.get("nodePort")),
            port.as_object_mut(),
        ) {
            port.insert("nodePort".to_owned(), node_port.clone());
        }
    }
    ports
}

/// The wanted entries, and null for every other live key that is not `kept`.
fn replaced(live: &Value, wanted: &Value, pointer: &str, kept: &[String]) -> Map<String, Value> {
    let mut change = map_at(wanted, pointer);
    for key in map_at(live, pointer).keys() {
        if !change.contains_key(key) && !kept.contains(key) {
            change.insert(key.clone(), Value::Null);
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn plan_of(service: Value, role: Role, then: impl FnOnce(&CanaryService, &Owner, Value)) {
        let owner = Owner {
            name: "podinfo".into(),
            namespace: "test".into(),
            uid: "u1".into(),
        };
        let service: CanaryService = serde_json::from_value(service).unwrap();
        let template = json!({"spec": {"containers": [
            {"name": "podinfod", "ports": [{"name": "http", "containerPort": 9898}, {"containerPort": 9797}, {"name": "grpc", "containerPort": 9999}]},
            {"name": "envoy", "ports": [{"containerPort": 15000}]}]}});
        let built = Plan {
            owner: &owner,
            apex: "podinfo",
            service: &service,
            selector: &Selector {
                key: "app".into(),
                value: "pod".into(),
            },
            ports: &container_ports(&template),
        }
        .build(role);
        then(&service, &owner, built);
    }

    fn check(service: Value, role: Role, expected: &Expect) {
        plan_of(service, role, |_, _, built| {
            expected.assert_eq(&format!("{}\n{}", built["metadata"], built["spec"]));
        });
    }

    /// Ports in short: name, number, target and protocol.
    fn ports(service: Value) -> String {
        let mut told = String::new();
        plan_of(service, Role::Apex, |_, _, built| {
            let ports = built["spec"]["ports"].as_array().unwrap();
            let one = |port: &Value| {
                let (target, protocol) = (&port["targetPort"], &port["appProtocol"]);
                format!("{} {}→{target} {protocol}", port["name"], port["port"])
            };
            told = ports.iter().map(one).collect::<Vec<_>>().join("\n");
        });
        told
    }

    #[test]
    fn further_ports_are_beside_the_first_and_discovered_ones_are_what_is_left() {
        let grpc = json!({"name": "grpc", "port": 90, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"});
        let service = json!({"port": 80, "targetPort": 9898, "ports": [grpc, {"name": "admin", "port": 7070, "targetPort": 0}]});
        let want = expect![[r#"
            "http" 80→9898 null
            "grpc" 90→"grpc" "kubernetes.io/h2c"
            "admin" 7070→7070 null"#]];
        want.assert_eq(&ports(service.clone()));
        let mut discovered = service;
        discovered["portDiscovery"] = json!(true);
        let want = expect![[r#"
            "http" 80→9898 null
            "grpc" 90→"grpc" "kubernetes.io/h2c"
            "admin" 7070→7070 null
            "tcp-podinfod-1" 9797→9797 null"#]];
        want.assert_eq(&ports(discovered));
    }

    #[test]
    fn builds_each_role() {
        check(
            json!({"port": 80}),
            Role::Apex,
            &expect![[r#"
            {"annotations":{"helm.toolkit.fluxcd.io/driftDetection":"disabled","kustomize.toolkit.fluxcd.io/reconcile":"disabled"},"labels":{"app":"podinfo"},"name":"podinfo","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
            {"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":80}],"selector":{"app":"pod-primary"},"type":"ClusterIP"}"#]],
        );
        check(
            json!({"port": 9898, "portName": "grpc", "appProtocol": "h2c", "headless": true, "trafficDistribution": "PreferClose",
                "primary": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}),
            Role::Primary,
            &expect![[r#"
                {"annotations":{"c":"d","helm.toolkit.fluxcd.io/driftDetection":"disabled","kustomize.toolkit.fluxcd.io/reconcile":"disabled"},"labels":{"a":"b","app":"podinfo-primary"},"name":"podinfo-primary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
                {"clusterIP":"None","ports":[{"appProtocol":"h2c","name":"grpc","port":9898,"protocol":"TCP","targetPort":9898}],"selector":{"app":"pod-primary"},"trafficDistribution":"PreferClose","type":"ClusterIP"}"#]],
        );
        check(
            json!({"port": 80, "targetPort": "http", "portDiscovery": true}),
            Role::Canary,
            &expect![[r#"
                {"annotations":{"helm.toolkit.fluxcd.io/driftDetection":"disabled","kustomize.toolkit.fluxcd.io/reconcile":"disabled"},"labels":{"app":"podinfo-canary"},"name":"podinfo-canary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
                {"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":"http"},{"name":"tcp-podinfod-1","port":9797,"protocol":"TCP","targetPort":9797},{"name":"grpc","port":9999,"protocol":"TCP","targetPort":9999}],"selector":{"app":"pod"},"type":"ClusterIP"}"#]],
        );
        check(
            json!({"port": 9898, "targetPort": "0", "portDiscovery": true}),
            Role::Canary,
            &expect![[r#"
                {"annotations":{"helm.toolkit.fluxcd.io/driftDetection":"disabled","kustomize.toolkit.fluxcd.io/reconcile":"disabled"},"labels":{"app":"podinfo-canary"},"name":"podinfo-canary","namespace":"test","ownerReferences":[{"apiVersion":"flagger.app/v1beta1","blockOwnerDeletion":true,"controller":true,"kind":"Canary","name":"podinfo","uid":"u1"}]}
                {"ports":[{"name":"http","port":9898,"protocol":"TCP","targetPort":9898},{"name":"tcp-podinfod-1","port":9797,"protocol":"TCP","targetPort":9797},{"name":"grpc","port":9999,"protocol":"TCP","targetPort":9999}],"selector":{"app":"pod"},"type":"ClusterIP"}"#]],
        );
    }

    #[test]
    fn repairs_only_what_is_ours() {
        let spec =
            json!({"port": 80, "unmanagedMetadata": {"labels": ["kept"], "annotations": []}});
        plan_of(spec, Role::Apex, |service, owner, built| {
            assert_eq!(repair(&built, &built, service, owner), None);
            let mut live = built.clone();
            live["metadata"]["resourceVersion"] = json!("7");
            live["metadata"]["labels"]["kept"] = json!("x");
            live["metadata"]["labels"]["extra"] = json!("x");
            live["spec"]["ports"][0]["nodePort"] = json!(30080);
            live["spec"]["ports"][0]
                .as_object_mut()
                .unwrap()
                .remove("protocol");
            assert_eq!(
                repair(&live, &built, service, owner).unwrap(),
                json!({"metadata": {"resourceVersion": "7", "labels": {"app": "podinfo", "extra": null}}})
            );
            live["metadata"]["ownerReferences"] = json!([]);
            assert_eq!(
                repair(&live, &built, service, owner),
                None,
                "labels of a user's Service are left alone"
            );
            live["spec"]["selector"] = json!({"app": "other", "more": "x"});
            assert_ne!(wiring(&live), wiring(&built));
            assert_eq!(
                repair(&live, &built, service, owner).unwrap(),
                json!({
                    "metadata": {"resourceVersion": "7", "annotations": {
                        "kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled"}},
                    "spec": {"selector": {"app": "pod-primary", "more": null},
                        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 30080}]},
                })
            );
        });
    }
}
