//! A workload as it is kept: counts, conditions and digests, never its pod template.
//!
//! Deployments and DaemonSets are kept so; of a Service it is made when asked for.

use chrono::{DateTime, Utc};
use kube::api::DynamicObject;
use rollout::spec::TargetKind;
use rollout::world::WorkloadCondition;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canary::build::config::{ConfigRef, references};
use crate::canary::build::service::{ContainerPort, container_ports};
use crate::canary::build::{BuildError, REVISION_ANNOTATION, Selector, copy, zero};
use crate::digest;
use crate::json::{count_at, int_at, list_at, map_at, str_at};

/// A kept Deployment, DaemonSet, Service or Knative revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadSeen {
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `spec.replicas`.
    pub replicas: u32,
    /// `status.replicas`.
    pub total: u32,
    /// `status.updatedReplicas`.
    pub updated: u32,
    /// `status.availableReplicas`.
    pub available: u32,
    /// Condition Progressing.
    pub progressing: Option<WorkloadCondition>,
    /// Condition Available.
    pub availability: Option<WorkloadCondition>,
    /// Digest of the pod template.
    pub template: Box<str>,
    /// The label that tells its pods apart; none if it has none that will do.
    pub selector: Option<Selector>,
    /// Ports of its containers.
    pub ports: Box<[ContainerPort]>,
    /// ConfigMaps and Secrets that its pods read.
    pub configs: Box<[ConfigRef]>,
    /// The revision annotation.
    pub snapshot: Option<Box<str>>,
    /// Why the label that it has will not do.
    pub label_fault: Option<Box<str>>,
    /// An update strategy under which new pods do not come by themselves.
    pub strategy_fault: Option<Box<str>>,
}

impl WorkloadSeen {
    /// Keeps what is needed of a Deployment.
    pub fn project(object: &DynamicObject, selector_labels: &[String]) -> Self {
        let data = &object.data;
        Self {
            // The API server has 1 when unset.
            replicas: data
                .pointer("/spec/replicas")
                .map_or(1, |_| count_at(data, "/spec/replicas")),
            total: count_at(data, "/status/replicas"),
            updated: count_at(data, "/status/updatedReplicas"),
            available: count_at(data, "/status/availableReplicas"),
            progressing: condition(data, "Progressing"),
            availability: condition(data, "Available"),
            ..Self::of_pods(object, TargetKind::Deployment, selector_labels)
        }
    }

    /// Keeps what is needed of a DaemonSet. One at rest wants no pods.
    pub fn of_daemon_set(object: &DynamicObject, selector_labels: &[String]) -> Self {
        let data = &object.data;
        let is_at_rest = zero::is_set(data);
        let strategy = str_at(data, "/spec/updateStrategy/type");
        Self {
            replicas: if is_at_rest {
                0
            } else {
                count_at(data, "/status/desiredNumberScheduled")
            },
            total: count_at(data, "/status/currentNumberScheduled"),
            updated: count_at(data, "/status/updatedNumberScheduled"),
            available: count_at(data, "/status/numberAvailable"),
            strategy_fault: (!matches!(strategy, "" | "RollingUpdate")).then(|| strategy.into()),
            ..Self::of_pods(object, TargetKind::DaemonSet, selector_labels)
        }
    }

    /// What is needed of a Service: it has no pods of its own.
    pub fn of_service(object: &Value) -> Self {
        let annotations = map_at(object, "/metadata/annotations");
        Self {
            uid: str_at(object, "/metadata/uid").into(),
            template: revision(TargetKind::Service, object).into_boxed_str(),
            snapshot: annotations
                .get(REVISION_ANNOTATION)
                .and_then(Value::as_str)
                .map(Box::from),
            ..Self::default()
        }
    }

    fn of_pods(object: &DynamicObject, kind: TargetKind, selector_labels: &[String]) -> Self {
        let (metadata, data) = (&object.metadata, &object.data);
        let template = data.pointer("/spec/template").unwrap_or(&Value::Null);
        let name = metadata.name.as_deref().unwrap_or_default();
        let annotation = metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(REVISION_ANNOTATION));
        let (selector, label_fault) =
            match Selector::find(data, kind.as_str(), name, selector_labels) {
                Ok(selector) => (Some(selector), None),
                Err(BuildError::SelectorLabel { .. }) => (None, None),
                Err(fault @ BuildError::LabelTooLong { .. }) => (None, Some(fault.to_string())),
            };
        Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            observed_generation: int_at(data, "/status/observedGeneration").unwrap_or_default(),
            template: revision(kind, data).into_boxed_str(),
            selector,
            label_fault: label_fault.map(String::into_boxed_str),
            ports: container_ports(template).into_boxed_slice(),
            configs: references(template).into_boxed_slice(),
            snapshot: annotation.map(|text| text.as_str().into()),
            ..Self::default()
        }
    }
}

/// Digest of what a release of this kind changes: the pod template, or a Service's spec; a Knative revision has a name.
pub fn revision(kind: TargetKind, object: &Value) -> String {
    let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
    match kind {
        TargetKind::Deployment => digest::canonical(template),
        TargetKind::DaemonSet => digest::canonical(&zero::without(template.clone())),
        TargetKind::Service => digest::canonical(&copy::released(object)),
        TargetKind::Knative => super::knative::latest(object).to_owned(),
    }
}

/// A condition of an object's status.
pub(super) fn condition(data: &Value, type_: &str) -> Option<WorkloadCondition> {
    let found = list_at(data, "/status/conditions")
        .iter()
        .find(|condition| str_at(condition, "/type") == type_)?;
    let time = [
        str_at(found, "/lastUpdateTime"),
        str_at(found, "/lastTransitionTime"),
    ]
    .into_iter()
    .find_map(|text| DateTime::parse_from_rfc3339(text).ok());
    Some(WorkloadCondition {
        is_true: str_at(found, "/status") == "True",
        reason: str_at(found, "/reason").to_owned(),
        updated: time
            .map(|time| time.with_timezone(&Utc))
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn project(object: Value) -> WorkloadSeen {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        WorkloadSeen::project(&object, &["app".to_owned()])
    }

    #[test]
    fn keeps_counts_and_digests_of_anything() {
        let seen = project(json!({
            "metadata": {"name": "a", "namespace": "test", "uid": "u", "generation": 3, "annotations": {REVISION_ANNOTATION: "{}"}},
            "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"spec": {"containers": []}}},
            "status": {"observedGeneration": 2, "availableReplicas": 4, "conditions": [
                {"type": "Progressing", "status": "True", "reason": "R", "lastUpdateTime": "2026-01-02T03:04:05Z"}]},
        }));
        assert_eq!(
            (
                seen.generation,
                seen.observed_generation,
                seen.replicas,
                seen.available
            ),
            (3, 2, 1, 4)
        );
        assert_eq!(seen.selector.unwrap().value, "a");
        assert_eq!(
            seen.progressing.unwrap().updated.to_rfc3339(),
            "2026-01-02T03:04:05+00:00"
        );
        assert_eq!(seen.snapshot.as_deref(), Some("{}"));
        let odd = project(
            json!({"metadata": {"name": "b"}, "spec": {"replicas": -7, "selector": [], "template": "x"}, "status": {"conditions": {}}}),
        );
        assert_eq!(
            (odd.replicas, odd.selector, odd.progressing),
            (0, None, None)
        );
    }

    #[test]
    fn the_digest_is_of_the_template_alone() {
        let of = |replicas: u32, image: &str| {
            project(json!({"metadata": {"name": "a"}, "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}}}))
                .template
        };
        assert_eq!(of(1, "a:1"), of(2, "a:1"));
        assert_ne!(of(1, "a:1"), of(1, "a:2"));
    }

    #[test]
    fn a_daemon_set_at_rest_wants_no_pods_and_keeps_its_revision() {
        let of = |selector: Value, strategy: &str| {
            let object: DynamicObject = serde_json::from_value(json!({"metadata": {"name": "a"},
                "spec": {"updateStrategy": {"type": strategy}, "template": {"spec": {"nodeSelector": selector}}},
                "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberAvailable": 1}}))
            .unwrap();
            WorkloadSeen::of_daemon_set(&object, &[])
        };
        let (up, rest) = (
            of(json!({}), "RollingUpdate"),
            of(json!({"flagger.app/scale-to-zero": "true"}), "OnDelete"),
        );
        assert_eq!((up.replicas, up.updated, up.available), (3, 2, 1));
        assert_eq!((up.strategy_fault, rest.replicas), (None, 0));
        assert_eq!(rest.strategy_fault.as_deref(), Some("OnDelete"));
        assert_eq!(up.template, rest.template);
    }
}
