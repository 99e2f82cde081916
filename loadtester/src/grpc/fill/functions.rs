//! The functions that ghz gives to its templates: random texts, numbers and UUIDs.

use gotemplate::{Arity, Funcs, Function, Param, Value};
use rand::Rng as _;
use rand::distr::{Alphanumeric, SampleString as _};
use uuid::Uuid;

use super::FILLED_BYTES_MAX;

/// Letters of a random text whose length is left open.
const OPEN_LENGTHS: std::ops::RangeInclusive<usize> = 2..=16;

/// ghz's own functions, or none beside those that Go's templates always have.
pub(super) fn functions(has_functions: bool) -> Funcs {
    let mut functions = Funcs::default();
    if !has_functions {
        return functions;
    }
    let of_numbers = |count| Arity {
        fixed: vec![Param::Int; count],
        variadic: None,
    };
    let uuid = |_: &[Value]| Ok(Value::from(Uuid::new_v4().to_string()));
    functions.insert("newUUID", Function::new(Arity::default(), uuid));
    functions.insert("randomString", Function::new(of_numbers(1), random_string));
    functions.insert("randomInt", Function::new(of_numbers(2), random_int));
    functions
}

/// Letters and digits; of 2 to 16 if the number is not above 0.
fn random_string(arguments: &[Value]) -> Result<Value, String> {
    let mut rng = rand::rng();
    let length = match arguments {
        [Value::Int(length)] if *length > 0 => usize::try_from(*length).unwrap_or(usize::MAX),
        _ => rng.random_range(OPEN_LENGTHS),
    };
    if length > FILLED_BYTES_MAX {
        return Err(format!(
            "a length of {length}: give at most {FILLED_BYTES_MAX}"
        ));
    }
    Ok(Value::from(Alphanumeric.sample_string(&mut rng, length)))
}

/// From the first number on, below the second. As in ghz the first is 0 at least, and 1 stands
/// for a second that is not above 0.
fn random_int(arguments: &[Value]) -> Result<Value, String> {
    let [Value::Int(from), Value::Int(to)] = arguments else {
        return Err("two numbers are needed".to_owned());
    };
    let from = (*from).max(0);
    let to = if *to > 0 { *to } else { 1 };
    if from >= to {
        return Err(format!("no number from {from} on is below {to}"));
    }
    Ok(Value::Int(rand::rng().random_range(from..to)))
}
