//! Finds AWS credentials as AWS' clients do, as far as no process is started
//!
//! ```text
//! environment → web identity token (STS) → container service (ECS, EKS) → instance (IMDSv2)
//! ```
//!
//! The first that is set up decides. Shared configuration files are not read. What
//! is lent is kept until shortly before it ends (`kept`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use serde::Deserialize;

use super::super::answer::{Answer, tag};
use super::super::kept::{Lent, Source};
use super::endpoint;
use crate::credentials::Secret;
use crate::outbound::{HttpRequest, Method, Outbound, Reach};

/// Time for a service beside us.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(2);

const CONTAINER: &str = "http://169.254.170.2";

const INSTANCE: &str = "http://169.254.169.254/latest";

/// Hosts of container services that may be asked without TLS, as AWS' clients
/// have it: those of ECS and EKS, and a proxy beside us.
const CONTAINER_HOSTS: [&str; 6] = [
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
    "127.0.0.1",
    "[::1]",
    "localhost",
];

/// What signs a request.
pub(super) struct Keys {
    pub(super) id: Secret,
    pub(super) key: Secret,
    /// Of credentials that end.
    pub(super) token: Option<Secret>,
}

/// Who lends keys.
enum Lender {
    WebIdentity { file: Secret, role: Secret },
    Container { url: String },
    Instance,
}

/// Keys, and where they were lent, if they were.
pub(super) async fn find(
    region: &str,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<(Keys, Option<Source>), String> {
    let set = |name| set(outbound, name);
    if let (Some(id), Some(key)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        let token = set("AWS_SESSION_TOKEN");
        return Ok((Keys { id, key, token }, None));
    }
    let lender = lender(outbound)?;
    let source = match &lender {
        Lender::WebIdentity { file, role } => {
            Source::of(&["aws", "web", region, file.expose(), role.expose()])
        }
        Lender::Container { url } => Source::of(&["aws", "container", url]),
        Lender::Instance => Source::of(&["aws", "instance"]),
    };
    let kept = outbound.kept();
    let known = kept.and_then(|kept| keys(&kept.find(&source, now)?));
    if let Some(known) = known {
        return Ok((known, Some(source)));
    }
    let lent = lend(&lender, region, now, outbound).await?;
    if let Some(kept) = kept {
        kept.keep(&source, &lent, now);
    }
    let keys = keys(&lent).ok_or("the AWS credential service gave no credentials")?;
    Ok((keys, Some(source)))
}

/// What was lent, as keys.
fn keys(lent: &Lent) -> Option<Keys> {
    match lent.parts.as_slice() {
        [id, key] | [id, key, _] => Some(Keys {
            id: id.clone(),
            key: key.clone(),
            token: lent.parts.get(2).cloned(),
        }),
        _ => None,
    }
}

async fn lend(
    lender: &Lender,
    region: &str,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<Lent, String> {
    match lender {
        Lender::WebIdentity { file, role } => web_identity(file, role, region, now, outbound)
            .await
            .map_err(|why| format!("the AWS security token service {why}")),
        Lender::Container { url } => container(url, outbound)
            .await
            .map_err(|why| format!("the container's credential service {why}")),
        Lender::Instance => instance(outbound).await.map_err(|why| {
            format!(
                "found no AWS credentials in the operator's environment, and the instance metadata service {why}"
            )
        }),
    }
}

fn lender(outbound: &dyn Outbound) -> Result<Lender, String> {
    let set = |name| set(outbound, name);
    if let (Some(file), Some(role)) = (set("AWS_WEB_IDENTITY_TOKEN_FILE"), set("AWS_ROLE_ARN")) {
        return Ok(Lender::WebIdentity { file, role });
    }
    let relative = set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .map(|path| format!("{CONTAINER}{}", path.expose()));
    let full = set("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(|url| url.expose().to_owned());
    if let Some(url) = relative.or(full) {
        return Ok(Lender::Container { url });
    }
    let is_off = set("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.expose().eq_ignore_ascii_case("true"));
    if is_off {
        return Err("found no AWS credentials in the operator's environment".to_owned());
    }
    Ok(Lender::Instance)
}

fn set(outbound: &dyn Outbound, name: &str) -> Option<Secret> {
    let value = outbound.variable(name)?;
    (!value.expose().is_empty()).then_some(value)
}

/// Trades a token of the cluster for a role's credentials. The call is not signed.
async fn web_identity(
    file: &Secret,
    role: &Secret,
    region: &str,
    now: DateTime<Utc>,
    outbound: &dyn Outbound,
) -> Result<Lent, String> {
    let token = outbound.file(file.expose()).await;
    let token = token.ok_or("has no token: AWS_WEB_IDENTITY_TOKEN_FILE cannot be read")?;
    let session = set(outbound, "AWS_ROLE_SESSION_NAME").map_or_else(
        || format!("sluice-{}", now.timestamp()),
        |name| name.expose().to_owned(),
    );
    let url = parse(&format!("https://{}/", endpoint("sts", region)))?;
    let mut form = url.clone();
    form.query_pairs_mut()
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", role.expose())
        .append_pair("RoleSessionName", &session)
        .append_pair("WebIdentityToken", token.expose().trim());
    let request = HttpRequest::new(Method::Post, url)
        .body(
            "application/x-www-form-urlencoded",
            form.query().unwrap_or_default(),
        )
        .hiding(&token);
    let answer = Answer::get(&request, outbound).await?;
    answer.check_success()?;
    let text = answer.text()?;
    let part = |name| tag(text, name).map(Secret::new);
    match (
        part("AccessKeyId"),
        part("SecretAccessKey"),
        part("SessionToken"),
    ) {
        (Some(id), Some(key), Some(token)) => Ok(Lent {
            parts: vec![id, key, token],
            ends: tag(text, "Expiration").and_then(time),
        }),
        _ => Err("gave no credentials".to_owned()),
    }
}

async fn container(url: &str, outbound: &dyn Outbound) -> Result<Lent, String> {
    let url = parse(url)?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !CONTAINER_HOSTS.contains(&host) {
        return Err("has an address that must be asked over https".to_owned());
    }
    let mut request = local(Method::Get, url);
    let token = match set(outbound, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => outbound.file(file.expose()).await,
        None => set(outbound, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = &token {
        request = request.secret_header("authorization", "", token);
    }
    given(&Answer::get(&request, outbound).await?)
}

/// IMDSv2: a token first, then the role, then its credentials.
async fn instance(outbound: &dyn Outbound) -> Result<Lent, String> {
    let request = local(Method::Put, parse(&format!("{INSTANCE}/api/token"))?)
        .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let answer = Answer::get(&request, outbound).await?;
    answer.check_success()?;
    let token = Secret::new(answer.text()?);
    let get = |path: &str| -> Result<HttpRequest, String> {
        let url = format!("{INSTANCE}/meta-data/iam/security-credentials/{path}");
        Ok(local(Method::Get, parse(&url)?).secret_header("x-aws-ec2-metadata-token", "", &token))
    };
    let request = get("")?;
    let answer = Answer::get(&request, outbound).await?;
    answer.check_success()?;
    let role = answer.text()?.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err("knows no role of this instance".to_owned());
    }
    let request = get(role)?;
    given(&Answer::get(&request, outbound).await?)
}

fn local(method: Method, url: Url) -> HttpRequest {
    let mut request = HttpRequest::new(method, url);
    request.timeout = LOCAL_TIMEOUT;
    request.reach = Reach::CloudIdentity;
    request
}

fn parse(url: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|_| "has an address that is no URL".to_owned())
}

/// What both local services answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

fn given(answer: &Answer<'_>) -> Result<Lent, String> {
    answer.check_success()?;
    // Not `json`: its errors quote the answer.
    let given: Option<Given> = serde_json::from_str(answer.text()?).ok();
    let given = given.ok_or("gave no credentials")?;
    let mut parts = vec![
        Secret::new(given.access_key_id),
        Secret::new(given.secret_access_key),
    ];
    parts.extend(given.token.map(Secret::new));
    Ok(Lent {
        parts,
        ends: given.expiration.as_deref().and_then(time),
    })
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.with_timezone(&Utc))
}
