//! The store in a temporary folder: atomic writes, verification, retention.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn open() -> (tempfile::TempDir, Store, Slot) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), "sources.local.").unwrap();
    (
        folder,
        store,
        Slot::new("gitrepository", "flux-system", "podinfo").unwrap(),
    )
}

#[tokio::test]
async fn what_is_put_is_read_back_verified() {
    let (folder, store, slot) = open();
    let stored = store
        .put(&slot, "abc.tar.gz", Bytes::from_static(b"x"), at(0))
        .await
        .unwrap();
    assert_eq!(stored.path, "gitrepository/flux-system/podinfo/abc.tar.gz");
    assert_eq!(stored.url, format!("http://sources.local./{}", stored.path));
    assert_eq!(
        stored.digest,
        "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    );
    assert_eq!(
        store.read(&stored.path, &stored.digest).await.unwrap(),
        &b"x"[..]
    );
    assert_eq!(
        store.verify(&stored.path, &stored.digest).await.unwrap(),
        Presence::Verified
    );

    fs::write(folder.path().join(&stored.path), b"tampered").unwrap();
    assert!(matches!(
        store.read(&stored.path, &stored.digest).await,
        Err(StoreError::Digest { .. })
    ));
    assert_eq!(
        store.verify(&stored.path, &stored.digest).await.unwrap(),
        Presence::Corrupt
    );
    assert_eq!(
        store.verify(&stored.path, &stored.digest).await.unwrap(),
        Presence::Missing
    );
}

#[tokio::test]
async fn nothing_outside_the_root_is_reached() {
    let (folder, store, slot) = open();
    assert!(store.read("../../etc/passwd", "sha256:0").await.is_err());
    assert!(
        store
            .put(&slot, "../../../x", Bytes::new(), at(0))
            .await
            .is_err()
    );
    assert!(Slot::new("gitrepository", "..", "x").is_err());
    assert!(Slot::new("gitrepository", "a/b", "x").is_err());
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    assert!(matches!(
        store.read("link", "sha256:0").await,
        Err(StoreError::Missing { .. })
    ));
}

#[tokio::test]
async fn retention_keeps_the_current_and_the_young() {
    let (_folder, store, slot) = open();
    let mut current = String::new();
    for n in 0..4 {
        let stored = store
            .put(
                &slot,
                &format!("{n}.tar.gz"),
                Bytes::from_static(b"x"),
                at(n * 10),
            )
            .await
            .unwrap();
        current = stored.path;
    }
    let collect = |now| store.collect(&slot, Some(&current), Retention::default(), at(now));
    assert_eq!(collect(31).await.unwrap(), ["0.tar.gz", "1.tar.gz"]);
    assert_eq!(collect(32).await.unwrap(), Vec::<String>::new());
    assert_eq!(collect(1000).await.unwrap(), ["2.tar.gz"]);
    store.remove(&slot).await.unwrap();
    store.remove(&slot).await.unwrap();
    assert_eq!(collect(1001).await.unwrap(), Vec::<String>::new());
}
