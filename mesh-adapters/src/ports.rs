//! Further ports (`service.ports`): each is routed like the first, by the same split.
//!
//! What `spec.service` says of requests (match, rewrite, headers, time-outs …) is of the first port alone; who is
//! to reach the canary holds for all.

use api::canary::{CanaryService, service::ServicePort};
use rollout::Split;
use serde_json::Value;

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    object::{Live, Manifest, ObjectRef, Replacement},
    route::Route,
};

/// The field.
pub(crate) const FIELD: &str = "spec.service.ports";

/// A mesh that takes an object for each port: `<apex>`, and `<apex>-<name>` for each further one.
#[derive(Debug)]
pub(crate) struct EachPort<A>(pub(crate) A);

/// The route of the first port, which still names the others, then one for each of them.
pub(crate) fn each(route: &Route) -> Vec<Route> {
    let further = route.service.ports.iter().map(|port| of(route, port));
    std::iter::once(route.clone()).chain(further).collect()
}

/// The route of a further port.
pub(crate) fn of(route: &Route, port: &ServicePort) -> Route {
    let service = &route.service;
    let own = CanaryService {
        port: port.port,
        target_port: port.target_port.clone(),
        app_protocol: port.app_protocol.clone(),
        gateway_refs: either(&port.gateway_refs, &service.gateway_refs),
        hosts: either(&port.hosts, &service.hosts),
        route_kind: port.route_kind,
        apex: service.apex.clone(),
        ..CanaryService::default()
    };
    Route {
        name: format!("{}-{}", route.apex, port.name),
        service: own,
        ..route.clone()
    }
}

fn either<T: Clone>(own: &[T], others: &[T]) -> Vec<T> {
    if own.is_empty() { others } else { own }.to_vec()
}

/// An error that tells of which port it is.
pub(crate) fn told(port: &ServicePort, error: RenderError) -> RenderError {
    let told = |cure: String| format!("port {:?}: {cure}", port.name);
    match error {
        RenderError::Missing { field, cure } => RenderError::Missing {
            field,
            cure: told(cure),
        },
        RenderError::Unsupported { field, value, cure } => RenderError::Unsupported {
            field,
            value,
            cure: told(cure),
        },
    }
}

/// The split that the first port and all others are in.
pub(crate) fn agreed(
    route: &Route,
    seen: impl Fn(&Route) -> Result<Split, ReadError>,
) -> Result<Split, ReadError> {
    let first = seen(route)?;
    for port in &route.service.ports {
        let other = seen(&of(route, port))?;
        if other != first {
            return Err(ReadError::Apart {
                port: port.name.clone(),
                share: share(other),
                first: share(first),
            });
        }
    }
    Ok(first)
}

fn share(split: Split) -> String {
    let mirrored = if split.mirrored { " and a copy" } else { "" };
    format!("{} %{mirrored}", split.canary)
}

impl<A: Adapter> Adapter for EachPort<A> {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        let each = each(route);
        each.iter().flat_map(|one| self.0.objects(one)).collect()
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        self.refuse_taken(route, live, "spec.service.name", &route.apex)?;
        let mut manifests = self.0.render(route, live)?;
        for (place, port) in route.service.ports.iter().enumerate() {
            let one = of(route, port);
            self.refuse_taken(&one, live, &format!("{FIELD}[{place}].name"), &port.name)?;
            let rendered = self.0.render(&one, live);
            manifests.extend(rendered.map_err(|error| told(port, error))?);
        }
        Ok(manifests)
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        agreed(route, |one| self.0.seen(one, live))
    }

    fn restore(&self, route: &Route, live: &Live) -> Vec<Replacement> {
        let each = each(route);
        let all = each.iter().flat_map(|one| self.0.restore(one, live));
        all.collect()
    }

    fn orphans(&self, route: &Route, live: &Live) -> Vec<ObjectRef> {
        let each = each(route);
        let all = each.iter().flat_map(|one| self.0.orphans(one, live));
        all.collect()
    }

    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        // As a whole first: what cannot be said is refused whatever is there.
        self.render(route, live)?;
        for one in each(route) {
            if self.0.has_drifted(&one, live)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<A: Adapter> EachPort<A> {
    /// Refuses a name whose route is another Canary's: both would write it for ever.
    fn refuse_taken(
        &self,
        route: &Route,
        live: &Live,
        field: &str,
        name: &str,
    ) -> Result<(), RenderError> {
        let objects = self.0.objects(route);
        match objects.iter().find_map(|it| canary_of(live.at(it)?, route)) {
            Some(other) => Err(RenderError::unsupported(
                field,
                name,
                format!(
                    "a route named {:?} is Canary {other:?}'s; choose another",
                    route.name
                ),
            )),
            None => Ok(()),
        }
    }
}

/// The other Canary that controls a live object.
fn canary_of(live: &Value, route: &Route) -> Option<String> {
    let owners = live.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|one| {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        text("kind") == "Canary" && text("apiVersion").starts_with("flagger.app/")
    })?;
    let name = owner.get("name")?.as_str()?;
    let ours = route.owner.as_ref().map(|owner| owner.name.as_str());
    (ours != Some(name)).then(|| name.to_owned())
}
