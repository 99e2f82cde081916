//! Metric servers, webhooks and chat services that answer as a test says.

use std::sync::Mutex;

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult, Series,
};
use chrono::{DateTime, Utc};
use notifier::{Request, SendError, Sent, Transport};

/// Answers every query with one number, every webhook with one status.
pub(crate) struct Scripted {
    success_rate: Mutex<Option<f64>>,
    status: Mutex<u16>,
    pub(crate) posts: Mutex<Vec<String>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            success_rate: Mutex::new(Some(100.0)),
            status: Mutex::new(200),
            posts: Mutex::default(),
        }
    }
}

impl Scripted {
    /// None: the server refuses connections.
    pub(crate) fn set_success_rate(&self, per_cent: Option<f64>) {
        *self.success_rate.lock().unwrap() = per_cent;
    }

    pub(crate) fn set_status(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }
}

impl Outbound for Scripted {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        query: &'a str,
        now: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        let mut rate = *self.success_rate.lock().unwrap();
        if query == "vector(1)" {
            rate = rate.map(|_| 1.0);
        }
        Box::pin(async move {
            let value =
                rate.ok_or_else(|| QueryFault::Unreachable("refused the connection".to_owned()))?;
            Ok(QueryResult::Vector(vec![Series {
                value: Some(value),
                at: now,
            }]))
        })
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        self.posts.lock().unwrap().push(request.body.clone());
        let status = *self.status.lock().unwrap();
        Box::pin(async move {
            Ok(HookResponse {
                status,
                body: String::new(),
                retry_after: None,
            })
        })
    }
}

/// Hears all alerts, and answers as it is told.
#[derive(Default)]
pub(crate) struct Chat {
    /// Address, token and body of each request.
    heard: Mutex<Vec<(String, Option<String>, serde_json::Value)>>,
    fault: Mutex<Option<SendError>>,
    is_hung: Mutex<bool>,
}

impl Chat {
    pub(crate) fn fail(&self, fault: SendError) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    pub(crate) fn hang(&self) {
        *self.is_hung.lock().unwrap() = true;
    }

    /// Texts heard at an address, with their colours.
    pub(crate) fn heard(&self, address: &str) -> Vec<String> {
        let body = |body: &serde_json::Value| {
            let part = &body["attachments"][0];
            format!(
                "{}: {}",
                part["color"].as_str().unwrap(),
                part["text"].as_str().unwrap()
            )
        };
        let heard = self.heard.lock().unwrap();
        let here = heard.iter().filter(|(url, _, _)| url == address);
        here.map(|(_, _, found)| body(found)).collect()
    }

    /// Fields of the alert with this text at an address, and its token.
    pub(crate) fn fields(&self, address: &str, text: &str) -> (Vec<String>, Option<String>) {
        let heard = self.heard.lock().unwrap();
        let (_, token, body) = heard
            .iter()
            .find(|(url, _, body)| url == address && body.to_string().contains(text))
            .unwrap_or_else(|| panic!("{text} not in {heard:#?}"));
        let fields = body["attachments"][0]["fields"].as_array().unwrap();
        let words = fields.iter().map(|field| {
            format!(
                "{}={}",
                field["title"].as_str().unwrap(),
                field["value"].as_str().unwrap()
            )
        });
        (words.collect(), token.clone())
    }
}

impl Transport for Chat {
    fn send<'a>(&'a self, request: &'a Request) -> Sent<'a> {
        let token = request
            .token
            .as_ref()
            .map(|token| token.expose().to_owned());
        let heard = (request.url.expose().to_owned(), token, request.body.clone());
        self.heard.lock().unwrap().push(heard);
        let fault = self.fault.lock().unwrap().clone();
        let is_hung = *self.is_hung.lock().unwrap();
        Box::pin(async move {
            if is_hung {
                std::future::pending::<()>().await;
            }
            fault.map_or(Ok(()), Err)
        })
    }
}
