//! Compares values as Go's template functions eq, lt and le do

use std::cmp::Ordering;

use crate::format;
use crate::value::Value;

/// Values in error texts stop soon after this.
const SHOWN_BYTES_MAX: usize = 1024;

/// Whether the first equals any of the others.
pub(crate) fn eq(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if is_equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        // A nil differs from everything else, basic or not.
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b) == Some(Ordering::Equal)),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (
            Value::List(_) | Value::Map(_) | Value::Func(_),
            Value::List(_) | Value::Map(_) | Value::Func(_),
        ) => {
            // Go prints these with %s, the second of two types with %v.
            let shown =
                |value: &Value| format::sprintf("%s", std::slice::from_ref(value), SHOWN_BYTES_MAX);
            if std::mem::discriminant(a) == std::mem::discriminant(b) {
                return Err(format!(
                    "non-comparable type {}: {}",
                    shown(b),
                    b.type_name()
                ));
            }
            let (types, last) = (
                format!("{}, {}", a.type_name(), b.type_name()),
                format::plain(b),
            );
            Err(format!(
                "non-comparable types {}: {types}: {last}",
                shown(a)
            ))
        }
        (
            Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Func(_),
            _,
        ) => Err(incompatible(a, b)),
    }
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
}

const BAD_TYPE: &str = "invalid type for comparison";

/// Whether the first is less; only numbers of one type and strings have an order.
pub(crate) fn lt(a: &Value, b: &Value) -> Result<bool, String> {
    order(a, b).map(|order| order == Some(Ordering::Less))
}

/// Whether the first is less or equal.
pub(crate) fn le(a: &Value, b: &Value) -> Result<bool, String> {
    order(a, b).map(|order| matches!(order, Some(Ordering::Less | Ordering::Equal)))
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
        (Value::Nil | Value::List(_) | Value::Map(_) | Value::Func(_), _)
        | (_, Value::Nil | Value::List(_) | Value::Map(_) | Value::Func(_))
        | (Value::Bool(_), Value::Bool(_)) => Err(BAD_TYPE.to_owned()),
        (Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_), _) => {
            Err(incompatible(a, b))
        }
    }
}

/// What `call` says of an argument of the wrong type.
pub(crate) fn wrong_arg(place: usize, value: &Value, expected: &str) -> String {
    if matches!(value, Value::Nil) {
        return format!("arg {place}: value is nil; should be of type {expected}");
    }
    format!(
        "arg {place}: value has type {}; should be {expected}",
        value.type_name()
    )
}
