//! Kustomization: applying, pruning, waiting, depending, refusing, leaving.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::{NAMESPACE, World, condition, is_applied, map, with_two_maps, words};

#[tokio::test(start_paused = true)]
async fn a_revision_is_applied_changed_and_pruned() {
    let world = with_two_maps().await;
    world
        .kustomization("app", json!({"path": "./deploy"}))
        .await;
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    let first = world.repository.git(&["rev-parse", "HEAD"]);
    let status = &object["status"];
    assert_eq!(
        words(&object, "Ready"),
        format!("True ReconciliationSucceeded Applied revision: main@sha1:{first}")
    );
    assert_eq!(
        status["inventory"]["entries"],
        json!([{"id": "apps_a__ConfigMap", "v": "v1"}, {"id": "apps_b__ConfigMap", "v": "v1"}])
    );
    assert_eq!(
        status["lastAttemptedRevision"],
        status["lastAppliedRevision"]
    );
    assert_eq!(
        (
            &status["history"][0]["lastReconciledStatus"],
            &status["history"][0]["totalReconciliations"]
        ),
        (&json!("ReconciliationSucceeded"), &json!(1))
    );
    let live = serde_json::to_value(world.maps().get("a").await.unwrap()).unwrap();
    assert_eq!(
        live["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"],
        "app"
    );

    world.repository.write("deploy/a.yaml", &map("a", "two"));
    world.remove("deploy/b.yaml");
    world.repository.write("deploy/c.yaml", &map("c", "one"));
    let second = world.repository.commit("change one, drop one, add one");
    let object = world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &second)
        })
        .await;
    assert_eq!(
        object["status"]["inventory"]["entries"],
        json!([{"id": "apps_a__ConfigMap", "v": "v1"}, {"id": "apps_c__ConfigMap", "v": "v1"}])
    );
    assert_eq!(object["status"]["history"].as_array().unwrap().len(), 2);
    assert!(world.maps().get_opt("b").await.unwrap().is_none());
    assert_eq!(
        world.maps().get("a").await.unwrap().data["data"]["k"],
        "two"
    );
    world.pass(Duration::from_secs(1)).await;
    let events = world.events("app").await;
    assert_eq!(
        events[0],
        "Normal Progressing: ConfigMap/apps/a created\nConfigMap/apps/b created"
    );
    assert!(
        events[1].starts_with("Normal ReconciliationSucceeded: Reconciliation finished in ")
            && events[1].ends_with(", next run in 10m0s"),
        "{}",
        events[1]
    );
    assert_eq!(
        events[2],
        "Normal Progressing: ConfigMap/apps/a configured\nConfigMap/apps/c created"
    );
    assert_eq!(events[3], "Normal Progressing: ConfigMap/apps/b deleted");
    assert_eq!(events.len(), 5, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_is_applied_at_once_and_a_quiet_hour_writes_nothing() {
    let world = with_two_maps().await;
    world
        .kustomization("app", json!({"path": "./deploy", "interval": "24h"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world.pass(Duration::from_secs(5)).await;
    let requests = world.requests();
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.requests() - requests, 0);
    world.repository.write("deploy/a.yaml", &map("a", "two"));
    let commit = world.repository.commit("next");
    let object = world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &commit)
        })
        .await;
    let stored =
        world.sources().get("r").await.unwrap().data["status"]["artifact"]["lastUpdateTime"]
            .clone();
    assert_eq!(
        object["status"]["history"][0]["lastReconciled"], stored,
        "no tick between the artifact and its applying"
    );
}

#[tokio::test(start_paused = true)]
async fn drift_is_undone_at_the_interval() {
    let world = with_two_maps().await;
    world
        .kustomization("app", json!({"path": "./deploy"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world
        .patch(&world.maps(), "a", json!({"data": {"k": "drifted"}}))
        .await;
    world
        .maps()
        .delete("b", &DeleteParams::default())
        .await
        .unwrap();
    world
        .until(&world.maps(), "a", |object| object["data"]["k"] == "one")
        .await;
    world
        .until(&world.maps(), "b", |object| object["data"]["k"] == "one")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_build_of_nothing_deletes_nothing_without_consent() {
    let world = with_two_maps().await;
    world
        .kustomization("app", json!({"path": "./deploy"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world.remove("deploy/a.yaml");
    world.remove("deploy/b.yaml");
    world.repository.write("deploy/README.md", "nothing here");
    let empty = world.repository.commit("empty");
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "BuildFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("delete all 2"),
        "{}",
        words(&object, "Ready")
    );
    assert!(world.maps().get_opt("a").await.unwrap().is_some());
    let allow = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/allow-empty": "enabled"}}});
    world.patch(&world.kustomizations(), "app", allow).await;
    world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &empty)
        })
        .await;
    assert!(world.maps().get_opt("a").await.unwrap().is_none());

    world.repository.write("deploy/a.yaml", &map("a", "back"));
    let back = world.repository.commit("back");
    world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &back)
        })
        .await;
    world.repository.git(&["mv", "deploy", "renamed"]);
    world.repository.commit("renamed");
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "ArtifactFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("spec.path \"./deploy\""),
        "{}",
        words(&object, "Ready")
    );
    assert!(world.maps().get_opt("a").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn failures_name_the_object_and_keep_the_inventory() {
    let world = with_two_maps().await;
    world
        .kustomization("app", json!({"path": "./deploy"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    world.repository.write(
        "deploy/z.yaml",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: w\n  namespace: apps\n",
    );
    world.repository.commit("an unknown kind");
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("Widget/apps/w"),
        "{}",
        words(&object, "Ready")
    );
    assert_eq!(
        condition(&object, "Reconciling")["reason"],
        "ProgressingWithRetry"
    );
    let entries = object["status"]["inventory"]["entries"].as_array().unwrap();
    assert!(
        entries.iter().any(|e| e["id"] == "apps_a__ConfigMap")
            && entries
                .iter()
                .any(|e| e["id"] == "apps_w_example.com_Widget")
    );
    world.repository.write("deploy/z.yaml", "just text");
    world.repository.commit("no YAML object");
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "BuildFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("deploy/z.yaml"),
        "{}",
        words(&object, "Ready")
    );
    world.remove("deploy/z.yaml");
    let good = world.repository.commit("mended");
    world
        .until(&world.kustomizations(), "app", |object| {
            is_applied(object, &good)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn health_is_waited_for_and_a_timeout_is_told() {
    let world = World::start().await;
    let child = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: child\n  namespace: flux-system\nspec:\n  url: http://git.test/r\n  interval: 10s\n  ref: {branch: later}\n";
    world.repository.write("child.yaml", child);
    let commit = world.repository.commit("one");
    world.source(json!({})).await;
    // The child is there already and failing, as after an earlier deployment.
    let existing = json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "child", "namespace": NAMESPACE},
        "spec": {"url": "http://git.test/r", "interval": "10s", "ref": {"branch": "later"}}});
    world.apply(existing).await;
    world
        .until_ready_says(&world.sources(), "child", "GitOperationFailed")
        .await;
    world
        .kustomization("app", json!({"wait": true, "timeout": "2m"}))
        .await;
    let object = world
        .until(&world.kustomizations(), "app", |object| {
            condition(object, "Healthy")["reason"] == "Progressing"
        })
        .await;
    assert_eq!(
        words(&object, "Reconciling"),
        format!(
            "True Progressing Running health checks for revision main@sha1:{commit} with a timeout of 2m0s"
        )
    );
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "HealthCheckFailed")
        .await;
    let wanted = "health check failed after 2m0s: timeout waiting for: [GitRepository/flux-system/child status: 'InProgress']";
    assert!(
        words(&object, "Ready").contains(wanted),
        "{}",
        words(&object, "Ready")
    );
    assert_eq!(condition(&object, "Healthy")["status"], "False");
    assert_eq!(object["status"]["lastAppliedRevision"], Value::Null);
    assert_eq!(
        object["status"]["history"][0]["lastReconciledStatus"],
        "HealthCheckFailed"
    );
    world.repository.git(&["branch", "later"]);
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    assert_eq!(condition(&object, "Healthy")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn dependencies_come_first_and_cycles_are_named() {
    let world = with_two_maps().await;
    world
        .kustomization(
            "later",
            json!({"path": "./deploy", "dependsOn": [{"name": "first"}]}),
        )
        .await;
    let object = world
        .until_ready_says(&world.kustomizations(), "later", "DependencyNotReady")
        .await;
    assert!(words(&object, "Ready").contains("dependency 'flux-system/first' not found"));
    let before = tokio::time::Instant::now();
    world
        .kustomization("first", json!({"path": "./deploy"}))
        .await;
    world
        .until_ready_says(&world.kustomizations(), "later", "ReconciliationSucceeded")
        .await;
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "woken, not polled: {:?}",
        before.elapsed()
    );

    world
        .kustomization(
            "first",
            json!({"path": "./deploy", "dependsOn": [{"name": "later"}]}),
        )
        .await;
    let object = world
        .until_ready_says(&world.kustomizations(), "first", "DependencyNotReady")
        .await;
    assert!(
        words(&object, "Ready")
            .contains("flux-system/first → flux-system/later → flux-system/first"),
        "{}",
        words(&object, "Ready")
    );
}

#[tokio::test(start_paused = true)]
async fn variables_come_from_maps_and_secrets() {
    let world = World::start().await;
    world
        .repository
        .write("a.yaml", &map("a", "${greeting} ${who:=nobody}"));
    world.repository.commit("one");
    world.source(json!({})).await;
    let from = json!([{"kind": "ConfigMap", "name": "vars"}, {"kind": "Secret", "name": "absent", "optional": true}]);
    world
        .kustomization(
            "app",
            json!({"postBuild": {"substitute": {"who": "world"}, "substituteFrom": from}}),
        )
        .await;
    let object = world
        .until_ready_says(&world.kustomizations(), "app", "BuildFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("spec.postBuild.substituteFrom[0]"),
        "{}",
        words(&object, "Ready")
    );
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": NAMESPACE}, "data": {"greeting": "hello", "who": "nobody"}})).await;
    world
        .until_ready_says(&world.kustomizations(), "app", "ReconciliationSucceeded")
        .await;
    assert_eq!(
        world.maps().get("a").await.unwrap().data["data"]["k"],
        "hello world"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_served_stalls_naming_the_field() {
    let world = with_two_maps().await;
    for (fields, word) in [
        (
            json!({"decryption": {"provider": "sops"}}),
            "spec.decryption",
        ),
        (
            json!({"kubeConfig": {"secretRef": {"name": "k"}}}),
            "spec.kubeConfig",
        ),
        (
            json!({"sourceRef": {"kind": "Bucket", "name": "b"}}),
            "spec.sourceRef.kind",
        ),
        (
            json!({"healthCheckExprs": [{"apiVersion": "v1", "kind": "X", "current": "true"}]}),
            "spec.healthCheckExprs",
        ),
        (
            json!({"ignore": [{"paths": ["/spec/replicas"]}]}),
            "spec.ignore",
        ),
    ] {
        world.kustomization("app", fields).await;
        let object = world
            .until(&world.kustomizations(), "app", |object| {
                words(object, "Stalled").contains(word)
            })
            .await;
        assert_eq!(condition(&object, "Ready")["status"], "False");
        world
            .kustomizations()
            .delete("app", &DeleteParams::default())
            .await
            .unwrap();
        world.until_gone(&world.kustomizations(), "app").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_stalls_alone() {
    let world = World::idle().await;
    // A cluster whose definitions are older and laxer than ours.
    let definitions = world.api("apiextensions.k8s.io/v1", "CustomResourceDefinition", "");
    let open = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    let patch: kube::api::Patch<Value> =
        kube::api::Patch::Json(serde_json::from_value(open).unwrap());
    definitions
        .patch(
            "kustomizations.kustomize.toolkit.fluxcd.io",
            &kube::api::PatchParams::default(),
            &patch,
        )
        .await
        .unwrap();
    let mut world = world;
    world.run();
    world.repository.write("a.yaml", &map("a", "one"));
    world.repository.commit("one");
    world.source(json!({})).await;
    world.create(&world.kustomizations(), json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "bad", "namespace": NAMESPACE}, "spec": {"interval": 7, "prune": true, "sourceRef": {}},
    })).await;
    world.kustomization("good", json!({})).await;
    world
        .until_ready_says(&world.kustomizations(), "good", "ReconciliationSucceeded")
        .await;
    let object = world
        .until_ready_says(&world.kustomizations(), "bad", "InvalidSpec")
        .await;
    assert!(
        words(&object, "Stalled").contains("spec.interval"),
        "{}",
        words(&object, "Stalled")
    );
}
