//! Answers one request: finds its rule, chooses a backend, passes head and bodies through.
//!
//! `forward/exchange.rs` talks to endpoints and retries, `forward/head.rs` words the
//! request, `forward/tunnel.rs` joins upgraded connections. Decides no routes.

mod exchange;
mod head;
mod session;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::body::{self, Download, Tally, Upload};
use crate::choose;
use crate::cors::{self, Cors};
use crate::host::host_of;
use crate::live::{Live, LiveBackend, LiveRule, Upstream};
use crate::matching::Ask;
use crate::pool::Lease;
use crate::rewrite::{strip_hop_by_hop, upgrade_of};
use crate::table::{Backend, Found, Mirror, Rule, Target};

/// The tables in use, newest first to be read.
pub(crate) type Tables = watch::Receiver<Arc<Live>>;

/// A refusal in our own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) &'static str);

const NO_ROUTE: Refusal = Refusal(StatusCode::NOT_FOUND, "no route\n");
const BAD_HOST: Refusal = Refusal(StatusCode::BAD_REQUEST, "one Host is needed\n");
const NO_CONNECT: Refusal = Refusal(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not served\n");
const BAD_FILTER: Refusal = Refusal(
    StatusCode::INTERNAL_SERVER_ERROR,
    "a filter of the route is not served\n",
);
const NO_BACKEND: Refusal = Refusal(
    StatusCode::INTERNAL_SERVER_ERROR,
    "the route has no valid backend\n",
);
const NO_ENDPOINT: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "no ready endpoint\n");

/// Answers one request from `peer`.
pub(crate) async fn answer(
    mut tables: Tables,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Download> {
    let started = Instant::now();
    let live = Arc::clone(&tables.borrow_and_update());
    let lost = || Some(Tally::start(Arc::clone(&live.lost), started));
    if request.method() == Method::CONNECT {
        return refuse(NO_CONNECT, lost());
    }
    let Some(authority) = authority_of(&request) else {
        return refuse(BAD_HOST, lost());
    };
    let host = host_of(&authority);
    let ask = Ask {
        host: &host,
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        method: request.method(),
        headers: request.headers(),
    };
    let Some(found) = live.table.find(&ask) else {
        return refuse(NO_ROUTE, lost());
    };
    let Some(live_rule) = live.rules.get(found.index) else {
        return refuse(NO_ROUTE, lost());
    };
    let cors = found.rule.filters.cors.as_ref();
    let marks = cors
        .map(|cors| cors.actual(request.headers()))
        .unwrap_or_default();
    let mut response = match own_answer(&found, live_rule, &request, &host, started) {
        Some(response) => response,
        None => {
            let way = Way {
                tables: &mut tables,
                found: &found,
                live_rule,
                started,
            };
            way.forward(&authority, peer, request).await
        }
    };
    for (name, value) in marks {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The authority asked for, if there is exactly one.
fn authority_of(request: &Request<Incoming>) -> Option<String> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return None;
    }
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str().to_owned()),
        None => host
            .and_then(|host| host.to_str().ok())
            .filter(|host| !host.is_empty())
            .map(str::to_owned),
    }
}

/// Answers that need no backend: refused filters, preflights, redirects.
fn own_answer(
    found: &Found<'_>,
    live_rule: &LiveRule,
    request: &Request<Incoming>,
    host: &str,
    started: Instant,
) -> Option<Response<Download>> {
    let filters = &found.rule.filters;
    let tally = || Some(Tally::start(Arc::clone(&live_rule.own), started));
    if filters.is_broken {
        return Some(refuse(BAD_FILTER, tally()));
    }
    if let Some(cors) = &filters.cors
        && cors::is_preflight(request.method(), request.headers())
    {
        return Some(preflight(cors, request.headers(), tally()));
    }
    let redirect = filters.redirect.as_ref()?;
    let location = redirect.location(request.uri(), found.prefix, host, found.port);
    let mut response = refuse(Refusal(redirect.status, ""), tally());
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    filters.response.apply(response.headers_mut());
    Some(response)
}

fn preflight(cors: &Cors, request: &HeaderMap, tally: Option<Tally>) -> Response<Download> {
    let mut response = refuse(Refusal(StatusCode::NO_CONTENT, ""), tally);
    response.headers_mut().extend(cors.preflight(request));
    response
}

/// An answer in our own words.
pub(crate) fn refuse(
    Refusal(status, text): Refusal,
    mut tally: Option<Tally>,
) -> Response<Download> {
    if let Some(tally) = &mut tally {
        tally.answered(status);
    }
    let mut response = Response::new(Download::text(text, tally));
    *response.status_mut() = status;
    if !text.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
    }
    response
}

/// A request on its way to a backend.
struct Way<'a> {
    tables: &'a mut Tables,
    found: &'a Found<'a>,
    live_rule: &'a LiveRule,
    started: Instant,
}

impl Way<'_> {
    async fn forward(
        mut self,
        authority: &str,
        peer: IpAddr,
        mut request: Request<Incoming>,
    ) -> Response<Download> {
        let rule = self.found.rule;
        let turn = self.live_rule.turn.fetch_add(1, Ordering::Relaxed);
        let kept = rule
            .sticky
            .as_ref()
            .and_then(|sticky| session::find(sticky, rule, self.live_rule, request.headers()));
        let index = match &kept {
            Some(kept) => Some(kept.backend),
            None => choose::weighted(rule.backends.iter().map(|backend| backend.weight), turn),
        };
        let chosen = index.and_then(|index| {
            Some((
                rule.backends.get(index)?,
                self.live_rule.backends.get(index)?,
            ))
        });
        let Some((backend, live_backend)) = chosen else {
            return refuse(
                NO_BACKEND,
                Some(Tally::start(Arc::clone(&self.live_rule.own), self.started)),
            );
        };
        let mut tally = Tally::start(Arc::clone(&live_backend.series), self.started);
        if let Some(refusal) = refusal_of(backend) {
            return refuse(refusal, Some(tally));
        }
        let upgrade = upgrade_of(request.headers())
            .map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
        let (parts, incoming) = request.into_parts();
        let mut out = head::build(&parts, authority, peer, self.found, backend);
        let copies = self.mirror(&out, &incoming, turn, live_backend);
        if let Some((protocol, _)) = &upgrade {
            out.upgrade(protocol.clone());
        }
        let body = if incoming.is_end_stream() {
            Upload::Empty
        } else {
            Upload::Client {
                body: incoming,
                copies,
            }
        };
        let first = kept.as_ref().map(|kept| Arc::clone(&kept.pool));
        match self
            .exchange(backend, &live_backend.upstream, first, out, body)
            .await
        {
            Err(refusal) => refuse(refusal, Some(tally)),
            Ok((response, lease)) => {
                tally.answered(response.status());
                let cookie = match (&rule.sticky, kept) {
                    (Some(sticky), None) => session::cookie(sticky, live_backend, lease.address()),
                    (Some(_) | None, _) => None,
                };
                finish(rule, backend, response, lease, tally, upgrade, cookie)
            }
        }
    }

    /// Starts the copies for mirrors; gives the ends that the body's frames go to.
    fn mirror(
        &self,
        out: &head::Head,
        incoming: &Incoming,
        turn: u64,
        live_backend: &LiveBackend,
    ) -> Vec<mpsc::Sender<Bytes>> {
        let rule = self.found.rule;
        let of_backend = rule
            .backends
            .iter()
            .zip(&self.live_rule.backends)
            .find(|(_, live)| std::ptr::eq(*live, live_backend))
            .map(|(backend, _)| backend.filters.mirrors.as_slice())
            .unwrap_or_default();
        let of_rule = rule.filters.mirrors.iter().zip(&self.live_rule.mirrors);
        let all: Vec<(&Mirror, &Upstream)> = of_rule
            .chain(of_backend.iter().zip(&live_backend.mirrors))
            .collect();
        let mut copies = Vec::new();
        for (mirror, upstream) in all {
            let Some(pool) = upstream
                .pick(&[])
                .filter(|_| choose::in_share(mirror.part, mirror.whole, turn))
            else {
                continue;
            };
            let body = if incoming.is_end_stream() {
                Upload::Empty
            } else {
                let (sender, body) = body::copy();
                copies.push(sender);
                body
            };
            exchange::mirror(Arc::clone(pool), out.request(pool.is_h2c(), body));
        }
        copies
    }
}

/// Why a backend cannot be asked at all.
fn refusal_of(backend: &Backend) -> Option<Refusal> {
    if backend.filters.is_broken {
        return Some(BAD_FILTER);
    }
    match &backend.target {
        Target::Invalid => Some(NO_BACKEND),
        Target::Endpoints { addresses, .. } if addresses.is_empty() => Some(NO_ENDPOINT),
        Target::Endpoints { .. } => None,
    }
}

/// Words the backend's answer for the client.
fn finish(
    rule: &Rule,
    backend: &Backend,
    mut response: Response<Incoming>,
    lease: Lease,
    tally: Tally,
    upgrade: Option<(HeaderValue, OnUpgrade)>,
    cookie: Option<HeaderValue>,
) -> Response<Download> {
    let is_switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let switched = if is_switched {
        Some(hyper::upgrade::on(&mut response))
    } else {
        None
    };
    let (parts, body) = response.into_parts();
    let mut headers = parts.headers;
    let protocol = headers.get(header::UPGRADE).cloned();
    strip_hop_by_hop(&mut headers);
    rule.filters.response.apply(&mut headers);
    backend.filters.response.apply(&mut headers);
    headers.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    let body = match (switched, upgrade) {
        (Some(backend), Some((_, client))) => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.extend(protocol.map(|protocol| (header::UPGRADE, protocol)));
            tunnel::join(client, backend);
            Download::text("", Some(tally))
        }
        (Some(_), None) => {
            debug!(
                route = rule.route,
                "Backend switched protocols without being asked."
            );
            return refuse(exchange::BROKEN, Some(tally));
        }
        (None, _) => Download::Backend {
            body,
            lease: Some(lease),
            _tally: tally,
        },
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = headers;
    answer
}
