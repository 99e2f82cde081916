//! Watches: what is told, in what order, and when a watch ends.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::{Controller, controller::Action, watcher},
};
use serde_json::json;

use crate::server;

fn config_map(name: &str, label: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([("x".to_owned(), label.to_owned())].into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

async fn label(maps: &Api<ConfigMap>, name: &str, label: &str) {
    let patch = json!({ "metadata": { "labels": { "x": label } } });
    maps.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

fn words(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("ADDED {}", map.name_any()),
        WatchEvent::Modified(map) => format!("MODIFIED {}", map.name_any()),
        WatchEvent::Deleted(map) => format!("DELETED {}", map.name_any()),
        WatchEvent::Bookmark(mark) => format!("BOOKMARK {:?}", mark.metadata.annotations),
        WatchEvent::Error(error) => format!("ERROR {} {}", error.code, error.reason),
    }
}

#[tokio::test(start_paused = true)]
async fn a_selector_turns_changes_into_additions_and_deletions() {
    let client = server().client("default");
    let maps = api(&client);
    let version = maps
        .list(&Default::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let params = WatchParams::default().labels("x=in").timeout(5);
    let stream = maps.watch(&params, &version).await.unwrap();
    for (name, to) in [("a", "in"), ("b", "out")] {
        maps.create(&PostParams::default(), &config_map(name, to))
            .await
            .unwrap();
    }
    label(&maps, "a", "out").await;
    label(&maps, "b", "in").await;
    let annotate = json!({ "metadata": { "annotations": { "k": "v" } } });
    maps.patch("b", &PatchParams::default(), &Patch::Merge(annotate))
        .await
        .unwrap();
    maps.delete("b", &DeleteParams::default()).await.unwrap();
    let events: Vec<_> = stream.try_collect().await.unwrap();
    let told: Vec<String> = events
        .iter()
        .map(words)
        .filter(|words| !words.starts_with("BOOKMARK"))
        .collect();
    assert_eq!(
        told,
        ["ADDED a", "DELETED a", "ADDED b", "MODIFIED b", "DELETED b"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_beyond_the_history_is_gone() {
    let server = server();
    let maps = api(&server.client("default"));
    maps.create(&PostParams::default(), &config_map("a", "0"))
        .await
        .unwrap();
    let old = maps.get("a").await.unwrap().resource_version().unwrap();
    for round in 1..70 {
        label(&maps, "a", &round.to_string()).await;
    }
    let watch = async |version: &str| -> Vec<String> {
        let params = WatchParams::default().timeout(1);
        let stream = maps.watch(&params, version).await.unwrap();
        stream.map(|event| words(&event.unwrap())).collect().await
    };
    assert_eq!(watch(&old).await, ["ERROR 410 Expired"]);
    let new = maps.get("a").await.unwrap().resource_version().unwrap();
    label(&maps, "a", "last").await;
    assert_eq!(watch(&new).await, ["MODIFIED a"]);
    server.compact();
    assert_eq!(watch(&new).await, ["ERROR 410 Expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_its_beginning_with_a_bookmark() {
    let client = server().client("default");
    let maps = api(&client);
    maps.create(&PostParams::default(), &config_map("a", "0"))
        .await
        .unwrap();
    let params = WatchParams::default().initial_events().timeout(100);
    let stream = maps.watch(&params, "0").await.unwrap();
    let told: Vec<String> = stream.map(|event| words(&event.unwrap())).collect().await;
    // The second bookmark comes after a minute.
    assert_eq!(
        told,
        [
            "ADDED a",
            "BOOKMARK {\"k8s.io/initial-events-end\": \"true\"}",
            "BOOKMARK {}"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_survives_a_compaction() {
    let server = server();
    let maps = api(&server.client("default"));
    maps.create(&PostParams::default(), &config_map("a", "0"))
        .await
        .unwrap();
    let config = watcher::Config::default().timeout(10);
    let mut stream = watcher(maps.clone(), config).boxed();
    let mut seen = 0;
    for round in 0..20 {
        label(&maps, "a", &round.to_string()).await;
        server.compact();
        while let Ok(event) = tokio::time::timeout(Duration::from_secs(7), stream.next()).await {
            seen += usize::from(matches!(
                event,
                Some(Ok(watcher::Event::Apply(_) | watcher::Event::InitApply(_)))
            ));
        }
    }
    assert!(seen >= 20, "saw {seen}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_reconciles_a_day_in_no_time() {
    let server = server();
    let maps = api(&server.client("default"));
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &config_map(name, "0"))
            .await
            .unwrap();
    }
    let watched = api(&server.client_as("controller", "default"));
    let reconcile =
        |_, _| async { Ok::<_, std::io::Error>(Action::requeue(Duration::from_secs(60))) };
    let controller = Controller::new(watched, watcher::Config::default().any_semantic())
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            std::sync::Arc::new(()),
        )
        .take_until(tokio::time::sleep(Duration::from_secs(86_400)));
    let rounds = controller
        .filter(|round| std::future::ready(round.is_ok()))
        .count()
        .await;
    assert!(rounds > 3 * 1_400, "{rounds} rounds");
    // A watch is renewed about every five minutes; nothing else is asked.
    let (asked, wrote) =
        server.requests(|log| (log.count_of("controller"), log.writes_of("controller")));
    assert!((200..400).contains(&asked), "{asked} requests");
    assert_eq!(wrote, 0);
}
