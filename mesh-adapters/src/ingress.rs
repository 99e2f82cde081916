//! The Ingress of the user, and the copy of it that leads to the canary (NGINX, Skipper).

use serde_json::Value;

use crate::{
    error::RenderError,
    object::{Kind, Live, ObjectRef},
    route::Route,
};

pub(crate) mod nginx;
pub(crate) mod skipper;

pub(crate) const INGRESS: Kind = Kind {
    api_version: "networking.k8s.io/v1",
    kind: "Ingress",
    plural: "ingresses",
};

/// The copy that is ours, and the Ingress it is made of.
struct Pair {
    ours: ObjectRef,
    source: ObjectRef,
}

fn pair(route: &Route) -> Option<Pair> {
    let name = route.ingress.as_deref()?;
    Some(Pair {
        ours: INGRESS.named(&route.namespace, format!("{name}-canary")),
        source: INGRESS.named(&route.namespace, name),
    })
}

/// Both objects; none while `spec.ingressRef` is missing.
fn objects(route: &Route) -> Vec<ObjectRef> {
    pair(route).map_or_else(Vec::new, |pair| vec![pair.ours, pair.source])
}

/// The reference that must be given, and the live Ingress it names.
fn source<'a>(route: &Route, live: &'a Live) -> Result<(Pair, &'a Value), RenderError> {
    let pair = pair(route).ok_or_else(|| {
        let cure = "name the Ingress that leads to the apex Service";
        RenderError::missing("spec.ingressRef", cure)
    })?;
    match live.at(&pair.source) {
        Some(object) => Ok((pair, object)),
        None => Err(refused(&pair, "there is no such Ingress in the namespace")),
    }
}

fn refused(pair: &Pair, cure: impl Into<String>) -> RenderError {
    RenderError::unsupported("spec.ingressRef.name", pair.source.name.as_str(), cure)
}

/// No path of the Ingress leads to the apex, so its copy would route nothing.
fn no_backend(pair: &Pair, route: &Route) -> RenderError {
    let cure = format!(
        "none of its paths leads to Service {:?}, which the canary is to take over",
        route.apex
    );
    refused(pair, cure)
}

/// The paths of all rules; a rule without `http` has none.
fn path_lists(spec: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
    let rules = spec.get_mut("rules").and_then(Value::as_array_mut);
    rules.into_iter().flatten().filter_map(|rule| {
        let http = rule.get_mut("http")?;
        http.get_mut("paths")?.as_array_mut()
    })
}

/// Renames the Service of a backend; false when it is another's.
fn rename(backend: Option<&mut Value>, from: &str, to: &str) -> bool {
    let name = backend.and_then(|backend| backend.pointer_mut("/service/name"));
    match name {
        Some(name) if name.as_str() == Some(from) => {
            *name = to.into();
            true
        }
        Some(_) | None => false,
    }
}
