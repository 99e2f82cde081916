//! GitRepository: fetching, storing, losing, refusing, leaving.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::{NAMESPACE, World, condition, map, words};

fn has_revision(object: &Value, commit: &str) -> bool {
    object["status"]["artifact"]["revision"] == format!("main@sha1:{commit}")
}

#[tokio::test(start_paused = true)]
async fn a_repository_becomes_an_artifact_and_then_costs_nothing() {
    let world = World::start().await;
    world.repository.write("a.yaml", &map("a", "1"));
    let commit = world
        .repository
        .commit("Add the first map, with a subject that is longer than fifty characters");
    world.source(json!({})).await;
    let object = world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    let artifact = &object["status"]["artifact"];
    let path = format!("gitrepository/{NAMESPACE}/r/{commit}.tar.gz");
    assert_eq!(
        (&artifact["path"], &artifact["url"]),
        (
            &json!(path),
            &json!(format!("http://artifacts.test/{path}"))
        )
    );
    assert!(has_revision(&object, &commit), "{artifact:#}");
    let stored = std::fs::read(world.storage.path().join(&path)).unwrap();
    assert_eq!(artifact["digest"], sources::store::sha256(&stored));
    assert_eq!(artifact["size"], stored.len());
    let message = format!("stored artifact for revision 'main@sha1:{commit}'");
    assert_eq!(words(&object, "Ready"), format!("True Succeeded {message}"));
    assert_eq!(
        words(&object, "ArtifactInStorage"),
        format!("True Succeeded {message}")
    );
    assert_eq!(condition(&object, "Reconciling"), Value::Null);
    assert_eq!(
        object["status"]["observedGeneration"],
        object["metadata"]["generation"]
    );
    assert_eq!(
        object["metadata"]["finalizers"],
        json!(["finalizers.fluxcd.io"])
    );
    world.pass(Duration::from_secs(5)).await;
    let event = "Normal NewArtifact: stored artifact for commit 'Add the first map, with a subject that is longer t'";
    assert_eq!(world.events("r").await, [event]);

    let (requests, _) = (world.requests(), world.bridge.requests());
    world.pass(Duration::from_secs(600)).await;
    assert_eq!(
        world.requests() - requests,
        0,
        "an unchanged repository asks the API server nothing"
    );
    let looks = world.bridge.requests().len();
    assert!(
        (18..=22).contains(&looks),
        "two small requests a minute, not {looks} in ten"
    );

    world.repository.write("b.yaml", "x: 1");
    let next = world.repository.commit("Second");
    world
        .until(&world.sources(), "r", |object| has_revision(object, &next))
        .await;
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_and_suspension_holds() {
    let world = World::start().await;
    world.repository.commit("one");
    world.source(json!({"interval": "1h"})).await;
    world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    let commit = world.repository.commit("two");
    let ask =
        |at: &str| json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": at}}});
    world.patch(&world.sources(), "r", ask("now")).await;
    let object = world
        .until(&world.sources(), "r", |object| {
            object["status"]["lastHandledReconcileAt"] == "now"
        })
        .await;
    assert!(has_revision(&object, &commit));

    world
        .source(json!({"interval": "1h", "suspend": true}))
        .await;
    world.repository.commit("three");
    world.patch(&world.sources(), "r", ask("later")).await;
    let object = world
        .until(&world.sources(), "r", |object| {
            object["status"]["lastHandledReconcileAt"] == "later"
        })
        .await;
    assert!(
        has_revision(&object, &commit),
        "a suspended object fetches nothing"
    );
    assert_eq!(condition(&object, "Ready")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_mended() {
    let world = World::start().await;
    world.source(json!({})).await;
    let object = world
        .until_ready_says(&world.sources(), "r", "EmptyGitRepository")
        .await;
    assert_eq!(
        words(&object, "FetchFailed"),
        "True EmptyGitRepository git repository is empty"
    );
    assert_eq!(
        words(&object, "Reconciling"),
        "True ProgressingWithRetry building artifact"
    );
    assert_eq!(
        object["status"]["observedGeneration"], -1,
        "not observed until it works"
    );
    world.repository.commit("one");
    let object = world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    assert_eq!(condition(&object, "FetchFailed"), Value::Null);

    world.source(json!({"ref": {"branch": "absent"}})).await;
    let object = world
        .until_ready_says(&world.sources(), "r", "GitOperationFailed")
        .await;
    assert!(words(&object, "Ready").contains("refs/heads/absent"));
    assert_eq!(
        condition(&object, "ArtifactInStorage")["status"],
        "True",
        "what was stored is kept"
    );

    world.source(json!({"secretRef": {"name": "s"}})).await;
    let object = world
        .until_ready_says(&world.sources(), "r", "AuthenticationFailed")
        .await;
    assert!(
        words(&object, "Ready").contains("flux-system/s"),
        "{}",
        words(&object, "Ready")
    );
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": NAMESPACE}, "stringData": {"password": "marker"}});
    world.apply(secret).await;
    let object = world
        .until(&world.sources(), "r", |object| {
            words(object, "Ready").contains("username")
        })
        .await;
    assert!(!object.to_string().contains("marker"));
}

#[tokio::test(start_paused = true)]
async fn what_only_the_spec_can_mend_stalls_alone() {
    let world = World::start().await;
    world.repository.commit("one");
    for (fields, reason, word) in [
        (
            json!({"url": "ssh://git@git.test/r"}),
            "URLInvalid",
            "spec.url",
        ),
        (
            json!({"verify": {"secretRef": {"name": "k"}}}),
            "InvalidVerificationMode",
            "spec.verify",
        ),
        (
            json!({"recurseSubmodules": true}),
            "GitOperationFailed",
            "spec.recurseSubmodules",
        ),
        (
            json!({"provider": "azure"}),
            "InvalidProviderConfiguration",
            "spec.provider",
        ),
        (json!({"interval": "0s"}), "InvalidSpec", "spec.interval"),
    ] {
        world.source(fields).await;
        let object = world
            .until(&world.sources(), "r", |object| {
                condition(object, "Stalled")["reason"] == reason
                    && words(object, "Stalled").contains(word)
            })
            .await;
        assert_eq!(condition(&object, "Ready")["status"], "False");
        assert_eq!(condition(&object, "Reconciling"), Value::Null);
        assert_eq!(
            object["status"]["observedGeneration"],
            object["metadata"]["generation"]
        );
        let requests = world.requests();
        world.pass(Duration::from_secs(3600)).await;
        assert_eq!(world.requests(), requests, "{word}: nothing is retried");
        world
            .sources()
            .delete("r", &DeleteParams::default())
            .await
            .unwrap();
        world.until_gone(&world.sources(), "r").await;
    }
    world.source(json!({})).await;
    world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_or_changed_artifact_is_built_again() {
    let mut world = World::start().await;
    world.repository.write("a.yaml", &map("a", "1"));
    let commit = world.repository.commit("one");
    world.source(json!({})).await;
    world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    let file = world
        .storage
        .path()
        .join(format!("gitrepository/{NAMESPACE}/r/{commit}.tar.gz"));
    let good = std::fs::read(&file).unwrap();
    let ask =
        |at: &str| json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": at}}});

    std::fs::write(&file, "tampered").unwrap();
    world.patch(&world.sources(), "r", ask("1")).await;
    world
        .until(&world.sources(), "r", |object| {
            object["status"]["lastHandledReconcileAt"] == "1"
        })
        .await;
    assert_eq!(std::fs::read(&file).unwrap(), good);
    world.pass(Duration::from_secs(1)).await;
    assert!(
        world
            .events("r")
            .await
            .iter()
            .any(|event| event.contains("ArtifactVerificationFailed"))
    );

    // A new process finds an empty volume.
    world.crash();
    std::fs::remove_dir_all(world.storage.path().join("gitrepository")).unwrap();
    world.run();
    world.patch(&world.sources(), "r", ask("2")).await;
    world
        .until(&world.sources(), "r", |object| {
            object["status"]["lastHandledReconcileAt"] == "2"
        })
        .await;
    assert_eq!(std::fs::read(&file).unwrap(), good);
}

#[tokio::test(start_paused = true)]
async fn deletion_takes_the_artifacts_along() {
    let world = World::start().await;
    world.repository.commit("one");
    world.source(json!({})).await;
    world
        .until_ready_says(&world.sources(), "r", "Succeeded")
        .await;
    let folder = world
        .storage
        .path()
        .join(format!("gitrepository/{NAMESPACE}/r"));
    assert!(folder.exists());
    world
        .sources()
        .delete("r", &DeleteParams::default())
        .await
        .unwrap();
    world.until_gone(&world.sources(), "r").await;
    assert!(!folder.exists());
}
