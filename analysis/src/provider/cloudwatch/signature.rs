//! AWS Signature Version 4 for requests without a query string
//!
//! Format: "Create a signed AWS API request" in the AWS IAM user guide.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use chrono::{DateTime, Utc};

use super::credentials::Keys;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// For what a signature holds.
pub(super) struct Scope<'a> {
    /// As `date` writes it.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// `20150830T123600Z`.
pub(super) fn date(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

/// Value of the header Authorization. `headers` are all that is signed, `host`
/// among them, with names in lower case and in order.
pub(super) fn authorization(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    scope: &Scope<'_>,
    keys: &Keys,
) -> String {
    let mut canonical = format!("{method}\n{path}\n\n");
    for (name, value) in headers {
        // Runs of white space count as one space.
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        canonical.push_str(&format!("{name}:{value}\n"));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    canonical.push_str(&format!("\n{names}\n{}", sha256(body)));
    let Scope {
        date,
        region,
        service,
    } = scope;
    let day = date.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let mut key = format!("AWS4{}", keys.key.expose()).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex(&mac(&key, &to_sign));
    let id = keys.id.expose();
    format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Secret;

    /// AWS' published test suite (aws-sig-v4-test-suite), and the ListUsers
    /// example's headers of its user guide.
    #[test]
    fn signs_as_aws_published() {
        let keys = Keys {
            id: Secret::new("AKIDEXAMPLE"),
            key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            token: None,
        };
        let at = DateTime::parse_from_rfc3339("2015-08-30T12:36:00Z").unwrap();
        let date = date(at.with_timezone(&Utc));
        let check = |method: &str, extra: &[(&str, &str)], body: &str, signature: &str| {
            let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", &date)];
            headers.extend(extra);
            headers.sort_unstable();
            let scope = Scope {
                date: &date,
                region: "us-east-1",
                service: "service",
            };
            let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
            assert_eq!(
                authorization(method, "/", &headers, body.as_bytes(), &scope, &keys),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders={}, Signature={signature}",
                    names.join(";")
                )
            );
        };
        // get-vanilla
        check(
            "GET",
            &[],
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        // post-vanilla
        check(
            "POST",
            &[],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        // post-header-key-sort
        check(
            "POST",
            &[("my-header1", "value1")],
            "",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        );
        // get-header-value-trim
        check(
            "GET",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        );
        // post-x-www-form-urlencoded
        check(
            "POST",
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
    }
}
