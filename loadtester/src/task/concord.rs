//! Starts a process of a Concord server and waits for its end.
//!
//! `POST <server>/api/v1/process` with a form, then `GET …/<instanceId>` until it is FINISHED or
//! FAILED. Who asks is what the file of `apiKeyPath` holds: whoever reaches the port names both
//! file and server, so that this runs only where programs may.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use super::web;

const PATH: &str = "/api/v1/process";
/// Bytes of the file with the key.
const KEY_BYTES_MAX: u64 = 16 << 10;
/// Ends each part of the form; no value may hold it.
const BOUNDARY: &str = "sluice-3f6d1c0e9b7a4852";
/// Longest wait between two looks, in seconds.
const POLL_S_MAX: u64 = 3600;

/// A process to start.
#[derive(Debug)]
pub(crate) struct Concord {
    server: Url,
    /// Names and values of the form, in order.
    fields: Vec<(String, String)>,
    key_path: PathBuf,
    poll_interval: Duration,
    /// Time for one look. Flagger's clock starts anew with each, so that it only ends a process
    /// whose looks are further apart.
    poll_timeout: Duration,
}

/// Why metadata names no process.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("`{0}` is required with type concord")]
    Missing(&'static str),
    #[error(
        "metadata.server {0:?} is not an http or https URL, such as \"https://concord.example.com\""
    )]
    Server(String),
    #[error("`apiKeyPath` file doesn't exist {0}")]
    NoKey(String),
    #[error("unable to convert `{0}` to int: give seconds, 1 to {POLL_S_MAX}")]
    Seconds(&'static str),
    #[error("metadata \"arguments.endpoint\" cannot be set: give `endpoint`")]
    Endpoint,
    #[error(
        "metadata {0:?} cannot be sent: its name has a quote or a line break, or its value the form's own mark"
    )]
    Field(String),
}

impl Concord {
    /// Reads what Flagger reads.
    pub(super) fn read(metadata: &BTreeMap<String, String>) -> Result<Self, Unusable> {
        let need = |key: &'static str| metadata.get(key).ok_or(Unusable::Missing(key)).cloned();
        let server = need("server")?;
        let url = Url::parse(&server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut fields = Vec::new();
        for (key, name) in [
            ("org", "org"),
            ("project", "project"),
            ("repo", "repo"),
            ("entrypoint", "entryPoint"),
        ] {
            fields.push((name.to_owned(), need(key)?));
        }
        let key_path = PathBuf::from(need("apiKeyPath")?);
        if !key_path.exists() {
            return Err(Unusable::NoKey(key_path.display().to_string()));
        }
        fields.push(("arguments.endpoint".to_owned(), need("endpoint")?));
        for (key, value) in metadata {
            if key == "arguments.endpoint" {
                return Err(Unusable::Endpoint);
            }
            if key.starts_with("arguments.") {
                fields.push((key.clone(), value.clone()));
            }
        }
        for (name, value) in &fields {
            if name.contains(['"', '\r', '\n']) || value.contains(BOUNDARY) {
                return Err(Unusable::Field(name.clone()));
            }
        }
        Ok(Self {
            server: url.ok_or(Unusable::Server(server))?,
            fields,
            key_path,
            poll_interval: seconds(metadata, "pollInterval", 5)?,
            poll_timeout: seconds(metadata, "pollTimeout", 30)?,
        })
    }

    pub(super) fn told(&self) -> String {
        let named = self.fields.iter().take(4).map(|(_, value)| value.as_str());
        named.collect::<Vec<_>>().join(" ")
    }

    /// Runs the process to its end, at most for `limit`.
    pub(super) async fn run(&self, client: &Client, limit: Duration) -> Result<(), String> {
        timeout(limit, self.to_end(client))
            .await
            .unwrap_or_else(|_| Err("context timedout".to_owned()))
    }

    async fn to_end(&self, client: &Client) -> Result<(), String> {
        let started = self
            .ask(client, Method::POST, PATH, Some(self.form()))
            .await;
        let started = started.map_err(|why| format!("failed to start process: {why}"))?;
        let id = started.get("instanceId").and_then(Value::as_str);
        let is_id = |id: &&str| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let id = id.filter(is_id).filter(|id| !id.is_empty());
        let id = id.ok_or("failed to start process: concord told no instanceId")?;
        let path = format!("{PATH}/{id}");
        loop {
            if self.poll_interval > self.poll_timeout {
                sleep(self.poll_timeout).await;
                let seconds = self.poll_timeout.as_secs();
                return Err(format!(
                    "concord process timed out, after {seconds} seconds"
                ));
            }
            sleep(self.poll_interval).await;
            let seen = self.ask(client, Method::GET, &path, None).await;
            let seen = seen.map_err(|why| format!("failed checking status: {why}"))?;
            match seen.get("status").and_then(Value::as_str) {
                Some("FINISHED") => return Ok(()),
                Some("FAILED") => return Err(format!("concord instanceID: {id} failed")),
                Some(_) | None => {}
            }
        }
    }

    /// The fields as `multipart/form-data`.
    fn form(&self) -> String {
        let mut form = String::new();
        for (name, value) in &self.fields {
            form.push_str(&format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        form.push_str(&format!("--{BOUNDARY}--\r\n"));
        form
    }

    async fn ask(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        form: Option<String>,
    ) -> Result<Value, String> {
        let url = self.server.join(path);
        let url = url.map_err(|error| format!("metadata.server takes no path: {error}"))?;
        let mut request = client.request(method, url);
        if let Some(key) = self.key().await? {
            request = request.header(AUTHORIZATION, key);
        }
        if let Some(form) = form {
            let kind = format!("multipart/form-data; boundary={BOUNDARY}");
            request = request.header(CONTENT_TYPE, kind).body(form);
        }
        web::ask(request, "concord").await
    }

    /// The key, without the line break that files end with.
    async fn key(&self) -> Result<Option<HeaderValue>, String> {
        let bad = |why: &str| format!("the file of apiKeyPath {why}");
        let file = tokio::fs::File::open(&self.key_path).await;
        let file = file.map_err(|error| bad(&format!("cannot be read: {error}")))?;
        let mut text = String::new();
        let read = file.take(KEY_BYTES_MAX).read_to_string(&mut text).await;
        read.map_err(|_| bad("cannot be read as text"))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut key = HeaderValue::try_from(text.trim())
            .map_err(|_| bad("holds what no header can carry"))?;
        key.set_sensitive(true);
        Ok(Some(key))
    }
}

fn seconds(
    metadata: &BTreeMap<String, String>,
    key: &'static str,
    default: u64,
) -> Result<Duration, Unusable> {
    let Some(text) = metadata.get(key) else {
        return Ok(Duration::from_secs(default));
    };
    let seconds = text.parse().ok().filter(|s| (1..=POLL_S_MAX).contains(s));
    seconds
        .map(Duration::from_secs)
        .ok_or(Unusable::Seconds(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &[(&str, Option<&str>)], wanted: Result<&str, Unusable>) {
        let mut metadata: BTreeMap<String, String> = [
            ("server", "https://concord.example.org"),
            ("org", "o"),
            ("project", "p"),
            ("repo", "r"),
            ("entrypoint", "e"),
            ("endpoint", "http://app/"),
            ("apiKeyPath", "/"),
        ]
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
        for (key, value) in change {
            match value {
                Some(value) => metadata.insert((*key).to_owned(), (*value).to_owned()),
                None => metadata.remove(*key),
            };
        }
        let got = Concord::read(&metadata).map(|process| {
            let times = (process.poll_interval, process.poll_timeout);
            format!("{} {times:?} {}", process.told(), process.fields.len())
        });
        assert_eq!(got, wanted.map(str::to_owned), "{change:?}");
    }

    #[test]
    fn metadata_names_a_process() {
        check(&[], Ok("o p r e (5s, 30s) 5"));
        check(
            &[
                ("arguments.a", Some("b")),
                ("pollInterval", Some("1")),
                ("pollTimeout", Some("9")),
            ],
            Ok("o p r e (1s, 9s) 6"),
        );
        for key in [
            "server",
            "org",
            "project",
            "repo",
            "entrypoint",
            "apiKeyPath",
            "endpoint",
        ] {
            check(&[(key, None)], Err(Unusable::Missing(key)));
        }
        check(
            &[("apiKeyPath", Some("/no/such"))],
            Err(Unusable::NoKey("/no/such".into())),
        );
        check(
            &[("pollInterval", Some("5s"))],
            Err(Unusable::Seconds("pollInterval")),
        );
        check(
            &[("pollTimeout", Some("0"))],
            Err(Unusable::Seconds("pollTimeout")),
        );
        check(
            &[("arguments.endpoint", Some("x"))],
            Err(Unusable::Endpoint),
        );
        check(
            &[("arguments.a\"b", Some("x"))],
            Err(Unusable::Field("arguments.a\"b".into())),
        );
        check(
            &[("server", Some("concord"))],
            Err(Unusable::Server("concord".into())),
        );
    }
}
