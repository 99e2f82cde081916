//! The Git server against the real `git`, where it is installed; elsewhere the
//! client of the sources crate is what speaks to it.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox::{GitServer, Repository};
use tokio::net::TcpListener;
use tokio::process::Command;

fn files(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

async fn git(at: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .current_dir(at)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", at)
        .args(args)
        .output();
    let output = output.await.map_err(|error| error.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// The ids are those that `git` computes for the same content.
#[test]
fn the_same_commits_have_the_same_ids() {
    let ids = || {
        let repository = Repository::new("x");
        let tree = files(&[("a.txt", "a\n"), ("a/b.txt", "b\n"), ("a0", "c\n")]);
        let first = repository.commit("main", &tree, "first").unwrap();
        (first, repository.commit("main", &tree, "second").unwrap())
    };
    let (first, second) = ids();
    assert_eq!((first, second), ids());
    assert_ne!(first, second);
}

#[tokio::test]
async fn clones_fetches_and_tags_over_both_protocols() {
    let at = tempfile::tempdir().unwrap();
    if git(at.path(), &["--version"]).await.is_err() {
        return;
    }
    let server = GitServer::default();
    let repository = server.create("org/app");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/org/app.git", listener.local_addr().unwrap());
    let task = server.serve(listener);
    let big = "0123456789abcdef".repeat(20_000);
    let first = repository
        .commit(
            "main",
            &files(&[("a.txt", "1\n"), ("deploy/x.yaml", &big)]),
            "first",
        )
        .unwrap();
    for n in 2..=5 {
        let text = format!("{n}\n");
        repository
            .commit(
                "main",
                &files(&[("a.txt", &text), ("deploy/x.yaml", "x: 1\n")]),
                "next",
            )
            .unwrap();
    }
    let head = repository.resolve("refs/heads/main").unwrap();
    repository.tag("v1.0.0", first).unwrap();
    repository.tag_annotated("v1.1.0", head, "release").unwrap();
    repository.set_branch("stable", first).unwrap();
    for version in ["0", "2"] {
        let protocol = format!("protocol.version={version}");
        let dir = |name: &str| {
            at.path()
                .join(format!("{name}{version}"))
                .to_string_lossy()
                .into_owned()
        };
        let run = |args: Vec<String>| {
            let protocol = protocol.clone();
            let at = at.path().to_owned();
            async move {
                let mut all = vec!["-c", protocol.as_str()];
                all.extend(args.iter().map(String::as_str));
                git(&at, &all)
                    .await
                    .unwrap_or_else(|error| panic!("git {args:?}: {error}"))
            }
        };
        let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        run(words(format!("clone -q {url} {}", dir("full")))).await;
        let full = dir("full");
        run(words(format!("-C {full} fsck --strict"))).await;
        assert_eq!(
            run(words(format!("-C {full} rev-parse HEAD"))).await,
            head.to_string()
        );
        assert_eq!(
            run(words(format!("-C {full} rev-list --count HEAD"))).await,
            "5"
        );
        assert_eq!(
            run(words(format!("-C {full} rev-parse v1.1.0^{{commit}}"))).await,
            head.to_string()
        );
        assert_eq!(
            run(words(format!("-C {full} rev-parse origin/stable"))).await,
            first.to_string()
        );
        assert_eq!(
            run(words(format!("-C {full} show v1.0.0:deploy/x.yaml"))).await,
            big
        );
        run(words(format!(
            "clone -q --depth 1 {url} {}",
            dir("shallow")
        )))
        .await;
        let shallow = dir("shallow");
        assert_eq!(
            run(words(format!("-C {shallow} rev-list --count HEAD"))).await,
            "1"
        );
        run(words(format!(
            "-C {shallow} fetch -q --depth 3 origin main"
        )))
        .await;
        assert_eq!(
            run(words(format!("-C {shallow} rev-list --count FETCH_HEAD"))).await,
            "3"
        );
        run(words(format!(
            "-C {shallow} fetch -q --unshallow origin main"
        )))
        .await;
        assert_eq!(
            run(words(format!("-C {shallow} rev-list --count HEAD"))).await,
            "5"
        );
        run(words(format!(
            "clone -q --depth 1 --branch v1.0.0 {url} {}",
            dir("tag")
        )))
        .await;
        assert_eq!(
            run(words(format!("-C {} rev-parse HEAD", dir("tag")))).await,
            first.to_string()
        );
        let more = format!("later {version}\n");
        let later = repository
            .commit("feature", &files(&[("a.txt", &more)]), "later")
            .unwrap();
        run(words(format!("-C {full} fetch -q origin"))).await;
        assert_eq!(
            run(words(format!("-C {full} rev-parse origin/feature"))).await,
            later.to_string()
        );
        run(words(format!("-C {full} fsck --strict"))).await;
        let listed = run(words(format!("ls-remote {url} refs/heads/*"))).await;
        assert_eq!(listed.lines().count(), 3, "{listed}");
    }
    let missing = git(at.path(), &["ls-remote", &url.replace("app", "none")]).await;
    assert!(missing.unwrap_err().contains("not found"));
    task.abort();
}

#[test]
fn refuses_paths_and_names_git_cannot_hold() {
    let repository = Repository::new("x");
    let long = "x".repeat(5_000);
    for path in [
        "",
        "/a",
        "a//b",
        "../a",
        "a/./b",
        ".git/config",
        "a\0b",
        long.as_str(),
    ] {
        assert!(
            repository
                .commit("main", &files(&[(path, "x")]), "m")
                .is_err(),
            "{path:?}"
        );
    }
    assert!(
        repository
            .commit("main", &files(&[("a", "x"), ("a/b", "x")]), "m")
            .is_err()
    );
    for branch in ["", "a b", "a..b", "a.lock", ".a", "a\n", "a~1", "a/"] {
        assert!(
            repository
                .commit(branch, &files(&[("a", "x")]), "m")
                .is_err(),
            "{branch:?}"
        );
    }
    let other = Repository::new("y")
        .commit("main", &files(&[("b", "x")]), "m")
        .unwrap();
    assert!(repository.tag("v1", other).is_err());
}
