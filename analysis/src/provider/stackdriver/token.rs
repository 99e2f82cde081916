//! Gets an access token of Google: for a service account's key, or for who we are
//!
//! ```text
//! serviceAccountKey → file of GOOGLE_APPLICATION_CREDENTIALS → metadata server
//! ```
//!
//! Only keys of service accounts are read: other kinds of credentials may name
//! programs to run. Form: RFC 7523, "Using OAuth 2.0 for Server to Server
//! Applications" of Google Identity.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::kept::{Lent, Source};
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method, Outbound, Reach};

const SCOPE: &str = "https://www.googleapis.com/auth/monitoring.read";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const TOKEN_S_MAX: i64 = 3600;

/// By address: its name would go through the cluster's resolver.
const METADATA: &str =
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";

const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// A token, and who gave it. It is kept until shortly before it ends.
pub(super) async fn find(
    key: Option<&Secret>,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<(Secret, Source), String> {
    let named = outbound
        .variable("GOOGLE_APPLICATION_CREDENTIALS")
        .filter(|path| key.is_none() && !path.expose().is_empty());
    let source = match (key, &named) {
        (Some(key), _) => Source::of(&["google", "key", key.expose()]),
        (None, Some(path)) => Source::of(&["google", "file", path.expose()]),
        (None, None) => Source::of(&["google", "metadata"]),
    };
    let kept = outbound.kept();
    let token = |lent: &Lent| lent.parts.first().cloned();
    if let Some(token) = kept.and_then(|kept| token(&kept.find(&source, now)?)) {
        return Ok((token, source));
    }
    let lent = match (key, &named) {
        (Some(key), _) => exchanged("serviceAccountKey of its Secret", key, now, outbound).await?,
        (None, Some(path)) => {
            let what = "the file of GOOGLE_APPLICATION_CREDENTIALS";
            let key = outbound.file(path.expose()).await;
            let key = key.ok_or_else(|| format!("{what} cannot be read"))?;
            exchanged(what, &key, now, outbound).await?
        }
        (None, None) => metadata(now, outbound).await?,
    };
    if let Some(kept) = kept {
        kept.keep(&source, &lent, now);
    }
    let token = token(&lent).ok_or("Google gave no token")?;
    Ok((token, source))
}

async fn metadata(now: DateTime<Utc>, outbound: &dyn Outbound) -> Result<Lent, String> {
    let url = Url::parse(METADATA).map_err(|_| "the metadata server has no address")?;
    let mut request = HttpRequest::new(Method::Get, url).header("metadata-flavor", "Google");
    request.timeout = METADATA_TIMEOUT;
    request.reach = Reach::CloudIdentity;
    let token = fetch(&request, now, outbound).await;
    token.map_err(|why| format!("Google's metadata server {why}"))
}

/// The JSON key of a service account.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
}

async fn exchanged(
    what: &str,
    key: &Secret,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<Lent, String> {
    let account: Option<Account> = serde_json::from_str(key.expose()).ok();
    let account = account
        .filter(|account| account.kind == "service_account")
        .ok_or_else(|| format!("{what} is not the JSON key of a service account"))?;
    let url = Url::parse(&account.token_uri).ok();
    let url = url
        .filter(|url| url.scheme() == "https")
        .ok_or_else(|| format!("{what} has a token_uri that is not an https URL"))?;
    let assertion = assertion(&account, now)
        .ok_or_else(|| format!("{what} has a private_key that is not an RSA key in PEM"))?;
    let mut form = url.clone();
    form.query_pairs_mut()
        .clear()
        .append_pair("grant_type", GRANT)
        .append_pair("assertion", &assertion);
    let request = HttpRequest::new(Method::Post, url)
        .body(
            "application/x-www-form-urlencoded",
            form.query().unwrap_or_default(),
        )
        .hiding(&Secret::new(assertion))
        .hiding(&Secret::new(account.client_email));
    let token = fetch(&request, now, outbound).await;
    token.map_err(|why| format!("Google's token server {why}"))
}

/// A JSON Web Token that says who asks for what, signed with RS256.
fn assertion(account: &Account, now: DateTime<Utc>) -> Option<String> {
    let header = match &account.private_key_id {
        Some(id) => json!({ "alg": "RS256", "kid": id, "typ": "JWT" }),
        None => json!({ "alg": "RS256", "typ": "JWT" }),
    };
    let issued = now.timestamp();
    let claims = json!({
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued.saturating_add(TOKEN_S_MAX),
    });
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let pem = PrivateKeyDer::from_pem_slice(account.private_key.as_bytes()).ok()?;
    let key = if let PrivateKeyDer::Pkcs1(key) = &pem {
        KeyPair::from_der(key.secret_pkcs1_der())
    } else {
        KeyPair::from_pkcs8(pem.secret_der())
    };
    let key = key.ok()?;
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    expires_in: Option<i64>,
}

async fn fetch(
    request: &HttpRequest,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<Lent, String> {
    let answer = Answer::get(request, outbound).await?;
    answer.check_success()?;
    // Not `json`: its errors quote the answer.
    let granted: Option<Granted> = serde_json::from_str(answer.text()?).ok();
    let granted = granted.ok_or("gave no token")?;
    let length = granted.expires_in.and_then(TimeDelta::try_seconds);
    Ok(Lent {
        parts: vec![Secret::new(granted.access_token)],
        ends: length.and_then(|length| now.checked_add_signed(length)),
    })
}
