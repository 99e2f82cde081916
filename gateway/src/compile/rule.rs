//! Compiles a route's rules: matches, filters, time limits, retries, sessions.
//!
//! Pure. A value that cannot be obeyed refuses the whole route; a reference that cannot
//! be resolved only fails the requests that need it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use regex::{Regex, RegexBuilder};

use super::Finding;
use super::backend::{Refs, resolve};
use crate::cors::Cors;
use crate::matching::{Matcher, PathMatch, TextMatch};
use crate::resource::{
    self, CorsFilter, Filter, HeaderModifier, Meta, PathModifier, RequestMirror, RequestRedirect,
    RouteKind, RouteMatch, RouteRule, RouteSpec, SessionPersistence, ValueMatch,
};
use crate::rewrite::{HeaderEdit, PathEdit, Redirect, UrlEdit};
use crate::table::{Backend, Filters, Mirror, Retry, Rule, Sticky};
use crate::world::World;

/// Compiled size of one regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// The CRD's default of a CORS filter's `maxAge`.
const CORS_MAX_AGE_S: u32 = 5;
/// Retries when `retry` gives no number.
const RETRY_ATTEMPTS: u32 = 2;
/// Bound of `retry.attempts`.
const RETRY_ATTEMPTS_MAX: u32 = 10;
/// Wait before a retry when `retry` gives none.
const RETRY_BACKOFF: Duration = Duration::from_millis(25);

/// Rules with their matches, or why the route is refused; and whether references resolved.
pub(crate) type RouteRules = (Result<Vec<(Rule, Vec<Matcher>)>, String>, Finding);

/// Compiles all rules of a route.
pub(crate) fn compile(
    world: &World,
    kind: RouteKind,
    route: &Meta,
    spec: &RouteSpec,
) -> RouteRules {
    let mut refs = Refs {
        world,
        kind,
        namespace: &route.namespace,
        fault: None,
    };
    let rules = spec
        .rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            one(&mut refs, route, index, rule)
                .map_err(|fault| format!("spec.rules[{index}].{fault}"))
        })
        .collect();
    (
        rules,
        refs.fault.unwrap_or_else(|| Finding::yes("ResolvedRefs")),
    )
}

fn one(
    refs: &mut Refs<'_>,
    route: &Meta,
    index: usize,
    rule: &RouteRule,
) -> Result<(Rule, Vec<Matcher>), String> {
    let whole = [RouteMatch::default()];
    let matches = if rule.matches.is_empty() {
        &whole
    } else {
        rule.matches.as_slice()
    };
    let matchers = matches
        .iter()
        .enumerate()
        .map(|(index, wanted)| matcher(wanted).map_err(|fault| format!("matches[{index}].{fault}")))
        .collect::<Result<_, _>>()?;
    let mut backends = Vec::new();
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        backends.push(Backend {
            service: backend.object.name.clone(),
            weight: backend.weight.unwrap_or(1),
            target: resolve(refs, &backend.object),
            filters: filters(refs, &backend.filters)
                .map_err(|fault| format!("backendRefs[{index}].{fault}"))?,
        });
    }
    let limit = |field: &str, text: &Option<String>| match text {
        Some(text) => resource::duration(text).map_err(|fault| format!("{field}: {fault}")),
        None => Ok(None),
    };
    let compiled = Rule {
        namespace: route.namespace.clone(),
        route: route.name.clone(),
        index,
        filters: filters(refs, &rule.filters)?,
        backends,
        timeout: limit("timeouts.request", &rule.timeouts.request)?,
        backend_timeout: limit("timeouts.backendRequest", &rule.timeouts.backend_request)?,
        retry: rule
            .retry
            .as_ref()
            .map(retry)
            .transpose()?
            .unwrap_or_default(),
        sticky: rule
            .session_persistence
            .as_ref()
            .map(|session| sticky(route, index, session))
            .transpose()?,
    };
    Ok((compiled, matchers))
}

fn retry(retry: &resource::Retry) -> Result<Retry, String> {
    let backoff = match &retry.backoff {
        Some(text) => {
            resource::duration(text).map_err(|fault| format!("retry.backoff: {fault}"))?
        }
        None => Some(RETRY_BACKOFF),
    };
    Ok(Retry {
        codes: retry
            .codes
            .iter()
            .filter_map(|code| StatusCode::from_u16(*code).ok())
            .collect(),
        attempts: retry
            .attempts
            .unwrap_or(RETRY_ATTEMPTS)
            .min(RETRY_ATTEMPTS_MAX),
        backoff: backoff.unwrap_or_default(),
    })
}

fn sticky(route: &Meta, index: usize, session: &SessionPersistence) -> Result<Sticky, String> {
    if session.kind.as_deref().unwrap_or("Cookie") != "Cookie" {
        return Err("sessionPersistence.type: only \"Cookie\" is served".to_owned());
    }
    let cookie = match &session.session_name {
        Some(name) => name.clone(),
        None => format!("sluice-{}-{}-{index}", route.namespace, route.name),
    };
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if cookie.is_empty() || !cookie.chars().all(is_token) {
        return Err(format!(
            "sessionPersistence.sessionName: {cookie:?} is not a cookie name"
        ));
    }
    let is_permanent = session.cookie_config.lifetime_type.as_deref() == Some("Permanent");
    let max_age = match &session.absolute_timeout {
        Some(text) if is_permanent => resource::duration(text)
            .map_err(|fault| format!("sessionPersistence.absoluteTimeout: {fault}"))?,
        Some(_) | None => None,
    };
    Ok(Sticky { cookie, max_age })
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| {
            format!("{pattern:?} is not a regular expression this gateway knows (RE2 syntax)")
        })
}

fn matcher(wanted: &RouteMatch) -> Result<Matcher, String> {
    let path = match &wanted.path {
        None => PathMatch::Prefix(String::new()),
        Some(path) => match path.kind.as_deref().unwrap_or("PathPrefix") {
            "Exact" => PathMatch::Exact(path.value.clone()),
            "PathPrefix" => PathMatch::Prefix(path.value.trim_end_matches('/').to_owned()),
            "RegularExpression" => {
                PathMatch::Regex(regex(&path.value).map_err(|fault| format!("path: {fault}"))?)
            }
            kind => return Err(format!("path.type: {kind:?} is not known")),
        },
    };
    let method = wanted.method.as_ref().map(|method| {
        Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("method: {method:?} is not a method"))
    });
    let mut headers: Vec<(HeaderName, TextMatch)> = Vec::new();
    for header in &wanted.headers {
        let name = header_name(&header.name).map_err(|fault| format!("headers: {fault}"))?;
        // Of entries with an equivalent name only the first counts.
        if headers.iter().all(|(seen, _)| *seen != name) {
            headers.push((
                name,
                text(header).map_err(|fault| format!("headers: {fault}"))?,
            ));
        }
    }
    let mut queries: Vec<(String, TextMatch)> = Vec::new();
    for query in &wanted.query_params {
        if queries.iter().all(|(seen, _)| *seen != query.name) {
            let value = text(query).map_err(|fault| format!("queryParams: {fault}"))?;
            queries.push((query.name.clone(), value));
        }
    }
    Ok(Matcher {
        path,
        method: method.transpose()?,
        headers,
        queries,
    })
}

fn text(wanted: &ValueMatch) -> Result<TextMatch, String> {
    match wanted.kind.as_deref().unwrap_or("Exact") {
        "Exact" => Ok(TextMatch::Exact(wanted.value.clone())),
        "RegularExpression" => Ok(TextMatch::Regex(regex(&wanted.value)?)),
        kind => Err(format!("type {kind:?} is not known")),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse()
        .map_err(|_| format!("{name:?} is not a header name"))
}

fn filters(refs: &mut Refs<'_>, list: &[Filter]) -> Result<Filters, String> {
    let mut filters = Filters::default();
    for (index, filter) in list.iter().enumerate() {
        let at = |fault: String| format!("filters[{index}]: {fault}");
        match filter.kind.as_str() {
            "RequestHeaderModifier" => filters
                .request
                .join(edit(&filter.request_header_modifier).map_err(at)?),
            "ResponseHeaderModifier" => filters
                .response
                .join(edit(&filter.response_header_modifier).map_err(at)?),
            "URLRewrite" => filters.url = Some(url(&filter.url_rewrite).map_err(at)?),
            "RequestRedirect" => {
                filters.redirect = Some(redirect(&filter.request_redirect).map_err(at)?)
            }
            "RequestMirror" => filters.mirrors.push(mirror(refs, &filter.request_mirror)),
            "CORS" => filters.cors = Some(cors(&filter.cors)),
            "ExtensionRef" => {
                // The API forbids to skip a filter that cannot be resolved.
                filters.is_broken = true;
                refs.fail(
                    "InvalidKind",
                    "filters of type ExtensionRef are not served".to_owned(),
                );
            }
            kind => return Err(at(format!("type {kind:?} is not known"))),
        }
    }
    Ok(filters)
}

fn edit(wanted: &HeaderModifier) -> Result<HeaderEdit, String> {
    let pairs = |list: &[ValueMatch]| {
        let pair =
            |header: &ValueMatch| Ok((header_name(&header.name)?, header_value(&header.value)?));
        list.iter().map(pair).collect::<Result<Vec<_>, String>>()
    };
    Ok(HeaderEdit {
        set: pairs(&wanted.set)?,
        add: pairs(&wanted.add)?,
        remove: wanted
            .remove
            .iter()
            .map(|name| header_name(name))
            .collect::<Result<_, _>>()?,
    })
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} is not a header value"))
}

fn url(wanted: &resource::UrlRewrite) -> Result<UrlEdit, String> {
    Ok(UrlEdit {
        host: wanted.hostname.as_deref().map(header_value).transpose()?,
        path: wanted.path.as_ref().map(path).transpose()?,
    })
}

fn path(wanted: &PathModifier) -> Result<PathEdit, String> {
    let clean = |text: &Option<String>| {
        let text = text.clone().unwrap_or_default();
        let is_clean = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
        if is_clean {
            Ok(text)
        } else {
            Err(format!("path {text:?} is not a URL path"))
        }
    };
    match wanted.kind.as_str() {
        "ReplaceFullPath" => Ok(PathEdit::Full(clean(&wanted.replace_full_path)?)),
        "ReplacePrefixMatch" => Ok(PathEdit::Prefix(clean(&wanted.replace_prefix_match)?)),
        kind => Err(format!("path.type {kind:?} is not known")),
    }
}

fn redirect(wanted: &RequestRedirect) -> Result<Redirect, String> {
    let status = wanted.status_code.unwrap_or(302);
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(StatusCode::is_redirection);
    if let Some(scheme) = &wanted.scheme
        && !["http", "https"].contains(&scheme.as_str())
    {
        return Err(format!("scheme {scheme:?} is not http or https"));
    }
    Ok(Redirect {
        scheme: wanted.scheme.clone(),
        host: wanted.hostname.clone(),
        port: wanted.port,
        path: wanted.path.as_ref().map(path).transpose()?,
        status: status.ok_or("statusCode must be a redirect, such as 302")?,
    })
}

fn mirror(refs: &mut Refs<'_>, wanted: &RequestMirror) -> Mirror {
    let (part, whole) = match (&wanted.fraction, wanted.percent) {
        (Some(fraction), _) => (fraction.numerator, fraction.denominator.unwrap_or(100)),
        (None, Some(percent)) => (percent, 100),
        (None, None) => (1, 1),
    };
    Mirror {
        target: resolve(refs, &wanted.backend_ref),
        part,
        whole,
    }
}

fn cors(wanted: &CorsFilter) -> Cors {
    Cors {
        origins: wanted.allow_origins.clone(),
        credentials: wanted.allow_credentials.unwrap_or_default(),
        methods: wanted.allow_methods.clone(),
        headers: wanted.allow_headers.clone(),
        expose: wanted.expose_headers.clone(),
        max_age_s: wanted.max_age.unwrap_or(CORS_MAX_AGE_S),
    }
}
