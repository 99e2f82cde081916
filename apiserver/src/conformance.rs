//! Runs written requests against any Kubernetes API and compares the answers with what is expected.
//!
//! The cases lie in `conformance/*.case` and hold for a real kube-apiserver too; the sandbox is held to them. A case is
//! a line `== name`, then steps. A step is `> METHOD path` with an optional YAML body, then `< code` with an optional
//! YAML value that the answer must contain: maps field by field, `null` for absent, text that starts with `~` anywhere
//! in the text, everything else equal. `$ns` stands for a fresh namespace, `$case` for its number, and `$name` for
//! what an earlier step kept by `& name /json/pointer`. `PATCH:json`, `PATCH:merge`, `PATCH:strategic`, `PATCH:apply`
//! and `GET:table`, `GET:metadata` choose media types; `GET:until` asks until the answer is as expected.

use std::{collections::BTreeMap, time::Duration};

use http::{Method, Request, header};
use serde_json::{Value, json};

const FILES: [&str; 4] = [
    include_str!("../conformance/objects.case"),
    include_str!("../conformance/patches.case"),
    include_str!("../conformance/apply.case"),
    include_str!("../conformance/custom.case"),
];

/// How often a request whose answer takes time is sent.
const TRIES_MAX: usize = 100;
const TRY_INTERVAL: Duration = Duration::from_millis(100);

/// A named row of requests with the answers expected.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the case shows.
    pub name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Default)]
struct Step {
    request: String,
    body: String,
    code: String,
    expected: String,
    kept: Vec<String>,
}

/// An answer that was not as expected, or a case that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("case {case:?}, step {request:?}: {problem}")]
pub struct Mismatch {
    case: String,
    request: String,
    problem: String,
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|text| parse(text)).collect()
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut is_answer = false;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case {
                name: name.to_owned(),
                steps: Vec::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(request) = line.strip_prefix("> ") {
            is_answer = false;
            case.steps.push(Step {
                request: request.to_owned(),
                ..Step::default()
            });
            continue;
        }
        let Some(step) = case.steps.last_mut() else {
            continue;
        };
        if let Some(code) = line.strip_prefix("< ") {
            is_answer = true;
            code.trim().clone_into(&mut step.code);
        } else if let Some(kept) = line.strip_prefix("& ") {
            step.kept.push(kept.to_owned());
        } else {
            let part = if is_answer {
                &mut step.expected
            } else {
                &mut step.body
            };
            part.push_str(line);
            part.push('\n');
        }
    }
    cases
}

impl Case {
    /// Sends the requests in a fresh namespace and compares the answers.
    ///
    /// # Errors
    /// The first step whose answer is not as expected.
    pub async fn run(&self, client: &kube::Client, number: usize) -> Result<(), Mismatch> {
        let mut words = BTreeMap::from([
            ("ns".to_owned(), format!("case-{number}")),
            ("case".to_owned(), number.to_string()),
        ]);
        let start = Step {
            request: "POST /api/v1/namespaces".to_owned(),
            body: "{apiVersion: v1, kind: Namespace, metadata: {name: $ns}}".to_owned(),
            code: "201".to_owned(),
            ..Step::default()
        };
        for step in std::iter::once(&start).chain(&self.steps) {
            step.run(client, &mut words)
                .await
                .map_err(|problem| Mismatch {
                    case: self.name.clone(),
                    request: step.request.clone(),
                    problem,
                })?;
        }
        Ok(())
    }
}

impl Step {
    /// Sends the request, again and again for a while when its form is `until`.
    async fn run(
        &self,
        client: &kube::Client,
        words: &mut BTreeMap<String, String>,
    ) -> Result<(), String> {
        let mut tries = if self.request.contains(":until ") {
            TRIES_MAX
        } else {
            1
        };
        loop {
            tries -= 1;
            match self.send(client, words).await {
                Err(_) if tries > 0 => tokio::time::sleep(TRY_INTERVAL).await,
                outcome => return outcome,
            }
        }
    }

    async fn send(
        &self,
        client: &kube::Client,
        words: &mut BTreeMap<String, String>,
    ) -> Result<(), String> {
        let request = request_of(&fill(&self.request, words), &fill(&self.body, words))?;
        let answer = client
            .send(request)
            .await
            .map_err(|error| format!("not sent: {error}"))?;
        let code = answer.status().as_u16().to_string();
        let bytes = answer.into_body().collect_bytes().await;
        let bytes = bytes.map_err(|error| format!("not read: {error}"))?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if code != self.code {
            return Err(format!("answered {code}, expected {}: {value}", self.code));
        }
        let expected = yaml(&fill(&self.expected, words))?;
        if !self.expected.trim().is_empty()
            && let Some(difference) = difference(&expected, &value, "")
        {
            return Err(format!("{difference}; the answer was {value}"));
        }
        for kept in &self.kept {
            let (name, pointer) = kept
                .split_once(' ')
                .ok_or("a kept value needs a name and a pointer")?;
            let found = value
                .pointer(pointer)
                .ok_or_else(|| format!("nothing at {pointer:?}"))?;
            words.insert(name.to_owned(), crate::status::plain(found));
        }
        Ok(())
    }
}

fn request_of(line: &str, body: &str) -> Result<Request<kube::client::Body>, String> {
    let (method, path) = line
        .split_once(' ')
        .ok_or("a request needs a method and a path")?;
    let (method, form) = method.split_once(':').unwrap_or((method, ""));
    let media_type = match form {
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        _ => "application/json",
    };
    let accept = match form {
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "metadata" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        _ => "application/json",
    };
    let body = if body.trim().is_empty() {
        Vec::new()
    } else {
        yaml(body)?.to_string().into_bytes()
    };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?)
        .uri(path)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::ACCEPT, accept)
        .header(header::USER_AGENT, "conformance/1")
        .body(kube::client::Body::from(body))
        .map_err(|error| error.to_string())
}

fn fill(text: &str, words: &BTreeMap<String, String>) -> String {
    words
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${name}"), value)
        })
}

fn yaml(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    crate::yaml::parse(text).map_err(|error| format!("the case holds bad YAML: {error}"))
}

/// Where the answer lacks what is expected.
fn difference(expected: &Value, found: &Value, path: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(fields), Value::Object(_)) => fields.iter().find_map(|(key, wanted)| {
            let here = format!("{path}.{key}");
            match found.get(key) {
                None | Some(Value::Null) if wanted.is_null() => None,
                None => Some(format!("{here} is absent, expected {wanted}")),
                Some(found) => difference(wanted, found, &here),
            }
        }),
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => wanted
            .iter()
            .zip(items)
            .enumerate()
            .find_map(|(index, (wanted, item))| {
                difference(wanted, item, &format!("{path}[{index}]"))
            }),
        (Value::String(wanted), Value::String(text)) if wanted.starts_with('~') => {
            let part = wanted.trim_start_matches('~');
            (!text.contains(part))
                .then(|| format!("{path} is {text:?}, expected it to hold {part:?}"))
        }
        (wanted, found) => {
            (wanted != found).then(|| format!("{path} is {found}, expected {wanted}"))
        }
    }
}
