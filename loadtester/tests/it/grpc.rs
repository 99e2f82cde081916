//! `ghz` and `grpc_health_probe` lines against a gRPC server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadtester::Settings;
use prost::Message;
use prost_reflect::prost_types::FileDescriptorSet;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use tokio::net::TcpListener;

use crate::api::{check, start};
use crate::support::{post, until};

const ECHO: &str = r#"syntax = "proto3"; package t; import "part.proto"; import "google/protobuf/wrappers.proto";
  message In { string text = 1; Part part = 2; repeated int32 n = 3; google.protobuf.Int64Value big = 4; }
  service Echo { rpc Say(In) returns (In); rpc Fail(In) returns (In); rpc Gather(stream In) returns (In); }"#;
const PART: &str = r#"syntax = "proto3"; package t; message Part { bool on = 1; }"#;

/// What a server was sent: path, body, and headers of interest.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// A server with health, echo, and reflection of the older version.
struct Server {
    address: String,
    seen: Seen,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Seen::default();
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&kept);
                let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
                tokio::spawn(async move {
                    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

pub(crate) async fn answer(
    request: Request<Incoming>,
    seen: Seen,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type").as_deref(), Some("application/grpc"));
    assert_eq!(header("te").as_deref(), Some("trailers"));
    let host = parts.uri.host().unwrap().to_owned();
    let told = (header("x-a"), header("grpc-timeout"));
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{} {hex} {told:?} {host}", parts.uri.path());
    seen.lock().unwrap().push(line);
    let (status, message) = match parts.uri.path() {
        "/grpc.health.v1.Health/Check" => (0, vec![8, 1 + u8::from(body.len() > 5)]),
        "/t.Echo/Say" | "/t.Echo/Gather" => (0, Vec::new()),
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => (0, reflect(&body)),
        "/t.Echo/Fail" => (14, Vec::new()),
        _ => (12, Vec::new()),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    let body = if status == 0 {
        frame(&message)
    } else {
        Vec::new()
    };
    let body = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(Response::new(body))
}

/// The files of `ECHO`, one a question, none of them Google's.
fn reflect(question: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(question);
    let wanted = if text.contains("t.Echo") {
        "echo.proto"
    } else if text.contains("part.proto") {
        "part.proto"
    } else {
        // ServerReflectionResponse.error_response: 5, "none".
        return vec![0x3a, 8, 8, 5, 0x12, 4, b'n', b'o', b'n', b'e'];
    };
    let set = compiled();
    let file = set.file.iter().find(|file| file.name() == wanted).unwrap();
    let file = file.encode_to_vec();
    let field = |tag: u8, bytes: &[u8]| {
        let mut out = vec![tag];
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend(bytes);
        out
    };
    field(0x22, &field(0x0a, &file))
}

struct Texts;

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "echo.proto" => File::from_source(name, ECHO),
            "part.proto" => File::from_source(name, PART),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn compiled() -> FileDescriptorSet {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler
        .open_file("echo.proto")
        .unwrap()
        .file_descriptor_set()
}

/// A webhook that answers with the output of a command.
pub(crate) fn hook(command: &str) -> String {
    let metadata = serde_json::json!({"type": "bash", "cmd": command, "returnCmdOutput": "true"});
    serde_json::json!({"name": "p", "namespace": "test", "metadata": metadata}).to_string()
}

#[tokio::test]
async fn documented_lines_ask_for_health() {
    let server = Server::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    for line in [
        "ghz -n 4 -q 1000 -c 2 --insecure",
        "ghz --insecure --proto=/tmp/ghz/health.proto --call=grpc.health.v1.Health/Check -n 4 -c 4",
    ] {
        let line = format!("{line} {}", server.address);
        let (status, text) = post(&url, &hook(&line)).await;
        assert!(
            status == 200 && text.contains("[OK]\t4 responses"),
            "{text}"
        );
        let seen = server.seen();
        assert_eq!(seen.len(), 4);
        let wanted = r#"/grpc.health.v1.Health/Check 0000000000 (None, Some("20000m")) 127.0.0.1"#;
        assert_eq!(seen[0], wanted);
    }
    // In the background, as a load is asked for.
    let cmd = format!("ghz -z 200ms -c 1 --insecure {}", server.address);
    let body = serde_json::json!({"name": "p", "namespace": "t", "metadata": {"cmd": cmd}});
    assert_eq!(post(&url, &body.to_string()).await, (202, String::new()));
    until("calls", || !server.seen().is_empty()).await;
}

#[tokio::test]
async fn methods_come_from_files_sets_and_reflection() {
    let server = Server::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("parts")).unwrap();
    std::fs::write(path("echo.proto"), ECHO).unwrap();
    std::fs::write(path("parts/part.proto"), PART).unwrap();
    std::fs::write(path("all.set"), compiled().encode_to_vec()).unwrap();
    let dir = folder.path().display().to_string();
    let data = r#"-d '{"text":"hi","part":{"on":true},"n":[1,2],"big":"7"}'"#;
    let sources = [
        format!("--proto {dir}/echo.proto -i {dir}/parts"),
        format!("--protoset {dir}/all.set"),
        String::new(),
    ];
    for source in &sources {
        let line = format!(
            r#"ghz --insecure -n 1 -c 1 {source} --call t.Echo.Say {data} -m '{{"x-a":"b"}}' {}"#,
            server.address
        );
        let (status, text) = post(&url, &hook(&line)).await;
        assert!(
            status == 200 && text.contains("[OK]\t1 responses"),
            "{text}"
        );
        let last = server.seen().pop().unwrap();
        let wanted = r#"/t.Echo/Say 00000000100a0268691202080 11a020102220208 07"#.replace(' ', "");
        assert!(last.replace(' ', "").starts_with(&wanted), "{last}");
        assert!(last.contains(r#"(Some("b"), Some("20000m"))"#), "{last}");
    }
    // A list goes out in turn; a stream takes all of it.
    let list = r#"--authority a.test -d '[{"n":[1]},{"n":[2]}]'"#;
    for (method, wanted) in [
        ("Say", vec!["00000000031a0101", "00000000031a0102"]),
        ("Gather", vec!["00000000031a010100000000031a0102"; 2]),
    ] {
        let line = format!(
            "ghz --insecure -n 2 -c 1 {} --call t.Echo/{method} {list} {}",
            sources[1], server.address
        );
        assert_eq!(post(&url, &hook(&line)).await.0, 200);
        let wanted: Vec<_> = wanted
            .iter()
            .map(|hex| format!(r#"/t.Echo/{method} {hex} (None, Some("20000m")) a.test"#))
            .collect();
        assert_eq!(server.seen(), wanted);
    }
}

#[tokio::test]
async fn templates_are_filled_in_for_every_call() {
    let server = Server::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("all.set");
    std::fs::write(&set, compiled().encode_to_vec()).unwrap();
    let line = |rest: &str| {
        let (set, address) = (set.display(), &server.address);
        hook(&format!(
            "ghz --insecure -c 1 --protoset {set} {rest} {address}"
        ))
    };
    let sent = async |rest: &str| {
        let (status, text) = post(&url, &line(rest)).await;
        assert_eq!(status, 200, "{text}");
        (text, server.seen())
    };
    // Data and metadata, each call its own; texts are told as the server saw them.
    let metadata = r#"-m '{"x-a":"{{.WorkerID}} {{.RequestNumber}} {{.MethodName}}"}'"#;
    let data = r#"--call t.Echo/Say -d '{"n":[{{.RequestNumber}}]}' --name me -n 2"#;
    let told = |n: u8| {
        format!(
            r#"/t.Echo/Say 00000000031a010{n} (Some("me:g0c0 {n} Say"), Some("20000m")) 127.0.0.1"#
        )
    };
    let (_, seen) = sent(&format!("{data} {metadata}")).await;
    assert_eq!(seen, [told(0), told(1)]);
    // A list in turn, and all of it to a stream.
    let list = r#"-d '[{"n":[1{{.RequestNumber}}]},{"n":[2{{.RequestNumber}}]}]' -n 2"#;
    for (method, wanted) in [
        ("Say", ["00000000031a010a", "00000000031a0115"]),
        (
            "Gather",
            [
                "00000000031a010a00000000031a0114",
                "00000000031a010b00000000031a0115",
            ],
        ),
    ] {
        let (_, seen) = sent(&format!("--call t.Echo/{method} {list}")).await;
        let seen: Vec<&str> = seen
            .iter()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        assert_eq!(seen, wanted);
    }
    // Every variable and function, in lengths: the texts themselves are of chance and time.
    let all = "{{.FullyQualifiedName}} {{.ServiceName}} {{.InputName}} {{.OutputName}} {{.IsClientStreaming}} \
               {{.IsServerStreaming}} {{len .Timestamp}} {{.TimestampUnix | printf `%d` | len}} \
               {{.TimestampUnixMilli | printf `%d` | len}} {{.TimestampUnixNano | printf `%d` | len}} {{len .UUID}} \
               {{len newUUID}} {{randomString 40 | len}} {{randomInt 7 8}} {{eq newUUID newUUID}}";
    let (_, seen) = sent(&format!(r#"-n 1 --call t.Echo/Say -m '{{"x-a":"{all}"}}'"#)).await;
    let wanted = "t.Echo.Say Echo In In false false 20 10 13 19 36 36 40 7 false";
    assert!(seen[0].contains(wanted), "{seen:?}");
    // As they are, if the line says so.
    let (_, seen) =
        sent(r#"-n 1 --call t.Echo/Say --disable-template-data -d '{"text":"{{.X}}"}'"#).await;
    assert!(seen[0].contains("0a067b7b2e587d7d"), "{seen:?}");
    // What only some calls cannot be made of counts as failed; the rest goes out.
    let odd = r#"-n 3 --call t.Echo/Say -d '{"n":[{{if eq .RequestNumber 1}}x{{end}}]}'"#;
    let (text, seen) = sent(odd).await;
    assert!(
        text.contains("[1]\ttemplate gave no message or metadata"),
        "{text}"
    );
    assert_eq!(seen.len(), 2);
    // What no call can be made of is told before any is sent.
    for (rest, why) in [
        (
            r#"-d '{"text":"{{.Nope}}"}'"#,
            r#"at <.Nope>: map has no entry for key "Nope"; a call has .WorkerID"#,
        ),
        (
            r#"-d '{"text":{{.UUID}}}'"#,
            "failed to make t.In of the JSON in --data",
        ),
        (
            r#"-d '{{randomInt 5 5}}'"#,
            "no number from 5 on is below 5",
        ),
        (r#"-d '{{randomString 999999}}'"#, "give at most 262144"),
        (
            r#"-m '{"x-a":"{{println}}"}'"#,
            "failed to read --metadata: it is no JSON object",
        ),
        (r#"-m '{"{{.UUID}} ":"a"}'"#, "is no name of a header"),
    ] {
        let (status, text) = post(&url, &line(&format!("--call t.Echo/Say {rest}"))).await;
        assert!(
            status == 400 && text.contains(why),
            "{rest}: {status} {text}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_cannot_be_called_is_told() {
    let server = Server::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("bad.proto"), "syntax = \"proto3\"; message {").unwrap();
    std::fs::write(
        path("lost.proto"),
        "syntax = \"proto3\"; import \"../x.proto\";",
    )
    .unwrap();
    std::fs::write(path("bad.set"), "x").unwrap();
    std::fs::write(path("all.set"), compiled().encode_to_vec()).unwrap();
    let sets = path("all.set");
    let table = [
        (
            format!("--proto {}", path("none.proto")),
            "failed to read --proto",
        ),
        (
            "--proto /etc/passwd".to_owned(),
            "its name must end in .proto",
        ),
        (format!("--proto {}", path("bad.proto")), "bad.proto"),
        (
            format!("--proto {}", path("lost.proto")),
            "lost.proto: a group's name, or the path of an import",
        ),
        (
            format!("--protoset {}", path("bad.set")),
            "FileDescriptorSet",
        ),
        ("--protoset /dev/zero".to_owned(), "it is not a file"),
        (
            format!("--protoset {sets} -d '{{\"no\":1}}'"),
            "failed to make t.In of the JSON in --data",
        ),
        (format!("--protoset {sets} -d '['"), "failed to make t.In"),
        (format!("--protoset {sets} -d '[]'"), "the list is empty"),
    ];
    let cmd = |line: &str| {
        let line = format!(
            "ghz --insecure -n 1 -c 1 {line} --call t.Echo/Say {}",
            server.address
        );
        serde_json::json!({"name": "p", "namespace": "t", "metadata": {"cmd": line}}).to_string()
    };
    for (flags, why) in &table {
        let (status, text) = post(&url, &cmd(flags)).await;
        assert!(
            status == 400 && text.contains(why),
            "{flags}: {status} {text}"
        );
        assert!(!text.contains("root:"), "{text}");
    }
    let calls = |call: &str| {
        let address = &server.address;
        hook(&format!(
            "ghz --insecure -n 2 -c 1 --protoset {sets} --call {call} {address}"
        ))
    };
    let (status, text) = post(&url, &calls("t.Echo/Fail")).await;
    assert!(
        status == 200 && text.contains("[2]\trpc ended with Unavailable"),
        "{text}"
    );
    let (status, text) = post(&url, &calls("t.Echo/Nope")).await;
    assert!(
        status == 400 && text.contains("it has Say, Fail, Gather"),
        "{text}"
    );
    let (status, text) = post(&url, &calls("t.Nope/Say")).await;
    assert!(
        status == 400 && text.contains("failed to find service \"t.Nope\""),
        "{text}"
    );
    // By reflection it turns out when the task runs.
    let line = format!("ghz --insecure --call no.Such/Do {}", server.address);
    let (status, text) = post(&url, &hook(&line)).await;
    assert!(
        status == 500 && text.contains("it answered 5 \"none\"; give --proto"),
        "{text}"
    );
    let line = "ghz --insecure --call no.Such/Do 127.0.0.1:1";
    let (status, text) = post(&url, &hook(line)).await;
    assert!(
        status == 500 && text.contains("connection refused"),
        "{text}"
    );
}

#[tokio::test]
async fn a_health_probe_answers_as_the_program() {
    let server = Server::start().await;
    let (url, _stop, _task) = start(Settings::default()).await;
    let line = |rest: &str| format!("grpc_health_probe -connect-timeout=1s -addr={rest}");
    let good = line(&server.address);
    let bad = line(&format!("{} -service x", server.address));
    let gone = line("127.0.0.1:1");
    check(
        &url,
        &[
            ("/", &hook(&good), 200, "status: SERVING\n"),
            (
                "/",
                &hook(&bad),
                500,
                &format!("command {bad} failed: service unhealthy (responded with \"NOT_SERVING\")\n: exit status 4"),
            ),
            (
                "/",
                &hook(&gone),
                500,
                &format!("command {gone} failed: failed to connect service \"127.0.0.1:1\" within 1s\n: exit status 2"),
            ),
        ],
    )
    .await;
}
