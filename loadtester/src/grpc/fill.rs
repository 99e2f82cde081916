//! Texts with gaps that are filled in for every call: the call data of ghz, in Go's template
//! language, in `--data` and `--metadata`.
//!
//! Variables and functions are those of ghz (runner/calldata.go) without its sprig library. What
//! has no `{{` is made once and never comes here.

mod functions;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use gotemplate::{Limits, MissingKey, Options, ParseError, Template, Value};
use prost_reflect::MethodDescriptor;
use uuid::Uuid;

use super::{CallError, message, metadata};
use crate::load::{Calls, Fill, Filled, in_turn};

/// Bytes that a template may be filled in to. The template itself is a part of a line.
const FILLED_BYTES_MAX: usize = 256 << 10;
/// What one filling in may cost, which holds up the worker's thread.
const OPTIONS: Options = Options {
    missing_key: MissingKey::Error,
    limits: Limits {
        steps_max: 20_000,
        output_bytes_max: FILLED_BYTES_MAX,
        depth_max: 100,
    },
};

/// A text of a line.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// Always the same.
    Fixed(String),
    /// To be filled in for every call.
    Template(Template),
}

impl Text {
    /// Reads a template, or a text without gaps. Errors name the flag.
    ///
    /// # Errors
    /// A template that is not of the language, or calls other functions.
    pub(crate) fn read(flag: &str, text: String, has_functions: bool) -> Result<Self, ParseError> {
        if !text.contains("{{") {
            return Ok(Self::Fixed(text));
        }
        let functions = functions::functions(has_functions);
        Ok(Self::Template(Template::parse(flag, &text, functions)?))
    }
}

/// What a line says of the calls of a method.
#[derive(Clone, Debug)]
pub(crate) struct Wording {
    /// The message as JSON, or a list of them.
    pub(crate) data: Text,
    /// The metadata, if it is to be filled in.
    pub(crate) metadata: Option<Template>,
    /// What the names of workers begin with.
    pub(crate) name: Option<String>,
    /// Connections that the workers are spread over.
    pub(crate) connections: usize,
}

impl Wording {
    /// The calls. The first is made at once, so that what is wrong is told before load is sent.
    pub(super) fn calls(self, method: &MethodDescriptor) -> Result<Calls, CallError> {
        let Self {
            data,
            metadata,
            name,
            connections,
        } = self;
        let (bodies, data) = match data {
            Text::Fixed(text) => (message::bodies(method, &text)?, None),
            Text::Template(template) => (Vec::new(), Some(template)),
        };
        let mut fill = None;
        if data.is_some() || metadata.is_some() {
            let letters = Letters {
                method: method.clone(),
                data,
                metadata,
                name,
                connections,
                known: known(method),
            };
            letters.letter(0, 0)?;
            fill = Some(Arc::new(letters) as Arc<dyn Fill>);
        }
        Ok(Calls {
            bodies,
            fill,
            connections,
        })
    }
}

/// What calls are made of when they differ.
#[derive(Debug)]
struct Letters {
    method: MethodDescriptor,
    data: Option<Template>,
    metadata: Option<Template>,
    name: Option<String>,
    connections: usize,
    /// Variables that are the same for every call.
    known: BTreeMap<String, Value>,
}

impl Fill for Letters {
    fn fill(&self, n: u64, worker: usize) -> Option<Filled> {
        self.letter(n, worker).ok()
    }
}

impl Letters {
    fn letter(&self, n: u64, worker: usize) -> Result<Filled, CallError> {
        let variables = self.variables(n, worker);
        let mut own = Filled::default();
        if let Some(data) = &self.data {
            let bodies = message::bodies(&self.method, &filled(data, &variables)?)?;
            own.body = Some(in_turn(&bodies, n));
        }
        if let Some(text) = &self.metadata {
            let text = filled(text, &variables)?;
            own.headers = metadata::read(&text).map_err(CallError::Metadata)?;
        }
        Ok(own)
    }

    fn variables(&self, n: u64, worker: usize) -> Value {
        let now = Utc::now();
        let prefix = self.name.as_ref().map(|name| format!("{name}:"));
        let connection = worker % self.connections.max(1);
        let worker = format!("{}g{worker}c{connection}", prefix.unwrap_or_default());
        let nanoseconds = now.timestamp_nanos_opt().unwrap_or(i64::MAX);
        let own = [
            ("WorkerID", Value::from(worker)),
            (
                "RequestNumber",
                Value::from(i64::try_from(n).unwrap_or(i64::MAX)),
            ),
            (
                "Timestamp",
                now.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
            ),
            ("TimestampUnix", now.timestamp().into()),
            ("TimestampUnixMilli", now.timestamp_millis().into()),
            ("TimestampUnixNano", nanoseconds.into()),
            ("UUID", Uuid::new_v4().to_string().into()),
        ];
        let mut variables = self.known.clone();
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Value::from(variables)
    }
}

fn filled(template: &Template, variables: &Value) -> Result<String, CallError> {
    template
        .execute(variables, &OPTIONS)
        .map_err(CallError::Template)
}

/// What is known of a method before it is called.
fn known(method: &MethodDescriptor) -> BTreeMap<String, Value> {
    let known = [
        ("FullyQualifiedName", Value::from(method.full_name())),
        ("MethodName", method.name().into()),
        ("ServiceName", method.parent_service().name().into()),
        ("InputName", method.input().name().into()),
        ("OutputName", method.output().name().into()),
        ("IsClientStreaming", method.is_client_streaming().into()),
        ("IsServerStreaming", method.is_server_streaming().into()),
    ];
    BTreeMap::from(known.map(|(name, value)| (name.to_owned(), value)))
}
