//! Cookies that keep a user on one side (spec/flagger.md 4.13): which rules they ask for, and their words.
//!
//! Values are made and remembered elsewhere; here they are only put into rules.

use api::canary::SessionAffinity;

use crate::{error::RenderError, route::Route};

/// The cookies in force, each as `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cookies {
    /// Of users that met the canary (`status.sessionAffinityCookie`).
    pub canary: Option<String>,
    /// Of users that met the primary (`status.primarySessionAffinityCookie`).
    pub primary: Option<String>,
    /// That of the last run, to be taken back (`status.previousSessionAffinityCookie`).
    pub previous: Option<String>,
    /// How long the primary's cookie lives: the analysis interval, in seconds.
    pub primary_max_age_s: u64,
}

/// Seconds that a canary's cookie lives, unless the Canary says otherwise: a day.
const MAX_AGE_S_DEFAULT: i64 = 86_400;

/// What a route's rules are to do with cookies.
pub(crate) enum Plan<'a> {
    /// Nothing.
    Plain,
    /// Users stay where they were first: a rule for each cookie, and the weighted rule sets them.
    Stick {
        /// The canary's.
        canary: Cookie<'a>,
        /// The primary's, when the Canary names one.
        primary: Option<Cookie<'a>>,
    },
    /// A rule before the weighted one takes the cookie back.
    Clear {
        /// The cookie.
        previous: Cookie<'a>,
    },
}

/// A cookie, and how it is set.
pub(crate) struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    max_age_s: i64,
    affinity: &'a SessionAffinity,
}

impl<'a> Cookie<'a> {
    fn new(
        pair: Option<&'a String>,
        max_age_s: i64,
        affinity: &'a SessionAffinity,
    ) -> Option<Self> {
        let (name, value) = pair?.split_once('=')?;
        // Flagger leaves a nameless one behind when no name was given; it would match every user.
        (!name.is_empty() && !value.is_empty()).then_some(Self {
            name,
            value,
            max_age_s,
            affinity,
        })
    }

    /// The regular expression of a `Cookie` header that holds it.
    pub(crate) fn pattern(&self) -> String {
        let [name, value] = [self.name, self.value].map(|text| {
            let mut escaped = String::new();
            for letter in text.chars() {
                if !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-' {
                    escaped.push('\\');
                }
                escaped.push(letter);
            }
            escaped
        });
        format!(".*{name}.*{value}.*")
    }

    /// The `Set-Cookie` header that sets it.
    pub(crate) fn set(&self) -> String {
        self.header(self.max_age_s)
    }

    /// The `Set-Cookie` header that takes it back. A browser knows a cookie by its name, domain and path
    /// (RFC 6265 5.3), so these are told again.
    pub(crate) fn take_back(&self) -> String {
        self.header(-1)
    }

    fn header(&self, max_age_s: i64) -> String {
        let SessionAffinity {
            cookie_name: _,
            primary_cookie_name: _,
            domain,
            http_only,
            max_age: _,
            partitioned,
            path,
            same_site,
            secure,
        } = self.affinity;
        let mut text = format!("{}={}; Max-Age={max_age_s}", self.name, self.value);
        let with = |key: &str, value: &Option<String>| {
            let value = value.as_ref().filter(|value| !value.is_empty());
            value.map(|value| format!("{key}={value}"))
        };
        let attributes = [
            with("Domain", domain),
            http_only.then(|| "HttpOnly".to_owned()),
            partitioned.then(|| "Partitioned".to_owned()),
            with("Path", path),
            with("SameSite", same_site),
            secure.then(|| "Secure".to_owned()),
        ];
        for attribute in attributes.into_iter().flatten() {
            text.push_str("; ");
            text.push_str(&attribute);
        }
        text
    }
}

/// What the cookies ask for. Users that are chosen by `analysis.match` are kept where they are by that alone.
pub(crate) fn plan(route: &Route) -> Result<Plan<'_>, RenderError> {
    let Some(affinity) = &route.session_affinity else {
        return Ok(Plan::Plain);
    };
    let Some(cookies) = &route.cookies else {
        return Err(RenderError::unsupported(
            "spec.analysis.sessionAffinity",
            "given",
            "sticky sessions cannot be routed; remove it",
        ));
    };
    if !route.matches.is_empty() {
        return Ok(Plan::Plain);
    }
    let max_age_s = affinity.max_age.filter(|age| *age > 0);
    let max_age_s = max_age_s.unwrap_or(MAX_AGE_S_DEFAULT);
    if route.split.canary.is_zero() {
        let previous = Cookie::new(cookies.previous.as_ref(), max_age_s, affinity);
        return Ok(previous.map_or(Plan::Plain, |previous| Plan::Clear { previous }));
    }
    let primary_max_age_s = i64::try_from(cookies.primary_max_age_s).unwrap_or(i64::MAX);
    let primary = affinity
        .primary_cookie_name
        .as_ref()
        .and_then(|_| Cookie::new(cookies.primary.as_ref(), primary_max_age_s, affinity));
    let canary = Cookie::new(cookies.canary.as_ref(), max_age_s, affinity);
    Ok(canary.map_or(Plan::Plain, |canary| Plan::Stick { canary, primary }))
}
