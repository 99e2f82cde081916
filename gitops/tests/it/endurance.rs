//! Kustomization over time: crashes, faults, waits cut short, deletion, and what it all costs.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::{World, condition, is_applied, map, with_two_maps};

#[tokio::test(start_paused = true)]
async fn deletion_follows_the_policy() {
    let world = with_two_maps().await;
    for (fields, stays) in [
        (json!({}), false),
        (json!({"prune": false}), true),
        (json!({"deletionPolicy": "Orphan"}), true),
        (
            json!({"prune": false, "deletionPolicy": "WaitForTermination"}),
            false,
        ),
    ] {
        let mut all = json!({"path": "./deploy"});
        all.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        world.kustomization("app", all).await;
        world
            .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
            .await;
        world
            .kustomizations()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        world.until_gone(&world.kustomizations(), "app").await;
        assert_eq!(
            world.maps().get_opt("a").await.unwrap().is_some(),
            stays,
            "{fields}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_applying_and_recording_orphans_nothing() {
    // Each round crashes a little later in the first pass.
    for steps in 0..12 {
        let mut world = World::idle().await;
        world.repository.write("a.yaml", &map("a", "one"));
        world.repository.commit("one");
        world.source(json!({})).await;
        world.kustomization("app", json!({})).await;
        world.run();
        let writes = || world.server.requests(|log| log.writes_of("sluice"));
        while writes() < steps {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if world.started.elapsed() > Duration::from_secs(60) {
                break;
            }
        }
        world.crash();
        world
            .kustomizations()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        world.run();
        world.until_gone(&world.kustomizations(), "app").await;
        assert!(
            world.maps().get_opt("a").await.unwrap().is_none(),
            "orphaned after {steps} writes"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_conflicts_and_errors_ends_where_it_would_have() {
    let world = with_two_maps().await;
    world
        .server
        .set_faults(std::sync::Arc::new(apiserver::RandomFaults::new(
            7,
            300,
            Some("sluice"),
        )));
    world
        .kustomization("app", json!({"path": "./deploy", "retryInterval": "10s"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world.remove("deploy/b.yaml");
    let commit = world.repository.commit("drop one");
    world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &commit)
        })
        .await;
    assert!(world.maps().get_opt("b").await.unwrap().is_none());
    assert!(world.maps().get_opt("a").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_or_a_deletion_ends_a_health_wait() {
    let world = with_two_maps().await;
    let check = json!([{"kind": "Deployment", "name": "absent", "namespace": "apps"}]);
    let fields = json!({"path": "./deploy", "timeout": "1h", "healthChecks": check});
    world.kustomization("app", fields).await;
    let is_waiting = |object: &Value| condition(object, "Healthy")["reason"] == "Progressing";
    world
        .until(&world.kustomizations(), "app", is_waiting)
        .await;
    world.repository.write("deploy/a.yaml", &map("a", "two"));
    let next = world.repository.commit("next");
    let revision = format!("main@sha1:{next}");
    world
        .until(&world.kustomizations(), "app", |object| {
            object["status"]["lastAttemptedRevision"] == revision && is_waiting(object)
        })
        .await;
    assert!(world.started.elapsed() < Duration::from_secs(300));
    world
        .kustomizations()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    world.until_gone(&world.kustomizations(), "app").await;
    assert!(world.started.elapsed() < Duration::from_secs(300));
    assert!(world.maps().get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted() {
    let world = with_two_maps().await;
    world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    world.pass(Duration::from_secs(5)).await;
    let before = world.requests();
    world
        .kustomization("app", json!({"path": "./deploy"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world.pass(Duration::from_secs(5)).await;
    // Finalizer, inventory, 2 dry runs, 2 writes, status, 2 events; the kind once a dry run at
    // most; and one more look if defaults that are filled in late bump the generation.
    let spent = world.requests() - before;
    assert!((9..=15).contains(&spent), "{spent}");
    let version = || async {
        let object = world.kustomizations().get("app").await.unwrap();
        object.metadata.resource_version
    };
    let (before, settled) = (world.requests(), version().await);
    world.pass(Duration::from_secs(640)).await;
    // One pass that looks for drift: 2 dry runs, 2 writes that change nothing.
    assert_eq!(world.requests() - before, 4);
    assert_eq!(version().await, settled, "nothing new, nothing written");
}
