//! Starts a test of an nGrinder server, a copy of one that is there, and waits for its end.
//!
//! ```text
//! POST perftest/api/<clone>/clone_and_start → id
//! GET  perftest/api/<id>/status             → FINISHED, or a failure
//! PUT  perftest/api/<id>?action=stop          at the time limit
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use reqwest::{Client, Method, Url};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::web;
use crate::settings::parse_duration;

/// Time from one look to the next, unless metadata says another.
const POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// Shortest such time.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Time to stop a test that took too long.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A test to copy and start. Has no Debug of its own: it holds a password.
pub(crate) struct Ngrinder {
    server: Url,
    clone: i64,
    username: String,
    password: String,
    poll_interval: Duration,
}

impl std::fmt::Debug for Ngrinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told())
    }
}

/// Why metadata names no test.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("server, clone, username and passwd are required metadata")]
    Missing,
    #[error("metadata.server {0:?} is not an http or https URL, such as \"http://ngrinder:8080\"")]
    Server(String),
    #[error("metadata.clone {0:?} must be an integer: the id of the test to copy")]
    Clone(String),
    #[error("metadata.passwd must be base64 of the password")]
    Password,
}

impl Ngrinder {
    /// Reads `server`, `clone`, `username`, `passwd` and `pollInterval`. A `pollInterval` that is
    /// no duration counts as absent, as in Flagger.
    pub(super) fn read(metadata: &BTreeMap<String, String>) -> Result<Self, Unusable> {
        let get = |key| metadata.get(key).filter(|value| !value.is_empty());
        let (Some(server), Some(clone), Some(username), Some(password)) =
            (get("server"), get("clone"), get("username"), get("passwd"))
        else {
            return Err(Unusable::Missing);
        };
        let url = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let password = base64::engine::general_purpose::STANDARD
            .decode(password)
            .ok();
        let password = password.and_then(|bytes| String::from_utf8(bytes).ok());
        let poll_interval = get("pollInterval").and_then(|text| parse_duration(text));
        Ok(Self {
            server: url.ok_or_else(|| Unusable::Server(server.clone()))?,
            clone: clone.parse().map_err(|_| Unusable::Clone(clone.clone()))?,
            username: username.clone(),
            password: password.ok_or(Unusable::Password)?,
            poll_interval: poll_interval
                .filter(|interval| !interval.is_zero())
                .unwrap_or(POLL_INTERVAL_DEFAULT)
                .max(POLL_INTERVAL_MIN),
        })
    }

    pub(crate) const fn clone_id(&self) -> i64 {
        self.clone
    }

    pub(super) fn told(&self) -> String {
        let host = self.server.host_str().unwrap_or_default();
        format!("ngrinder test {} of {host}", self.clone)
    }

    /// Runs the test to its end, at most for `limit`.
    pub(super) async fn run(&self, client: &Client, limit: Duration) -> Result<(), String> {
        let started = timeout(limit, self.start(client)).await;
        let id = started.unwrap_or_else(|_| Err("did not start in time".to_owned()))?;
        let ended = timeout(limit, self.ended(client, id)).await;
        match ended {
            Ok(ended) => ended,
            Err(_) => {
                let path = format!("{id}?action=stop");
                let stop = self.ask(client, Method::PUT, &path);
                let stopped = timeout(STOP_TIMEOUT, stop).await;
                Err(match stopped {
                    Ok(Ok(_)) => format!("test {id} was stopped at the time limit"),
                    Ok(Err(_)) | Err(_) => {
                        format!("test {id} reached the time limit and could not be stopped")
                    }
                })
            }
        }
    }

    async fn start(&self, client: &Client) -> Result<i64, String> {
        let path = format!("{}/clone_and_start", self.clone);
        let started = self.ask(client, Method::POST, &path).await?;
        let id = started.get("id").and_then(Value::as_i64);
        id.ok_or_else(|| "ngrinder told no id of the test that it started".to_owned())
    }

    async fn ended(&self, client: &Client, id: i64) -> Result<(), String> {
        loop {
            sleep(self.poll_interval).await;
            // A look that fails says nothing of the test.
            let Ok(seen) = self.ask(client, Method::GET, &format!("{id}/status")).await else {
                continue;
            };
            let status = seen.pointer("/status/0/status_id").and_then(Value::as_str);
            match status {
                Some("FINISHED") => return Ok(()),
                Some(status @ ("STOP_BY_ERROR" | "CANCELED" | "UNKNOWN")) => {
                    return Err(format!("test {id} ended with {status}"));
                }
                Some(_) | None => {}
            }
        }
    }

    async fn ask(&self, client: &Client, method: Method, path: &str) -> Result<Value, String> {
        let url = self.server.join(&format!("perftest/api/{path}"));
        let url = url.map_err(|error| format!("metadata.server takes no path: {error}"))?;
        let request = client
            .request(method, url)
            .basic_auth(&self.username, Some(&self.password));
        let answer = web::ask(request, "ngrinder").await?;
        match answer.get("success") {
            Some(Value::Bool(false)) => Err("ngrinder refused the request".to_owned()),
            Some(_) | None => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], wanted: Result<&str, Unusable>) {
        let metadata = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let got = Ngrinder::read(&metadata)
            .map(|test| format!("{test:?} {} {:?}", test.password, test.poll_interval));
        assert_eq!(got, wanted.map(str::to_owned), "{pairs:?}");
    }

    #[test]
    fn metadata_names_a_test() {
        let [server, clone] = [("server", "http://ngrinder:8080"), ("clone", "960")];
        let [user, pass] = [("username", "admin"), ("passwd", "YWRtaW4=")];
        check(
            &[server, clone, user, pass],
            Ok("ngrinder test 960 of ngrinder admin 1s"),
        );
        for (interval, told) in [("5s", "5s"), ("10", "1s"), ("0", "1s"), ("1ns", "10ms")] {
            check(
                &[server, clone, user, pass, ("pollInterval", interval)],
                Ok(&format!("ngrinder test 960 of ngrinder admin {told}")),
            );
        }
        check(&[server, clone, user], Err(Unusable::Missing));
        check(&[server, ("clone", ""), user, pass], Err(Unusable::Missing));
        check(
            &[server, ("clone", "x"), user, pass],
            Err(Unusable::Clone("x".into())),
        );
        check(
            &[("server", "ngrinder"), clone, user, pass],
            Err(Unusable::Server("ngrinder".into())),
        );
        check(
            &[server, clone, user, ("passwd", "%")],
            Err(Unusable::Password),
        );
    }
}
