//! Validates a value against a CRD's schema.
//!
//! Every broken rule is reported, in the words of apiextensions. CEL rules are not evaluated.

use serde_json::Value;

use super::{Kind, ListKind, Schema};
use crate::status::{FieldError, FieldFault, plain};

/// Broken rules kept of one object; the rest says nothing new.
const PROBLEMS_MAX: usize = 100;

/// All broken rules of a value.
pub(crate) fn check(value: &Value, schema: &Schema) -> Vec<FieldError> {
    let mut problems = Vec::new();
    walk(value, schema, "", &mut problems);
    problems.truncate(PROBLEMS_MAX);
    problems
}

fn shown(path: &str) -> String {
    if path.is_empty() {
        "<nil>".to_owned()
    } else {
        path.to_owned()
    }
}

fn walk(value: &Value, schema: &Schema, path: &str, problems: &mut Vec<FieldError>) {
    if value.is_null() && schema.nullable {
        return;
    }
    if let Some(wanted) = type_missed(value, schema) {
        problems.push(FieldError::wrong_type(
            shown(path),
            value,
            format!(
                "{} in body must be of type {wanted}: {:?}",
                shown(path),
                json_type(value)
            ),
        ));
        return;
    }
    check_scalar(value, schema, path, problems);
    match value {
        Value::Object(map) => {
            for name in &schema.required {
                if !map.contains_key(name) {
                    problems.push(FieldError::required(join(path, name), ""));
                }
            }
            count(
                map.len(),
                schema.rules.properties_min,
                schema.rules.properties_max,
                path,
                "properties",
                value,
                problems,
            );
            for (key, child) in map {
                walk(child, schema.child(key), &join(path, key), problems);
            }
        }
        Value::Array(items) => check_list(items, value, schema, path, problems),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    check_combined(value, schema, path, problems);
}

fn check_list(
    items: &[Value],
    value: &Value,
    schema: &Schema,
    path: &str,
    problems: &mut Vec<FieldError>,
) {
    count(
        items.len(),
        schema.rules.items_min,
        schema.rules.items_max,
        path,
        "items",
        value,
        problems,
    );
    for (index, item) in items.iter().enumerate() {
        walk(item, schema.item(), &format!("{path}[{index}]"), problems);
    }
    let identity = |item: &Value| match &schema.list {
        ListKind::Map(keys) => keys
            .iter()
            .map(|key| item.get(key).cloned().unwrap_or_default())
            .collect(),
        ListKind::Set | ListKind::Atomic => item.clone(),
    };
    let is_distinct = schema.list != ListKind::Atomic || schema.rules.are_items_unique;
    for (index, item) in items.iter().enumerate().filter(|_| is_distinct) {
        if items
            .iter()
            .take(index)
            .any(|before| identity(before) == identity(item))
        {
            problems.push(FieldError::duplicate(format!("{path}[{index}]"), item));
        }
    }
}

fn check_combined(value: &Value, schema: &Schema, path: &str, problems: &mut Vec<FieldError>) {
    let rules = &schema.rules;
    let passes = |one: &Schema| {
        let mut inner = Vec::new();
        walk(value, one, path, &mut inner);
        inner.is_empty()
    };
    for one in &rules.all_of {
        walk(value, one, path, problems);
    }
    let mut fail = |words: &str| {
        problems.push(FieldError::invalid(
            shown(path),
            value,
            format!("{:?} must validate {words}", shown(path)),
        ));
    };
    if !rules.any_of.is_empty() && !rules.any_of.iter().any(passes) {
        fail("at least one schema (anyOf)");
    }
    if !rules.one_of.is_empty() && rules.one_of.iter().filter(|one| passes(one)).count() != 1 {
        fail("one and only one schema (oneOf)");
    }
    if rules.not.as_deref().is_some_and(passes) {
        problems.push(FieldError::invalid(
            shown(path),
            value,
            format!("{:?} must not validate the schema (not)", shown(path)),
        ));
    }
}

fn check_scalar(value: &Value, schema: &Schema, path: &str, problems: &mut Vec<FieldError>) {
    let rules = &schema.rules;
    if let Some(choices) = &rules.choices
        && !choices.contains(value)
    {
        let supported: Vec<String> = choices.iter().map(plain).collect();
        problems.push(FieldError::not_supported(shown(path), value, &supported));
    }
    let mut invalid =
        |detail: String| problems.push(FieldError::invalid(shown(path), value, detail));
    let path = shown(path);
    if let Some(text) = value.as_str() {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if let Some(min) = rules.length_min.filter(|min| length < *min) {
            invalid(format!(
                "{path} in body should be at least {min} chars long"
            ));
        }
        if let Some(pattern) = rules
            .pattern
            .as_ref()
            .filter(|pattern| !pattern.is_match(text))
        {
            invalid(format!("{path} in body should match '{pattern}'"));
        }
        if let Some(format) = rules
            .format
            .as_deref()
            .filter(|format| !has_format(text, format))
        {
            invalid(format!("{path} in body must be of type {format}: {text:?}"));
        }
        if let Some(max) = rules.length_max.filter(|max| length > *max) {
            problems.push(FieldError {
                field: path,
                fault: FieldFault::TooLong(usize::try_from(max).unwrap_or(usize::MAX)),
            });
        }
    } else if let Some(number) = value.as_f64() {
        if let Some(min) = rules.minimum {
            let (fails, words) = if rules.is_minimum_exclusive {
                (number <= min, "greater than")
            } else {
                (number < min, "greater than or equal to")
            };
            if fails {
                invalid(format!("{path} in body should be {words} {min}"));
            }
        }
        if let Some(max) = rules.maximum {
            let (fails, words) = if rules.is_maximum_exclusive {
                (number >= max, "less than")
            } else {
                (number > max, "less than or equal to")
            };
            if fails {
                invalid(format!("{path} in body should be {words} {max}"));
            }
        }
        if let Some(factor) = rules
            .multiple_of
            .filter(|factor| (number / factor).fract().abs() > f64::EPSILON)
        {
            invalid(format!("{path} in body should be a multiple of {factor}"));
        }
    }
}

fn count(
    length: usize,
    min: Option<u64>,
    max: Option<u64>,
    path: &str,
    what: &str,
    value: &Value,
    problems: &mut Vec<FieldError>,
) {
    let count = u64::try_from(length).unwrap_or(u64::MAX);
    let path = shown(path);
    if let Some(min) = min.filter(|min| count < *min) {
        let words = format!("{path} in body should have at least {min} {what}");
        problems.push(FieldError::invalid(path.clone(), value, words));
    }
    if let Some(max) = max.filter(|max| count > *max) {
        problems.push(FieldError {
            field: path,
            fault: FieldFault::TooMany(length, max),
        });
    }
}

fn type_missed(value: &Value, schema: &Schema) -> Option<&'static str> {
    let (fits, name) = match schema.kind {
        Kind::Any | Kind::Quantity => (
            !value.is_null() || schema.keeps_unknown || schema.kind == Kind::Any,
            "object",
        ),
        Kind::Object => (value.is_object(), "object"),
        Kind::Array => (value.is_array(), "array"),
        Kind::String => (value.is_string(), "string"),
        Kind::Integer => (
            value.is_i64()
                || value.is_u64()
                || value
                    .as_f64()
                    .is_some_and(|number| number.fract().abs() < f64::EPSILON),
            "integer",
        ),
        Kind::Number => (value.is_number(), "number"),
        Kind::Boolean => (value.is_boolean(), "boolean"),
        Kind::IntOrString => (
            value.is_string() || value.is_i64() || value.is_u64(),
            "integer,string",
        ),
    };
    (!fits).then_some(name)
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Formats that apiextensions enforces and that users meet; others pass.
fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        "date" => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        "uuid" => uuid::Uuid::parse_str(text).is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uri" => text.parse::<http::Uri>().is_ok(),
        _ => true,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
