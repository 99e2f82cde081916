//! Fields of routing objects, leniently: what is not there is empty.

use serde_json::Value;

/// Larger weights count as this; some thousands of them can be summed.
const WEIGHT_MAX: u32 = u32::MAX >> 12;

pub(super) fn inside<'v>(value: &'v Value, field: &str) -> &'v Value {
    value.get(field).unwrap_or(&Value::Null)
}

pub(super) fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn weight(value: &Value, default: u32) -> u32 {
    read_weight(value.get("weight"), default)
}

/// A number, or a number as text.
pub(super) fn read_weight(value: Option<&Value>, default: u32) -> u32 {
    let given = match value {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    given.map_or(default, |weight| {
        u32::try_from(weight).unwrap_or(WEIGHT_MAX).min(WEIGHT_MAX)
    })
}

/// `podinfo-canary.test.svc.cluster.local` is the Service `podinfo-canary`, and so is `podinfo-canary_test_svc_80`.
pub(super) fn service_of(host: &str) -> String {
    host.split(['.', '_']).next().unwrap_or(host).to_owned()
}
