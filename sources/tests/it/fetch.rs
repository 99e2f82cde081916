//! Every kind of reference, both protocols, against `git http-backend`.

use std::sync::Arc;
use std::time::Duration;

use sources::credentials::Access;
use sources::git::{
    self, Checkout, GitError, GitLimits, Outcome, Reference, ReferenceFields, Remote,
};
use sources::network::{Egress, HostNetwork, Network};

use crate::bridge::{Bridge, Repository};

async fn fetch(
    network: &dyn Network,
    url: &str,
    fields: ReferenceFields<'_>,
    known: Option<&str>,
) -> Result<Outcome, GitError> {
    let remote = Remote::new(url, Access::default(), Duration::from_secs(60)).unwrap();
    let reference = Reference::from_fields(fields)?;
    git::fetch(network, &remote, &reference, known, GitLimits::default()).await
}

async fn checkout(bridge: &Bridge, fields: ReferenceFields<'_>) -> Result<Checkout, GitError> {
    match fetch(bridge, "http://git.test/r", fields, None).await? {
        Outcome::Fetched(checkout) => Ok(checkout),
        Outcome::Unchanged => panic!("nothing was known"),
    }
}

fn names(checkout: &Checkout) -> Vec<&str> {
    checkout.files.keys().map(|path| path.as_str()).collect()
}

/// `main`: first, second (tag v1.0.0, annotated), third. `side`: one more after first.
struct Fixture {
    bridge: Arc<Bridge>,
    repository: Repository,
    first: String,
    second: String,
    third: String,
    side: String,
}

fn fixture(is_v2: bool) -> Fixture {
    let bridge = Bridge::new(is_v2);
    let repository = bridge.repository("r");
    repository.write("a.yaml", &"line\n".repeat(500));
    repository.write("deep/er/run.sh", "#!/bin/sh\n");
    repository.git(&["add", "--all"]);
    repository.git(&["update-index", "--chmod=+x", "deep/er/run.sh"]);
    std::os::unix::fs::symlink("a.yaml", repository.path().join("link")).unwrap();
    std::fs::set_permissions(
        repository.path().join("deep/er/run.sh"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let first = repository.commit("First\n\nbody");
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    repository.write("side.yaml", "s");
    let side = repository.commit("Side");
    repository.git(&["checkout", "--quiet", "main"]);
    repository.write("a.yaml", &format!("{}more\n", "line\n".repeat(500)));
    let second = repository.commit("Second");
    repository.git(&["tag", "--annotate", "v1.0.0", "--message", "one"]);
    repository.write("b.yaml", "b");
    let third = repository.commit("Third subject line");
    // One pack with offset deltas, as a server has after its housekeeping.
    repository.git(&["gc", "--quiet", "--aggressive"]);
    Fixture {
        bridge,
        repository,
        first,
        second,
        third,
        side,
    }
}

#[tokio::test]
async fn every_reference_gives_its_revision_and_files() {
    for is_v2 in [true, false] {
        let f = fixture(is_v2);
        let is = |fields| checkout(&f.bridge, fields);
        let none = ReferenceFields::default();

        let main = is(ReferenceFields {
            branch: Some("main"),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(main.revision, format!("main@sha1:{}", f.third));
        assert_eq!(
            (main.commit.as_str(), main.subject.as_str()),
            (f.third.as_str(), "Third subject line")
        );
        assert_eq!(names(&main), ["a.yaml", "b.yaml", "deep/er/run.sh"]);
        assert!(
            main.files
                .iter()
                .all(|(path, file)| file.is_executable == (path.name() == "run.sh"))
        );

        let tag = is(ReferenceFields {
            tag: Some("v1.0.0"),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(tag.revision, format!("v1.0.0@sha1:{}", f.second));

        let named = is(ReferenceFields {
            name: Some("refs/tags/v1.0.0"),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(
            named.revision,
            format!("refs/tags/v1.0.0@sha1:{}", f.second)
        );
        let named = is(ReferenceFields {
            name: Some("refs/heads/side"),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(named.revision, format!("refs/heads/side@sha1:{}", f.side));
        assert_eq!(names(&named), ["a.yaml", "deep/er/run.sh", "side.yaml"]);
    }
}

#[tokio::test]
async fn commits_are_found_wherever_they_are() {
    for is_v2 in [true, false] {
        let f = fixture(is_v2);
        let is = |fields| checkout(&f.bridge, fields);
        let none = ReferenceFields::default();

        // Not the head of anything: protocol 0 refuses it alone, and all history is fetched.
        let commit = is(ReferenceFields {
            commit: Some(&f.second),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(commit.revision, format!("sha1:{}", f.second));
        assert_eq!(names(&commit), ["a.yaml", "deep/er/run.sh"]);
        let both = is(ReferenceFields {
            commit: Some(&f.first),
            branch: Some("main"),
            ..none
        })
        .await
        .unwrap();
        assert_eq!(both.revision, format!("main@sha1:{}", f.first));
        let error = is(ReferenceFields {
            commit: Some(&f.side),
            branch: Some("main"),
            ..none
        })
        .await
        .unwrap_err();
        assert!(matches!(error, GitError::NoCommit { .. }), "{error}");
    }
}

#[tokio::test]
async fn semver_takes_the_highest_tag_of_the_range() {
    let f = fixture(true);
    let tag = |name: &str, at: &str| f.repository.git(&["tag", name, at]);
    tag("v1.1.0", &f.first);
    tag("v1.2.0-rc.1", &f.third);
    tag("2.0.0", &f.side);
    tag("1.3", &f.third);
    tag("release", &f.third);
    let revision = |range: &'static str| {
        let bridge = Arc::clone(&f.bridge);
        async move {
            let fields = ReferenceFields {
                semver: Some(range),
                ..ReferenceFields::default()
            };
            checkout(&bridge, fields)
                .await
                .map(|c| c.revision)
                .map_err(|e| e.to_string())
        }
    };
    assert_eq!(
        revision("1.x").await,
        Ok(format!("v1.1.0@sha1:{}", f.first))
    );
    assert_eq!(
        revision(">=1.0.0-0 <2.0.0").await,
        Ok(format!("v1.2.0-rc.1@sha1:{}", f.third))
    );
    assert_eq!(
        revision("~1.0").await,
        Ok(format!("v1.0.0@sha1:{}", f.second))
    );
    assert_eq!(revision("*").await, Ok(format!("2.0.0@sha1:{}", f.side)));
    assert_eq!(
        revision(">3").await,
        Err("no match found for semver: >3".to_owned())
    );
    // Build metadata does not order versions; the time of the commit does.
    f.repository.git(&[
        "-c",
        "user.name=x",
        "commit",
        "--quiet",
        "--allow-empty",
        "--date=2040-01-01T00:00:00Z",
        "--message",
        "late",
    ]);
    tag("3.0.0+a", "HEAD");
    tag("3.0.0+b", &f.first);
    let late = f.repository.git(&["rev-parse", "HEAD"]);
    let first_at: i64 = f
        .repository
        .git(&["show", "-s", "--format=%ct", &f.first])
        .parse()
        .unwrap();
    let late_at: i64 = f
        .repository
        .git(&["show", "-s", "--format=%ct", "HEAD"])
        .parse()
        .unwrap();
    let winner = if late_at > first_at {
        format!("3.0.0+a@sha1:{late}")
    } else {
        format!("3.0.0+b@sha1:{}", f.first)
    };
    assert_eq!(revision("3.x").await, Ok(winner));
}

#[tokio::test]
async fn an_unchanged_remote_costs_one_listing() {
    let f = fixture(true);
    let fields = ReferenceFields {
        branch: Some("main"),
        ..ReferenceFields::default()
    };
    let known = format!("main@sha1:{}", f.third);
    let outcome = fetch(&*f.bridge, "http://git.test/r", fields, Some(&known))
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Unchanged));
    assert_eq!(
        f.bridge.requests(),
        ["GET /r/info/refs", "POST /r/git-upload-pack"]
    );
    f.repository.git(&["reset", "--quiet", "--hard", &f.first]);
    let outcome = fetch(&*f.bridge, "http://git.test/r", fields, Some(&known))
        .await
        .unwrap();
    assert!(
        matches!(outcome, Outcome::Fetched(checkout) if checkout.commit == f.first),
        "a force-push is followed"
    );
    let pinned = ReferenceFields {
        commit: Some(&f.first),
        ..ReferenceFields::default()
    };
    f.bridge.requests();
    fetch(
        &*f.bridge,
        "http://git.test/r",
        pinned,
        Some(&format!("sha1:{}", f.first)),
    )
    .await
    .unwrap();
    assert_eq!(
        f.bridge.requests(),
        Vec::<String>::new(),
        "a commit never moves"
    );
}

#[tokio::test]
async fn what_is_missing_is_named() {
    for is_v2 in [true, false] {
        let bridge = Bridge::new(is_v2);
        bridge.repository("empty");
        bridge.repository("r").commit("only");
        let error = |url: &'static str, fields| {
            let bridge = Arc::clone(&bridge);
            async move {
                let error = fetch(&*bridge, url, fields, None).await.unwrap_err();
                (error.reason(), error.to_string())
            }
        };
        let main = ReferenceFields {
            branch: Some("main"),
            ..ReferenceFields::default()
        };
        let other = ReferenceFields {
            branch: Some("other"),
            ..ReferenceFields::default()
        };
        let semver = ReferenceFields {
            semver: Some("*"),
            ..ReferenceFields::default()
        };
        let commit = ReferenceFields {
            commit: Some("0647aea75b85755411b007a290b9321668370be5"),
            ..ReferenceFields::default()
        };
        assert_eq!(
            error("http://git.test/empty", main).await.0,
            "EmptyGitRepository"
        );
        assert_eq!(
            error("http://git.test/empty", semver).await.0,
            "EmptyGitRepository"
        );
        assert_eq!(
            error("http://git.test/r", other).await,
            (
                "GitOperationFailed",
                "couldn't find remote ref \"refs/heads/other\"".to_owned()
            )
        );
        assert_eq!(
            error("http://git.test/r", commit).await.0,
            "GitOperationFailed"
        );
        assert!(
            error("http://git.test/absent", main)
                .await
                .1
                .contains("repository not found")
        );
    }
}

#[tokio::test]
async fn sockets_work_as_well() {
    let f = fixture(true);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r", listener.local_addr().unwrap());
    let bridge = Arc::clone(&f.bridge);
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let bridge = Arc::clone(&bridge);
            let service =
                hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let bridge = Arc::clone(&bridge);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = http_body_util::BodyExt::collect(body)
                            .await
                            .unwrap()
                            .to_bytes();
                        let response = bridge
                            .send(
                                http::Request::from_parts(head, body),
                                &sources::credentials::Tls::default(),
                            )
                            .await
                            .unwrap();
                        let (head, body) = response.into_parts();
                        let chunks: Vec<_> = futures::StreamExt::collect::<Vec<_>>(body).await;
                        let bytes = chunks
                            .into_iter()
                            .flat_map(|chunk| chunk.unwrap())
                            .collect::<bytes::Bytes>();
                        Ok::<_, std::convert::Infallible>(http::Response::from_parts(
                            head,
                            http_body_util::Full::new(bytes),
                        ))
                    }
                });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::spawn(async move { connection.await.unwrap() });
        }
    });
    let fields = ReferenceFields {
        branch: Some("main"),
        ..ReferenceFields::default()
    };
    let strict = HostNetwork::new(Egress::default()).unwrap();
    assert!(
        matches!(
            fetch(&strict, &url, fields, None).await,
            Err(GitError::Network(_))
        ),
        "loopback is no source by default"
    );
    let open = HostNetwork::new(Egress {
        is_loopback_allowed: true,
    })
    .unwrap();
    let outcome = fetch(&open, &url, fields, None).await.unwrap();
    assert!(matches!(outcome, Outcome::Fetched(checkout) if checkout.commit == f.third));
    server.abort();
}
