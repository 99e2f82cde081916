//! The Git server against the real `git`, where it is installed; elsewhere the
//! client of the sources crate is what speaks to it.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox::{GitServer, Repository, Sha};
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

/// Five commits on main, a branch and two kinds of tag; gives the first and the last commit.
fn filled(repository: &Repository, big: &str) -> (Sha, Sha) {
    let first = files(&[("a.txt", "1\n"), ("deploy/x.yaml", big)]);
    let first = repository.commit("main", &first, "first").unwrap();
    for n in 2..=5 {
        let next = files(&[("a.txt", &format!("{n}\n")), ("deploy/x.yaml", "x: 1\n")]);
        repository.commit("main", &next, "next").unwrap();
    }
    let head = repository.resolve("refs/heads/main").unwrap();
    repository.tag("v1.0.0", first).unwrap();
    repository.tag_annotated("v1.1.0", head, "release").unwrap();
    repository.set_branch("stable", first).unwrap();
    (first, head)
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
    let (first, head) = filled(&repository, &big);
    let (first, head) = (first.to_string(), head.to_string());
    for version in ["0", "2"] {
        let later = files(&[("a.txt", &format!("later {version}\n"))]);
        let before = [
            ("clone -q URL full", ""),
            ("-C full fsck --strict", ""),
            ("-C full rev-parse HEAD", &head),
            ("-C full rev-list --count HEAD", "5"),
            ("-C full rev-parse v1.1.0^{commit}", &head),
            ("-C full rev-parse origin/stable", &first),
            ("-C full show v1.0.0:deploy/x.yaml", &big),
            ("clone -q --depth 1 URL shallow", ""),
            ("-C shallow rev-list --count HEAD", "1"),
            ("-C shallow fetch -q --depth 3 origin main", ""),
            ("-C shallow rev-list --count FETCH_HEAD", "3"),
            ("-C shallow fetch -q --unshallow origin main", ""),
            ("-C shallow rev-list --count HEAD", "5"),
            ("-C shallow fsck --strict", ""),
            ("clone -q --depth 1 --branch v1.0.0 URL tag", ""),
            ("-C tag rev-parse HEAD", &first),
        ];
        check(at.path(), version, &url, &before).await;
        let feature = repository
            .commit("feature", &later, "later")
            .unwrap()
            .to_string();
        let after = [
            ("-C full fetch -q origin", ""),
            ("-C full rev-parse origin/feature", &feature),
            ("-C full fsck --strict", ""),
            (
                "ls-remote -q URL refs/heads/feature",
                &format!("{feature}\trefs/heads/feature"),
            ),
        ];
        check(at.path(), version, &url, &after).await;
    }
    let missing = git(at.path(), &["ls-remote", &url.replace("app", "none")]).await;
    assert!(missing.unwrap_err().contains("not found"));
    task.abort();
}

/// Runs each `git` command and compares what it prints; an empty text is not compared.
async fn check(at: &Path, version: &str, url: &str, steps: &[(&str, &str)]) {
    let dir = at.join(version);
    std::fs::create_dir_all(&dir).unwrap();
    let protocol = format!("protocol.version={version}");
    for (step, want) in steps {
        let step = step.replace("URL", url);
        let mut args = vec!["-c", protocol.as_str()];
        args.extend(step.split(' '));
        let got = git(&dir, &args)
            .await
            .unwrap_or_else(|error| panic!("git {step}: {error}"));
        assert!(
            want.is_empty() || got == *want,
            "git {step} over protocol {version} printed {got:.200}"
        );
    }
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
