//! Makes texts fit to be shown: short, on one line, and without secrets

use chrono::TimeDelta;
use reqwest::Url;

/// Longest quotation of what a server said, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// Secrets shorter than this are not looked for: they would blank out words.
const SECRET_CHARS_MIN: usize = 4;

/// Scheme, host and port of a URL; user, path and query may hold credentials.
pub(crate) fn origin(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "{}://{}{port}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

/// `: text`, or nothing for an empty text.
pub(crate) fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// The first line that is not blank, without control characters, cut.
pub(crate) fn first_line(text: &str) -> String {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = line.chars().take(QUOTED_CHARS_MAX).map(clean).collect();
    if line.chars().nth(QUOTED_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// Replaces each secret in a text by `***`.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut out = text.to_owned();
    let mut secrets = secrets.to_vec();
    // Long ones first: one may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets
        .iter()
        .filter(|secret| secret.chars().count() >= SECRET_CHARS_MIN)
    {
        out = out.replace(*secret, "***");
    }
    out
}

/// The parts of a URL that may be credentials: user, password, query values,
/// the path as a whole, and its segments that look like tokens.
pub(crate) fn url_secrets(url: &str) -> Vec<String> {
    /// Shorter segments are words such as `hooks`.
    const TOKEN_CHARS_MIN: usize = 16;
    let Ok(url) = Url::parse(url) else {
        return vec![url.to_owned()];
    };
    let mut secrets = vec![url.username().to_owned()];
    secrets.extend(url.password().map(str::to_owned));
    secrets.extend(url.query().map(str::to_owned));
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    secrets.push(url.path().trim_end_matches('/').to_owned());
    let segments = url.path_segments().into_iter().flatten();
    secrets.extend(
        segments
            .filter(|segment| segment.len() >= TOKEN_CHARS_MIN)
            .map(str::to_owned),
    );
    secrets
}

/// A length as Go and Prometheus read it: `1m`, `90s`, `1500ms`.
pub(crate) fn interval(length: TimeDelta) -> String {
    let ms = length.num_milliseconds();
    match (ms % 60_000, ms % 1_000) {
        (0, _) if ms > 0 => format!("{}m", ms / 60_000),
        (_, 0) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}
