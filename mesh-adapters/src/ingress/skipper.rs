//! Skipper: a copy of the user's Ingress with both backends and their weights (spec/flagger.md 4.7).
//!
//! The copy goes before the user's Ingress while the canary has traffic, and matches nothing while it has none.

use rollout::Split;
use serde_json::{Value, json};

use super::{no_backend, objects, path_lists, rename, source};
use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    metadata,
    object::{Live, Manifest, ObjectRef},
    refuse,
    route::Route,
    seen,
};

const WEIGHTS: &str = "zalando.org/backend-weights";
const PREDICATE: &str = "zalando.org/skipper-predicate";
/// Makes the copy win over the user's Ingress.
const FIRST: &str = "Weight(100)";
/// Makes the copy match nothing.
const NEVER: &str = "False()";

/// Skipper's objects.
#[derive(Debug)]
pub(crate) struct Skipper;

/// Each path to the apex twice: to the primary where it is, to the canary at the end.
fn doubled(route: &Route, spec: &mut Value) -> bool {
    let mut is_found = false;
    for paths in path_lists(spec) {
        let mut added = Vec::new();
        for path in paths.iter_mut() {
            let mut copy = path.clone();
            if rename(path.get_mut("backend"), &route.apex, &route.primary()) {
                rename(copy.get_mut("backend"), &route.apex, &route.canary());
                added.push(copy);
            }
        }
        is_found |= !added.is_empty();
        paths.append(&mut added);
    }
    is_found
}

/// Our predicate first, then the user's.
fn predicate(route: &Route, source: &Value) -> String {
    let first = if route.split.canary.is_zero() {
        NEVER
    } else {
        FIRST
    };
    let given = metadata::annotation(source, PREDICATE).unwrap_or_default();
    let mut predicates = vec![first];
    predicates.extend(predicates_of(given).filter(|one| *one != FIRST && *one != NEVER));
    predicates.join(" && ")
}

fn predicates_of(text: &str) -> impl Iterator<Item = &str> {
    text.split("&&")
        .map(str::trim)
        .filter(|one| !one.is_empty())
}

impl Adapter for Skipper {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        objects(route)
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::mirror(route, "Skipper")?;
        refuse::sessions(route, "Skipper")?;
        refuse::matches(route, "Skipper")?;
        let (pair, source) = source(route, live)?;
        let mut spec = source.get("spec").cloned().unwrap_or_default();
        if !doubled(route, &mut spec) {
            return Err(no_backend(&pair, route));
        }
        let there = live.at(&pair.ours);
        let mut metadata = metadata::copied(route, &pair.ours.name, there, source, |_| true);
        let weights = json!({
            route.primary(): route.split.primary().percent(),
            route.canary(): route.split.canary.percent(),
        });
        let ours = [
            (WEIGHTS.to_owned(), weights.to_string().into()),
            (PREDICATE.to_owned(), predicate(route, source).into()),
        ];
        metadata::annotate(&mut metadata, ours);
        Ok(vec![super::INGRESS.manifest(metadata, spec)])
    }

    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError> {
        let Some(pair) = super::pair(route) else {
            return Err(ReadError::Missing {
                kind: super::INGRESS.kind.into(),
                name: "spec.ingressRef".into(),
            });
        };
        let object = seen::there(live, &pair.ours)?;
        let predicate = metadata::annotation(object, PREDICATE).unwrap_or_default();
        if predicates_of(predicate).any(|one| one == NEVER) {
            return Ok(Split::PRIMARY);
        }
        let weights: Option<Value> =
            metadata::annotation(object, WEIGHTS).and_then(|text| serde_json::from_str(text).ok());
        let find = |name: &str| {
            let given = weights.as_ref()?.get(name)?;
            Some(seen::weight(Some(given), 0))
        };
        match (find(&route.primary()), find(&route.canary())) {
            (Some(primary), Some(canary)) => seen::split(&pair.ours, primary, canary),
            (Some(_) | None, Some(_) | None) => {
                Err(seen::no_rule(&pair.ours, &route.primary(), &route.canary()))
            }
        }
    }

    /// The copy's weights would count until the garbage collector comes to it.
    fn orphans(&self, route: &Route, live: &Live) -> Vec<ObjectRef> {
        let copy = || {
            let ours = super::pair(route)?.ours;
            let owner = route.owner.as_ref()?;
            metadata::is_owned(live.at(&ours)?, owner).then_some(ours)
        };
        copy().into_iter().collect()
    }
}
