//! Paths, codes and bodies.

use std::sync::atomic::Ordering;

use loadtester::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Target, post, until};

/// A running load tester's URL, and what stops it.
pub(crate) async fn start(
    settings: Settings,
) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let task = tokio::spawn(loadtester::run(
        settings,
        listener,
        stop.clone().cancelled_owned(),
    ));
    (url, stop, task)
}

/// Posts in order and compares code and body.
pub(crate) async fn check(url: &str, table: &[(&str, &str, u16, &str)]) {
    for (path, body, status, text) in table {
        assert_eq!(
            post(&format!("{url}{path}"), body).await,
            (*status, (*text).to_owned()),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn gates() {
    let (url, stop, task) = start(Settings::default()).await;
    let podinfo = r#"{"name":"podinfo","namespace":"test"}"#;
    let other = r#"{"name":"podinfo","namespace":"other"}"#;
    check(
        &url,
        &[
            ("/healthz", "", 200, "OK"),
            ("/gate/approve", "junk", 200, "OK"),
            ("/gate/halt", "junk", 403, "Forbidden"),
            ("/gate/check", podinfo, 403, "Forbidden"),
            ("/gate/open", podinfo, 202, ""),
            ("/gate/check", podinfo, 200, "Approved"),
            ("/gate/check", other, 403, "Forbidden"),
            ("/rollback/check", podinfo, 403, "Forbidden"),
            ("/rollback/open", podinfo, 202, ""),
            ("/rollback/check", podinfo, 200, "Approved"),
            ("/gate/close", podinfo, 202, ""),
            ("/gate/check", podinfo, 403, "Forbidden"),
            ("/rollback/check", podinfo, 200, "Approved"),
            ("/rollback/close", podinfo, 202, ""),
            ("/rollback/check", podinfo, 403, "Forbidden"),
        ],
    )
    .await;
    for path in [
        "/gate/check",
        "/gate/open",
        "/gate/close",
        "/rollback/open",
        "/",
        "/any",
    ] {
        for body in ["", "{", r#"{"metadata":{"a":1}}"#] {
            assert_eq!(
                post(&format!("{url}{path}"), body).await.0,
                400,
                "{path} {body}"
            );
        }
    }
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn refused_tasks() {
    let namespace = Some("^te".parse().unwrap());
    let (url, _stop, _task) = start(Settings {
        namespace,
        ..Settings::default()
    })
    .await;
    let shell_is_off = |kind: &str| {
        format!(
            "metadata.type {kind:?} with this metadata.cmd needs a shell, which is off: use a plain `hey`, `wrk`, `ghz` or \
             `grpc_health_probe` command, or start the load tester with --allow-shell"
        )
    };
    let off = |kind: &str, does: &str| {
        format!(
            "metadata.type {kind:?} {does}, which is off: start the load tester with --allow-shell, in an image that has \
             what it needs"
        )
    };
    let of = |metadata: &str| format!(r#"{{"name":"p","namespace":"test","metadata":{metadata}}}"#);
    let foreign = r#"{"name":"p","namespace":"prod","metadata":{"cmd":"hey http://a/"}}"#;
    check(
        &url,
        &[
            ("/", foreign, 403, "Forbidden"),
            (
                "/",
                r#"{"name":"p","namespace":"test"}"#,
                400,
                "metadata not found in payload",
            ),
            ("/", &of("{}"), 400, "metadata not found in payload"),
            (
                "/",
                &of(r#"{"type":"cmd"}"#),
                400,
                "cmd not found in metadata",
            ),
            (
                "/x",
                &of(r#"{"cmd":"hey -Z http://a/"}"#),
                400,
                r#"failed to read "hey": flag "-Z" is not known"#,
            ),
            (
                "/",
                &of(r#"{"cmd":"touch /tmp/x"}"#),
                403,
                &shell_is_off("cmd"),
            ),
            (
                "/",
                &of(r#"{"cmd":"hey http://a/; id"}"#),
                403,
                &shell_is_off("cmd"),
            ),
            (
                "/",
                &of(r#"{"type":"bash","cmd":"true"}"#),
                403,
                &shell_is_off("bash"),
            ),
            (
                "/",
                &of(r#"{"type":"helm","cmd":"test"}"#),
                403,
                &off("helm", "runs a program"),
            ),
            (
                "/",
                &of(r#"{"type":"kubectl","cmd":"get pods"}"#),
                403,
                &off("kubectl", "runs a program"),
            ),
            (
                "/",
                &of(r#"{"type":"concord"}"#),
                403,
                &off(
                    "concord",
                    "sends the file that apiKeyPath names to metadata.server",
                ),
            ),
            (
                "/",
                &of(r#"{"type":"ngrinder","server":"http://n"}"#),
                400,
                "server, clone, username and passwd are required metadata",
            ),
            ("/gate/open", foreign, 403, "Forbidden"),
            ("/rollback/check", foreign, 403, "Forbidden"),
            (
                "/",
                &of(r#"{"type":"odd","cmd":"x"}"#),
                400,
                r#"unknown task type "odd": use cmd, bash, helm, helmv3, kubectl, concord or ngrinder"#,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn shell_tasks_where_allowed() {
    let timeout = std::time::Duration::from_millis(300);
    let (url, _stop, _task) = start(Settings {
        is_shell_allowed: true,
        timeout,
        ..Settings::default()
    })
    .await;
    let folder = std::env::temp_dir().join(format!("sluice-loadtester-{}", std::process::id()));
    let of = |metadata: &str| format!(r#"{{"name":"p","namespace":"test","metadata":{metadata}}}"#);
    let touch = of(&format!(r#"{{"cmd":"mkdir {}"}}"#, folder.display()));
    check(
        &url,
        &[
            ("/", &of(r#"{"type":"bash","cmd":"echo hi"}"#), 200, ""),
            (
                "/",
                &of(r#"{"type":"bash","cmd":"echo hi","returnCmdOutput":"true"}"#),
                200,
                "hi\n",
            ),
            (
                "/",
                &of(r#"{"type":"bash","cmd":"echo no >&2; echo yes; exit 3"}"#),
                500,
                "command echo no >&2; echo yes; exit 3 failed: no\nyes\n: exit status 3",
            ),
            (
                "/",
                &of(r#"{"type":"bash","cmd":"sleep 9"}"#),
                500,
                "command sleep 9 failed: : stopped at the time limit",
            ),
            ("/", &touch, 202, ""),
        ],
    )
    .await;
    until("the command ran", || folder.exists()).await;
    std::fs::remove_dir(folder).unwrap();
}

#[tokio::test]
async fn load_tasks_run_once_at_a_time() {
    let target = Target::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let task = |name: &str, path: &str| {
        format!(
            r#"{{"name":"{name}","namespace":"test","metadata":{{"type":"cmd","cmd":"hey -n 1 -c 1 {}"}}}}"#,
            target.url(path)
        )
    };
    for name in ["a", "a", "b", "a"] {
        assert_eq!(post(&url, &task(name, "/hang")).await, (202, String::new()));
    }
    until("two tasks", || target.hits.load(Ordering::SeqCst) == 2).await;
    for _ in 0..2 {
        assert_eq!(post(&url, &task("a", "/bad")).await.0, 202);
        let before = target.hits.load(Ordering::SeqCst);
        until("a third", || target.hits.load(Ordering::SeqCst) >= before).await;
        let ended = async {
            while !post(&format!("{url}/metrics"), "")
                .await
                .1
                .contains(r#"sluice_loadtester_requests_total{code="500"}"#)
            {}
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), ended)
            .await
            .unwrap();
    }
    let (status, text) = post(&format!("{url}/metrics"), "").await;
    assert!(
        status == 200 && text.contains("sluice_loadtester_tasks_running 2"),
        "{text}"
    );
    assert!(
        text.contains(r#"sluice_loadtester_tasks_total{kind="load",outcome="ok"}"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_queue_has_an_end() {
    let target = Target::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let mut codes = Vec::new();
    for index in 0..66 {
        let body = format!(
            r#"{{"name":"c{index}","namespace":"test","metadata":{{"cmd":"hey -n 1 -c 1 {}"}}}}"#,
            target.url("/hang")
        );
        codes.push(post(&url, &body).await.0);
    }
    assert!(
        codes[..64].iter().all(|code| *code == 202) && codes[64..] == [429, 429],
        "{codes:?}"
    );
}

/// Sends what is given and reads until the server closes; the answer, and the seconds it took.
async fn raw(address: &str, sent: &str) -> (String, u64) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let (since, mut text) = (Instant::now(), String::new());
    stream.read_to_string(&mut text).await.unwrap();
    (text, since.elapsed().as_secs())
}

#[tokio::test]
async fn silent_clients_are_let_go() {
    let (url, stop, task) = start(Settings::default()).await;
    let address = url.strip_prefix("http://").unwrap();
    tokio::time::pause();
    let healthz = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    for (sent, wanted, wanted_s) in [
        ("", "", 15),
        (healthz, "", 15),
        (&format!("{healthz}\r\n"), "HTTP/1.1 200 OK", 15),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
            "HTTP/1.1 408 Request Timeout",
            5,
        ),
    ] {
        let (text, took_s) = raw(address, sent).await;
        let line = text.lines().next().unwrap_or_default();
        assert_eq!((line, took_s), (wanted, wanted_s), "{sent:?}: {text}");
    }

    // More than there is room for: the last waits until others are let go.
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let metrics = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (text, took_s) = raw(address, metrics).await;
    assert!(text.contains("text/plain; version=0.0.4"), "{text}");
    assert_eq!(took_s, 15);

    // One that is silent does not hold up the end.
    let mut silent = TcpStream::connect(address).await.unwrap();
    stop.cancel();
    task.await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
}
