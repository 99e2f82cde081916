//! Asks a server once for its health, as `grpc_health_probe` does, in that program's words.

use std::time::Duration;

use http::HeaderMap;
use prost::Message;

use super::credentials::Credentials;
use super::{CHECK, CallError, Channel, HEALTH};
use crate::load::{Fault, Plan, PlanError};

/// A question about one service's health.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// Where to, with its limits of time.
    pub(crate) plan: Plan,
    /// Files that are not in the plan yet.
    pub(crate) credentials: Credentials,
    pub(crate) headers: HeaderMap,
    /// The service; empty for the server as a whole.
    pub(crate) service: String,
    pub(crate) connect_timeout: Duration,
}

/// HealthCheckRequest.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// HealthCheckResponse.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Probe {
    /// Reads the files that the line names.
    ///
    /// # Errors
    /// Files that cannot be read, or hold something else.
    pub(crate) fn prepared(mut self) -> Result<Self, CallError> {
        std::mem::take(&mut self.credentials).read_into(&mut self.plan)?;
        Ok(self)
    }

    /// What the program would print, and the code it would end with if that is not 0.
    ///
    /// # Errors
    /// Certificates or names that cannot be used.
    pub(crate) async fn ask(&self) -> Result<(String, Option<u8>), PlanError> {
        let channel = Channel::new(&self.plan, self.headers.clone())?;
        let question = Question {
            service: self.service.clone(),
        };
        let path = format!("/{HEALTH}/{CHECK}");
        let answer = channel.call(&path, &question.encode_to_vec()).await;
        let host = channel.host();
        Ok(match answer {
            Err(Fault::Connect) => {
                let within = self.connect_timeout;
                (
                    format!("failed to connect service {host:?} within {within:?}"),
                    Some(2),
                )
            }
            Err(fault) => (format!("health rpc failed: {fault}"), Some(3)),
            Ok(messages) => {
                let told = messages
                    .first()
                    .map(|message| Told::decode(message.clone()));
                match told {
                    Some(Ok(Told { status: 1 })) => ("status: SERVING".to_owned(), None),
                    Some(Ok(told)) => (
                        format!("service unhealthy (responded with {:?})", name(told.status)),
                        Some(4),
                    ),
                    Some(Err(_)) | None => (
                        "health rpc failed: the answer cannot be read".to_owned(),
                        Some(3),
                    ),
                }
            }
        })
    }
}

fn name(status: i32) -> &'static str {
    match status {
        1 => "SERVING",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    }
}
