//! Puts failures of the HTTP client into words without URLs

use std::error::Error;
use std::io;
use std::time::Duration;

use super::CONNECT_TIMEOUT;
use super::egress::Forbidden;
use crate::outbound::{HookFault, QueryFault};
use crate::wording;

/// Texts of refused redirects, found again in the client's error.
pub(super) const REDIRECTS: &str = "redirected too often";
pub(super) const OTHER_HOST: &str = "redirected to another host, which is not followed";

pub(super) fn hook_fault(error: &reqwest::Error, timeout: Duration) -> HookFault {
    match cause(error) {
        Cause::Slow => HookFault::Slow(timeout),
        Cause::Forbidden(address) => HookFault::Forbidden(address),
        Cause::Redirect(text) => HookFault::Redirect(text),
        Cause::Certificate(text) => HookFault::Certificate(text),
        Cause::Other(text) => HookFault::Unreachable(text),
    }
}

/// Queries have no time of their own here: only connecting can take too long.
pub(super) fn query_fault(error: &reqwest::Error) -> QueryFault {
    QueryFault::Unreachable(match cause(error) {
        Cause::Slow => return QueryFault::Slow(CONNECT_TIMEOUT),
        Cause::Forbidden(address) => format!("is at {address}, which must not be called"),
        Cause::Certificate(text) => format!("showed a certificate that is not valid: {text}"),
        Cause::Redirect(text) | Cause::Other(text) => text,
    })
}

enum Cause {
    Slow,
    Forbidden(String),
    Redirect(String),
    Certificate(String),
    Other(String),
}

fn cause(error: &reqwest::Error) -> Cause {
    let chain: Vec<&(dyn Error + 'static)> =
        std::iter::successors(error.source(), |&error| error.source()).collect();
    if let Some(Forbidden(address)) = chain.iter().find_map(|error| error.downcast_ref()) {
        return Cause::Forbidden(address.to_string());
    }
    if error.is_timeout() && error.is_connect() {
        let seconds = CONNECT_TIMEOUT.as_secs();
        return Cause::Other(format!("accepted no connection within {seconds} s"));
    }
    if error.is_timeout() {
        return Cause::Slow;
    }
    // The innermost errors say most; the outer ones repeat the URL.
    let deepest = chain.last().map(ToString::to_string).unwrap_or_default();
    if error.is_redirect() {
        return Cause::Redirect(deepest);
    }
    if deepest.contains("certificate") {
        return Cause::Certificate(wording::first_line(&deepest));
    }
    let kind = chain
        .iter()
        .rev()
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let is_name = chain
        .iter()
        .any(|error| error.to_string().contains("dns error"));
    Cause::Other(match kind {
        Some(io::ErrorKind::ConnectionRefused) => "refused the connection".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            "broke the connection".to_owned()
        }
        _ if is_name => "has a name that could not be resolved".to_owned(),
        _ if deepest.contains("connection closed before") => {
            "closed the connection without an answer".to_owned()
        }
        _ if deepest.contains("HTTP") => "gave an answer that is not HTTP".to_owned(),
        _ if error.is_body() || error.is_decode() => "broke off its answer".to_owned(),
        _ => format!(
            "could not be reached{}",
            wording::after_colon(&wording::first_line(&deepest))
        ),
    })
}
