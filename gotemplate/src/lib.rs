//! Parses and runs templates of Go's text/template language
//!
//! A template becomes tokens (`lex`), a tree (`parse`, `node`) and then text
//! (`exec`), with the values of `value`, the functions of `funcs` and the verbs
//! of `format`. Errors have Go's texts, because users know them and search for
//! them. What is not here: methods of values (there are none), complex
//! constants, other delimiters than `{{ }}`, and any reading of files or
//! clocks. Strings hold UTF-8 only: a byte that is not becomes U+FFFD.
//!
//! ```
//! use gotemplate::{Function, Funcs, Options, Template, Value};
//!
//! let mut funcs = Funcs::default();
//! funcs.insert("namespace", Function::constant("prod"));
//! let template = Template::parse("query", r#"up{namespace="{{ namespace }}"}"#, funcs)?;
//! assert_eq!(template.execute(&Value::Nil, &Options::default())?, r#"up{namespace="prod"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;
mod compare;
mod error;
mod escape;
mod exec;
mod format;
mod funcs;
mod lex;
mod node;
mod parse;
mod quote;
mod template;
mod value;

pub use error::{ExecError, ParseError};
pub use format::sprintf;
pub use funcs::{Arity, Funcs, Function, Param};
pub use template::{Limits, MissingKey, Options, Template};
pub use value::{Map, Value};
