//! Prints values of each type by verb

use super::number;
use super::verbs::Spec;
use crate::quote::{quote, quote_with};
use crate::value::Value;

/// Prints an argument of a directive.
pub(super) fn push_arg(out: &mut String, arg: &Value, verb: char, spec: &Spec) {
    match (arg, verb) {
        (_, 'T') => {
            push_string(out, arg.type_name(), 's', spec);
        }
        (Value::Nil, 'v') => spec.pad(out, "<nil>"),
        (Value::Nil, _) => out.push_str(&format!("%!{verb}(<nil>)")),
        _ => {
            push_value(out, arg, verb, spec, 0);
        }
    }
}

/// Prints a value; `depth` counts the lists and maps around it.
pub(super) fn push_value(out: &mut String, value: &Value, verb: char, spec: &Spec, depth: usize) {
    let is_done = match value {
        Value::Nil if spec.is_go_syntax && depth > 0 => {
            out.push_str("interface {}(nil)");
            true
        }
        Value::Nil => {
            out.push_str("<nil>");
            true
        }
        Value::Bool(flag) if matches!(verb, 't' | 'v') => {
            spec.pad(out, if *flag { "true" } else { "false" });
            true
        }
        Value::Bool(_) => false,
        Value::Int(int) => number::push_int(out, *int, verb, spec),
        Value::Float(float) => number::push_float(out, *float, verb, spec),
        Value::String(text) => push_string(out, text, verb, spec),
        Value::List(items) => {
            push_list(out, items, verb, spec, depth);
            true
        }
        Value::Map(map) => {
            let entries = map.entries.iter().map(|(key, value)| (key.as_str(), value));
            push_map(out, entries, value.type_name(), verb, spec, depth);
            true
        }
        Value::Func(_) => {
            out.push_str("func");
            true
        }
    };
    if !is_done {
        out.push_str(&format!("%!{verb}({}=", value.type_name()));
        push_value(out, value, 'v', spec, depth);
        out.push(')');
    }
}

fn push_list(out: &mut String, items: &[Value], verb: char, spec: &Spec, depth: usize) {
    let (open, between, close) = if spec.is_go_syntax {
        ("[]interface {}{", ", ", "}")
    } else {
        ("[", " ", "]")
    };
    out.push_str(open);
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push_str(between);
        }
        push_value(out, item, verb, spec, depth + 1);
    }
    out.push_str(close);
}

fn push_map<'v>(
    out: &mut String,
    entries: impl Iterator<Item = (&'v str, &'v Value)>,
    type_name: &str,
    verb: char,
    spec: &Spec,
    depth: usize,
) {
    let (between, close) = if spec.is_go_syntax {
        (", ", "}")
    } else {
        (" ", "]")
    };
    if spec.is_go_syntax {
        out.push_str(type_name);
        out.push('{');
    } else {
        out.push_str("map[");
    }
    for (place, (key, value)) in entries.enumerate() {
        if place > 0 {
            out.push_str(between);
        }
        push_value(out, &Value::from(key), verb, spec, depth + 1);
        out.push(':');
        push_value(out, value, verb, spec, depth + 1);
    }
    out.push_str(close);
}

/// False if the verb does not fit strings.
fn push_string(out: &mut String, text: &str, verb: char, spec: &Spec) -> bool {
    let cut = || {
        spec.precision.map_or_else(
            || text.to_owned(),
            |length| text.chars().take(length).collect(),
        )
    };
    match verb {
        'v' if spec.is_go_syntax => spec.pad(out, &quote(text)),
        'v' | 's' => spec.pad(out, &cut()),
        'q' => {
            let cut = cut();
            let can_be_raw = spec.has_sharp
                && cut.chars().all(|c| {
                    c != '`' && (c == '\t' || (c >= ' ' && c != '\x7f' && c != '\u{feff}'))
                });
            let quoted = if can_be_raw {
                format!("`{cut}`")
            } else {
                quote_with(&cut, '"', spec.has_plus)
            };
            spec.pad(out, &quoted);
        }
        'x' | 'X' => {
            let bytes = text.as_bytes();
            let bytes = bytes
                .get(..spec.precision.unwrap_or(bytes.len()).min(bytes.len()))
                .unwrap_or_default();
            spec.pad(out, &hex(bytes, verb == 'X', spec));
        }
        _ => return false,
    }
    true
}

fn hex(bytes: &[u8], is_upper: bool, spec: &Spec) -> String {
    let prefix = match (spec.has_sharp, is_upper) {
        (true, true) => "0X",
        (true, false) => "0x",
        (false, _) => "",
    };
    let mut out = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        if spec.has_space && place > 0 {
            out.push(' ');
        }
        if place == 0 || spec.has_space {
            out.push_str(prefix);
        }
        let digits = if is_upper {
            format!("{byte:02X}")
        } else {
            format!("{byte:02x}")
        };
        out.push_str(&digits);
    }
    out
}
