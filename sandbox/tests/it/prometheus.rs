//! The Prometheus HTTP API as a metrics provider meets it, without a socket.

use axum::body::{Body, to_bytes};
use http::Request;
use promql::Labels;
use sandbox::{Clock, Prometheus};
use serde_json::{Value, json};
use tower::ServiceExt;

async fn ask(prometheus: &Prometheus, request: Request<Body>) -> (u16, Value) {
    let response = prometheus.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn answers_as_the_http_api_does() {
    let epoch = chrono::DateTime::from_timestamp(1_000, 0).unwrap();
    let prometheus = Prometheus::new(Clock::starting_at(epoch));
    let up = Labels::named("up").with("job", "a b");
    prometheus.append(&up, 1.0).unwrap();
    let vector = |t: f64, v: &str| {
        json!({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "a b"}, "value": [t, v]}]}})
    };
    assert_eq!(
        ask(&prometheus, get("/api/v1/query?query=up")).await,
        (200, vector(1_000.0, "1"))
    );
    assert_eq!(
        ask(&prometheus, get("/api/v1/query?query=up&time=1000.5")).await,
        (200, vector(1_000.5, "1"))
    );
    let dated = "/api/v1/query?query=up&time=1970-01-01T00:17:00Z";
    assert_eq!(
        ask(&prometheus, get(dated)).await,
        (200, vector(1_020.0, "1"))
    );
    let post = Request::post("/api/v1/query")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("query=up%7Bjob%3D%22a+b%22%7D&time=1001"))
        .unwrap();
    assert_eq!(ask(&prometheus, post).await, (200, vector(1_001.0, "1")));
    let scalar =
        json!({"status": "success", "data": {"resultType": "scalar", "result": [1000.0, "NaN"]}});
    assert_eq!(
        ask(&prometheus, get("/api/v1/query?query=scalar(none)")).await,
        (200, scalar)
    );
    let range = ask(
        &prometheus,
        get("/api/v1/query_range?query=up&start=1000&end=1010&step=5s"),
    )
    .await;
    assert_eq!(
        range.1["data"]["result"][0]["values"],
        json!([[1000.0, "1"], [1005.0, "1"], [1010.0, "1"]])
    );
    assert_eq!(ask(&prometheus, get("/-/ready")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn refuses_what_it_cannot_answer() {
    let prometheus = Prometheus::new(Clock::starting_at(chrono::DateTime::UNIX_EPOCH));
    for (path, status, kind) in [
        ("/api/v1/query?query=up%7B", 400, "bad_data"),
        ("/api/v1/query", 400, "bad_data"),
        ("/api/v1/query?query=up&time=noon", 400, "bad_data"),
        ("/api/v1/query?query=topk(NaN,vector(1))", 422, "execution"),
        (
            "/api/v1/query_range?query=up&start=0&end=100000000&step=1",
            400,
            "bad_data",
        ),
        (
            "/api/v1/query_range?query=up&start=10&end=0&step=1",
            400,
            "bad_data",
        ),
    ] {
        let (got, body) = ask(&prometheus, get(path)).await;
        assert_eq!(
            (got, body["errorType"].as_str()),
            (status, Some(kind)),
            "{path}: {body}"
        );
    }
}
