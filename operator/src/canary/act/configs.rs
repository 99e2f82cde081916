//! Writes the primary's copies of tracked ConfigMaps and Secrets.
//!
//! A source is copied only if its content is that of the snapshot: another content means that
//! the decision is out of date.

use rollout::world::Snapshot;
use serde_json::Value;

use super::super::build::config::{self, ConfigRef};
use super::super::configs::checksum;
use super::{ActError, Context, Subject, is_in};
use crate::world::store::Known;

/// Copies what the snapshot names; gives back the references that now have a copy.
pub(super) async fn copy(
    ctx: &Context,
    subject: &Subject,
    references: &[ConfigRef],
    snapshot: &Snapshot,
) -> Result<Vec<ConfigRef>, ActError> {
    let mut copied = Vec::new();
    for reference in references
        .iter()
        .filter(|reference| is_in(snapshot, reference))
    {
        let resource = reference.kind.resource();
        let key = subject.key.sibling(&reference.name);
        let Some(source) = ctx.writer.get(&resource, &key).await? else {
            return Err(ActError::TargetMoved);
        };
        if checksum(reference.kind, &source).as_ref() != snapshot.configs.get(&reference.key()) {
            return Err(ActError::TargetMoved);
        }
        write(ctx, subject, reference, &source).await?;
        copied.push(reference.clone());
    }
    if copied.len() == snapshot.configs.len() {
        Ok(copied)
    } else {
        Err(ActError::TargetMoved)
    }
}

async fn write(
    ctx: &Context,
    subject: &Subject,
    reference: &ConfigRef,
    source: &Value,
) -> Result<(), ActError> {
    let resource = reference.kind.resource();
    let key = subject.key.sibling(&format!("{}-primary", reference.name));
    let live = match ctx.caches.configs(reference.kind).get(&key) {
        Known::Absent => None,
        Known::Present(_) | Known::Unread(_) => ctx.writer.get(&resource, &key).await?,
    };
    let prefixes = &ctx.settings.include_label_prefix;
    let wanted = config::copy(
        reference.kind,
        source,
        live.as_ref(),
        &subject.owner,
        prefixes,
    );
    match live {
        None => ctx.writer.create(&resource, &wanted).await?,
        Some(live) if is_same(&live, &wanted) => return Ok(()),
        Some(_) => ctx.writer.replace(&resource, &wanted).await?,
    };
    Ok(())
}

fn is_same(live: &Value, wanted: &Value) -> bool {
    let empty = Value::Object(serde_json::Map::new());
    let at = |object: &Value, pointer: &str| {
        object
            .pointer(pointer)
            .cloned()
            .unwrap_or_else(|| empty.clone())
    };
    [
        "/data",
        "/type",
        "/metadata/labels",
        "/metadata/ownerReferences",
    ]
    .iter()
    .all(|pointer| at(live, pointer) == at(wanted, pointer))
}
