//! Writes the routing objects, only where they differ. The words are the adapters'.

use kube::api::ApiResource;
use mesh_adapters::{APPLIED, Live, Manifest, Route, differs, sole};
use rollout::{Split, State};
use serde_json::{Value, json};

use super::super::observe::{cookies, key_of, live, resource_of, route};
use super::{ActError, Context, Subject, WriteError, owners};
use crate::json::str_at;
use crate::world::key::Key;
use crate::world::store::Known;

/// The routing objects as rendered, with this split and the cookies of the state that comes with it.
pub(super) async fn ensure(
    ctx: &Context,
    subject: &Subject,
    next: &State,
    split: Split,
) -> Result<(), ActError> {
    let render = |source| ActError::Render {
        canary: subject.key.to_string(),
        source,
    };
    let selector = match subject.workload(ctx, &subject.target()) {
        Known::Present(seen) => seen.selector,
        Known::Absent | Known::Unread(_) => None,
    };
    let mut route = route(ctx, subject, selector.as_ref()).map_err(render)?;
    let live = live(ctx, subject, &route).map_err(|why| match why {
        Some(why) => ActError::Routes {
            canary: subject.key.to_string(),
            why,
        },
        None => ActError::RoutesUnlisted,
    })?;
    let has_drifted = subject.adapter.has_drifted(&route, &live).map_err(render)?;
    route.split = split;
    route.cookies = Some(cookies(subject, next));
    let resources: Vec<ApiResource> = subject
        .adapter
        .objects(&route)
        .iter()
        .map(resource_of)
        .collect();
    for manifest in subject.adapter.marked(&route, &live).map_err(render)? {
        let found = live.of(&manifest);
        if !differs(&manifest, found) {
            continue;
        }
        let kind = str_at(&manifest, "/kind");
        let Some(resource) = resources.iter().find(|resource| resource.kind == kind) else {
            let why =
                format!("the adapter gave a {kind}, which it does not name among its objects");
            return Err(ActError::Routes {
                canary: subject.key.to_string(),
                why,
            });
        };
        let mut manifest = conditional(manifest, found);
        if has_drifted && found.is_some() {
            manifest = take_over(ctx, resource, manifest).await?;
        }
        ctx.writer.apply(resource, &manifest).await?;
    }
    Ok(())
}

/// Makes fields ours that others own beside us, or the apply would leave them. Where only weights are to change there
/// are none.
async fn take_over(
    ctx: &Context,
    resource: &ApiResource,
    manifest: Manifest,
) -> Result<Manifest, WriteError> {
    let text = |pointer| str_at(&manifest, pointer);
    let key = Key::new(text("/metadata/namespace"), text("/metadata/name"));
    let Some(live) = ctx.writer.get(resource, &key).await? else {
        return Ok(manifest);
    };
    let Some(owners) = owners::taken(&live, sole(&manifest)) else {
        return Ok(manifest);
    };
    let version = text("/metadata/resourceVersion");
    let patch = json!({"metadata": {"resourceVersion": version, "managedFields": owners}});
    let written = ctx.writer.merge(resource, &key, &patch).await?;
    Ok(conditional(manifest, Some(&written)))
}

/// Carries the resourceVersion that the decision saw, so that a late write of another cannot
/// be undone unseen.
fn conditional(mut manifest: Value, live: Option<&Value>) -> Value {
    let version = live
        .map(|live| str_at(live, "/metadata/resourceVersion"))
        .unwrap_or_default();
    if let (false, Some(metadata)) = (
        version.is_empty(),
        manifest.get_mut("metadata").and_then(Value::as_object_mut),
    ) {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    manifest
}

/// The routing objects, each asked for: of a kind that is not served there are none, and a watch of it would be
/// waited for in vain.
async fn read(ctx: &Context, subject: &Subject, route: &Route) -> Result<Live, ActError> {
    let mut live = Live::default();
    for reference in subject.adapter.objects(route) {
        let (resource, key) = (resource_of(&reference), key_of(&reference));
        if let Some(object) = ctx.writer.get(&resource, &key).await? {
            live.put(object);
        }
    }
    Ok(live)
}

/// Puts the routing objects back as they were before us.
pub(in crate::canary) async fn restore(ctx: &Context, subject: &Subject) -> Result<(), ActError> {
    let render = |source| ActError::Render {
        canary: subject.key.to_string(),
        source,
    };
    let route = route(ctx, subject, None).map_err(render)?;
    let live = read(ctx, subject, &route).await?;
    for replacement in subject.adapter.restore(&route, &live) {
        let (resource, key) = (
            resource_of(&replacement.object),
            key_of(&replacement.object),
        );
        let Some(mut object) = ctx.writer.get(&resource, &key).await? else {
            continue;
        };
        if let Some(annotations) = object
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove(APPLIED);
            for name in &replacement.annotations_dropped {
                annotations.remove(name);
            }
        }
        if let Some(fields) = object.as_object_mut() {
            fields.insert("spec".to_owned(), replacement.spec);
        }
        ctx.writer.replace(&resource, &object).await?;
    }
    for orphan in subject.adapter.orphans(&route, &live) {
        let (resource, key) = (resource_of(&orphan), key_of(&orphan));
        if let Some(live) = live.at(&orphan) {
            ctx.writer.delete(&resource, &key, live).await?;
        }
    }
    Ok(())
}
