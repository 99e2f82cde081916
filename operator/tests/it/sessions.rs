//! Session affinity: what is routed is what is stored, and meshes that cannot do it say so.

use std::sync::Arc;

use api::Canary;
use api::canary::{CanaryPhase, CanaryStatus};
use apiserver::Fault;
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use crate::cluster::{Cluster, canary, deployment, http_route};
use crate::trouble::EachWriteOnce;

fn sticky() -> Value {
    json!({"stepWeight": 20, "metrics": [],
        "webhooks": [{"name": "back", "type": "rollback", "url": "http://gate.test/back"}],
        "sessionAffinity": {"cookieName": "canary", "primaryCookieName": "primary", "path": "/"}})
}

/// The rules of the route as `cookie patterns -> weights, cookies set`.
async fn rules(cluster: &Cluster) -> Vec<String> {
    let routes: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), "test", &http_route());
    let route = routes.get("podinfo").await.unwrap();
    let list = |value: &Value, pointer: &str| {
        let list = value.pointer(pointer).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let set = |value: &Value| -> Vec<String> {
        list(value, "/filters/0/responseHeaderModifier/add")
            .iter()
            .map(|added| added["value"].as_str().unwrap().to_owned())
            .collect()
    };
    let rules = list(&route.data, "/spec/rules");
    rules
        .iter()
        .map(|rule| {
            let pattern = rule.pointer("/matches/0/headers/0/value").cloned();
            let backends = list(rule, "/backendRefs");
            let weights: Vec<String> = backends.iter().map(|b| b["weight"].to_string()).collect();
            let mut cookies = set(rule);
            cookies.extend(backends.iter().flat_map(set));
            format!(
                "{} -> {} {}",
                pattern.as_ref().and_then(Value::as_str).unwrap_or("all"),
                weights.join("/"),
                cookies.join(" + ")
            )
        })
        .collect()
}

fn status(canary: Canary) -> CanaryStatus {
    canary.status.unwrap()
}

async fn at(cluster: &Cluster, weight: i64) -> CanaryStatus {
    let found = cluster
        .until("podinfo", &format!("at {weight} %"), |found| {
            let status = found.status.as_ref();
            status.is_some_and(|status| status.canary_weight == weight)
        })
        .await;
    status(found)
}

/// Name and value of a cookie.
fn parts(cookie: Option<String>) -> (String, String) {
    let cookie = cookie.unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    (name.to_owned(), value.to_owned())
}

/// The three rules of a canary that has this much.
fn kept(status: &CanaryStatus) -> Vec<String> {
    let (name, value) = parts(status.session_affinity_cookie.clone());
    let (of_primary, drawn) = parts(status.primary_session_affinity_cookie.clone());
    let weight = status.canary_weight;
    vec![
        format!(".*{name}.*{value}.* -> 0/100 "),
        format!(".*{of_primary}.*{drawn}.* -> 100/0 "),
        format!(
            "all -> {}/{weight} {of_primary}={drawn}; Max-Age=10; Path=/ + {name}={value}; Max-Age=86400; Path=/",
            100 - weight
        ),
    ]
}

async fn released(fault: Option<Fault>) {
    let cluster = Cluster::with_podinfo(&sticky(), &json!({})).await;
    cluster.outbound.set_status(403);
    if let Some(fault) = fault {
        cluster
            .server
            .set_faults(Arc::new(EachWriteOnce::new(fault)));
    }
    cluster.until_phase(CanaryPhase::Initialized).await;
    assert_eq!(rules(&cluster).await, ["all -> 100/0 "]);
    cluster.release("2.0.0").await;
    let first = at(&cluster, 20).await;
    assert_eq!(rules(&cluster).await, kept(&first));
    let second = at(&cluster, 40).await;
    assert_eq!(rules(&cluster).await, kept(&second));
    assert_eq!(
        first.session_affinity_cookie,
        second.session_affinity_cookie
    );
    assert_ne!(
        first.primary_session_affinity_cookie,
        second.primary_session_affinity_cookie
    );
    cluster.outbound.set_status(200);
    let failed = status(cluster.until_phase(CanaryPhase::Failed).await);
    assert_eq!(
        (
            &failed.session_affinity_cookie,
            &failed.primary_session_affinity_cookie,
            &failed.previous_session_affinity_cookie
        ),
        (&None, &None, &second.session_affinity_cookie)
    );
    let (name, value) = parts(failed.previous_session_affinity_cookie.clone());
    let cleared = [
        format!(".*{name}.*{value}.* -> 100/0 {name}={value}; Max-Age=-1; Path=/"),
        "all -> 100/0 ".to_owned(),
    ];
    assert_eq!(rules(&cluster).await, cleared);
    cluster.outbound.set_status(403);
    cluster.release("3.0.0").await;
    let next = at(&cluster, 20).await;
    assert_ne!(next.session_affinity_cookie, second.session_affinity_cookie);
    assert_eq!(rules(&cluster).await, kept(&next));
}

#[tokio::test(start_paused = true)]
async fn cookies_are_kept_taken_back_and_new_for_the_next_release() {
    released(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_every_write_loses_no_cookie() {
    released(Some(Fault::Answer {
        code: 409,
        retry_after_s: None,
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mesh_without_cookies_refuses_the_field() {
    let mut cluster = Cluster::new().await;
    cluster
        .load(&deployment("podinfo", "1.0.0", &json!({})))
        .await;
    let spec = json!({"provider": "kubernetes"});
    cluster.load(&canary("podinfo", &sticky(), &spec)).await;
    cluster.start("");
    let stalled = |found: &Canary| {
        let conditions = found.status.iter().flat_map(|status| &status.conditions);
        let stall = conditions.clone().find(|one| one.type_ == "Stalled");
        stall.map(|one| one.message.clone())
    };
    let found = cluster
        .until("podinfo", "stalled", |found| stalled(found).is_some())
        .await;
    let told = stalled(&found).unwrap();
    assert!(
        told.contains("spec.analysis.sessionAffinity is \"given\": Provider kubernetes cannot"),
        "{told}"
    );
}
