//! The kinds that the operator reads and writes by itself, and how a kind is named in maps.

use kube::api::ApiResource;

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

/// `group/version/Kind`: the name of a kind in maps and messages.
pub fn id(resource: &ApiResource) -> String {
    format!("{}/{}", resource.api_version, resource.kind)
}
