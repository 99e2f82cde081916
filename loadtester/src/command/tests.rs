//! Command lines and what becomes of them.

mod ghz;

use super::*;
use crate::grpc::credentials::Credentials;
use crate::grpc::{Source, Text};
use crate::load::{Concurrency, Limit, Pace};

/// What a line becomes, in one line.
fn told(work: &Work) -> String {
    match work {
        Work::Load(plan) => word(plan),
        Work::Calls(call) => {
            let source = match &call.source {
                Source::Reflection(headers) => format!("reflection{}", headers.len()),
                Source::Proto { path, imports } => format!("{} {imports:?}", path.display()),
                Source::Protoset(path) => format!("set {}", path.display()),
                Source::Health => "health".to_owned(),
            };
            let connect = call.plan.connect_to.as_ref().map(ToString::to_string);
            let wording = &call.wording;
            let data = match &wording.data {
                Text::Fixed(text) => format!("{text:?}"),
                Text::Template(_) => "template".to_owned(),
            };
            let mut told = format!(
                "{}/{} {source} {data} x{} {:?} {connect:?} {:?} {:?}; {}",
                call.service,
                call.method,
                wording.connections,
                call.plan.trust,
                call.plan.cutoff,
                call.credentials.roots.as_ref().map(|file| &file.path),
                word(&call.plan)
            );
            if wording.metadata.is_some() {
                told.push_str(" filled in");
            }
            told + &shown(&call.credentials)
        }
        Work::Probe(probe) => {
            let plan = &probe.plan;
            let roots = probe.credentials.roots.as_ref();
            let roots = roots.map(|file| format!(" by {}", file.path.display()));
            format!(
                "{} {:?} {:?} {:?} {:?}{}{}",
                plan.url,
                probe.service,
                plan.trust,
                plan.timeout,
                probe.headers,
                roots.unwrap_or_default(),
                shown(&probe.credentials)
            )
        }
    }
}

/// What is shown to a server that asks.
fn shown(credentials: &Credentials) -> String {
    let files = credentials.pair.as_ref();
    let files =
        files.map(|(cert, key)| format!(" as {} {}", cert.path.display(), key.path.display()));
    files.unwrap_or_default()
}

/// A plan in one line.
fn word(plan: &Plan) -> String {
    let limit = match plan.limit {
        Limit::Time(length) => format!("{length:?}"),
        Limit::Requests(count) => format!("{count}x"),
    };
    let mut headers: Vec<String> = plan
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    headers.retain(|header| {
        ![
            "content-type=text/html",
            "user-agent=hey/0.0.1",
            "accept-encoding=gzip",
        ]
        .contains(&header.as_str())
    });
    headers.sort();
    let marks = [
        (plan.is_keepalive, "keep"),
        (plan.follows_redirects, "follow"),
        (plan.is_http2, "h2"),
    ];
    let marks: Vec<&str> = marks
        .iter()
        .filter(|mark| mark.0)
        .map(|mark| mark.1)
        .collect();
    let concurrency = match plan.concurrency {
        Concurrency::Constant(count) => count.to_string(),
        Concurrency::Scheduled(schedule) => format!("{schedule:?}"),
    };
    let pace = match plan.pace {
        Some(Pace::Constant(rate)) => format!("{:?}", Some(rate)),
        Some(Pace::Scheduled(schedule)) => format!("{schedule:?}"),
        None => "None".to_owned(),
    };
    format!(
        "{} {} {limit} c{concurrency} q{pace} t{:?} [{}] {:?} {}",
        plan.method,
        plan.url,
        plan.timeout,
        headers.join(", "),
        String::from_utf8_lossy(&plan.body),
        marks.join("+")
    )
}

fn check(line: &str, wanted: &str) {
    let got = match parse(line) {
        Ok(Some(work)) => told(&work),
        Ok(None) => "shell".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, wanted, "{line}");
}

#[test]
fn hey_lines() {
    check(
        "hey -z 1m -q 10 -c 2 http://podinfo-canary.test:9898/",
        r#"GET http://podinfo-canary.test:9898/ 60s c2 qSome(20.0) tSome(20s) [] "" keep+follow"#,
    );
    check(
        "hey http://a/",
        r#"GET http://a/ 200x c50 qNone tSome(20s) [] "" keep+follow"#,
    );
    check(
        r#"/usr/bin/hey -n=100 --c 5 -m post -H 'Cookie: canary=always; a=b' -H "X-A:1" -A text/plain -T application/json -d '{"a": "b c"}' -a me:pw -host app.test -t 0 -disable-keepalive -disable-redirects=true -h2 -o csv -cpus 2 http://gw/?a=b"#,
        r#"POST http://gw/?a=b 100x c5 qNone tNone [accept=text/plain, authorization=Basic bWU6cHc=, content-type=application/json, cookie=canary=always; a=b, host=app.test, x-a=1] "{\"a\": \"b c\"}" "#,
    );
    check(
        "hey -h2 https://a/",
        r#"GET https://a/ 200x c50 qNone tSome(20s) [] "" keep+follow+h2"#,
    );
    check(
        "hey -q 0 -z 5s http://a/ -n 5",
        r#"GET http://a/ 5s c50 qNone tSome(20s) [] "" keep+follow"#,
    );
    check(
        "hey -n 60 -c 60 \\\n http://a/",
        r#"GET http://a/ 60x c60 qNone tSome(20s) [] "" keep+follow"#,
    );
}

#[test]
fn hey_refusals() {
    check("hey", r#"failed to read "hey": the URL is missing"#);
    check(
        "hey -z",
        r#"failed to read "hey": None is no value of flag "-z""#,
    );
    check(
        "hey -z 1y http://a/",
        r#"failed to read "hey": Some("1y") is no value of flag "-z""#,
    );
    check(
        "hey -z 3000000000000000h http://a/",
        r#"failed to read "hey": Some("3000000000000000h") is no value of flag "-z""#,
    );
    check(
        "hey -c 0 http://a/",
        r#"failed to read "hey": Some("0") is no value of flag "-c""#,
    );
    check(
        "hey -n 5 http://a/",
        r#"failed to read "hey": Some("5") is no value of flag "-n""#,
    );
    check(
        "hey -H nocolon http://a/",
        r#"failed to read "hey": the value of flag "-H" is no header: give one such as "Name: value", in printable ASCII"#,
    );
    check(
        "hey -Z 5 http://a/",
        r#"failed to read "hey": flag "-Z" is not known"#,
    );
    check(
        "hey -D /etc/passwd http://a/",
        r#"failed to read "hey": flag "-D" is not served by the built-in generator: give the body with -d"#,
    );
    check(
        "hey ftp://a/",
        r#"failed to read "hey": failed to use a URL of scheme "ftp": give one that starts with "http://" or "https://" and names a host"#,
    );
    check(
        "hey -z 1s -c 5000 http://a/",
        r#"failed to read "hey": failed to use concurrency 5000: give 1 to 1000"#,
    );
    check(
        "hey -z 1s -c 1000 -q 1000 http://a/",
        r#"failed to read "hey": failed to use rate "1000000" per second: give more than 0, at most 100000"#,
    );
}

#[test]
fn wrk_lines() {
    check(
        "wrk -t12 -c 40 -d30s -H 'X: y' --latency http://a/",
        r#"GET http://a/ 30s c40 qNone tSome(2s) [x=y] "" keep"#,
    );
    check(
        "wrk http://a/ --timeout=5 -R 100",
        r#"GET http://a/ 10s c10 qSome(100.0) tSome(5s) [] "" keep"#,
    );
    check(
        "wrk -d 9999999999999999999 http://a/",
        r#"failed to read "wrk": Some("9999999999999999999") is no value of flag "-d""#,
    );
    check(
        "wrk -s a.lua http://a/",
        r#"failed to read "wrk": flag "-s" is not served by the built-in generator: use a hey line, or --allow-shell and type bash"#,
    );
    check(
        "wrk -x 1 http://a/",
        r#"failed to read "wrk": flag "-x" is not known"#,
    );
}

#[test]
fn health_probe_lines() {
    check(
        "grpc_health_probe -connect-timeout=1s -addr=podinfo-canary:9999",
        r#"http://podinfo-canary:9999/ "" Any Some(2s) {}"#,
    );
    check(
        "grpc_health_probe --addr a:1 -service p.S -tls -tls-server-name n -rpc-timeout 3s -rpc-header 'a: b'",
        r#"https://a:1/ "p.S" Checked { roots: None, name: Some("n") } Some(4s) {"a": "b"}"#,
    );
    check(
        "grpc_health_probe -tls=false",
        r#"failed to read "grpc_health_probe": the host and port are missing"#,
    );
    check(
        "grpc_health_probe -addr a:1 -alts",
        r#"failed to read "grpc_health_probe": flag "-alts" is not served by the built-in generator: leave it out, or use --allow-shell and type bash"#,
    );
    check(
        "grpc_health_probe -addr a:1 -tls -tls-ca-cert=ca.pem -tls-client-cert c.pem -tls-client-key k.pem",
        r#"https://a:1/ "" Checked { roots: None, name: None } Some(2s) {} by ca.pem as c.pem k.pem"#,
    );
    check(
        "grpc_health_probe -addr a:1 -tls -tls-client-key k.pem",
        r#"failed to read "grpc_health_probe": flag "-tls-client-key" needs "-tls-client-cert" beside it: give both"#,
    );
    check(
        "grpc_health_probe -addr a:1 -tls-ca-cert ca.pem",
        r#"failed to read "grpc_health_probe": flag "-tls-ca-cert" needs "-tls" beside it: give both"#,
    );
    check(
        "grpc_health_probe a:1 x",
        r#"failed to read "grpc_health_probe": the host and port are missing"#,
    );
}

#[test]
fn secrets_are_not_told() {
    for line in [
        "hey -H 'Authorization Bearer s3cret' http://a/",
        "hey -H 'Authorization: Bearer s3cret\u{7}' http://a/",
        "hey '-HAuthorization: Bearer s3cret' http://a/",
        "hey -H Authorization: s3cret http://a/",
        "hey -a me s3cret http://a/",
        "hey -n 0 -a me:s3cret http://a/",
        "hey -x=http://me:s3cret@proxy/ http://a/",
        "hey -x http://me:s3cret@proxy/ http://a/",
        "hey -d s3cret -D s3cret http://a/",
        "hey -d 's3cret'",
        "hey 'http://me:s3cret@a b/'",
        "hey ftp://me:s3cret@a/?s3cret",
        "hey -c 5000 -n 5000 http://me:s3cret@a/?s3cret",
        "wrk -H 'Authorization Bearer s3cret' http://a/",
        "wrk '-HAuthorization Bearer s3cret' http://a/",
        "wrk --header='Authorization Bearer s3cret' http://a/",
        "wrk 'http://me:s3cret@a b/'",
        "grpc_health_probe -addr a:1 -rpc-header 'authorization Bearer s3cret'",
        "grpc_health_probe -rpc-header authorization: s3cret -addr a:1",
        "grpc_health_probe -addr a:1 '-H=authorization: s3cret'",
        "ghz -m '{\"authorization\": \"Bearer s3cret\\u0007\"}' a:1",
        "ghz -m 'authorization: Bearer s3cret' a:1",
        "ghz --reflect-metadata 'authorization: Bearer s3cret' a:1",
        "ghz '-Hauthorization: Bearer s3cret'",
        "ghz -H 'authorization: Bearer s3cret' a:1",
    ] {
        let told = match parse(line) {
            Ok(_) => panic!("{line} is taken"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!told.contains("s3cret"), "{line}: {told}");
    }
}

#[test]
fn lines_for_a_shell() {
    for line in [
        "",
        "curl http://a/",
        "hey http://a/ | tee x",
        "hey http://$HOST/",
        "hey \"http://$HOST/\"",
        "hey `x`",
        "hey 'open",
        "hey \"open",
        "hey http://a/ && true",
        "hey http://a/ > f",
        "# hey http://a/",
        "hey\nhey",
    ] {
        check(line, "shell");
    }
}
