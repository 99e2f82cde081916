//! Command lines and what becomes of them.

use super::*;
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
                call.roots,
                word(&call.plan)
            );
            if wording.metadata.is_some() {
                told.push_str(" filled in");
            }
            if let Some((cert, key)) = &call.pair {
                told.push_str(&format!(" as {} {}", cert.display(), key.display()));
            }
            told
        }
        Work::Probe(probe) => {
            let plan = &probe.plan;
            format!(
                "{} {:?} {:?} {:?} {:?}",
                plan.url, probe.service, plan.trust, plan.timeout, probe.headers
            )
        }
    }
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
        "hey -c 0 http://a/",
        r#"failed to read "hey": Some("0") is no value of flag "-c""#,
    );
    check(
        "hey -n 5 http://a/",
        r#"failed to read "hey": Some("5") is no value of flag "-n""#,
    );
    check(
        "hey -H nocolon http://a/",
        r#"failed to read "hey": Some("nocolon") is no value of flag "-H""#,
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
        r#"failed to read "hey": failed to use URL "ftp://a/": give one that starts with "http://" or "https://" and names a host"#,
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
        "wrk -s a.lua http://a/",
        r#"failed to read "wrk": flag "-s" is not served by the built-in generator: use a hey line, or --allow-shell and type bash"#,
    );
    check(
        "wrk -x 1 http://a/",
        r#"failed to read "wrk": flag "-x" is not known"#,
    );
}

#[test]
fn ghz_lines() {
    // Flagger's documentation has the first two.
    check(
        "ghz -z 1m -q 10 -c 2 --insecure podinfo.test:9898",
        r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://podinfo.test:9898/ 60s c2 qSome(10.0) tSome(20s) [] "" keep+h2"#,
    );
    check(
        "ghz --insecure --proto=/tmp/ghz/health.proto --call=grpc.health.v1.Health/Check podinfo.test:9898",
        r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://podinfo.test:9898/ 200x c50 qNone tSome(20s) [] "" keep+h2"#,
    );
    check(
        r#"ghz app --proto a/b.proto -i x,y --call pkg.Svc.Do -d '{"a":1}' -m '{"X-A":"1","t-bin":"aGk="}' -n30 --connections=2 -r 5 -x 10s -t 3 --cname n --cacert ca.pem -O json --name=z"#,
        r#"pkg.Svc/Do a/b.proto ["x", "y"] "{\"a\":1}" x2 Checked { roots: None, name: Some("n") } None Some(10s) Some("ca.pem"); GET https://app:443/ 30x c50 qSome(5.0) tSome(3s) [t-bin=aGk, x-a=1] "" keep+h2"#,
    );
    check(
        "ghz -insecure -protoset x.set -call p.S/M --authority a.test --no-count-errors --async --rps 7 dns:///h:1 -z 0",
        r#"p.S/M set x.set "" x1 Any Some("http://h:1/") None None; GET http://a.test/ 200x c1000 qSome(7.0) tSome(20s) [] "" keep+h2"#,
    );
    check(
        r#"ghz --skipTLS --call p.S/M -m '{"a":"b"}' --disable-template-data -d '{"a":"{{b}}"}' [::1]:1"#,
        r#"p.S/M reflection1 "{\"a\":\"{{b}}\"}" x1 Any None None None; GET https://[::1]:1/ 200x c50 qNone tSome(20s) [a=b] "" keep+h2"#,
    );
}

#[test]
fn ghz_lines_that_vary() {
    check(
        r#"ghz --cert c.pem --key k.pem -d '{"a":"{{newUUID}}"}' -m '{"a":"{{.WorkerID}}"}' a:1"#,
        r#"grpc.health.v1.Health/Check health template x1 Checked { roots: None, name: None } None None None; GET https://a:1/ 200x c50 qNone tSome(20s) [] "" keep+h2 filled in as c.pem k.pem"#,
    );
    let told = |pace: &str, concurrency: &str| {
        format!(
            r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://a:1/ 200x c{concurrency} q{pace} tSome(20s) [] "" keep+h2"#
        )
    };
    // ghz's documentation has the next three, in two parts.
    check(
        "ghz --insecure a:1 --load-schedule=step --load-start=50 --load-end=150 --load-step=10 --load-step-duration=5s",
        &told(
            "Schedule { start: 50.0, step: 10.0, every_s: 5.0, steps: 10, rest_from_s: 50.0, rest: 150.0 }",
            "50",
        ),
    );
    check(
        "ghz --insecure a:1 -r 200 --load-schedule LINE --load-start=200 --load-step=-2 --load-end=50",
        &told(
            "Schedule { start: 200.0, step: -2.0, every_s: 1.0, steps: 75, rest_from_s: 75.0, rest: 50.0 }",
            "50",
        ),
    );
    check(
        "ghz --insecure a:1 --rps 200 --concurrency-schedule=step --concurrency-start=10 --concurrency-step=10 --concurrency-step-duration=5s --concurrency-max-duration=60s",
        &told(
            "Some(200.0)",
            "Schedule { start: 10.0, step: 10.0, every_s: 5.0, steps: 12, rest_from_s: 60.0, rest: 130.0 }",
        ),
    );
    // What a schedule is made of is of no matter where there is none.
    check(
        "ghz --insecure a:1 --load-schedule=const --load-start 5 --concurrency-end=3",
        &told("None", "50"),
    );
}

#[test]
fn ghz_refusals() {
    check(
        "ghz --insecure",
        r#"failed to read "ghz": the host and port are missing"#,
    );
    for (flags, why) in [
        ("--nope 1", r#"flag "--nope" is not known"#),
        ("-Z 1", r#"flag "--Z" is not known"#),
        ("-c 0", r#"Some("0") is no value of flag "--concurrency""#),
        ("-z 1y", r#"Some("1y") is no value of flag "--duration""#),
        (
            "-m secret",
            r#"flag "--metadata": it is no JSON object: give one such as {"name": "value"}"#,
        ),
        (
            r#"--reflect-metadata '{"a b":"secret"}'"#,
            r#"flag "--reflect-metadata": "a b" is no name of a header: give letters, digits and dashes"#,
        ),
        (
            r#"-m '{"a":["secret"]}'"#,
            r#"flag "--metadata": the value of "a" is no text that a header can hold: give printable ASCII in quotes"#,
        ),
        (
            r#"-m '{"a-bin":"secret!"}'"#,
            r#"flag "--metadata": the value of "a-bin" is not in base64, as the name's end says: encode it"#,
        ),
        (
            "--cert x",
            r#"flag "--cert" needs "--key" beside it: give both files"#,
        ),
        (
            "--key x",
            r#"flag "--key" needs "--cert" beside it: give both files"#,
        ),
        (
            "--insecure=x",
            r#"Some("x") is no value of flag "--insecure""#,
        ),
        (
            "--call Check",
            r#"Some("Check") is no value of flag "--call""#,
        ),
        (
            "--call a/b?c/d",
            r#"Some("a/b?c/d") is no value of flag "--call""#,
        ),
        (
            "--connections 3 -c 2",
            r#"Some("3") is no value of flag "--connections""#,
        ),
        ("-c 1001", "failed to use concurrency 1001: give 1 to 1000"),
        (
            "--config x",
            r#"flag "--config" is not served by the built-in generator: write its settings as flags"#,
        ),
        (
            "-D x",
            r#"flag "--data-file" is not served by the built-in generator: give the message as JSON with -d"#,
        ),
        (
            "-d @",
            r#"flag "--data" is not served by the built-in generator: give the message itself, not "@""#,
        ),
        (
            "-d '{{.UUID}'",
            r#"template: --data:1: bad character U+007D '}'; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
        ),
        (
            "-m '{{upper .UUID}}'",
            r#"template: --metadata:1: function "upper" not defined; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
        ),
        (
            "-d '{{newUUID}}' --disable-template-functions",
            r#"template: --data:1: function "newUUID" not defined; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
        ),
        (
            "--load-schedule=zigzag",
            r#"Some("zigzag") is no value of flag "--load-schedule""#,
        ),
        (
            "--load-end=-1",
            r#"Some("-1") is no value of flag "--load-end""#,
        ),
        (
            "--load-schedule=step --load-step=1 --load-step-duration=1s",
            r#"flags "--load-*": failed to start at 0: give 1 to 100000"#,
        ),
        (
            "--load-schedule=line --load-start=1 --load-end=5",
            r#"flags "--load-*": failed to step by 0: give a step above 0 to go up, below 0 to go down"#,
        ),
        (
            "--concurrency-schedule=step --concurrency-start=1",
            r#"flags "--concurrency-*": failed to step every 0s: give a step duration"#,
        ),
        (
            "--concurrency-schedule=line --concurrency-start=5 --concurrency-end=2",
            r#"flags "--concurrency-*": failed to go from 5 to 2 by steps of 1: give an end of 1 to 1000 that the steps lead to"#,
        ),
        (
            "--stream-dynamic-messages",
            r#"flag "--stream-dynamic-messages" is not served by the built-in generator: give the messages as a JSON list with -d, filled in once for each call"#,
        ),
        (
            "--async",
            r#"flag "--async" is not served by the built-in generator: say how many calls a second: --rps"#,
        ),
    ] {
        check(
            &format!("ghz {flags} --insecure a:1"),
            &format!(r#"failed to read "ghz": {why}"#),
        );
    }
    check(
        "ghz http://a:1/",
        r#"failed to read "ghz": Some("http://a:1/") is no value of flag "host""#,
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
        "grpc_health_probe a:1 x",
        r#"failed to read "grpc_health_probe": flag "a:1" is not known"#,
    );
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
