//! Real repositories, made by the git program and served by its `http-backend`,
//! reached without a socket: a request becomes one run of the CGI program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use sources::credentials::Tls;
use sources::network::{Body, BoxError, Network, NetworkError};

/// A folder of repositories and the program that serves them.
pub(crate) struct Bridge {
    root: tempfile::TempDir,
    /// Whether clients are told of protocol 2.
    pub(crate) is_v2: bool,
    log: Mutex<Vec<String>>,
}

impl Bridge {
    pub(crate) fn new(is_v2: bool) -> Arc<Self> {
        let root = tempfile::tempdir().unwrap();
        Arc::new(Self {
            root,
            is_v2,
            log: Mutex::default(),
        })
    }

    /// Makes an empty repository.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let repository = Repository { path };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Method and path of each request since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl Network for Bridge {
    fn send<'a>(
        &'a self,
        request: http::Request<Bytes>,
        _: &'a Tls,
    ) -> BoxFuture<'a, Result<http::Response<Body>, NetworkError>> {
        let path = request.uri().path().to_owned();
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {path}", request.method()));
        let root = self.root.path().to_owned();
        let is_v2 = self.is_v2;
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || run(&root, is_v2, &request))
                .await
                .unwrap();
            Ok(answer.map(|bytes| {
                // Small pieces, so that everything that parses meets cut edges.
                let pieces: Vec<Result<Bytes, BoxError>> = bytes
                    .chunks(1000)
                    .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                    .collect();
                futures::stream::iter(pieces).boxed()
            }))
        })
    }
}

fn run(root: &Path, is_v2: bool, request: &http::Request<Bytes>) -> http::Response<Vec<u8>> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env(
            "GIT_PROTOCOL",
            if is_v2 { header("git-protocol") } else { "" },
        )
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path())
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A refused request closes the pipe early; its answer tells.
    let _ = child.stdin.take().unwrap().write_all(request.body());
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let mut response = http::Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = if name == "Status" {
            response.status(&value[..3])
        } else {
            response.header(name, value)
        };
    }
    response.body(output[end + 4..].to_vec()).unwrap()
}

/// A working tree under test.
pub(crate) struct Repository {
    path: PathBuf,
}

impl Repository {
    /// Runs git in it; gives its trimmed output.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.path)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", &self.path)
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_NAME", "c")
            .env("GIT_COMMITTER_EMAIL", "c@example.com")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.path.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits everything; gives the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}
