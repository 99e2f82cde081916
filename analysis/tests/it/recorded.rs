//! A way out that answers from recordings and writes down what it was asked

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use analysis::{
    Asked, Context, Flavour, HookFault, HookRequest, HookResponse, HttpRequest, HttpResponse, Kept,
    KubernetesRequest, Outbound, PrometheusServer, QueryFault, QueryResult, Reach, Resolved,
    Secret, TemplateRef, available, measure,
};
use api::metric_template::MetricTemplate;
use chrono::{DateTime, Utc};
use rollout::spec::check::{Check, CheckSource};
use serde_json::{Value, json};

use crate::fixture::{SECRET, check_of, context, told};

/// An answer: status and body; status 0 means that there is none.
pub(crate) type Recording<'a> = (u16, &'a str);

/// Answers in order, the last one for ever.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) answers: Mutex<VecDeque<(u16, String)>>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) variables: BTreeMap<&'static str, &'static str>,
    pub(crate) files: BTreeMap<&'static str, String>,
    pub(crate) kept: Option<Kept>,
}

impl Recorded {
    pub(crate) fn new(answers: &[Recording<'_>]) -> Self {
        let answers = answers
            .iter()
            .map(|(status, body)| (*status, (*body).into()));
        Self {
            answers: Mutex::new(answers.collect()),
            ..Self::default()
        }
    }

    /// Status 0 when there is none.
    fn next(&self, asked: String) -> (u16, String) {
        self.asked.lock().unwrap().push(asked);
        let mut answers = self.answers.lock().unwrap();
        match answers.len() {
            0 => (0, String::new()),
            1 => answers.front().unwrap().clone(),
            _ => answers.pop_front().unwrap(),
        }
    }

    /// All that was asked, in order.
    pub(crate) fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n---\n")
    }
}

impl Outbound for Recorded {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        _: &'a str,
        _: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        panic!("a Prometheus was asked")
    }

    fn post<'a>(&'a self, _: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        panic!("a webhook was called")
    }

    fn exchange<'a>(
        &'a self,
        request: &'a HttpRequest,
    ) -> Asked<'a, Result<HttpResponse, QueryFault>> {
        let mut text = format!("{:?} {}", request.method, request.url);
        if request.reach == Reach::CloudIdentity {
            text.push_str(" (cloud identity)");
        }
        if request.is_tls_unchecked {
            text.push_str(" (any certificate)");
        }
        for (name, value) in &request.headers {
            text.push_str(&format!("\n{name}: {}", value.expose()));
        }
        if !request.body.is_empty() {
            text.push_str(&format!("\n\n{}", String::from_utf8_lossy(&request.body)));
        }
        let next = self.next(text);
        Box::pin(async move {
            let (status, body) = next;
            if status == 0 {
                return Err(refused());
            }
            Ok(HttpResponse {
                status,
                body: body.into_bytes(),
                is_cut: false,
            })
        })
    }

    fn kubernetes<'a>(
        &'a self,
        request: &'a KubernetesRequest,
    ) -> Asked<'a, Result<Value, QueryFault>> {
        let body = request.body.as_ref().map(|body| format!("\n{body}"));
        let body = body.unwrap_or_default();
        let next = self.next(format!("{:?} {}{body}", request.method, request.path));
        Box::pin(async move {
            let (status, message) = next;
            match status {
                0 => Err(refused()),
                200..300 => Ok(message.parse().unwrap_or_default()),
                _ => Err(QueryFault::Status { status, message }),
            }
        })
    }

    fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    fn variable(&self, name: &str) -> Option<Secret> {
        self.variables.get(name).map(|value| Secret::new(*value))
    }

    fn file<'a>(&'a self, path: &'a str) -> Asked<'a, Option<Secret>> {
        Box::pin(std::future::ready(self.files.get(path).map(Secret::new)))
    }
}

fn refused() -> QueryFault {
    QueryFault::Unreachable("refused the connection".into())
}

/// A MetricTemplate `t` with its Secret `s`, and a check that uses it.
pub(crate) struct Case {
    pub(crate) context: Context,
    pub(crate) check: Check,
}

impl Case {
    pub(crate) fn new(mut provider: Value, secret: &[(&str, &str)], query: &str) -> Self {
        let secret: BTreeMap<String, Vec<u8>> = secret
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        if !secret.is_empty() {
            provider["secretRef"] = json!({ "name": "s" });
        }
        let template: MetricTemplate = serde_json::from_value(json!({
            "metadata": { "name": "t", "namespace": "flagger" },
            "spec": { "provider": provider, "query": query },
        }))
        .unwrap();
        let mut context = context(Flavour::Istio, "http://prom:9090");
        let reference = TemplateRef {
            namespace: "flagger".into(),
            name: "t".into(),
        };
        let resolved = Resolved::read(&template, Some(&secret));
        context.templates.insert(reference, resolved);
        let source = CheckSource::Template {
            name: "t".into(),
            namespace: "flagger".into(),
        };
        Self {
            context,
            check: check_of("m", source),
        }
    }

    pub(crate) async fn measured(&self, recorded: &Recorded) -> String {
        let text = told(&measure(&self.check, "k", &self.context, recorded).await);
        assert!(!text.contains(SECRET), "{text}");
        text
    }

    pub(crate) async fn available(&self, recorded: &Recorded) -> String {
        let answer = available(&self.check, &self.context, recorded).await;
        let text = answer.map_or_else(
            |why| format!("not available: {why}"),
            |()| "available".into(),
        );
        assert!(!text.contains(SECRET), "{text}");
        text
    }

    /// The request that the query becomes, then a line for each answer.
    pub(crate) async fn table(&self, answers: &[Recording<'_>]) -> String {
        let mut lines = Vec::new();
        for answer in answers {
            let recorded = Recorded::new(&[*answer]);
            let measured = self.measured(&recorded).await;
            if lines.is_empty() {
                lines.push(recorded.asked());
            }
            lines.push(measured);
        }
        lines.join("\n")
    }

    /// The probe, then a line for each answer.
    pub(crate) async fn probes(&self, answers: &[Recording<'_>]) -> String {
        let mut lines = Vec::new();
        for answer in answers {
            let recorded = Recorded::new(&[*answer]);
            let available = self.available(&recorded).await;
            if lines.is_empty() {
                lines.push(recorded.asked());
            }
            lines.push(available);
        }
        lines.join("\n")
    }
}
