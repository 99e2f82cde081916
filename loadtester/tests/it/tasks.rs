//! Tasks that other servers or programs carry out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use http::StatusCode;
use loadtester::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::api::start;
use crate::support::post;

/// What was asked, and how to answer it: part of method and path, then status and body.
#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Vec<(&'static str, u16, &'static str)>>,
}

impl Script {
    async fn start(answers: &[(&'static str, u16, &'static str)]) -> (Self, String) {
        let script = Self {
            asked: Arc::default(),
            answers: Arc::new(answers.to_vec()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (script, url)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> (StatusCode, &'static str) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let key = parts.headers.get("authorization");
    let key = key.map_or("-", |key| key.to_str().unwrap());
    let line = format!("{} {} {key}", parts.method, parts.uri);
    let found = script
        .answers
        .iter()
        .find(|(part, _, _)| line.contains(part));
    let text = String::from_utf8_lossy(&body);
    script
        .asked
        .lock()
        .unwrap()
        .push(format!("{line} {text}").trim_end().to_owned());
    let (_, status, body) = found.copied().unwrap_or(("", 404, "{}"));
    (status.try_into().unwrap(), body)
}

fn payload(metadata: &Value) -> String {
    json!({"name": "p", "namespace": "test", "metadata": metadata}).to_string()
}

const STARTED: (&str, u16, &str) = ("POST", 200, r#"{"status":"READY","id":961}"#);

fn ngrinder(server: &str) -> String {
    payload(&json!({
        "type": "ngrinder", "server": server, "clone": "960", "username": "admin", "passwd": "cHc=", "pollInterval": "10ms",
    }))
}

#[tokio::test]
async fn ngrinder_tests_are_started_watched_and_stopped() {
    let (url, _stop, _task) = start(Settings {
        timeout: Duration::from_millis(400),
        ..Settings::default()
    })
    .await;
    let metric = async |wanted: &str| {
        let seen = async { while !post(&format!("{url}/metrics"), "").await.1.contains(wanted) {} };
        tokio::time::timeout(Duration::from_secs(10), seen)
            .await
            .unwrap();
    };
    let finished = (
        "/961/status",
        200,
        r#"{"status":[{"status_id":"FINISHED"}]}"#,
    );
    let (script, server) = Script::start(&[STARTED, finished]).await;
    assert_eq!(post(&url, &ngrinder(&server)).await, (202, String::new()));
    metric(r#"tasks_total{kind="ngrinder",outcome="ok"} 1"#).await;
    assert_eq!(
        script.asked(),
        [
            "POST /perftest/api/960/clone_and_start Basic YWRtaW46cHc=",
            "GET /perftest/api/961/status Basic YWRtaW46cHc=",
        ]
    );

    // One that goes on is not started twice, and is stopped at the time limit.
    let running = (
        "/961/status",
        200,
        r#"{"status":[{"status_id":"TESTING"}]}"#,
    );
    let (script, server) = Script::start(&[STARTED, running, ("PUT", 200, "{}")]).await;
    for _ in 0..2 {
        assert_eq!(post(&url, &ngrinder(&server)).await.0, 202);
    }
    metric(r#"tasks_total{kind="ngrinder",outcome="failed"} 1"#).await;
    let asked = script.asked();
    assert_eq!(
        asked.iter().filter(|line| line.starts_with("POST")).count(),
        1
    );
    let stop = "PUT /perftest/api/961?action=stop Basic YWRtaW46cHc=";
    assert_eq!(asked.last().unwrap(), stop);

    let canceled = (
        "/961/status",
        200,
        r#"{"status":[{"status_id":"CANCELED"}]}"#,
    );
    let (_, server) = Script::start(&[STARTED, canceled]).await;
    assert_eq!(post(&url, &ngrinder(&server)).await.0, 202);
    metric(r#"tasks_total{kind="ngrinder",outcome="failed"} 2"#).await;
}

#[tokio::test]
async fn concord_processes_are_started_and_watched() {
    let (url, _stop, _task) = start(Settings {
        is_shell_allowed: true,
        ..Settings::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "the-key\n").unwrap();
    let metadata = |server: &str, interval: &str| {
        payload(&json!({
            "type": "concord", "server": server, "org": "o", "project": "p", "repo": "r", "entrypoint": "e",
            "endpoint": "http://app/", "arguments.a": "b", "apiKeyPath": key, "pollInterval": interval, "pollTimeout": "1",
        }))
    };
    let started = ("POST", 200, r#"{"instanceId":"11-22","ok":true}"#);
    let (good, good_url) =
        Script::start(&[started, ("/11-22", 200, r#"{"status":"FINISHED"}"#)]).await;
    let (_, bad_url) = Script::start(&[started, ("/11-22", 200, r#"{"status":"FAILED"}"#)]).await;
    let (_, off_url) = Script::start(&[("POST", 401, "no")]).await;
    let requests = [
        metadata(&good_url, "1"),
        metadata(&bad_url, "1"),
        metadata(&off_url, "1"),
        metadata(&good_url, "2"),
    ];
    let answers = futures::future::join_all(requests.iter().map(|body| post(&url, body))).await;
    let failed = |text: &str| (500, text.to_owned());
    assert_eq!(
        answers,
        [
            (200, String::new()),
            failed("concord instanceID: 11-22 failed"),
            failed("failed to start process: concord answered 401 Unauthorized: no"),
            failed("concord process timed out, after 1 seconds"),
        ]
    );
    let asked = good.asked();
    assert!(
        asked.contains(&"GET /api/v1/process/11-22 the-key".to_owned()),
        "{asked:?}"
    );
    let form = asked.iter().find(|line| line.starts_with("POST")).unwrap();
    assert!(
        form.starts_with("POST /api/v1/process the-key --"),
        "{form}"
    );
    for (name, value) in [
        ("org", "o"),
        ("entryPoint", "e"),
        ("arguments.endpoint", "http://app/"),
        ("arguments.a", "b"),
    ] {
        let part = format!("form-data; name=\"{name}\"\r\n\r\n{value}\r\n--");
        assert!(form.contains(&part), "{form}");
    }
    let lost = payload(&json!({"type": "concord", "server": "http://a"}));
    assert_eq!(
        post(&url, &lost).await,
        failed("`org` is required with type concord")
    );
}

#[tokio::test]
async fn programs_of_the_image_run_where_allowed() {
    let (url, _stop, _task) = start(Settings {
        is_shell_allowed: true,
        ..Settings::default()
    })
    .await;
    // Whether or not they are here: there is no such release, and no such verb.
    for kind in ["helm", "helmv3", "kubectl"] {
        let task = payload(&json!({"type": kind, "cmd": "no-such-verb  x"}));
        let (status, text) = post(&url, &task).await;
        let wanted = "command no-such-verb  x failed: ";
        assert!(status == 500 && text.starts_with(wanted), "{kind}: {text}");
    }
    // A flag that is not served here is for the real program.
    let task = payload(&json!({"type": "bash", "cmd": "hey -D /no/such/file http://127.0.0.1:1/"}));
    let (status, text) = post(&url, &task).await;
    assert!(status == 500 && !text.contains("not served"), "{text}");
}

#[tokio::test]
async fn callers_that_wait_have_a_limit_too() {
    let (url, _stop, _task) = start(Settings {
        is_shell_allowed: true,
        timeout: Duration::from_millis(700),
        ..Settings::default()
    })
    .await;
    let task = payload(&json!({"type": "bash", "cmd": "sleep 9"}));
    let answers = futures::future::join_all((0..34).map(|_| post(&url, &task))).await;
    let full = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!(full, 2, "{answers:?}");
    let task = payload(&json!({"type": "bash", "cmd": "true"}));
    assert_eq!(post(&url, &task).await.0, 200);
}
