//! The functions that every template has (Go's package text/template)
//!
//! `and`, `or` and `call` are known here by their arity only: `exec::eval`
//! runs them, because they decide what is evaluated.

use crate::compare;
use crate::escape;
use crate::format;
use crate::funcs::{Arity, Param};
use crate::value::Value;

/// What a builtin takes; none if there is no builtin of this name.
pub(crate) fn arity(name: &str) -> Option<Arity> {
    let (fixed, is_variadic) = match name {
        "and" | "or" | "call" | "eq" | "index" | "slice" => (1, true),
        "html" | "js" | "print" | "println" | "urlquery" => (0, true),
        "printf" => {
            return Some(Arity {
                fixed: vec![Param::String],
                variadic: Some(Param::Any),
            });
        }
        "not" | "len" => (1, false),
        "ne" | "lt" | "le" | "gt" | "ge" => (2, false),
        _ => return None,
    };
    Some(Arity {
        fixed: vec![Param::Any; fixed],
        variadic: is_variadic.then_some(Param::Any),
    })
}

/// Runs a builtin. The engine has checked the number of arguments. No text made
/// is much longer than `limit` bytes.
pub(crate) fn call(name: &str, args: &[Value], limit: usize) -> Result<Value, String> {
    match (name, args) {
        ("not", [value]) => Ok(Value::Bool(!value.is_true())),
        ("len", [value]) => length(value),
        ("index", [item, indexes @ ..]) => index(item, indexes),
        ("slice", [item, indexes @ ..]) => slice(item, indexes),
        ("eq", [first, others @ ..]) => compare::eq(first, others).map(Value::Bool),
        ("ne", [a, b]) => {
            compare::eq(a, std::slice::from_ref(b)).map(|is_equal| Value::Bool(!is_equal))
        }
        ("lt", [a, b]) => compare::lt(a, b).map(Value::Bool),
        ("le", [a, b]) => compare::le(a, b).map(Value::Bool),
        ("gt", [a, b]) => compare::le(a, b).map(|is_le| Value::Bool(!is_le)),
        ("ge", [a, b]) => compare::lt(a, b).map(|is_lt| Value::Bool(!is_lt)),
        ("printf", [Value::String(verbs), args @ ..]) => {
            Ok(Value::from(format::sprintf(verbs, args, limit)))
        }
        ("print", _) => Ok(Value::from(format::sprint(args, limit))),
        ("println", _) => Ok(Value::from(format::sprintln(args, limit))),
        ("html", _) => Ok(Value::from(escape::html(&format::joined(args, limit)))),
        ("js", _) => Ok(Value::from(escape::js(&format::joined(args, limit)))),
        ("urlquery", _) => Ok(Value::from(escape::urlquery(&format::joined(args, limit)))),
        _ => Err(format!("wrong arguments for {name}")),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.entries.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Func(_) => {
            return Err(format!("len of type {}", value.type_name()));
        }
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// A place in something of this length; `length` itself is allowed here.
fn place(index: &Value, length: usize) -> Result<usize, String> {
    match index {
        Value::Int(number) => match usize::try_from(*number) {
            Ok(place) if place <= length => Ok(place),
            Ok(_) | Err(_) => Err(format!("index out of range: {number}")),
        },
        Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        Value::Bool(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Func(_) => Err(format!(
            "cannot index slice/array with type {}",
            index.type_name()
        )),
    }
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::List(items) => {
                let place = place(index, items.len())?;
                items.get(place).cloned().ok_or_else(out_of_range)?
            }
            Value::String(text) => {
                let place = place(index, text.len())?;
                let byte = text.as_bytes().get(place).ok_or_else(string_out_of_range)?;
                Value::Int(i64::from(*byte))
            }
            Value::Map(map) => match index {
                Value::String(key) => match map.entries.get(&**key) {
                    Some(value) => value.clone(),
                    None if map.is_of_strings => Value::from(""),
                    None => Value::Nil,
                },
                Value::Nil => return Err("value is nil; should be of type string".to_owned()),
                Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::List(_)
                | Value::Map(_)
                | Value::Func(_) => {
                    return Err(format!(
                        "value has type {}; should be string",
                        index.type_name()
                    ));
                }
            },
            Value::Nil => return Err("index of nil pointer".to_owned()),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Func(_) => {
                return Err(format!("can't index item of type {}", item.type_name()));
            }
        };
    }
    Ok(item)
}

// The texts of package reflect, which stops the call there.
fn out_of_range() -> String {
    "reflect: slice index out of range".to_owned()
}

fn string_out_of_range() -> String {
    "reflect: string index out of range".to_owned()
}

fn slice(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    let length = match item {
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len())),
        Value::String(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        Value::String(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Map(_) | Value::Func(_) => {
            return Err(format!("can't slice item of type {}", item.type_name()));
        }
    };
    let places = indexes
        .iter()
        .map(|index| place(index, length))
        .collect::<Result<Vec<_>, _>>()?;
    let from = places.first().copied().unwrap_or(0);
    let to = places.get(1).copied().unwrap_or(length);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if let Some(capacity) = places.get(2).copied().filter(|capacity| to > *capacity) {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    Ok(match item {
        Value::String(text) => {
            let bytes = text.as_bytes().get(from..to).unwrap_or_default();
            Value::from(String::from_utf8_lossy(bytes).into_owned())
        }
        Value::List(items) => Value::from(items.get(from..to).unwrap_or_default().to_vec()),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Map(_)
        | Value::Func(_) => Value::Nil,
    })
}
