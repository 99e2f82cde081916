//! Writes the EndpointSlice and the Endpoints of each Service with a selector.
//! Pods that end stay in the slice as terminating and are not ready; traffic
//! is the business of whoever reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort as CorePort, EndpointSubset, Endpoints, ObjectReference, Pod,
    Service, ServicePort,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::PostParams;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Control, NODE};
use crate::cache::Key;
use crate::objects::{controlled_by, has_all, hash, is_terminating, ready_condition};

/// The label by which a slice belongs to a Service.
pub(crate) const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl Control {
    pub(super) async fn endpoints(&mut self, key: &Key) -> Result<(), kube::Error> {
        let Some(service) = self.cache().services.get(key) else {
            return Ok(());
        };
        let selector = service
            .spec
            .as_ref()
            .and_then(|s| s.selector.clone())
            .unwrap_or_default();
        if selector.is_empty() || is_terminating(&service.metadata) {
            return Ok(());
        }
        let pods: Vec<Arc<Pod>> = {
            let cache = self.cache();
            let chosen = cache
                .pods
                .in_namespace(&key.namespace)
                .filter(|pod| has_all(&selector, Some(pod.labels())));
            chosen.filter(|pod| ip(pod).is_some()).cloned().collect()
        };
        let slice = slice(key, &service, &pods);
        let slice_key = Key::of(&slice.metadata);
        let known = self.cache().slices.get(&slice_key);
        let is_same = known
            .as_ref()
            .is_some_and(|k| k.endpoints == slice.endpoints && k.ports == slice.ports);
        if is_same {
            return Ok(());
        }
        let written = self
            .write(&slice, known.map(|k| k.metadata.clone()))
            .await?;
        self.cache().slices.put(written);
        let endpoints = endpoints(key, &service, &pods);
        let api: Api<Endpoints> = Api::namespaced(self.client.clone(), &key.namespace);
        let known = api.get_opt(&key.name).await?.map(|k| k.metadata);
        self.write(&endpoints, known).await?;
        Ok(())
    }

    async fn write<K>(&self, object: &K, known: Option<ObjectMeta>) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Serialize
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        match known {
            None => api.create(&PostParams::default(), object).await,
            Some(meta) => {
                let mut next = object.clone();
                next.meta_mut().resource_version = meta.resource_version;
                api.replace(&object.name_any(), &PostParams::default(), &next)
                    .await
            }
        }
    }
}

fn ip(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref()
}

fn is_ready(pod: &Pod) -> bool {
    !is_terminating(&pod.metadata) && ready_condition(pod).is_some()
}

fn reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_owned()),
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// The port of the pods that a Service's port means; a name is looked up in the first pod that has it.
fn target(port: &ServicePort, pods: &[Arc<Pod>]) -> Option<i32> {
    match port.target_port.as_ref() {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = pods
                .iter()
                .filter_map(|p| p.spec.as_ref())
                .flat_map(|s| &s.containers);
            let mut ports = containers.flat_map(|c| c.ports.iter().flatten());
            ports
                .find(|p| p.name.as_ref() == Some(name))
                .map(|p| p.container_port)
        }
    }
}

fn ports(service: &Service, pods: &[Arc<Pod>]) -> Vec<(ServicePort, i32)> {
    let declared = service.spec.iter().flat_map(|s| s.ports.iter().flatten());
    declared
        .filter_map(|port| Some((port.clone(), target(port, pods)?)))
        .collect()
}

fn meta(
    key: &Key,
    service: &Service,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(key.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![controlled_by(service)]),
        ..ObjectMeta::default()
    }
}

fn slice(key: &Key, service: &Service, pods: &[Arc<Pod>]) -> EndpointSlice {
    let mut labels = service.labels().clone();
    labels.insert(SERVICE_LABEL.to_owned(), key.name.clone());
    labels.insert(
        "endpointslice.kubernetes.io/managed-by".to_owned(),
        "endpointslice-controller.k8s.io".to_owned(),
    );
    let suffix: String = hash(&key.name).chars().take(5).collect();
    let endpoints = pods.iter().map(|pod| Endpoint {
        addresses: ip(pod).map(str::to_owned).into_iter().collect(),
        conditions: Some(EndpointConditions {
            ready: Some(is_ready(pod)),
            serving: Some(ready_condition(pod).is_some()),
            terminating: Some(is_terminating(&pod.metadata)),
        }),
        node_name: Some(NODE.to_owned()),
        target_ref: Some(reference(pod)),
        ..Endpoint::default()
    });
    let ports = ports(service, pods)
        .into_iter()
        .map(|(port, number)| EndpointPort {
            // An unnamed port is the empty name here, as the API server defaults it.
            name: Some(port.name.unwrap_or_default()),
            port: Some(number),
            protocol: Some(port.protocol.unwrap_or_else(|| "TCP".to_owned())),
            app_protocol: port.app_protocol,
        });
    EndpointSlice {
        address_type: "IPv4".to_owned(),
        endpoints: endpoints.collect(),
        ports: Some(ports.collect()),
        metadata: meta(key, service, format!("{}-{suffix}", key.name), labels),
    }
}

fn endpoints(key: &Key, service: &Service, pods: &[Arc<Pod>]) -> Endpoints {
    let addresses = |is_wanted: fn(&Pod) -> bool| -> Option<Vec<EndpointAddress>> {
        let chosen = pods
            .iter()
            .filter(|pod| is_wanted(pod))
            .map(|pod| EndpointAddress {
                ip: ip(pod).unwrap_or_default().to_owned(),
                node_name: Some(NODE.to_owned()),
                target_ref: Some(reference(pod)),
                hostname: None,
            });
        let chosen: Vec<EndpointAddress> = chosen.collect();
        (!chosen.is_empty()).then_some(chosen)
    };
    let ports = ports(service, pods)
        .into_iter()
        .map(|(port, number)| CorePort {
            name: port.name,
            port: number,
            protocol: Some(port.protocol.unwrap_or_else(|| "TCP".to_owned())),
            app_protocol: port.app_protocol,
        });
    let subset = EndpointSubset {
        addresses: addresses(is_ready),
        not_ready_addresses: addresses(|pod| !is_ready(pod) && !is_terminating(&pod.metadata)),
        ports: Some(ports.collect()),
    };
    let has_any = subset.addresses.is_some() || subset.not_ready_addresses.is_some();
    Endpoints {
        metadata: meta(key, service, key.name.clone(), service.labels().clone()),
        subsets: has_any.then(|| vec![subset]),
    }
}
