//! Watches, changes and status against a small API server in the test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use gateway::Bound;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Backend, route, service, settings, to, until};

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// Lists objects by plural, takes status patches, keeps watches open and silent; on `gone`
/// the watch of EndpointSlices tells that they were deleted.
async fn serve(
    objects: Objects,
    gone: Arc<Notify>,
    writes: Arc<Mutex<Vec<(String, Value)>>>,
    request: Request<Body>,
) -> Result<Response<BoxBody<Bytes, std::convert::Infallible>>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let is_watch = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    if request.method() == http::Method::PATCH {
        let patch: Value =
            serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes())
                .unwrap();
        writes.lock().unwrap().push((path, patch));
        return Ok(Response::new(
            Full::from(json!({"kind": "X", "apiVersion": "v1", "metadata": {}}).to_string())
                .boxed(),
        ));
    }
    if is_watch {
        let is_slices = path.ends_with("endpointslices");
        let event = async move {
            gone.notified().await;
            let slice = objects
                .lock()
                .unwrap()
                .values()
                .find(|object| object["kind"] == "EndpointSlice")
                .cloned();
            let line = format!("{}\n", json!({"type": "DELETED", "object": slice}));
            Ok(http_body::Frame::data(Bytes::from(line)))
        };
        let events = futures::stream::once(event).chain(futures::stream::pending());
        let events = if is_slices {
            events.left_stream()
        } else {
            futures::stream::pending().right_stream()
        };
        return Ok(Response::new(BodyExt::boxed(StreamBody::new(SyncStream(
            Mutex::new(Box::pin(events)),
        )))));
    }
    if path.ends_with("referencegrants") {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": ""});
        return Ok(Response::builder()
            .status(404)
            .body(Full::from(status.to_string()).boxed())
            .unwrap());
    }
    let plural = path.rsplit('/').next().unwrap().to_owned();
    let items: Vec<Value> = objects
        .lock()
        .unwrap()
        .values()
        .filter(|object| {
            format!("{}s", object["kind"].as_str().unwrap().to_lowercase())
                .replace("classs", "classes")
                == plural
        })
        .cloned()
        .collect();
    let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": items});
    Ok(Response::new(Full::from(list.to_string()).boxed()))
}

/// A stream behind a lock, because the body must be `Sync`.
struct SyncStream<S>(Mutex<S>);

impl<S: futures::Stream + Unpin> futures::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        std::pin::Pin::new(self.0.get_mut().unwrap()).poll_next(cx)
    }
}

#[tokio::test]
async fn routes_of_the_cluster_are_served_and_told() {
    let backend = Backend::start("primary").await;
    let all = [
        route(&json!([{"backendRefs": [to("primary", 1), to("absent", 0)]}])),
        service("primary", &[(backend.address, true)]),
    ];
    let objects: Objects = Arc::default();
    for (index, mut object) in all.into_iter().flatten().enumerate() {
        object["apiVersion"] = json!("v1");
        object["metadata"]["resourceVersion"] = json!("4");
        object["metadata"]["generation"] = json!(7);
        objects.lock().unwrap().insert(index.to_string(), object);
    }
    let writes: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let (objects, seen) = (Arc::clone(&objects), Arc::clone(&writes));
    let gone = Arc::new(Notify::new());
    let told_gone = Arc::clone(&gone);
    let service = kube::client::ClientBuilder::new(
        tower::service_fn(move |request| {
            serve(
                Arc::clone(&objects),
                Arc::clone(&told_gone),
                Arc::clone(&seen),
                request,
            )
        }),
        "default",
    )
    .build();
    let bound = Bound::bind(settings()).await.unwrap();
    let address = bound.address();
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(bound.run(service, stop.clone().cancelled_owned()));

    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Full<Bytes>>();
    let answer = client.get(format!("http://{address}/").parse().unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(5), answer)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.headers()["x-backend"], "primary");

    until("status written", || writes.lock().unwrap().len() == 3).await;
    let writes = writes.lock().unwrap().clone();
    let (path, patch) = &writes[2];
    assert_eq!(
        path,
        "/apis/gateway.networking.k8s.io/v1/namespaces/test/httproutes/podinfo/status"
    );
    assert_eq!(patch["metadata"]["resourceVersion"], "4");
    let parent = &patch["status"]["parents"][0];
    assert_eq!(
        (&parent["controllerName"], &parent["parentRef"]),
        (&json!("sluice.dev/gateway"), &json!({"name": "gw"}))
    );
    let told: Vec<String> = parent["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                one["type"], one["status"], one["reason"], one["observedGeneration"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "Accepted True Accepted 7",
            "ResolvedRefs False BackendNotFound 7"
        ]
    );
    assert_eq!(writes[1].1["status"]["listeners"][0]["attachedRoutes"], 1);
    gone.notify_one();
    let refused = async {
        let url: http::Uri = format!("http://{address}/").parse().unwrap();
        while client.get(url.clone()).await.unwrap().status() != 503 {}
    };
    tokio::time::timeout(Duration::from_secs(5), refused)
        .await
        .unwrap();
    drop(client);
    stop.cancel();
    task.await.unwrap();
}
