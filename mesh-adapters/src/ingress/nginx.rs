//! NGINX: a copy of the user's Ingress with canary annotations (spec/flagger.md 4.6).
//!
//! NGINX can choose users by one header and one cookie, and sends all of those to the canary.

use std::collections::BTreeMap;

use rollout::{Split, Weight};
use serde_json::Value;

use super::{no_backend, objects, path_lists, rename, source};
use crate::{
    adapter::Adapter,
    drift,
    error::{ReadError, RenderError},
    metadata,
    object::{Live, Manifest, ObjectRef},
    refuse::{self, Header},
    route::Route,
    seen,
};

const BY_HEADER: &str = "canary-by-header";
const BY_COOKIE: &str = "canary-by-cookie";

/// NGINX's objects.
#[derive(Debug)]
pub(crate) struct Nginx;

fn key(route: &Route, name: &str) -> String {
    format!("{}/{name}", route.ingress_prefix)
}

/// The canary annotations wanted.
fn annotations(
    route: &Route,
    live: Option<&Value>,
) -> Result<BTreeMap<String, Value>, RenderError> {
    let mut wanted = BTreeMap::from([(key(route, "canary"), "true".into())]);
    let chosen = choice(route, refuse::headers(route, "NGINX")?)?;
    let testers = testers(route)?;
    let canary = route.split.canary;
    let is_between = route.is_gradual || !(canary.is_zero() || canary == Weight::FULL);
    if !route.matches.is_empty() && is_between {
        return Err(RenderError::unsupported(
            "spec.analysis.match",
            "given",
            "NGINX sends all chosen users to the canary or none; use spec.analysis.iterations instead of stepWeight and without stepWeightPromotion, or spec.analysis.testers beside it",
        ));
    }
    if route.matches.is_empty() || canary.is_zero() {
        let weight = canary.percent().to_string();
        wanted.insert(key(route, "canary-weight"), weight.into());
        if route.has_testers_now() {
            wanted.extend(testers);
        }
    } else {
        wanted.extend(chosen);
    }
    // A choice that another controller wrote is not ours to leave out, but NGINX takes an empty one for none.
    let annotations = live.and_then(|live| live.pointer("/metadata/annotations")?.as_object());
    let by = key(route, "canary-by-");
    for (name, value) in annotations.into_iter().flatten() {
        if name.starts_with(&by) && value.as_str() != Some("") && !wanted.contains_key(name) {
            wanted.insert(name.clone(), "".into());
        }
    }
    Ok(wanted)
}

/// The annotations that choose testers. NGINX looks at the header, then at the cookie, then at the weight, so
/// either of the two is enough.
fn testers(route: &Route) -> Result<BTreeMap<String, Value>, RenderError> {
    let mut all = Vec::new();
    for mut headers in refuse::testers_headers(route, "NGINX")? {
        let first = headers.pop();
        if let Some(second) = headers.pop() {
            return Err(RenderError::unsupported(
                second.field,
                "a second header",
                "NGINX cannot ask for two headers at once; give one of them an entry of its own",
            ));
        }
        all.extend(first);
    }
    choice(route, all)
}

/// The annotations that choose users by these headers.
fn choice(route: &Route, headers: Vec<Header<'_>>) -> Result<BTreeMap<String, Value>, RenderError> {
    let mut wanted: BTreeMap<String, Value> = BTreeMap::new();
    for header in headers {
        let (exact, regex) = (&header.value.exact, &header.value.regex);
        let (by, added) = if header.name == "cookie" {
            let Some(cookie) = exact else {
                return Err(header.unsupported("NGINX", "exact alone where the header is cookie"));
            };
            (BY_COOKIE, vec![(BY_COOKIE, cookie.as_str())])
        } else {
            let condition = match (exact, regex) {
                (Some(exact), _) => ("canary-by-header-value", exact.as_str()),
                (None, Some(regex)) => ("canary-by-header-pattern", regex.as_str()),
                (None, None) => return Err(header.unsupported("NGINX", "exact or regex")),
            };
            (BY_HEADER, vec![(BY_HEADER, header.name), condition])
        };
        if wanted.contains_key(&key(route, by)) {
            return Err(RenderError::unsupported(
                header.field,
                "a second header",
                "NGINX chooses users by one header and one cookie; remove the others",
            ));
        }
        wanted.extend(
            added
                .into_iter()
                .map(|(name, value)| (key(route, name), value.into())),
        );
    }
    Ok(wanted)
}

impl Adapter for Nginx {
    fn objects(&self, route: &Route) -> Vec<ObjectRef> {
        objects(route)
    }

    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::mirror(route, "NGINX")?;
        refuse::sessions(route, "NGINX")?;
        let (pair, source) = source(route, live)?;
        let mut spec = source.get("spec").cloned().unwrap_or_default();
        let canary = route.canary();
        let mut is_found = rename(spec.get_mut("defaultBackend"), &route.apex, &canary);
        for path in path_lists(&mut spec).flatten() {
            is_found |= rename(path.get_mut("backend"), &route.apex, &canary);
        }
        if !is_found {
            return Err(no_backend(&pair, route));
        }
        let there = live.at(&pair.ours);
        let foreign = key(route, "canary");
        let is_wanted = |name: &str| !name.contains(&foreign);
        let mut metadata = metadata::copied(route, &pair.ours.name, there, source, is_wanted);
        metadata::annotate(&mut metadata, metadata::flux());
        metadata::annotate(&mut metadata, annotations(route, there)?);
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
        let read = |name: &str| metadata::annotation(object, &key(route, name));
        let is_chosen = read(BY_HEADER).is_some() || read(BY_COOKIE).is_some();
        if is_chosen && !route.matches.is_empty() {
            return Ok(Split::to_canary(Weight::FULL));
        }
        // NGINX takes a missing weight for 0, and the copy for an Ingress of its own without the first mark.
        let canary = read("canary-weight").map_or(Some(0), |text| text.parse().ok());
        match (read("canary"), canary) {
            (Some("true"), Some(canary)) if !is_chosen || !route.testers.is_empty() => {
                let canary: i64 = canary;
                seen::split(&pair.ours, 100_i64.saturating_sub(canary), canary)
            }
            (Some(_) | None, Some(_) | None) => {
                Err(seen::no_rule(&pair.ours, &route.primary(), &route.canary()))
            }
        }
    }

    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        // A weight from before users were chosen is no weight that chosen users can have.
        let is_whole = |split: &Split| split.canary.is_zero() || split.canary == Weight::FULL;
        let split = self.seen(route, live).ok();
        let split = split.filter(|split| route.matches.is_empty() || is_whole(split));
        drift::has_drifted(self, route, live, split)
    }
}
