//! Makes the types of the built-in resources from k8s-openapi's JSON schemas, once for the process.
//!
//! It also keeps the raw schemas, which `/openapi/v3` publishes.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use k8s_openapi::{
    api::{
        admissionregistration, apps, authorization, autoscaling, batch, coordination, core,
        discovery, events, networking, policy, rbac, scheduling, storage,
    },
    apiextensions_apiserver::pkg::apis::apiextensions,
};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{ANY, Schema, parse::Reader};

macro_rules! definitions {
    ($($kind:ty),* $(,)?) => {{
        let mut generator = SchemaSettings::openapi3().into_generator();
        $(generator.subschema_for::<$kind>();)*
        generator.take_definitions(false)
    }};
}

/// The raw JSON schemas by their full names, such as `io.k8s.api.core.v1.Pod`.
pub(crate) static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    definitions![
        core::v1::Namespace,
        core::v1::Pod,
        core::v1::Service,
        core::v1::Endpoints,
        core::v1::ConfigMap,
        core::v1::Secret,
        core::v1::ServiceAccount,
        core::v1::Event,
        core::v1::Node,
        core::v1::PersistentVolumeClaim,
        core::v1::PersistentVolume,
        core::v1::LimitRange,
        core::v1::ResourceQuota,
        core::v1::Binding,
        apps::v1::Deployment,
        apps::v1::ReplicaSet,
        apps::v1::DaemonSet,
        apps::v1::StatefulSet,
        apps::v1::ControllerRevision,
        batch::v1::Job,
        batch::v1::CronJob,
        autoscaling::v2::HorizontalPodAutoscaler,
        autoscaling::v1::Scale,
        networking::v1::Ingress,
        networking::v1::IngressClass,
        networking::v1::NetworkPolicy,
        discovery::v1::EndpointSlice,
        coordination::v1::Lease,
        events::v1::Event,
        rbac::v1::Role,
        rbac::v1::RoleBinding,
        rbac::v1::ClusterRole,
        rbac::v1::ClusterRoleBinding,
        policy::v1::PodDisruptionBudget,
        policy::v1::Eviction,
        storage::v1::StorageClass,
        scheduling::v1::PriorityClass,
        admissionregistration::v1::ValidatingWebhookConfiguration,
        admissionregistration::v1::MutatingWebhookConfiguration,
        authorization::v1::SelfSubjectAccessReview,
        authorization::v1::SubjectAccessReview,
        apiextensions::v1::CustomResourceDefinition,
    ]
});

static TYPES: LazyLock<BTreeMap<String, Arc<Schema>>> = LazyLock::new(|| {
    let mut reader = Reader::new(&DEFINITIONS, true);
    DEFINITIONS
        .keys()
        .filter_map(|name| Some((name.clone(), reader.named(name).ok()?)))
        .collect()
});

/// The type of this full name; anything goes when there is none.
pub(crate) fn named(name: &str) -> Arc<Schema> {
    TYPES.get(name).cloned().unwrap_or_else(|| ANY.clone())
}

/// The type of `metadata`.
pub(crate) fn object_meta() -> Arc<Schema> {
    named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
}

/// The full name of a built-in kind.
pub(crate) fn full_name(group: &str, version: &str, kind: &str) -> String {
    let package = match group {
        "" => "core",
        "apiextensions.k8s.io" => {
            return format!(
                "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"
            );
        }
        _ => group.split('.').next().unwrap_or(group),
    };
    format!("io.k8s.api.{package}.{version}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Kind, ListKind, merge_keys};

    #[test]
    fn every_row_of_the_merge_table_names_a_field() {
        for (owner, field, _, _) in merge_keys::ROWS {
            let name = ["io.k8s.api.", "io.k8s.apimachinery.pkg.apis."]
                .iter()
                .map(|prefix| format!("{prefix}{owner}"))
                .find(|name| TYPES.contains_key(name));
            if let Some(name) = name
                && *field != "-"
            {
                // Fields newer than the API version that k8s-openapi was built for may be absent.
                let known = named(&name).properties.contains_key(*field);
                assert!(known || TYPES.len() > 100, "{owner}.{field}");
            }
        }
        let pod = named("io.k8s.api.core.v1.Pod");
        let containers = pod.child("spec").child("containers");
        assert_eq!(containers.list, ListKind::Map(vec!["name".into()]));
        assert_eq!(
            containers
                .item()
                .child("resources")
                .child("limits")
                .child("cpu")
                .kind,
            Kind::Quantity
        );
        assert!(named(&full_name("networking.k8s.io", "v1", "Ingress")).is_field("spec"));
        assert!(
            named(&full_name(
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition"
            ))
            .is_field("spec")
        );
    }
}
