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

async fn check(reply: Reply, expected: Expect) {
    expected.assert_eq(&measured(reply).await);
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
    check(vector(&["1.5"]), expect![[""]]).await;
    check(vector(&["0"]), expect![[""]]).await;
    check(vector(&["-1e-7"]), expect![[""]]).await;
    check(vector_at(&["99.5"], now().timestamp() - 59), expect![[""]]).await;
}

#[tokio::test]
async fn no_data_is_nothing() {
    check(vector(&[]), expect![[""]]).await;
    check(vector(&["NaN"]), expect![[""]]).await;
}

#[tokio::test]
async fn other_results_are_errors() {
    check(vector(&["+Inf"]), expect![[""]]).await;
    check(vector(&["-Inf"]), expect![[""]]).await;
    check(vector(&["1", "2"]), expect![[""]]).await;
    check(vector(&["infinity"]), expect![[""]]).await;
    check(vector(&["1e999"]), expect![[""]]).await;
    check(vector(&["<b>"]), expect![[""]]).await;
    check(vector_at(&["1"], now().timestamp() - 600), expect![[""]]).await;
    check(vector_at(&["1"], now().timestamp() + 3600), expect![[""]]).await;
    check(result("scalar", r#"[1750000000,"1"]"#), expect![[""]]).await;
    check(
        result("matrix", r#"[{"metric":{},"values":[[1750000000,"1"]]}]"#),
        expect![[""]],
    )
    .await;
    check(result("string", r#"[1750000000,"x"]"#), expect![[""]]).await;
    check(
        result(
            "vector",
            r#"[{"metric":{},"histogram":[1750000000,{"count":"1"}]}]"#,
        ),
        expect![[""]],
    )
    .await;
    check(
        result("vector", r#"[{"metric":{},"value":[]}]"#),
        expect![[""]],
    )
    .await;
    check(
        result("vector", r#"[{"metric":{},"value":["x","1"]}]"#),
        expect![[""]],
    )
    .await;
    check(
        result("vector", r#"[{"metric":{},"value":[1750000000,1]}]"#),
        expect![[""]],
    )
    .await;
    check(
        result("vector", r#"[{"metric":{},"value":[1e300,"1"]}]"#),
        expect![[""]],
    )
    .await;
    check(
        result("vector", r#"[{"metric":{},"values":[[1750000000,"1"]]}]"#),
        expect![[""]],
    )
    .await;
    check(result("vector", "{}"), expect![[""]]).await;
    check(result("vector", "null"), expect![[""]]).await;
}

#[tokio::test]
async fn failures_are_told_in_words() {
    check(reply(200, "", ""), expect![[""]]).await;
    check(
        reply(200, "", "<html><body>Sign in</body></html>"),
        expect![[""]],
    )
    .await;
    check(
        reply(
            200,
            "",
            r#"{"status":"success","data":{"resultType":"vector","res"#,
        ),
        expect![[""]],
    )
    .await;
    check(reply(200, "", r#"{"status":"success"}"#), expect![[""]]).await;
    check(
        reply(
            200,
            "",
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
        ),
        expect![[""]],
    )
    .await;
    check(reply(204, "", ""), expect![[""]]).await;
    let bad = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error"}"#;
    check(reply(400, "", bad), expect![[""]]).await;
    check(reply(500, "", "oops"), expect![[""]]).await;
    check(reply(503, "", "<html>down</html>"), expect![[""]]).await;
    check(reply(401, "", ""), expect![[""]]).await;
    check(
        reply(302, "Location: http://localhost:1/\r\n", ""),
        expect![[""]],
    )
    .await;
    check(Reply::Bytes("garbage\r\n\r\n".into()), expect![[""]]).await;
    check(
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".into()),
        expect![[""]],
    )
    .await;
    check(Reply::Bytes(String::new()), expect![[""]]).await;
    check(Reply::Endless, expect![[""]]).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(reply(200, "", &deep), expect![[""]]).await;

    let url = refused().await;
    let context = context(Flavour::Istio, &url);
    let sample = measure(
        &check_of("m", CheckSource::Query("up".into())),
        "k",
        &context,
        &network(),
    )
    .await;
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
    expect![[""]].assert_eq(&requested(|_| {}, "").await);
    expect![[""]].assert_eq(&requested(|_| {}, "/prefix/").await);
    let bearer = |server: &mut PrometheusServer| {
        server.credentials = Some(Credentials::Bearer(Secret::new("t0ken\n")));
        server
            .headers
            .push(("X-Scope-OrgID".into(), Secret::new("tenant")));
        server
            .headers
            .push(("authorization".into(), Secret::new("overridden")));
    };
    expect![[""]].assert_eq(&requested(bearer, "").await);
    let basic = |server: &mut PrometheusServer| {
        let (username, password) = (Secret::new("user"), Secret::new("pass"));
        server.credentials = Some(Credentials::Basic { username, password });
    };
    expect![[""]].assert_eq(&requested(basic, "").await);
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
