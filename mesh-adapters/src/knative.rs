//! Knative: the traffic block of the user's own Service (spec/flagger.md 2.10, 4.14).
//!
//! The canary is the latest revision; the primary is the one that an annotation names. Which revision that is, is
//! for the promotion to say: here it is kept, and found again when it was lost.

use rollout::{Split, Weight};
use serde_json::{Value, json};

use crate::{
    adapter::Adapter,
    drift,
    error::{ReadError, RenderError},
    metadata,
    object::{Kind, Live, Manifest, ObjectRef, Replacement},
    refuse,
    route::Route,
    seen,
};

const SERVICE: Kind = Kind {
    api_version: "serving.knative.dev/v1",
    kind: "Service",
    plural: "services",
};
/// The annotation of a Knative Service that names the revision that is the primary.
pub const PRIMARY: &str = "flagger.app/primary-revision";

/// Knative's Service.
#[derive(Debug)]
pub(crate) struct Knative;

fn object(route: &Route) -> ObjectRef {
    SERVICE.named(&route.namespace, route.target.as_str())
}

fn is_latest(entry: &Value) -> bool {
    entry.get("latestRevision").and_then(Value::as_bool) == Some(true)
}

fn revision(entry: &Value) -> Option<&str> {
    let name = entry.get("revisionName")?.as_str()?;
    (!name.is_empty()).then_some(name)
}

fn traffic<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    let list = object.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The primary's revision. Without the annotation it is the one that traffic is pinned to: the latest would be one
/// that nobody has judged, unless no traffic was ever pinned.
fn primary(object: &Value) -> Option<&str> {
    let pinned = |pointer: &str| {
        let mut entries = traffic(object, pointer).iter();
        entries.find(|entry| !is_latest(entry)).and_then(revision)
    };
    metadata::annotation(object, PRIMARY)
        .or_else(|| pinned("/spec/traffic"))
        .or_else(|| pinned("/status/traffic"))
        .or_else(|| {
            object
                .pointer("/status/latestCreatedRevisionName")?
                .as_str()
        })
        .filter(|name| !name.is_empty())
}

/// The split of the traffic block at `pointer`.
fn split(route: &Route, object: &Value, pointer: &str) -> Result<Split, ReadError> {
    let reference = self::object(route);
    let entries = traffic(object, pointer);
    let percent = |entry: &Value| seen::weight(entry.get("percent"), 0);
    let canary = entries.iter().position(is_latest);
    let name = metadata::annotation(object, PRIMARY);
    let primary = entries
        .iter()
        .enumerate()
        .find(|(place, entry)| Some(*place) != canary && name.is_some() && revision(entry) == name);
    let canary = canary.and_then(|place| entries.get(place));
    match (primary, canary) {
        (Some((_, primary)), Some(canary)) => {
            seen::split(&reference, percent(primary), percent(canary))
        }
        (Some(_) | None, Some(_) | None) => {
            let primary = name.unwrap_or("an annotated primary revision");
            Err(seen::no_rule(&reference, primary, "latestRevision"))
        }
    }
}

fn entry(key: &str, value: impl Into<Value>, weight: Weight) -> Value {
    json!({key: value.into(), "percent": weight.percent()})
}

impl Adapter for Knative {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        vec![object(route)]
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::ports(route, "Knative")?;
        refuse::mirror(route, "Knative")?;
        refuse::sessions(route, "Knative")?;
        refuse::matches(route, "Knative")?;
        let refused =
            |cure| RenderError::unsupported("spec.targetRef.name", route.target.as_str(), cure);
        let there = live
            .at(&object(route))
            .ok_or_else(|| refused("there is no such Knative Service in the namespace"))?;
        let revision = primary(there).ok_or_else(|| {
            refused("the Knative Service has no revision yet; wait for its first")
        })?;
        let mut metadata = metadata::named(route, &route.target, Some(there));
        metadata::annotate(&mut metadata, [(PRIMARY.to_owned(), revision.into())]);
        let spec = json!({"traffic": [
            entry("latestRevision", true, route.split.canary),
            entry("revisionName", revision, route.split.primary()),
        ]});
        Ok(vec![SERVICE.manifest(metadata, spec)])
    }

    /// Without a mark: the Service is the user's own, and its traffic block is replaced as a whole.
    fn marked(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        self.render(route, live)
    }

    /// What Knative has carried out, not what was asked for.
    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let reference = object(route);
        let there = seen::there(live, &reference)?;
        let number = |pointer: &str| there.pointer(pointer).and_then(Value::as_i64);
        let generation = number("/metadata/generation").unwrap_or(0);
        if number("/status/observedGeneration").is_some_and(|observed| observed < generation) {
            return Err(ReadError::Unseen {
                kind: reference.kind,
                name: reference.name,
                parent: "Knative".into(),
                generation,
            });
        }
        split(route, there, "/status/traffic")
    }

    /// The annotation goes. The traffic stays where it is; where that is the latest revision, it follows the latest
    /// again, as without a canary.
    fn restore(&self, route: &Route, live: &Live) -> Vec<Replacement> {
        let reference = object(route);
        let Some(there) = live.at(&reference) else {
            return Vec::new();
        };
        match (metadata::annotation(there, PRIMARY), there.get("spec")) {
            (Some(primary), Some(spec)) => {
                let mut spec = spec.clone();
                let latest = there.pointer("/status/latestCreatedRevisionName");
                if latest.and_then(Value::as_str) == Some(primary)
                    && let Some(fields) = spec.as_object_mut()
                {
                    let all = json!([entry("latestRevision", true, Weight::FULL)]);
                    fields.insert("traffic".into(), all);
                }
                vec![Replacement {
                    object: reference,
                    spec,
                    annotations_dropped: vec![PRIMARY.to_owned()],
                }]
            }
            (Some(_) | None, Some(_) | None) => Vec::new(),
        }
    }

    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        let asked = live
            .at(&object(route))
            .and_then(|there| split(route, there, "/spec/traffic").ok());
        drift::has_drifted(self, route, live, asked)
    }
}
