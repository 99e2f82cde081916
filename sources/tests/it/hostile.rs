//! Servers that lie, stall, redirect or never end.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use sources::Retry;
use sources::credentials::{Access, Tls};
use sources::git::{self, GitError, GitLimits, Reference, Remote};
use sources::network::{Body, Network, NetworkError};

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const RESULT: &str = "application/x-git-upload-pack-result";
const CAPABILITIES: &str = "000eversion 2\n000cls-refs\n0011fetch=shallow0000";
const SHA: &str = "0647aea75b85755411b007a290b9321668370be5";

/// What one request is answered: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, Body);

/// Answers each request in turn, and keeps what was asked.
struct Script {
    answers: Mutex<std::vec::IntoIter<Answer>>,
    seen: Mutex<Vec<http::Request<Bytes>>>,
}

impl Network for Script {
    fn send<'a>(
        &'a self,
        request: http::Request<Bytes>,
        _: &'a Tls,
    ) -> BoxFuture<'a, Result<http::Response<Body>, NetworkError>> {
        self.seen.lock().unwrap().push(request);
        let (status, headers, body) = self
            .answers
            .lock()
            .unwrap()
            .next()
            .expect("one more request than answers");
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Box::pin(async move { Ok(response.body(body).unwrap()) })
    }
}

fn text(content_type: &'static str, text: &str) -> Answer {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    (
        200,
        vec![("content-type", content_type.to_owned())],
        futures::stream::iter([Ok(bytes)]).boxed(),
    )
}

fn endless(content_type: &'static str, line: &'static str) -> Answer {
    let body = futures::stream::repeat(()).map(move |()| Ok(Bytes::from_static(line.as_bytes())));
    (
        200,
        vec![("content-type", content_type.to_owned())],
        body.boxed(),
    )
}

fn redirect(to: &str) -> Answer {
    (
        301,
        vec![("location", to.to_owned())],
        futures::stream::empty().boxed(),
    )
}

fn status(code: u16) -> Answer {
    (code, Vec::new(), futures::stream::empty().boxed())
}

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

async fn run(answers: Vec<Answer>) -> (GitError, Vec<http::Request<Bytes>>) {
    let script = Script {
        answers: Mutex::new(answers.into_iter()),
        seen: Mutex::default(),
    };
    let remote = Remote::new(
        "https://user:marker@git.test/r?token=marker",
        Access::default(),
        Duration::from_secs(5),
    )
    .unwrap();
    let limits = GitLimits {
        refs_max: 1000,
        refs_bytes_max: 1 << 20,
        ..GitLimits::default()
    };
    let branch = Reference::Branch("main".to_owned());
    let error = git::fetch(&script, &remote, &branch, None, limits)
        .await
        .unwrap_err();
    assert!(!sources::chain(&error).contains("marker"), "{error}");
    (error, script.seen.into_inner().unwrap())
}

/// Name, answers, and what the error must say.
type Case = (&'static str, Vec<Answer>, &'static str);

fn cases() -> Vec<Case> {
    let mut cases = openings();
    cases.extend(packs());
    cases
}

fn openings() -> Vec<Case> {
    vec![
        (
            "a web page",
            vec![text("text/html", "<html>")],
            "smart Git server",
        ),
        ("no lines", vec![text(ADVERTISEMENT, "hello")], "bad length"),
        ("nothing", vec![text(ADVERTISEMENT, "")], "empty"),
        (
            "sha256",
            vec![text(
                ADVERTISEMENT,
                "000eversion 2\n0019object-format=sha256\n0000",
            )],
            "sha1",
        ),
        (
            "an error line",
            vec![text(ADVERTISEMENT, &line("ERR go away\u{7}"))],
            "go away",
        ),
        (
            "a short id",
            vec![
                text(ADVERTISEMENT, CAPABILITIES),
                text(RESULT, &line("123 refs/heads/main\n")),
            ],
            "object id",
        ),
        (
            "endless references",
            vec![
                text(ADVERTISEMENT, CAPABILITIES),
                endless(
                    RESULT,
                    "003e0647aea75b85755411b007a290b9321668370be5 refs/heads/mainx\n",
                ),
            ],
            "1000 references",
        ),
        (
            "an endless advertisement",
            vec![endless(ADVERTISEMENT, "000eversion 2\n")],
            "1048576 bytes",
        ),
    ]
}

fn packs() -> Vec<Case> {
    let head = || line(&format!("{SHA} refs/heads/main\n"));
    let listed = || text(RESULT, &format!("{}0000", head()));
    let pack = |body: &str| {
        vec![
            text(ADVERTISEMENT, CAPABILITIES),
            listed(),
            text(RESULT, body),
        ]
    };
    vec![
        ("no pack", pack("0000"), "no pack"),
        (
            "an unknown section",
            pack(&line("surprise\n")),
            "unknown section",
        ),
        ("an error band", pack(&line("\u{3}disk full")), "disk full"),
        (
            "a junk pack",
            pack(&line("\u{1}JUNKJUNKJUNKJUNK")),
            "failed to read the pack",
        ),
        (
            "a cut pack",
            pack(&line("\u{1}PACK\0\0\0\u{2}\0\0\0\u{1}")),
            "failed to read the pack",
        ),
        ("a server error", vec![status(500)], "500"),
    ]
}

#[tokio::test]
async fn answers_that_are_not_the_protocol_are_refused() {
    for (name, answers, reason) in cases() {
        let (error, _) = run(answers).await;
        assert!(error.to_string().contains(reason), "{name}: {error}");
        assert_eq!(error.reason(), "GitOperationFailed", "{name}");
    }
    let (error, _) = run(vec![status(401)]).await;
    assert_eq!(
        (error.reason(), error.retry()),
        ("AuthenticationFailed", Retry::AtNextCheck)
    );
}

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let sent = |requests: &[http::Request<Bytes>]| -> Vec<(String, bool)> {
        requests
            .iter()
            .map(|r| {
                (
                    r.uri().to_string(),
                    r.headers().contains_key("authorization"),
                )
            })
            .collect()
    };
    let info = |base: &str| format!("{base}/info/refs?service=git-upload-pack");
    let (_, seen) = run(vec![
        redirect("https://git.test/moved/info/refs?service=git-upload-pack"),
        status(404),
    ])
    .await;
    assert_eq!(
        sent(&seen),
        [
            (info("https://git.test/r"), true),
            (info("https://git.test/moved"), true)
        ]
    );
    for elsewhere in ["https://evil.test/r", "https://git.test:8443/r"] {
        let (_, seen) = run(vec![redirect(&info(elsewhere)), status(404)]).await;
        assert_eq!(
            sent(&seen),
            [(info("https://git.test/r"), true), (info(elsewhere), false)]
        );
    }
    // Once away, a way back does not bring them back.
    let (_, seen) = run(vec![
        redirect(&info("https://evil.test/r")),
        redirect(&info("https://git.test/r")),
        status(404),
    ])
    .await;
    assert_eq!(sent(&seen).last().map(|(_, has)| *has), Some(false));
}

#[tokio::test]
async fn redirects_that_lead_astray_are_refused() {
    let info = "https://git.test/r/info/refs";
    for answers in [
        vec![redirect("http://git.test/r/info/refs")],
        vec![redirect("file:///etc/passwd/info/refs")],
        vec![redirect("https://git.test/login")],
        vec![status(302)],
        (0..6).map(|_| redirect(info)).collect(),
    ] {
        let (error, _) = run(answers).await;
        assert!(matches!(error, GitError::Redirect { .. }), "{error}");
    }
    // Only the opening may be redirected; a command never is.
    let (error, seen) = run(vec![text(ADVERTISEMENT, CAPABILITIES), redirect(info)]).await;
    assert!(
        matches!(error, GitError::Status { status: 301, .. }),
        "{error}"
    );
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_server_is_given_up_in_time() {
    let stalled: Answer = (
        200,
        vec![("content-type", ADVERTISEMENT.to_owned())],
        futures::stream::pending().boxed(),
    );
    let (error, _) = run(vec![stalled]).await;
    assert!(matches!(error, GitError::Timeout { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Soon);
}
