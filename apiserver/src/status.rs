//! Words every refusal as a `metav1.Status`, with the reasons and messages of kube-apiserver.
//!
//! It decides nothing; callers say what went wrong and this file says it the way clients expect.

use serde_json::{Value, json};

/// A refusal, as the client will see it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    pub(crate) retry_after_s: Option<u32>,
}

/// The group and plural by which messages name a resource, and its kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl Subject<'_> {
    fn resource(&self) -> String {
        dotted(self.plural, self.group)
    }
}

/// `name.group`, or the name alone for the core group.
pub(crate) fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            retry_after_s: None,
        }
    }

    fn about(mut self, subject: Subject<'_>) -> Self {
        let mut details = json!({ "kind": subject.plural });
        if !subject.name.is_empty() {
            crate::object::put(&mut details, &["name"], json!(subject.name));
        }
        if !subject.group.is_empty() {
            crate::object::put(&mut details, &["group"], json!(subject.group));
        }
        self.details = Some(details);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn forbidden(subject: Subject<'_>, why: &str) -> Self {
        let message = format!(
            "{} {:?} is forbidden: {why}",
            subject.resource(),
            subject.name
        );
        Self::new(403, "Forbidden", message).about(subject)
    }

    pub(crate) fn not_found(subject: Subject<'_>) -> Self {
        let message = format!("{} {:?} not found", subject.resource(), subject.name);
        Self::new(404, "NotFound", message).about(subject)
    }

    pub(crate) fn no_such_path() -> Self {
        let mut error = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        error.details = Some(json!({}));
        error
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.details = Some(json!({}));
        error
    }

    pub(crate) fn not_acceptable() -> Self {
        Self::new(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json",
        )
    }

    pub(crate) fn unsupported_media(accepted: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted}"
            ),
        )
    }

    pub(crate) fn already_exists(subject: Subject<'_>) -> Self {
        let message = format!("{} {:?} already exists", subject.resource(), subject.name);
        Self::new(409, "AlreadyExists", message).about(subject)
    }

    pub(crate) fn conflict(subject: Subject<'_>, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: {why}",
            subject.resource(),
            subject.name
        );
        Self::new(409, "Conflict", message).about(subject)
    }

    pub(crate) fn modified(subject: Subject<'_>) -> Self {
        Self::conflict(
            subject,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// A server-side apply that would take fields of other managers.
    pub(crate) fn apply_conflict(message: String, causes: &[Value]) -> Self {
        let mut error = Self::new(409, "Conflict", message);
        error.details = Some(json!({ "causes": causes }));
        error
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// A resourceVersion that this server has not reached.
    pub(crate) fn version_ahead(asked: u64, current: u64) -> Self {
        let mut error = Self::new(
            504,
            "Timeout",
            format!("Too large resource version: {asked}, current: {current}"),
        );
        error.retry_after_s = Some(1);
        error.details = Some(json!({
            "retryAfterSeconds": 1,
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        }));
        error
    }

    /// An object that breaks rules of its kind.
    pub(crate) fn invalid(subject: Subject<'_>, problems: &[FieldError]) -> Self {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let all = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind = dotted(subject.kind, subject.group);
        let mut error = Self::new(
            422,
            "Invalid",
            format!("{kind} {:?} is invalid: {all}", subject.name),
        );
        let causes: Vec<Value> = problems
            .iter()
            .map(|problem| json!({ "reason": problem.fault.reason(), "message": problem.fault.to_string(), "field": problem.field }))
            .collect();
        let mut details = json!({ "kind": subject.kind, "causes": causes });
        if !subject.name.is_empty() {
            crate::object::put(&mut details, &["name"], json!(subject.name));
        }
        if !subject.group.is_empty() {
            crate::object::put(&mut details, &["group"], json!(subject.group));
        }
        error.details = Some(details);
        error
    }

    /// An answer that a fault asks for.
    pub(crate) fn injected(code: u16, retry_after_s: Option<u32>) -> Self {
        let (reason, message) = match code {
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "forbidden by an injected fault"),
            404 => ("NotFound", "not found by an injected fault"),
            409 => (
                "Conflict",
                "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
            ),
            410 => ("Expired", "too old resource version"),
            429 => (
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            ),
            503 => (
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => (
                "Timeout",
                "the server was unable to return a response in the time allotted",
            ),
            _ => ("InternalError", "Internal error occurred: injected fault"),
        };
        let mut error = Self::new(code, reason, message);
        error.retry_after_s = retry_after_s;
        if let Some(seconds) = retry_after_s {
            error.details = Some(json!({ "retryAfterSeconds": seconds }));
        }
        error
    }

    pub(crate) fn too_many_requests(message: impl Into<String>, causes: &Value) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message);
        error.details = Some(json!({ "causes": causes }));
        error
    }

    /// The JSON body of the refusal.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(details) = &self.details {
            crate::object::put(&mut status, &["details"], details.clone());
        }
        status
    }
}

/// One broken rule of one field.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{field}: {fault}")]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) fault: FieldFault,
}

/// What is wrong with a field, in apimachinery's words.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum FieldFault {
    #[error("Required value{}", suffix(.0))]
    Required(String),
    #[error("Invalid value: {0}: {1}")]
    Invalid(String, String),
    #[error("Invalid value: {0}: {1}")]
    Type(String, String),
    #[error("Unsupported value: {0}: supported values: {1}")]
    NotSupported(String, String),
    #[error("Duplicate value: {0}")]
    Duplicate(String),
    #[error("Forbidden: {0}")]
    Forbidden(String),
    #[error("Too long: may not be more than {0} bytes")]
    TooLong(usize),
    #[error("Too many: {0}: must have at most {1} items")]
    TooMany(usize, u64),
}

fn suffix(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

impl FieldFault {
    fn reason(&self) -> &'static str {
        match self {
            Self::Required(_) => "FieldValueRequired",
            Self::Invalid(..) => "FieldValueInvalid",
            Self::Type(..) => "FieldValueTypeInvalid",
            Self::NotSupported(..) => "FieldValueNotSupported",
            Self::Duplicate(_) => "FieldValueDuplicate",
            Self::Forbidden(_) => "FieldValueForbidden",
            Self::TooLong(_) => "FieldValueTooLong",
            Self::TooMany(..) => "FieldValueTooMany",
        }
    }
}

impl FieldError {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        Self {
            field: field.into(),
            fault: FieldFault::Required(detail.to_owned()),
        }
    }

    pub(crate) fn invalid(
        field: impl Into<String>,
        value: &Value,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            fault: FieldFault::Invalid(value.to_string(), detail.into()),
        }
    }

    pub(crate) fn wrong_type(
        field: impl Into<String>,
        value: &Value,
        detail: impl Into<String>,
    ) -> Self {
        let shown = if value.is_object() || value.is_array() {
            value.to_string()
        } else {
            format!("{:?}", plain(value))
        };
        Self {
            field: field.into(),
            fault: FieldFault::Type(shown, detail.into()),
        }
    }

    pub(crate) fn not_supported(
        field: impl Into<String>,
        value: &Value,
        supported: &[String],
    ) -> Self {
        let quoted: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        Self {
            field: field.into(),
            fault: FieldFault::NotSupported(value.to_string(), quoted.join(", ")),
        }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            field: field.into(),
            fault: FieldFault::Duplicate(value.to_string()),
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            fault: FieldFault::Forbidden(detail.into()),
        }
    }

    pub(crate) fn immutable(field: impl Into<String>, value: &Value) -> Self {
        Self::invalid(field, value, "field is immutable")
    }
}

/// A scalar without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
