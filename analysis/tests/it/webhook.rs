//! What each answer of a webhook means, when it is asked again, and what it is sent

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use analysis::{
    Event, EventHook, Flavour, HookFault, HookRequest, HookResponse, Outbound, Secret, answer,
    checksum, tell,
};
use chrono::TimeDelta;
use expect_test::{Expect, expect};
use rollout::spec::gate::Gate;
use rollout::state::Phase;

use crate::fixture::{Fake, SECRET, context, gate, network, now};
use crate::loopback::{Loopback, Reply, refused, reply};

async fn asked(gate: &Gate) -> String {
    let context = context(Flavour::Istio, "http://prom:9090");
    let answer = answer(gate, "key-1", Phase::Progressing, &context, &network()).await;
    assert_eq!(answer.key, "key-1");
    format!(
        "{}: {}",
        if answer.is_open { "open" } else { "closed" },
        answer.detail
    )
}

async fn check_all(replies: Vec<Reply>, expected: Expect) {
    let server = Loopback::start(replies).await;
    expected.assert_eq(&asked(&gate(&server.url())).await);
}

async fn check(reply: Reply, expected: Expect) {
    check_all(vec![reply], expected).await;
}

#[tokio::test]
async fn any_2xx_opens() {
    check(
        reply(200, "", "OK\nmore"),
        expect!["open: answered 200: OK"],
    )
    .await;
    check(reply(201, "", ""), expect!["open: answered 201"]).await;
    check(reply(202, "", ""), expect!["open: answered 202"]).await;
    check(reply(203, "", ""), expect!["open: answered 203"]).await;
    check(
        Reply::Bytes("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".into()),
        expect!["open: answered 204"],
    )
    .await;
    check(reply(299, "", ""), expect!["open: answered 299"]).await;
    check(Reply::Endless, expect!["open: answered 200: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"]).await;
}

#[tokio::test]
async fn everything_else_keeps_closed() {
    check(
        reply(199, "", ""),
        expect!["closed: closed the connection without an answer"],
    )
    .await;
    check(reply(300, "", ""), expect!["closed: answered 300"]).await;
    check(reply(304, "", ""), expect!["closed: answered 304"]).await;
    check(
        reply(400, "", "\n  bad \u{7} request\n"),
        expect!["closed: answered 400: bad   request"],
    )
    .await;
    check(
        reply(403, "", "not yet"),
        expect!["closed: answered 403: not yet"],
    )
    .await;
    check(reply(429, "", ""), expect!["closed: answered 429"]).await;
    check(reply(500, "", &"x".repeat(500)), expect!["closed: answered 500: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"]).await;
    check(reply(501, "", ""), expect!["closed: answered 501"]).await;
    check(
        Reply::Bytes("garbage".into()),
        expect!["closed: gave an answer that is not HTTP"],
    )
    .await;
    check(
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".into()),
        expect!["closed: broke off its answer"],
    )
    .await;
    check(
        Reply::Bytes(String::new()),
        expect!["closed: closed the connection without an answer"],
    )
    .await;
    let url = refused().await;
    assert_eq!(asked(&gate(&url)).await, "closed: refused the connection");
    assert_eq!(
        asked(&gate("not a url")).await,
        "closed: the url is not an http or https URL"
    );
    assert_eq!(
        asked(&gate("file:///etc/passwd")).await,
        "closed: the url is not an http or https URL"
    );
    let server = Loopback::start(vec![Reply::Hang]).await;
    let hanging = Gate {
        timeout: Duration::from_millis(100),
        ..gate(&server.url())
    };
    assert_eq!(asked(&hanging).await, "closed: gave no answer within 0.1 s");
}

#[tokio::test]
async fn redirects_stay_on_the_host() {
    let to = |status, url: &str| reply(status, &format!("Location: {url}\r\n"), "");
    let ok = || reply(200, "", "ok");
    check_all(
        vec![to(302, "/there"), ok()],
        expect!["open: answered 200: ok"],
    )
    .await;
    check_all(
        vec![to(301, "/there"), reply(404, "", "")],
        expect!["closed: answered 404"],
    )
    .await;
    check_all(
        vec![to(307, "/there"), ok()],
        expect!["open: answered 200: ok"],
    )
    .await;
    check_all(
        vec![to(307, "/loop")],
        expect!["closed: redirected too often"],
    )
    .await;
    check(
        to(301, "http://169.254.169.254/latest/meta-data/"),
        expect!["closed: redirected to another host, which is not followed"],
    )
    .await;
    check(
        to(302, "http://localhost:1/"),
        expect!["closed: redirected to another host, which is not followed"],
    )
    .await;
    check(
        to(307, "//example.invalid/"),
        expect!["closed: redirected to another host, which is not followed"],
    )
    .await;
    let server = Loopback::start(vec![to(302, "/there"), ok()]).await;
    asked(&gate(&server.url())).await;
    let lines: Vec<String> = server
        .requests()
        .iter()
        .map(|r| r.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["POST / HTTP/1.1", "GET /there HTTP/1.1"]);
}

#[tokio::test]
async fn the_payload_is_flaggers() {
    let server = Loopback::start(vec![reply(200, "", "")]).await;
    asked(&gate(&format!("{}/hook", server.url()))).await;
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert!(head.contains("idempotency-key: key-1\r\n"), "{head}");
    expect![[r#"{"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"758df7c9fc","metadata":{"team":"blue"}}"#]].assert_eq(body);
    let server = Loopback::start(vec![reply(200, "", "")]).await;
    asked(&Gate {
        metadata: BTreeMap::new(),
        ..gate(&server.url())
    })
    .await;
    assert!(!server.requests().remove(0).contains("metadata"));
}

#[tokio::test]
async fn credentials_in_the_url_are_never_told() {
    let server = Loopback::start(vec![reply(
        403,
        "",
        &format!("no {SECRET} here, long-path-token-{SECRET} neither"),
    )])
    .await;
    let url = server
        .url()
        .replace("http://", &format!("http://user:{SECRET}@"));
    let told = asked(&gate(&format!("{url}/long-path-token-{SECRET}?t={SECRET}"))).await;
    assert_eq!(told, "closed: answered 403: no *** here, *** neither");
    // A short token, told back with the path.
    let echo = reply(404, "", r#"{"path":"/hooks/abc123"}"#);
    for path in ["/hooks/abc123", "/hooks/abc123/"] {
        let server = Loopback::start(vec![echo.clone()]).await;
        let told = asked(&gate(&format!("{}{path}", server.url()))).await;
        assert_eq!(told, r#"closed: answered 404: {"path":"***"}"#);
    }
}

/// Answers as `told`, with attempts and the whole seconds they took.
async fn retried(retries: u32, responses: Vec<Result<HookResponse, HookFault>>) -> String {
    let fake = Fake {
        responses: Mutex::new(responses.into()),
        ..Fake::default()
    };
    let gate = Gate {
        retries,
        ..gate("http://hook")
    };
    let context = context(Flavour::Istio, "http://prom:9090");
    let answer = answer(&gate, "k", Phase::Progressing, &context, &fake).await;
    let passed: TimeDelta = answer.at - now();
    let attempts = fake.bodies.lock().unwrap().len();
    format!(
        "{} {} s {attempts}: {}",
        answer.is_open,
        passed.num_seconds(),
        answer.detail
    )
}

fn response(status: u16, retry_after_s: Option<u64>) -> Result<HookResponse, HookFault> {
    Ok(HookResponse {
        status,
        body: String::new(),
        retry_after: retry_after_s.map(Duration::from_secs),
    })
}

#[tokio::test(start_paused = true)]
async fn retries_where_that_can_help() {
    let refused = || Err(HookFault::Unreachable("refused the connection".into()));
    let check = async |retries, responses, expected: &str| {
        assert_eq!(retried(retries, responses).await, expected)
    };
    check(0, vec![response(503, None)], "false 0 s 1: answered 503").await;
    check(
        1,
        vec![response(429, Some(20)), response(200, None)],
        "true 20 s 2: answered 200 (2 attempts)",
    )
    .await;
    check(
        1,
        vec![response(503, Some(86_400)), response(200, None)],
        "true 60 s 2: answered 200 (2 attempts)",
    )
    .await;
    check(
        1,
        vec![response(429, Some(20)), response(429, Some(20))],
        "false 20 s 2: answered 429 (2 attempts)",
    )
    .await;
    check(5, vec![response(501, None)], "false 0 s 1: answered 501").await;
    check(5, vec![response(403, None)], "false 0 s 1: answered 403").await;
    let certificate = Err(HookFault::Certificate("expired".into()));
    check(
        5,
        vec![certificate],
        "false 0 s 1: showed a certificate that is not valid: expired",
    )
    .await;
    let redirect = Err(HookFault::Redirect("redirected too often".into()));
    check(5, vec![redirect], "false 0 s 1: redirected too often").await;
    // No answer at all: 10 s each; the pause between is 1 to 2 s.
    let told = retried(1, vec![]).await;
    assert!(
        told.starts_with("false 21 s 2") || told.starts_with("false 22 s 2"),
        "{told}"
    );
    // Pauses double up to 30 s, each with a second of jitter at most.
    let told = retried(7, (0..8).map(|_| refused()).collect()).await;
    let seconds: u64 = told.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        (91..=98).contains(&seconds) && told.ends_with("refused the connection (8 attempts)"),
        "{told}"
    );
    assert_eq!(
        told,
        retried(7, (0..8).map(|_| refused()).collect()).await,
        "the same key has the same pauses"
    );
    // However many a manifest asks for.
    let told = retried(u32::MAX, (0..50).map(|_| refused()).collect()).await;
    assert!(told.ends_with("(21 attempts)"), "{told}");
}

/// In seconds, or as a date against the server's own clock.
#[tokio::test]
async fn retry_after_is_read() {
    let check = async |headers: &str, expected_s: Option<u64>| {
        let server = Loopback::start(vec![reply(503, headers, "")]).await;
        let request = HookRequest {
            url: Secret::new(server.url()),
            body: String::new(),
            idempotency_key: None,
            timeout: Duration::from_secs(10),
            is_tls_unchecked: false,
        };
        let response = network().post(&request).await.unwrap();
        assert_eq!(
            response.retry_after,
            expected_s.map(Duration::from_secs),
            "{headers}"
        );
    };
    check("", None).await;
    check("Retry-After: 7\r\n", Some(7)).await;
    check("Retry-After: -7\r\n", None).await;
    check("Retry-After: soon\r\n", None).await;
    let date = "Date: Wed, 21 Oct 2026 07:28:00 GMT\r\n";
    check(
        &format!("{date}Retry-After: Wed, 21 Oct 2026 07:28:09 GMT\r\n"),
        Some(9),
    )
    .await;
    check(
        &format!("{date}Retry-After: Wed, 21 Oct 2026 07:27:00 GMT\r\n"),
        None,
    )
    .await;
}

#[tokio::test]
async fn events_are_told_with_flaggers_metadata() {
    let fake = Fake {
        responses: Mutex::new([response(204, None), response(500, None)].into()),
        ..Fake::default()
    };
    let context = context(Flavour::Istio, "http://prom:9090");
    let mut hook = EventHook::global(format!("http://hook/{SECRET}"));
    hook.metadata = BTreeMap::from([
        ("team".into(), "blue".into()),
        ("eventType".into(), "mine".into()),
    ]);
    let event = Event {
        message: "New revision detected!",
        is_warning: false,
        phase: Phase::Progressing,
        at: now(),
    };
    tell(&hook, "k", &event, &context, &fake).await.unwrap();
    expect![[r#"{"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"758df7c9fc","metadata":{"eventMessage":"New revision detected!","eventType":"Normal","team":"blue","timestamp":"1750000000000"}}"#]].assert_eq(&fake.bodies.lock().unwrap().join("\n"));
    let failed = tell(
        &hook,
        "k",
        &Event {
            is_warning: true,
            ..event
        },
        &context,
        &fake,
    )
    .await;
    assert_eq!(failed, Err("answered 500".to_owned()));
}

/// Vectors of spec/flagger.md 2.6, taken from a run of Flagger.
#[test]
fn checksums_are_flaggers() {
    assert_eq!(checksum(None, ""), "758df7c9fc");
    let configs = BTreeMap::from([("test-config-map".to_owned(), "484637c76acaa7c6".to_owned())]);
    assert_eq!(checksum(Some(&configs), "5f56684589"), "85d557f47b");
}
