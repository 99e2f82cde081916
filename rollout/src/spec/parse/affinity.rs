//! Parses `analysis.sessionAffinity` (spec/flagger.md 1.4 and 4.13): what goes into a `Set-Cookie` header.
//!
//! Names and attributes end up in headers and regular expressions, so nothing gets past here that would
//! end a header or begin another attribute. Whether a mesh can do it is its adapter's to say.

use api::canary::{CanaryAnalysis, SessionAffinity};

use crate::{cookies::Affinity, spec::finding::Review};

/// Longest name or attribute.
const TEXT_CHARS_MAX: usize = 256;

/// What the provider leaves out without refusing it, as Flagger does.
pub(super) fn notice(affinity: Option<&Affinity>, provider: &str) -> Option<&'static str> {
    let has_name = affinity.is_some_and(|affinity| affinity.primary_cookie_name.is_some());
    (has_name && provider == "gatewayapi:v1beta1").then_some(
        "Provider gatewayapi:v1beta1 keeps no users on the primary: spec.analysis.sessionAffinity.primaryCookieName has no effect; use gatewayapi:v1",
    )
}

/// `None` without session affinity; and with `analysis.match`, by which users stay where they are anyway.
pub(super) fn affinity(analysis: &CanaryAnalysis, review: &mut Review) -> Option<Affinity> {
    let SessionAffinity {
        cookie_name,
        primary_cookie_name,
        domain,
        http_only: _,
        max_age,
        partitioned: _,
        path,
        same_site,
        secure: _,
    } = analysis.session_affinity.as_ref()?;
    let primary_cookie_name = primary_cookie_name.as_ref().filter(|name| !name.is_empty());
    named("cookieName", cookie_name, review);
    if let Some(name) = primary_cookie_name {
        named("primaryCookieName", name, review);
        if name == cookie_name {
            review.add(
                field("primaryCookieName"),
                format!("{name:?}"),
                "it cannot be the same as cookieName; give the primary its own cookie",
            );
        }
    }
    for (name, text) in [("domain", domain), ("path", path)] {
        attribute(name, text.as_deref().unwrap_or_default(), review);
    }
    let same_site = same_site.as_deref().unwrap_or_default();
    if !["", "Strict", "Lax", "None"].contains(&same_site) {
        review.add(
            field("sameSite"),
            format!("{same_site:?}"),
            "use Strict, Lax or None",
        );
    }
    if let Some(age) = max_age.filter(|age| *age < 0) {
        review.add(
            field("maxAge"),
            age,
            "the cookie would be gone before it is used; give the seconds that it is to live",
        );
    }
    let has_match = analysis.match_.as_ref().is_some_and(|it| !it.is_empty());
    (!has_match).then(|| Affinity {
        cookie_name: cookie_name.clone(),
        primary_cookie_name: primary_cookie_name.cloned(),
    })
}

fn field(name: &str) -> String {
    format!("spec.analysis.sessionAffinity.{name}")
}

/// A cookie's name is a token (RFC 6265 4.1.1, RFC 9110 5.6.2).
fn named(name: &str, given: &str, review: &mut Review) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if given.is_empty() || given.len() > TEXT_CHARS_MAX || !given.chars().all(is_token) {
        review.add(
            field(name),
            format!("{given:?}"),
            format!(
                "a cookie's name has letters, digits and - . _ in it, and at most {TEXT_CHARS_MAX} of them"
            ),
        );
    }
}

/// An attribute's value: printable ASCII without the semicolon that ends it.
fn attribute(name: &str, given: &str, review: &mut Review) {
    let is_fit = |c: char| c.is_ascii_graphic() && c != ';' && c != ',';
    if given.len() > TEXT_CHARS_MAX || !given.chars().all(is_fit) {
        review.add(
            field(name),
            format!("{given:?}"),
            format!(
                "an attribute of a cookie has at most {TEXT_CHARS_MAX} characters, without blanks, commas and semicolons"
            ),
        );
    }
}
