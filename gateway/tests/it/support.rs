//! Backends, objects and a client for the tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateway::{Bound, Metrics, Selection, Settings, Table, World, compile};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A backend that answers with its name and what it saw.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) hits: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) seen: Arc<std::sync::Mutex<Vec<String>>>,
    /// Ends listener and idle connections; requests in flight are finished.
    pub(crate) leave: CancellationToken,
}

impl Backend {
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (hits, seen) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(std::sync::Mutex::new(Vec::new())),
        );
        let leave = CancellationToken::new();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let backend = Self {
            connections,
            address,
            hits: Arc::clone(&hits),
            seen: Arc::clone(&seen),
            leave: leave.clone(),
        };
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = leave.cancelled() => return,
                    stream = listener.accept() => stream.unwrap().0,
                };
                accepted.fetch_add(1, Ordering::SeqCst);
                let (hits, seen, leave) = (Arc::clone(&hits), Arc::clone(&seen), leave.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        hits.fetch_add(1, Ordering::SeqCst);
                        echo(name, Arc::clone(&hits), Arc::clone(&seen), request)
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let connection =
                        builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    tokio::pin!(connection);
                    let _ = tokio::select! {
                        ended = connection.as_mut() => ended,
                        () = leave.cancelled() => {
                            connection.as_mut().graceful_shutdown();
                            connection.await
                        }
                    };
                });
            }
        });
        backend
    }
}

/// Path words: `hang` never answers, `slow` takes 20 ms, `flaky` fails its first request.
async fn echo(
    name: &'static str,
    hits: Arc<AtomicUsize>,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().to_string();
    if path.contains("/hang") {
        std::future::pending::<()>().await;
    }
    if path.contains("/slow") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let (mut from, mut to) = tokio::io::split(&mut stream);
            tokio::io::copy(&mut from, &mut to).await.unwrap();
        });
        let head = Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo");
        return Ok(head.body(Full::default().boxed()).unwrap());
    }
    let version = format!("{:?}", request.version());
    let mut headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let method = request.method().clone();
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let text = format!(
        "{name} {method} {path} {version}\n{}\n\n{}",
        headers.join("\n"),
        String::from_utf8_lossy(&body)
    );
    seen.lock().unwrap().push(text.clone());
    let is_grpc = headers.contains(&"content-type: application/grpc".to_owned());
    let trailers = is_grpc.then(|| {
        Ok(http::HeaderMap::from_iter([(
            GRPC_STATUS,
            "0".parse().unwrap(),
        )]))
    });
    let is_bad = path.contains("/flaky") && hits.load(Ordering::SeqCst) == 1;
    Ok(Response::builder()
        .status(if is_bad { 503 } else { 200 })
        .header("x-backend", name)
        .header("keep-alive", "timeout=5")
        .header("x-old", "1")
        .body(
            Full::new(Bytes::from(text))
                .with_trailers(std::future::ready(trailers))
                .boxed(),
        )
        .unwrap())
}

/// How a call of gRPC ended; it comes behind the body.
pub(crate) const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");

/// A Service and its slice; an address with `ready` false is not to be used.
pub(crate) fn service(name: &str, endpoints: &[(SocketAddr, bool)]) -> Vec<Value> {
    let mut objects = vec![json!({
        "kind": "Service", "metadata": {"name": name, "namespace": "test"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web"}]},
    })];
    for (index, (address, ready)) in endpoints.iter().enumerate() {
        objects.push(json!({
            "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{name}-{index}"), "namespace": "test",
                "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "http", "port": address.port()}],
            "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": ready}}],
        }));
    }
    objects
}

/// A class, a gateway, and one route with the given rules.
pub(crate) fn route(rules: &Value) -> Vec<Value> {
    vec![
        json!({"kind": "GatewayClass", "metadata": {"name": "sluice"},
            "spec": {"controllerName": gateway::CONTROLLER_NAME}}),
        json!({"kind": "Gateway", "metadata": {"name": "gw", "namespace": "test"},
            "spec": {"gatewayClassName": "sluice", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
        json!({"kind": "HTTPRoute", "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": rules}}),
    ]
}

/// A backendRef.
pub(crate) fn to(service: &str, weight: u32) -> Value {
    json!({"name": service, "port": 80, "weight": weight})
}

/// The table that objects mean.
pub(crate) fn table(objects: &[Vec<Value>]) -> Arc<Table> {
    let mut world = World::default();
    for object in objects.iter().flatten() {
        world.apply(object.clone()).unwrap();
    }
    Arc::new(compile(&world, &Selection::default()).table)
}

/// A running gateway and a client.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) tables: watch::Sender<Option<Arc<Table>>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<()>,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) fn settings() -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        listen: any,
        metrics: Some(any),
        ..Settings::default()
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: http::HeaderMap,
}

impl Answer {
    /// The backend that answered.
    pub(crate) fn by(&self) -> &str {
        self.headers
            .get("x-backend")
            .map_or("", |name| name.to_str().unwrap())
    }
}

impl Running {
    pub(crate) async fn start(objects: &[Vec<Value>]) -> Self {
        Self::start_with(settings(), objects).await
    }

    pub(crate) async fn start_with(settings: Settings, objects: &[Vec<Value>]) -> Self {
        let bound = Bound::bind(settings).await.unwrap();
        let (address, admin, metrics) = (
            bound.address(),
            bound.metrics_address().unwrap(),
            bound.metrics(),
        );
        let (tables, receiver) = watch::channel(Some(table(objects)));
        let stop = CancellationToken::new();
        let task = tokio::spawn(bound.serve_tables(receiver, stop.clone().cancelled_owned()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            address,
            admin,
            tables,
            metrics,
            stop,
            task,
            client,
        }
    }

    /// Sends `METHOD /path` with headers and a body.
    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        read(self.client.request(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// Answers counted by backend, or by status where no backend answered.
    pub(crate) async fn count(&self, requests: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let answer = self.get("/").await;
            let name = if answer.by().is_empty() {
                answer.status.to_string()
            } else {
                answer.by().to_owned()
            };
            *counts.entry(name).or_default() += 1;
        }
        counts
    }
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let body = body.to_bytes();
    Answer {
        trailers,
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Waits until `is_so`, for at most five seconds.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}
