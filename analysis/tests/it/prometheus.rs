//! What each answer of a Prometheus is worth

use std::sync::Mutex;
use std::time::Duration;

use analysis::{
    Credentials, Flavour, Outbound, PrometheusServer, QueryFault, QueryResult, Secret, available,
    measure,
};
use expect_test::{Expect, expect};
use rollout::spec::check::CheckSource;
use tokio::time::Instant;

use crate::fixture::{Fake, SECRET, check_of, context, network, now, told};
use crate::loopback::{Loopback, Reply, refused, reply};

/// Measures against one reply; the address is replaced by `SERVER`.
async fn measured(reply: Reply) -> String {
    let server = Loopback::start(vec![reply]).await;
    let context = context(Flavour::Istio, &server.url());
    let sample = measure(
        &check_of("m", CheckSource::Query("up".into())),
        "k",
        &context,
        &network(),
    )
    .await;
    told(&sample).replace(&server.url(), "SERVER")
}

/// Measures against each reply; a line a reply, with the server's name left out.
async fn check(replies: Vec<Reply>, expected: Expect) {
    let mut lines = Vec::new();
    for reply in replies {
        lines.push(measured(reply).await.replace("prometheus SERVER ", ""));
    }
    expected.assert_eq(&lines.join("\n"));
}

fn vector(values: &[&str]) -> Reply {
    vector_at(values, now().timestamp())
}

fn vector_at(values: &[&str], at: i64) -> Reply {
    let series: Vec<String> = values
        .iter()
        .map(|value| format!(r#"{{"metric":{{}},"value":[{at}.123,"{value}"]}}"#))
        .collect();
    result("vector", &format!("[{}]", series.join(",")))
}

fn result(kind: &str, result: &str) -> Reply {
    reply(
        200,
        "",
        &format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#),
    )
}

#[tokio::test]
async fn one_finite_number_is_a_value() {
    let recent = vector_at(&["99.5"], now().timestamp() - 59);
    let replies = vec![vector(&["1.5"]), vector(&["0"]), vector(&["-1e-7"]), recent];
    check(
        replies,
        expect![[r#"
        value 1.5
        value 0
        value -0.0000001
        value 99.5"#]],
    )
    .await;
}

#[tokio::test]
async fn no_data_is_nothing() {
    check(
        vec![vector(&[]), vector(&["NaN"])],
        expect![[r#"
        nothing: no values found for metric: m
        nothing: no values found for metric: m: the query returned NaN"#]],
    )
    .await;
}

#[tokio::test]
async fn other_results_are_errors() {
    let numbers = [
        &["+Inf"][..],
        &["-Inf"],
        &["1", "2"],
        &["infinity"],
        &["1e999"],
        &["<b>"],
    ];
    check(
        numbers.map(vector).to_vec(),
        expect![[r#"
            error: answered with +Inf, which is not a finite number
            error: answered with -Inf, which is not a finite number
            error: answered with 2 series instead of one; aggregate them in the query
            error: gave an answer that cannot be read: a series has the value [1750000000.123,"infinity"], not a time and a number
            error: gave an answer that cannot be read: a series has the value [1750000000.123,"1e999"], not a time and a number
            error: gave an answer that cannot be read: a series has the value [1750000000.123,"<b>"], not a time and a number"#]],
    )
    .await;
    let old = vector_at(&["1"], now().timestamp() - 600);
    let ahead = vector_at(&["1"], now().timestamp() + 3600);
    check(
        vec![old, ahead],
        expect![[r#"
            error: answered with a value more than 1 min old
            error: answered with a value more than 1 min ahead; its clock differs from ours"#]],
    )
    .await;
    let kinds = [
        result("scalar", r#"[1750000000,"1"]"#),
        result("matrix", r#"[{"metric":{},"values":[[1750000000,"1"]]}]"#),
        result("string", r#"[1750000000,"x"]"#),
        result(
            "vector",
            r#"[{"metric":{},"histogram":[1750000000,{"count":"1"}]}]"#,
        ),
    ];
    check(
        kinds.to_vec(),
        expect![[r#"
        error: answered with a scalar, not a vector of one series
        error: answered with a matrix, not a vector of one series
        error: answered with a string, not a vector of one series
        error: answered with a native histogram, not a number"#]],
    )
    .await;
    let shapes = [
        r#"[{"metric":{},"value":[]}]"#,
        r#"[{"metric":{},"value":["x","1"]}]"#,
        r#"[{"metric":{},"value":[1750000000,1]}]"#,
        r#"[{"metric":{},"value":[1e300,"1"]}]"#,
        r#"[{"metric":{},"values":[[1750000000,"1"]]}]"#,
        "[null]",
        "{}",
        "null",
    ];
    check(
        shapes.map(|shape| result("vector", shape)).to_vec(),
        expect![[r#"
            error: gave an answer that cannot be read: a series has the value [], not a time and a number
            error: gave an answer that cannot be read: a series has the value ["x","1"], not a time and a number
            error: gave an answer that cannot be read: a series has the value [1750000000,1], not a time and a number
            error: gave an answer that cannot be read: a series has the value [1e+300,"1"], not a time and a number
            error: gave an answer that cannot be read: a series has the value null, not a time and a number
            error: gave an answer that cannot be read: a series has the value null, not a time and a number
            error: gave an answer that cannot be read: its result is not a list
            error: gave an answer that cannot be read: its result is not a list"#]],
    )
    .await;
}

#[tokio::test]
async fn failures_are_told_in_words() {
    let bodies = [
        "",
        "<html><body>Sign in</body></html>",
        r#"{"status":"success","data":{"resultType":"vector","res"#,
        r#"{"status":"success"}"#,
        r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ];
    check(
        bodies.map(|body| reply(200, "", body)).to_vec(),
        expect![[r#"
            error: gave an answer that cannot be read: it is empty
            error: gave an answer that cannot be read: it is HTML, not JSON
            error: gave an answer that cannot be read: EOF while parsing a string at line 1 column 54
            error: gave an answer that cannot be read: it has no data
            error: answered with an error: query timed out
            error: gave an answer that cannot be read: invalid type: sequence, expected a string at line 1 column 1"#]],
    )
    .await;
    let bad = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error"}"#;
    let statuses = [
        reply(204, "", ""),
        reply(400, "", bad),
        reply(401, "", ""),
        reply(500, "", "oops"),
        reply(503, "", "<html>down</html>"),
        reply(302, "Location: http://localhost:1/\r\n", ""),
    ];
    check(
        statuses.to_vec(),
        expect![[r#"
        error: gave an answer that cannot be read: it is empty
        error: answered 400: invalid parameter "query": 1:4: parse error
        error: answered 401
        error: answered 500
        error: answered 503
        error: redirected to another host, which is not followed"#]],
    )
    .await;
    let broken = [
        Reply::Bytes("garbage\r\n\r\n".into()),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".into()),
        Reply::Bytes(String::new()),
        Reply::Endless,
    ];
    check(
        broken.to_vec(),
        expect![[r#"
        error: gave an answer that is not HTTP
        error: broke off its answer
        error: closed the connection without an answer
        error: gave an answer longer than 1048576 bytes"#]],
    )
    .await;
    let url = refused().await;
    let context = context(Flavour::Istio, &url);
    let check = check_of("m", CheckSource::Query("up".into()));
    let sample = measure(&check, "k", &context, &network()).await;
    assert_eq!(
        told(&sample),
        format!("error: prometheus {url} refused the connection")
    );
}

/// A server that never answers costs 5 s.
#[tokio::test(start_paused = true)]
async fn slow_answers_are_not_waited_for() {
    let started = Instant::now();
    let context = context(Flavour::Istio, "http://prom:9090");
    let sample = measure(
        &check_of("m", CheckSource::SuccessRate),
        "k",
        &context,
        &Fake::default(),
    )
    .await;
    assert_eq!(
        told(&sample),
        "error: prometheus http://prom:9090 gave no answer within 5 s"
    );
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

/// Flagger's words where a built-in check has no data.
#[tokio::test]
async fn missing_traffic_is_told() {
    let context = context(Flavour::Nginx, "http://prom:9090");
    let fake = Fake {
        results: Mutex::new([Ok(QueryResult::Vector(vec![]))].into()),
        ..Fake::default()
    };
    let sample = measure(
        &check_of("request-duration", CheckSource::Duration),
        "k",
        &context,
        &fake,
    )
    .await;
    assert_eq!(
        told(&sample),
        "nothing: no values found for nginx metric request-duration probably podinfo-app.test is not receiving traffic"
    );
}

#[tokio::test]
async fn servers_are_probed_with_a_vector() {
    let check = async |fake: Fake, expected: Result<(), &str>| {
        let context = context(Flavour::Istio, "http://prom:9090");
        let result = available(&check_of("m", CheckSource::SuccessRate), &context, &fake).await;
        assert_eq!(result, expected.map_err(str::to_owned));
        assert_eq!(
            fake.queries.lock().unwrap().as_slice(),
            ["http://prom:9090 vector(1)"]
        );
    };
    let fault = |fault| Fake {
        results: Mutex::new([Err(fault)].into()),
        ..Fake::default()
    };
    check(Fake::with_value(1.0), Ok(())).await;
    check(
        Fake::with_value(0.0),
        Err("prometheus http://prom:9090 says that vector(1) is 0"),
    )
    .await;
    check(
        fault(QueryFault::Status {
            status: 502,
            message: String::new(),
        }),
        Err("prometheus http://prom:9090 answered 502"),
    )
    .await;
}

/// The request, without the lines that differ from run to run.
async fn requested(server: impl FnOnce(&mut PrometheusServer), path: &str) -> String {
    let loopback = Loopback::start(vec![vector(&["1"])]).await;
    let mut prometheus = PrometheusServer::at(&format!("{}{path}", loopback.url())).unwrap();
    server(&mut prometheus);
    network()
        .instant(&prometheus, "sum(rate(x{a=\"b\"}[1m]))", now())
        .await
        .unwrap();
    let request = loopback.requests().join("\n");
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        !matches!(
            name.as_str(),
            "host" | "accept" | "accept-encoding" | "user-agent" | ""
        )
    };
    request.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn queries_are_sent_with_headers_and_credentials() {
    expect!["GET /api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%22%7D%5B1m%5D%29%29 HTTP/1.1"]
        .assert_eq(&requested(|_| {}, "").await);
    expect![
        "GET /prefix/api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%22%7D%5B1m%5D%29%29 HTTP/1.1"
    ]
    .assert_eq(&requested(|_| {}, "/prefix/").await);
    let bearer = |server: &mut PrometheusServer| {
        server.credentials = Some(Credentials::Bearer(Secret::new("t0ken\n")));
        server
            .headers
            .push(("X-Scope-OrgID".into(), Secret::new("tenant")));
        server
            .headers
            .push(("authorization".into(), Secret::new("overridden")));
    };
    expect![[r#"
        GET /api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%22%7D%5B1m%5D%29%29 HTTP/1.1
        x-scope-orgid: tenant
        authorization: Bearer t0ken"#]]
    .assert_eq(&requested(bearer, "").await);
    let basic = |server: &mut PrometheusServer| {
        let (username, password) = (Secret::new("user"), Secret::new("pass"));
        server.credentials = Some(Credentials::Basic { username, password });
    };
    expect![[r#"
        GET /api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%22%7D%5B1m%5D%29%29 HTTP/1.1
        authorization: Basic dXNlcjpwYXNz"#]]
    .assert_eq(&requested(basic, "").await);
}

#[tokio::test]
async fn credentials_are_never_told() {
    let echo = format!(r#"{{"status":"error","error":"token {SECRET} is not known"}}"#);
    let server = Loopback::start(vec![reply(403, "", &echo)]).await;
    let url = server
        .url()
        .replace("http://", &format!("http://user:{SECRET}@"));
    let mut context = context(Flavour::Istio, &format!("{url}/{SECRET}?key={SECRET}"));
    context
        .metrics_server
        .headers
        .push(("X-Token".into(), Secret::new(SECRET)));
    let check = check_of("m", CheckSource::Query("up".into()));
    let told_403 = told(&measure(&check, "k", &context, &network()).await);
    assert_eq!(
        told_403,
        format!(
            "error: prometheus {} answered 403: token *** is not known",
            server.url()
        )
    );
    context.metrics_server.headers = vec![("X-Token".into(), Secret::new(format!("{SECRET}\n")))];
    let told_header = told(&measure(&check, "k", &context, &network()).await);
    assert_eq!(
        told_header,
        format!(
            "error: prometheus {} cannot be asked: header \"X-Token\" is not valid",
            server.url()
        )
    );
}
