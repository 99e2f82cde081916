//! The kinds that the operator reads and writes by itself, and how a kind is named in maps.

use kube::api::ApiResource;
use rollout::spec::TargetKind;

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// The id of Canaries.
pub const CANARY: &str = "flagger.app/v1beta1/Canary";

/// flagger.app Canary.
pub fn canary() -> ApiResource {
    resource("flagger.app", "v1beta1", "Canary", "canaries")
}

/// flagger.app MetricTemplate.
pub fn metric_template() -> ApiResource {
    resource(
        "flagger.app",
        "v1beta1",
        "MetricTemplate",
        "metrictemplates",
    )
}

/// flagger.app AlertProvider.
pub fn alert_provider() -> ApiResource {
    resource("flagger.app", "v1beta1", "AlertProvider", "alertproviders")
}

/// apps DaemonSet.
pub fn daemon_set() -> ApiResource {
    resource("apps", "v1", "DaemonSet", "daemonsets")
}

/// The kind of KEDA's autoscalers.
pub const SCALED_OBJECT: &str = "ScaledObject";

/// keda.sh ScaledObject.
pub fn scaled_object() -> ApiResource {
    resource("keda.sh", "v1alpha1", SCALED_OBJECT, "scaledobjects")
}

/// The kind of an autoscaler that a spec names.
pub fn of_scaler(kind: &str) -> ApiResource {
    if kind == SCALED_OBJECT {
        scaled_object()
    } else {
        autoscaler()
    }
}

/// apps Deployment.
pub fn deployment() -> ApiResource {
    resource("apps", "v1", "Deployment", "deployments")
}

/// core Service.
pub fn service() -> ApiResource {
    resource("", "v1", "Service", "services")
}

/// core ConfigMap.
pub fn config_map() -> ApiResource {
    resource("", "v1", "ConfigMap", "configmaps")
}

/// core Secret.
pub fn secret() -> ApiResource {
    resource("", "v1", "Secret", "secrets")
}

/// core Event.
pub fn event() -> ApiResource {
    resource("", "v1", "Event", "events")
}

/// autoscaling HorizontalPodAutoscaler.
pub fn autoscaler() -> ApiResource {
    resource(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    )
}

/// serving.knative.dev Service.
pub fn knative_service() -> ApiResource {
    resource("serving.knative.dev", "v1", "Service", "services")
}

/// serving.knative.dev Revision.
pub fn knative_revision() -> ApiResource {
    resource("serving.knative.dev", "v1", "Revision", "revisions")
}

/// The kind of a target, and of its primary.
pub fn of_target(kind: TargetKind) -> ApiResource {
    match kind {
        TargetKind::Deployment => deployment(),
        TargetKind::DaemonSet => daemon_set(),
        TargetKind::Service => service(),
        TargetKind::Knative => knative_service(),
    }
}

/// `group/version/Kind`: the name of a kind in maps and messages.
pub fn id(resource: &ApiResource) -> String {
    format!("{}/{}", resource.api_version, resource.kind)
}

/// Groups of kinds that are always in the cluster of the Canaries; their controllers work there.
const AT_HOME: [&str; 8] = [
    "",
    "apps",
    "autoscaling",
    "coordination.k8s.io",
    "flagger.app",
    "keda.sh",
    "networking.k8s.io",
    "serving.knative.dev",
];

/// True for the kinds of a mesh: they are where the mesh is, which may be another cluster.
pub fn is_of_mesh(resource: &ApiResource) -> bool {
    !AT_HOME.contains(&resource.group.as_str())
}

/// True for the one kind we write that is of no namespace: Kuma's routes.
pub fn is_cluster_scoped(resource: &ApiResource) -> bool {
    resource.group == "kuma.io" && resource.kind == "TrafficRoute"
}
