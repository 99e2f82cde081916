//! Speaks Git's smart HTTP protocol, version 2 and, where a server has no other, 0.
//!
//! It opens, lists references and fetches a pack. What to fetch and what it
//! means is decided in `reference.rs` and `git.rs`. Credentials go only to the
//! host of the URL; a redirect is followed only while opening.
//! Formats: git-scm.com/docs/gitprotocol-http, gitprotocol-v2, gitprotocol-pack.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::Url;

use crate::git::advertisement::{
    RemoteRef, Version, parse_v2_ref, push_ref, read_advertisement, refuse_error_line, remote_error,
};
use crate::git::object::Oid;
use crate::git::pack::{Objects, PackReader};
use crate::git::pkt_line::{self, Pkt, PktReader};
use crate::git::{GitError, GitLimits, Remote};
use crate::network::{Body, Network};

const REDIRECTS_MAX: usize = 5;
const ADVERTISEMENT_TYPE: &str = "application/x-git-upload-pack-advertisement";
const RESULT_TYPE: &str = "application/x-git-upload-pack-result";
const AGENT: &str = concat!("agent=sluice/", env!("CARGO_PKG_VERSION"));

/// What to fetch.
pub(crate) struct Want<'a> {
    pub(crate) oids: &'a [Oid],
    /// Only the wanted commits themselves, without their history.
    pub(crate) is_shallow: bool,
    /// Only commits, no files, where the server can.
    pub(crate) is_commits_only: bool,
}

/// An open conversation with one repository.
pub(crate) struct Session<'a> {
    network: &'a dyn Network,
    remote: &'a Remote,
    limits: GitLimits,
    base: Url,
    has_credentials: bool,
    version: Version,
}

impl<'a> Session<'a> {
    /// Asks for the server's capabilities.
    pub(crate) async fn open(
        network: &'a dyn Network,
        remote: &'a Remote,
        limits: GitLimits,
    ) -> Result<Self, GitError> {
        let mut session = Self {
            network,
            remote,
            limits,
            base: remote.url.clone(),
            has_credentials: true,
            version: Version::V2 {
                capabilities: BTreeMap::new(),
            },
        };
        let body = session.discover().await?;
        let mut lines = PktReader::new(body, limits.refs_bytes_max);
        session.version = read_advertisement(&mut lines, limits.refs_max).await?;
        Ok(session)
    }

    async fn discover(&mut self) -> Result<Body, GitError> {
        for _ in 0..REDIRECTS_MAX {
            let url = service_url(&self.base, "info/refs", Some("service=git-upload-pack"));
            let request = self.request(http::Method::GET, &url, Bytes::new())?;
            let response = self.exchange(request).await?;
            if response.status().is_redirection() {
                self.redirect(&url, response.headers().get(LOCATION))?;
                continue;
            }
            check_status(&self.base, response.status())?;
            check_type(&response, ADVERTISEMENT_TYPE)?;
            return Ok(response.into_body());
        }
        Err(GitError::Redirect {
            url: shown(&self.base),
            reason: "there are more than 5",
        })
    }

    fn redirect(&mut self, from: &Url, to: Option<&http::HeaderValue>) -> Result<(), GitError> {
        let refuse = |reason| GitError::Redirect {
            url: shown(&self.base),
            reason,
        };
        let to = to
            .and_then(|to| to.to_str().ok())
            .ok_or_else(|| refuse("it names no location"))?;
        let mut to = from
            .join(to)
            .map_err(|_| refuse("its location is no URL"))?;
        let path = to.path().strip_suffix("/info/refs").map(str::to_owned);
        to.set_path(&path.ok_or_else(|| refuse("its location is no Git repository"))?);
        to.set_query(None);
        match (self.base.scheme(), to.scheme()) {
            (_, "https") | ("http", "http") => {}
            _ => return Err(refuse("it leaves https")),
        }
        let is_same_host = to.host_str() == self.base.host_str();
        let is_same_port = to.port_or_known_default() == self.base.port_or_known_default();
        let is_upgrade = self.base.scheme() == "http" && to.scheme() == "https";
        if !(is_same_host && (is_same_port || is_upgrade)) {
            self.has_credentials = false;
        }
        self.base = to;
        Ok(())
    }

    fn request(
        &self,
        method: http::Method,
        url: &Url,
        body: Bytes,
    ) -> Result<http::Request<Bytes>, GitError> {
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        request = request.header("Git-Protocol", "version=2");
        let credentials = self.remote.access.credentials.header();
        if let Some(value) = credentials.filter(|_| self.has_credentials) {
            let mut value =
                http::HeaderValue::from_str(&value).map_err(|_| GitError::Credentials)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if !body.is_empty() {
            request = request
                .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(ACCEPT, RESULT_TYPE);
        }
        request.body(body).map_err(|_| GitError::Url {
            url: shown(url),
            reason: "it cannot be requested",
        })
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Body>, GitError> {
        // Client certificates are credentials too; an authority is not.
        let mut tls = self.remote.access.tls.clone();
        if !self.has_credentials {
            tls.client = None;
        }
        self.network
            .send(request, &tls)
            .await
            .map_err(GitError::Network)
    }

    async fn post(&self, body: Vec<u8>, received_max: u64) -> Result<PktReader, GitError> {
        let url = service_url(&self.base, "git-upload-pack", None);
        let request = self.request(http::Method::POST, &url, body.into())?;
        let response = self.exchange(request).await?;
        check_status(&self.base, response.status())?;
        check_type(&response, RESULT_TYPE)?;
        Ok(PktReader::new(response.into_body(), received_max))
    }

    /// The references whose names start with one of `prefixes`; all without any.
    pub(crate) async fn list(&self, prefixes: &[&str]) -> Result<Vec<RemoteRef>, GitError> {
        if let Version::V0 { refs, .. } = &self.version {
            let is_wanted = |name: &str| {
                prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix))
            };
            return Ok(refs
                .iter()
                .filter(|found| is_wanted(&found.name))
                .cloned()
                .collect());
        }
        let mut body = self.command("ls-refs");
        pkt_line::write_line(&mut body, "peel\n");
        for prefix in prefixes {
            pkt_line::write_line(&mut body, &format!("ref-prefix {prefix}\n"));
        }
        pkt_line::write_flush(&mut body);
        let mut lines = self.post(body, self.limits.refs_bytes_max).await?;
        let mut found = Vec::new();
        while let Some(Pkt::Line(line)) = lines.next().await? {
            let line = pkt_line::text(&line)?;
            refuse_error_line(line)?;
            if let Some(reference) = parse_v2_ref(line)? {
                push_ref(&mut found, reference, self.limits.refs_max)?;
            }
        }
        Ok(found)
    }

    /// The objects of one pack.
    pub(crate) async fn fetch(&self, want: &Want<'_>) -> Result<Objects, GitError> {
        let body = match &self.version {
            Version::V0 { capabilities, .. } => build_v0_fetch(want, capabilities)?,
            Version::V2 { .. } => self.build_v2_fetch(want),
        };
        let max = self
            .limits
            .pack
            .received_bytes_max
            .saturating_add(self.limits.refs_bytes_max);
        let mut lines = self.post(body, max).await?;
        let mut pack = PackReader::new(self.limits.pack);
        let mut is_packfile = false;
        while let Some(frame) = lines.next().await? {
            let Pkt::Line(line) = frame else {
                continue; // Markers only separate sections; the pack knows its own end.
            };
            match line.split_first() {
                Some((1, data)) => {
                    is_packfile = true;
                    pack.push(data)?;
                }
                Some((2, _)) => {} // Progress, for people at terminals.
                Some((3, message)) => return Err(remote_error(&String::from_utf8_lossy(message))),
                _ => check_section_line(pkt_line::text(&line)?)?,
            }
        }
        if !is_packfile {
            return Err(GitError::Protocol {
                what: "the response has no pack",
            });
        }
        // Deltas and hashes cost CPU time that others on this thread would miss.
        let objects = tokio::task::spawn_blocking(move || pack.finish()).await;
        Ok(objects.map_err(|_| GitError::Protocol {
            what: "reading the pack was interrupted",
        })??)
    }

    /// Whether commits can be had without their files.
    pub(crate) fn has_filter(&self) -> bool {
        match &self.version {
            Version::V0 { capabilities, .. } => capabilities.iter().any(|word| word == "filter"),
            Version::V2 { capabilities } => capabilities
                .get("fetch")
                .is_some_and(|words| words.split(' ').any(|word| word == "filter")),
        }
    }

    fn command(&self, name: &str) -> Vec<u8> {
        let mut body = Vec::new();
        pkt_line::write_line(&mut body, &format!("command={name}\n"));
        pkt_line::write_line(&mut body, &format!("{AGENT}\n"));
        if let Version::V2 { capabilities } = &self.version
            && capabilities.contains_key("object-format")
        {
            pkt_line::write_line(&mut body, "object-format=sha1\n");
        }
        pkt_line::write_delimiter(&mut body);
        body
    }

    fn build_v2_fetch(&self, want: &Want<'_>) -> Vec<u8> {
        let mut body = self.command("fetch");
        pkt_line::write_line(&mut body, "ofs-delta\n");
        pkt_line::write_line(&mut body, "no-progress\n");
        if want.is_shallow {
            pkt_line::write_line(&mut body, "deepen 1\n");
        }
        if want.is_commits_only && self.has_filter() {
            pkt_line::write_line(&mut body, "filter tree:0\n");
        }
        for oid in want.oids {
            pkt_line::write_line(&mut body, &format!("want {oid}\n"));
        }
        pkt_line::write_line(&mut body, "done\n");
        pkt_line::write_flush(&mut body);
        body
    }
}

fn build_v0_fetch(want: &Want<'_>, capabilities: &[String]) -> Result<Vec<u8>, GitError> {
    let has = |word: &str| capabilities.iter().any(|capability| capability == word);
    if !has("side-band-64k") {
        return Err(GitError::Protocol {
            what: "the server has neither protocol 2 nor side-band-64k",
        });
    }
    if want.is_shallow && !has("shallow") {
        return Err(GitError::Protocol {
            what: "the server cannot fetch one commit alone",
        });
    }
    let is_filtered = want.is_commits_only && has("filter");
    let mut asked = String::from(" side-band-64k ofs-delta no-progress");
    if is_filtered {
        asked.push_str(" filter");
    }
    asked.push(' ');
    asked.push_str(AGENT);
    let mut body = Vec::new();
    for oid in want.oids {
        // Only the first line carries capabilities.
        pkt_line::write_line(
            &mut body,
            &format!("want {oid}{}\n", std::mem::take(&mut asked)),
        );
    }
    if want.is_shallow {
        pkt_line::write_line(&mut body, "deepen 1\n");
    }
    if is_filtered {
        pkt_line::write_line(&mut body, "filter tree:0\n");
    }
    pkt_line::write_flush(&mut body);
    pkt_line::write_line(&mut body, "done\n");
    Ok(body)
}

fn check_section_line(line: &str) -> Result<(), GitError> {
    refuse_error_line(line)?;
    let is_known = [
        "shallow-info",
        "packfile",
        "acknowledgments",
        "NAK",
        "ready",
    ]
    .contains(&line)
        || ["shallow ", "unshallow ", "ACK "]
            .iter()
            .any(|start| line.starts_with(start));
    if is_known {
        Ok(())
    } else {
        Err(GitError::Protocol {
            what: "the response has an unknown section",
        })
    }
}

fn check_status(url: &Url, status: http::StatusCode) -> Result<(), GitError> {
    let url = shown(url);
    match status.as_u16() {
        200 => Ok(()),
        401 | 403 => Err(GitError::Unauthorized {
            url,
            status: status.as_u16(),
        }),
        404 | 410 => Err(GitError::NotFound { url }),
        status => Err(GitError::Status { url, status }),
    }
}

fn check_type(response: &http::Response<Body>, wanted: &str) -> Result<(), GitError> {
    let found = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if found.is_some_and(|found| found.split(';').next() == Some(wanted)) {
        return Ok(());
    }
    Err(GitError::Protocol {
        what: "the server does not answer as a smart Git server does",
    })
}

fn service_url(base: &Url, service: &str, query: Option<&str>) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{service}", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(query);
    url
}

/// A URL without userinfo, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}
