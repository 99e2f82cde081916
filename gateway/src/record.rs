//! Writes status of GatewayClasses, Gateways and HTTPRoutes, when it differs.
//!
//! Every write carries the resourceVersion read: a conflict means that the object changed,
//! and its watch event brings the next try. Decides nothing; `status.rs` words it.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tracing::{debug, warn};

use crate::compile::{Compiled, Selection};
use crate::resource::Meta;
use crate::status;
use crate::watching::api;
use crate::world::World;

/// A status to write.
struct Write {
    kind: &'static str,
    meta: Meta,
    status: Value,
}

/// Writes what differs. Whether all of it was written or is overtaken by a newer object.
pub(crate) async fn record(
    client: &kube::Client,
    world: &World,
    compiled: &Compiled,
    selection: &Selection,
    addresses: &[String],
    now: &str,
) -> bool {
    let mut is_done = true;
    for write in plan(world, compiled, selection, addresses, now) {
        is_done &= send(client, &write).await;
    }
    is_done
}

fn plan(
    world: &World,
    compiled: &Compiled,
    selection: &Selection,
    addresses: &[String],
    now: &str,
) -> Vec<Write> {
    let classes = compiled.classes.iter().filter_map(|key| {
        let class = world.classes.get(key)?;
        let status = status::class(&class.status, class.meta.generation, now)?;
        Some(Write {
            kind: "GatewayClass",
            meta: class.meta.clone(),
            status,
        })
    });
    let gateways = compiled.gateways.iter().filter_map(|(key, listeners)| {
        let gateway = world.gateways.get(key)?;
        let status = status::gateway(
            &gateway.status,
            gateway.meta.generation,
            listeners,
            addresses,
            now,
        )?;
        Some(Write {
            kind: "Gateway",
            meta: gateway.meta.clone(),
            status,
        })
    });
    let routes = compiled.routes.iter().filter_map(|(key, verdicts)| {
        let route = world.routes.get(key)?;
        let status = status::route(
            &route.status,
            route.meta.generation,
            verdicts,
            &selection.controller,
            now,
        )?;
        Some(Write {
            kind: "HTTPRoute",
            meta: route.meta.clone(),
            status,
        })
    });
    classes.chain(gateways).chain(routes).collect()
}

async fn send(client: &kube::Client, write: &Write) -> bool {
    let Write { kind, meta, status } = write;
    let Some(api) = api(client, kind, &meta.namespace) else {
        return true;
    };
    let patch = json!({
        "metadata": {"resourceVersion": meta.resource_version},
        "status": status,
    });
    match api
        .patch_status(&meta.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => true,
        Err(kube::Error::Api(answer)) if answer.code == 409 || answer.code == 404 => {
            debug!(
                kind,
                name = meta.name,
                "Status not written: the object changed."
            );
            true
        }
        Err(error) => {
            warn!(kind, namespace = meta.namespace, name = meta.name, %error, "Status not written; it is tried again.");
            false
        }
    }
}
