//! Keeps a client at its endpoint by a cookie, as `sessionPersistence` asks.
//!
//! Pure. A backend whose weight is 0 keeps nobody: a rollout that went back must not hold
//! its clients at the failed version.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};

use crate::live::{LiveBackend, LiveRule};
use crate::pool::Pool;
use crate::table::{Rule, Sticky};

/// Where a client was before.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) backend: usize,
    pub(super) pool: Arc<Pool>,
}

/// The endpoint that a request's cookie names, if it may still be used.
pub(super) fn find(
    sticky: &Sticky,
    rule: &Rule,
    live: &LiveRule,
    headers: &HeaderMap,
) -> Option<Kept> {
    let token = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == sticky.cookie).then_some(value))?;
    let mut backends = rule.backends.iter().zip(&live.backends).enumerate();
    backends.find_map(|(index, (backend, live))| {
        let position = live
            .tokens
            .iter()
            .position(|known| known == token)
            .filter(|_| backend.weight > 0)?;
        let pool = live
            .upstream
            .pools
            .get(position)
            .filter(|pool| !pool.is_avoided())?;
        Some(Kept {
            backend: index,
            pool: Arc::clone(pool),
        })
    })
}

/// The cookie that keeps a client at the endpoint that answered.
pub(super) fn cookie(
    sticky: &Sticky,
    live: &LiveBackend,
    address: SocketAddr,
) -> Option<HeaderValue> {
    let position = live
        .upstream
        .pools
        .iter()
        .position(|pool| pool.address == address)?;
    let token = live.tokens.get(position)?;
    let age = sticky
        .max_age
        .map(|age| format!("; Max-Age={}", age.as_secs()))
        .unwrap_or_default();
    format!("{}={token}; Path=/; HttpOnly{age}", sticky.cookie)
        .parse()
        .ok()
}
