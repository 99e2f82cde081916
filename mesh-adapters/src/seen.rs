//! Reads a split out of a live object: finds the two backends and judges their weights.
//!
//! Weights that are no split are never rounded or filled up: traffic that cannot be told is told so.

use rollout::{Split, Weight};
use serde_json::Value;

use crate::{
    error::ReadError,
    object::{Live, ObjectRef},
    route::Route,
};

/// Bounds keep the sum of two weights from overflowing, and leave what is wrong wrong.
const WEIGHT_MIN: i64 = -1;
const WEIGHT_MAX: i64 = 1_000_000;

/// The live object.
pub(crate) fn there<'a>(live: &'a Live, reference: &ObjectRef) -> Result<&'a Value, ReadError> {
    live.at(reference).ok_or_else(|| ReadError::Missing {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
    })
}

/// No rule of the object leads to both.
pub(crate) fn no_rule(reference: &ObjectRef, primary: &str, canary: &str) -> ReadError {
    ReadError::NoRule {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        primary: primary.to_owned(),
        canary: canary.to_owned(),
    }
}

/// The split that two weights make.
pub(crate) fn split(reference: &ObjectRef, primary: i64, canary: i64) -> Result<Split, ReadError> {
    match Weight::try_from(canary) {
        Ok(weight) if Weight::try_from(primary) == Ok(weight.rest()) => {
            Ok(Split::to_canary(weight))
        }
        Ok(_) | Err(_) => Err(ReadError::Weights {
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            primary,
            canary,
        }),
    }
}

/// A weight as a number or as text; `default` when there is none, -1 for what is no number.
pub(crate) fn weight(given: Option<&Value>, default: i64) -> i64 {
    let found = match given {
        None | Some(Value::Null) => Some(default),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    found.unwrap_or(WEIGHT_MIN).clamp(WEIGHT_MIN, WEIGHT_MAX)
}

/// How a mesh lists weighted backends.
pub(crate) struct Backends<'a> {
    /// JSON pointer from a backend to its name.
    pub(crate) name: &'a str,
    /// JSON pointer from a backend to its weight.
    pub(crate) weight: &'a str,
    /// What the mesh takes a missing weight for.
    pub(crate) weight_default: i64,
    /// The primary's name.
    pub(crate) primary: String,
    /// The canary's name.
    pub(crate) canary: String,
    /// A canary that is not listed gets nothing; otherwise its absence is an error.
    pub(crate) is_canary_optional: bool,
}

impl<'a> Backends<'a> {
    /// Backends that have their Service's name at `name`.
    pub(crate) fn of(route: &Route, name: &'a str, weight: &'a str, weight_default: i64) -> Self {
        Self {
            name,
            weight,
            weight_default,
            primary: route.primary(),
            canary: route.canary(),
            is_canary_optional: false,
        }
    }

    /// The split of the list at `pointer` of the live object.
    pub(crate) fn split(
        &self,
        live: &Live,
        reference: &ObjectRef,
        pointer: &str,
    ) -> Result<Split, ReadError> {
        let object = there(live, reference)?;
        let list = object.pointer(pointer).and_then(Value::as_array);
        let find = |name: &str| {
            let backend = list?
                .iter()
                .find(|one| one.pointer(self.name).and_then(Value::as_str) == Some(name))?;
            Some(weight(backend.pointer(self.weight), self.weight_default))
        };
        let canary = find(&self.canary).or(self.is_canary_optional.then_some(0));
        match (find(&self.primary), canary) {
            (Some(primary), Some(canary)) => split(reference, primary, canary),
            (Some(_) | None, Some(_) | None) => {
                Err(no_rule(reference, &self.primary, &self.canary))
            }
        }
    }
}
