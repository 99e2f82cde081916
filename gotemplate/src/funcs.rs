//! The functions that a caller gives to its templates

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::value::Value;

/// The type of a parameter, checked before the call as Go checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// `interface {}`: anything, nil too.
    Any,
    /// `string`.
    String,
    /// `int`.
    Int,
    /// `float64`.
    Float,
    /// `bool`.
    Bool,
}

impl Param {
    /// Go's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
        }
    }

    /// Whether a value may be passed as it is.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::String => matches!(value, Value::String(_)),
            Self::Int => matches!(value, Value::Int(_)),
            Self::Float => matches!(value, Value::Float(_)),
            Self::Bool => matches!(value, Value::Bool(_)),
        }
    }
}

/// What a function takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arity {
    /// Parameters that must be given.
    pub fixed: Vec<Param>,
    /// Type of any further arguments; none means that no more may be given.
    pub variadic: Option<Param>,
}

impl Arity {
    /// The parameter that takes the argument at `place`.
    pub(crate) fn param(&self, place: usize) -> Param {
        self.fixed
            .get(place)
            .copied()
            .or(self.variadic)
            .unwrap_or(Param::Any)
    }
}

/// The body of a function: arguments in, value or the text of an error out.
pub(crate) type Body = dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync;

/// A function with what it takes.
#[derive(Clone)]
pub struct Function {
    pub(crate) arity: Arc<Arity>,
    pub(crate) body: Arc<Body>,
}

impl Function {
    /// A function of this arity; the engine has checked number and types of the
    /// arguments when it calls `body`.
    pub fn new(
        arity: Arity,
        body: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            arity: Arc::new(arity),
            body: Arc::new(body),
        }
    }

    /// A function without parameters that always gives this value.
    pub fn constant(value: impl Into<Value>) -> Self {
        let value = value.into();
        Self::new(Arity::default(), move |_| Ok(value.clone()))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("arity", &self.arity)
            .finish_non_exhaustive()
    }
}

/// Functions by name. A name of a builtin hides the builtin.
#[derive(Debug, Clone, Default)]
pub struct Funcs {
    by_name: BTreeMap<String, Function>,
}

impl Funcs {
    /// Adds or replaces a function.
    pub fn insert(&mut self, name: &str, function: Function) {
        self.by_name.insert(name.to_owned(), function);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name)
    }
}
