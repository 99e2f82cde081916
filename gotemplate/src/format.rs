//! Prints values as Go's package fmt does: print, println and printf
//!
//! Texts that grow with the arguments stop soon after a limit in bytes, so that
//! a short template cannot ask for gigabytes.

mod number;
mod value;
mod verbs;

use crate::value::Value;
use verbs::Spec;

/// Go's `fmt.Sprintf`: the text of `verbs` with the arguments put in. Mistakes
/// are told inside the text, as Go tells them (`%!d(string=a)`).
#[must_use]
pub fn sprintf(verbs: &str, args: &[Value], bytes_max: usize) -> String {
    verbs::sprintf(verbs, args, bytes_max)
}

/// A value as `%v`.
pub(crate) fn plain(value: &Value) -> String {
    let mut out = String::new();
    value::push_value(&mut out, value, 'v', &Spec::default(), 0);
    out
}

/// A value as `%#v`.
pub(crate) fn go_syntax(value: &Value) -> String {
    let mut out = String::new();
    let spec = Spec {
        is_go_syntax: true,
        ..Spec::default()
    };
    value::push_value(&mut out, value, 'v', &spec, 0);
    out
}

/// The result of an action as it is put out; none for what cannot be printed.
pub(crate) fn printed(value: &Value, bytes_max: usize) -> Option<String> {
    match value {
        Value::Nil => Some("<no value>".to_owned()),
        Value::Func(_) => None,
        Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_) => Some(sprint(std::slice::from_ref(value), bytes_max)),
    }
}

/// Go's `fmt.Sprint`: a space between two arguments of which none is a string.
pub(crate) fn sprint(args: &[Value], bytes_max: usize) -> String {
    let mut out = String::new();
    let mut is_after_string = true;
    for arg in args {
        let is_string = matches!(arg, Value::String(_));
        if !is_string && !is_after_string {
            out.push(' ');
        }
        is_after_string = is_string;
        out.push_str(&plain(arg));
        if out.len() > bytes_max {
            break;
        }
    }
    out
}

/// Go's `fmt.Sprintln`: a space between all arguments and a newline at the end.
pub(crate) fn sprintln(args: &[Value], bytes_max: usize) -> String {
    let mut out = String::new();
    for (place, arg) in args.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        out.push_str(&plain(arg));
        if out.len() > bytes_max {
            break;
        }
    }
    out.push('\n');
    out
}

/// The text that html, js and urlquery escape.
pub(crate) fn joined(args: &[Value], bytes_max: usize) -> String {
    let shown = |arg: &Value| {
        if matches!(arg, Value::Nil) {
            Value::from("<no value>")
        } else {
            arg.clone()
        }
    };
    sprint(&args.iter().map(shown).collect::<Vec<_>>(), bytes_max)
}

/// Length of a text; 0 for what is not one.
pub(crate) fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Func(_) => 0,
    }
}
