//! Requests through the gateway: weights, filters, limits, leaving endpoints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Backend, Running, route, service, settings, table, to, until};

/// Two Services with one endpoint each, behind the given rules.
async fn two(rules: impl Fn() -> Value) -> (Running, Backend, Backend) {
    let (primary, canary) = (
        Backend::start("primary").await,
        Backend::start("canary").await,
    );
    let objects = [
        route(&rules()),
        service("primary", &[(primary.address, true)]),
        service("canary", &[(canary.address, true)]),
    ];
    (Running::start(&objects).await, primary, canary)
}

#[tokio::test]
async fn both_families_reach_every_address() {
    let backend = Backend::start("primary").await;
    let objects = [
        route(&json!([{"backendRefs": [to("primary", 1)]}])),
        service("primary", &[(backend.address, true)]),
    ];
    let mut settings = settings();
    settings.listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let mut gateway = Running::start_with(settings, &objects).await;
    let own = gateway.address;
    let mut hosts = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    hosts.extend(own.is_ipv6().then_some(IpAddr::from(Ipv6Addr::LOCALHOST)));
    for host in hosts {
        gateway.address = SocketAddr::from((host, own.port()));
        let seen = gateway.get("/").await.body;
        assert!(
            seen.contains(&format!("x-forwarded-for: {host}\n")),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn weights_are_met_within_a_point_over_1000_requests() {
    for percent in [0, 1, 10, 50, 100] {
        let rules =
            || json!([{"backendRefs": [to("primary", 100 - percent), to("canary", percent)]}]);
        let (gateway, _primary, _canary) = two(rules).await;
        let counts = gateway.count(1000).await;
        let canary = counts.get("canary").copied().unwrap_or_default();
        assert!(
            canary.abs_diff(usize::try_from(percent).unwrap() * 10) <= 10,
            "{percent} %: {counts:?}"
        );
        assert_eq!(
            counts
                .keys()
                .filter(|name| !["primary", "canary"].contains(&name.as_str()))
                .count(),
            0
        );
    }
}

#[tokio::test]
async fn filters_edit_both_heads() {
    let rules = || {
        json!([{
            "matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
            "filters": [
                {"type": "RequestHeaderModifier", "requestHeaderModifier":
                    {"set": [{"name": "X-Set", "value": "s"}], "add": [{"name": "X-Add", "value": "a"}], "remove": ["X-Gone"]}},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier":
                    {"set": [{"name": "X-Rule", "value": "r"}], "remove": ["X-Old"]}},
                {"type": "URLRewrite", "urlRewrite":
                    {"hostname": "inner.test", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}},
            ],
            "backendRefs": [{"name": "primary", "port": 80, "filters": [
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "Set-Cookie", "value": "c=1"}]}}]}],
        }])
    };
    let (gateway, _primary, _canary) = two(rules).await;
    let headers = [
        ("x-gone", "1"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-add", "0"),
        ("expect", "100-continue"),
    ];
    let answer = gateway.send("POST /old/a?b=c", &headers, "hello").await;
    expect_test::expect![[r"
        primary POST /new/a?b=c HTTP/1.1
        content-length: 5
        host: inner.test
        x-add: 0
        x-add: a
        x-forwarded-for: 127.0.0.1
        x-forwarded-proto: http
        x-set: s

        hello"]]
    .assert_eq(&answer.body);
    let told = |name: &str| {
        answer
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!(
        [
            told("x-rule"),
            told("x-old"),
            told("keep-alive"),
            told("set-cookie")
        ],
        [Some("r"), None, None, Some("c=1")]
    );
}

#[tokio::test]
async fn answers_without_a_backend() {
    let rules = || {
        json!([
            {"matches": [{"path": {"type": "Exact", "value": "/go"}}],
             "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]},
            {"matches": [{"path": {"type": "Exact", "value": "/absent"}}], "backendRefs": [to("absent", 1)]},
            {"matches": [{"path": {"type": "Exact", "value": "/zero"}}], "backendRefs": [to("primary", 0)]},
            {"matches": [{"path": {"type": "Exact", "value": "/foreign"}}],
             "backendRefs": [{"name": "primary", "namespace": "other", "port": 80}]},
            {"matches": [{"path": {"type": "Exact", "value": "/down"}}], "backendRefs": [to("down", 1)]},
            {"matches": [{"path": {"type": "Exact", "value": "/hang"}}], "timeouts": {"request": "30ms"},
             "backendRefs": [to("primary", 1)]},
            {"matches": [{"path": {"type": "Exact", "value": "/hang2"}}], "timeouts": {"backendRequest": "30ms"},
             "backendRefs": [to("primary", 1)]},
            {"matches": [{"path": {"type": "Exact", "value": "/cors"}}],
             "filters": [{"type": "CORS", "cors": {"allowOrigins": ["http://a.test"], "allowMethods": ["PUT"]}}],
             "backendRefs": [to("primary", 1)]},
            {"matches": [{"path": {"type": "Exact", "value": "/extension"}}],
             "filters": [{"type": "ExtensionRef", "extensionRef": {}}], "backendRefs": [to("primary", 1)]},
        ])
    };
    let primary = Backend::start("primary").await;
    let objects = [
        route(&rules()),
        service("primary", &[(primary.address, true)]),
        service("down", &[("127.0.0.1:1".parse().unwrap(), false)]),
    ];
    let gateway = Running::start(&objects).await;
    for (path, status) in [
        ("/none", 404),
        ("/absent", 500),
        ("/zero", 500),
        ("/foreign", 500),
        ("/down", 503),
        ("/hang", 504),
        ("/hang2", 504),
        ("/extension", 500),
    ] {
        assert_eq!(gateway.get(path).await.status, status, "{path}");
    }
    let redirect = gateway.get("/go").await;
    assert_eq!(
        (
            redirect.status,
            redirect.headers["location"].to_str().unwrap()
        ),
        (301, "https://127.0.0.1/go")
    );
    let preflight = [
        ("origin", "http://a.test"),
        ("access-control-request-method", "PUT"),
    ];
    let answer = gateway.send("OPTIONS /cors", &preflight, "").await;
    assert_eq!(
        (
            answer.status,
            answer.headers["access-control-allow-methods"]
                .to_str()
                .unwrap()
        ),
        (204, "PUT")
    );
    let answer = gateway.send("GET /cors", &preflight[..1], "").await;
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "http://a.test"
    );
    assert_eq!(
        gateway.send("GET /cors", &[("host", "")], "").await.status,
        400
    );
}

#[tokio::test]
async fn mirrors_get_whole_copies_of_their_share() {
    let rules = || {
        json!([{
            "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "canary", "port": 80}, "percent": 50}}],
            "backendRefs": [to("primary", 1)],
        }])
    };
    let (gateway, primary, canary) = two(rules).await;
    for _ in 0..40 {
        assert_eq!(gateway.send("POST /", &[], "a body").await.by(), "primary");
    }
    until("mirrored", || canary.seen.lock().unwrap().len() >= 18).await;
    let seen = canary.seen.lock().unwrap().clone();
    assert!(
        seen.len() <= 22 && seen.iter().all(|request| request.ends_with("a body")),
        "{seen:?}"
    );
    assert_eq!(primary.hits.load(Ordering::SeqCst), 40);
}

#[tokio::test]
async fn an_endpoint_that_leaves_under_load_fails_no_request() {
    let (stays, leaves) = (
        Backend::start("stays").await,
        Backend::start("leaves").await,
    );
    let rules = json!([{"backendRefs": [to("web", 1)]}]);
    let both = [
        route(&rules),
        service("web", &[(stays.address, true), (leaves.address, true)]),
    ];
    let gateway = Arc::new(Running::start(&both).await);
    let (stop, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut clients = Vec::new();
    for client in 0..8 {
        let (gateway, stop, failed) =
            (Arc::clone(&gateway), Arc::clone(&stop), Arc::clone(&failed));
        clients.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                // A body cannot be repeated once it was sent: such requests are load only.
                let line = if client % 2 == 0 {
                    "GET /slow"
                } else {
                    "POST /"
                };
                let answer = gateway
                    .send(line, &[], if client % 2 == 0 { "" } else { "body" })
                    .await;
                if answer.status != 200 && client % 2 == 0 {
                    failed.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    until("both in use", || {
        [&stays, &leaves]
            .iter()
            .all(|backend| backend.hits.load(Ordering::SeqCst) > 50)
    })
    .await;
    // First the endpoint goes, then the cluster tells.
    leaves.leave.cancel();
    let before = stays.hits.load(Ordering::SeqCst);
    until("without it", || {
        stays.hits.load(Ordering::SeqCst) > before + 100
    })
    .await;
    let rest = [route(&rules), service("web", &[(stays.address, true)])];
    gateway.tables.send_replace(Some(table(&rest)));
    let before = stays.hits.load(Ordering::SeqCst);
    until("by the new table", || {
        stays.hits.load(Ordering::SeqCst) > before + 100
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(failed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn requests_wait_for_the_table_when_all_known_endpoints_are_gone() {
    let (old, new) = (Backend::start("old").await, Backend::start("new").await);
    let rules = json!([{"backendRefs": [to("web", 1)]}]);
    let gateway = Running::start(&[route(&rules), service("web", &[(old.address, true)])]).await;
    assert_eq!(gateway.get("/").await.by(), "old");
    old.leave.cancel();
    until("gone", || {
        std::net::TcpStream::connect(old.address).is_err()
    })
    .await;
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        gateway.tables.send_replace(Some(table(&[
            route(&rules),
            service("web", &[(new.address, true)]),
        ])));
    };
    let (answer, ()) = tokio::join!(gateway.send("POST /", &[], "body"), later);
    assert_eq!((answer.status, answer.by()), (200, "new"));
    gateway.tables.send_replace(Some(table(&[
        route(&rules),
        service("web", &[(old.address, true)]),
    ])));
    let refused = async { while gateway.get("/").await.status != 503 {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), refused)
        .await
        .unwrap();
}

#[tokio::test]
async fn retries_and_sessions() {
    let rules = || {
        json!([
            {"matches": [{"path": {"value": "/flaky"}}], "retry": {"codes": [503], "attempts": 1, "backoff": "1ms"},
             "backendRefs": [to("primary", 1)]},
            {"sessionPersistence": {"sessionName": "at"}, "backendRefs": [to("primary", 1), to("canary", 1)]},
        ])
    };
    let (gateway, primary, _canary) = two(rules).await;
    let answer = gateway.get("/flaky").await;
    assert_eq!(
        (answer.status, primary.hits.load(Ordering::SeqCst)),
        (200, 2)
    );

    let first = gateway.get("/").await;
    let cookie = first.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    for _ in 0..20 {
        let next = gateway
            .send("GET /", &[("cookie", &format!("x=1; {cookie}"))], "")
            .await;
        assert_eq!(
            (next.by(), next.headers.get("set-cookie")),
            (first.by(), None)
        );
    }
    let stranger = gateway.send("GET /", &[("cookie", "at=0123")], "").await;
    assert!(stranger.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn both_protocols_come_in_and_h2c_goes_out() {
    let backend = Backend::start("primary").await;
    let mut objects = service("primary", &[(backend.address, true)]);
    objects[0]["spec"]["ports"][0]["appProtocol"] = json!("kubernetes.io/h2c");
    let rules = json!([{"backendRefs": [to("primary", 1)]}]);
    let gateway = Running::start(&[route(&rules), objects]).await;
    let h2c = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Full<Bytes>>();
    let uri: http::Uri = format!("http://{}/x", gateway.address).parse().unwrap();
    let request = http::Request::post(uri)
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::from("hi"))
        .unwrap();
    let answer = crate::support::read(h2c.request(request).await.unwrap()).await;
    assert!(
        answer.body.contains("POST") && answer.body.contains("HTTP/2.0"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("cookie: a=1; b=2") && answer.body.ends_with("hi"),
        "{}",
        answer.body
    );
    let answer = gateway.get("/y").await;
    assert!(answer.body.contains(" HTTP/2.0"), "{}", answer.body);
}

#[tokio::test]
async fn upgraded_connections_are_joined() {
    let (gateway, _primary, _canary) = two(|| json!([{"backendRefs": [to("primary", 1)]}])).await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address)
        .await
        .unwrap();
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        String::from_utf8_lossy(&head).starts_with("HTTP/1.1 101"),
        "{head:?}"
    );
    stream.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
}

#[tokio::test]
async fn bad_heads_are_refused() {
    let (gateway, _primary, _canary) = two(|| json!([{"backendRefs": [to("primary", 1)]}])).await;
    let many = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "405"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "400",
        ),
        (&many, "431"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(gateway.address)
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&line),
            format!("HTTP/1.1 {status}"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn metrics_and_shutdown() {
    let (gateway, primary, _canary) =
        two(|| json!([{"backendRefs": [to("primary", 1), to("canary", 0)]}])).await;
    for _ in 0..3 {
        gateway.send("POST /", &[], "body").await;
    }
    let labels = r#"namespace="test",route="podinfo",service="primary""#;
    assert_eq!(
        primary.connections.load(Ordering::SeqCst),
        1,
        "connections are used again"
    );
    let line = format!("sluice_gateway_requests_total{{{labels},code=\"200\"}} 3");
    until("counted", || {
        gateway.metrics.render().lines().any(|seen| seen == line)
    })
    .await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for (path, text) in [
        ("metrics", "sluice_gateway_request_duration_seconds_bucket"),
        ("healthz", "OK"),
    ] {
        let uri = format!("http://{}/{path}", gateway.admin).parse().unwrap();
        let answer = crate::support::read(client.get(uri).await.unwrap()).await;
        assert!(
            answer.status == 200 && answer.body.contains(text),
            "{answer:?}"
        );
    }
    let (answer, ()) = tokio::join!(gateway.get("/slow"), async {
        until("in flight", || primary.hits.load(Ordering::SeqCst) == 4).await;
        gateway.stop.cancel();
    });
    assert_eq!(answer.status, 200);
    drop(client);
    gateway.task.await.unwrap();
}
