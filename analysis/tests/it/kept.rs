//! Credentials that clouds lend are fetched once, not for every check

use std::collections::BTreeMap;

use analysis::Kept;
use chrono::{DateTime, TimeDelta};
use serde_json::json;

use crate::fixture::{SECRET, now};
use crate::recorded::{Case, Recorded, Recording};

/// A check at one time after another: how many requests each took. Answers come in
/// order, the last for ever.
async fn check(
    case: &mut Case,
    variables: &[(&'static str, &'static str)],
    answers: &[Recording<'_>],
    at_s: &[i64],
) -> Vec<usize> {
    let recorded = Recorded {
        variables: variables.iter().copied().collect(),
        files: BTreeMap::from([("/token", format!("{SECRET}-jwt\n"))]),
        kept: Some(Kept::default()),
        ..Recorded::new(answers)
    };
    let mut counts = Vec::new();
    for at in at_s {
        case.context.now = now() + TimeDelta::seconds(*at);
        let before = recorded.asked.lock().unwrap().len();
        case.measured(&recorded).await;
        counts.push(recorded.asked.lock().unwrap().len() - before);
    }
    counts
}

fn cloudwatch() -> Case {
    let provider = json!({ "type": "cloudwatch", "region": "eu-west-1" });
    Case::new(provider, &[], "[]")
}

fn given(ends: Option<DateTime<chrono::Utc>>) -> String {
    json!({
        "AccessKeyId": "ID-of-key", "SecretAccessKey": SECRET, "Token": "session",
        "Expiration": ends.map(|ends| ends.to_rfc3339()),
    })
    .to_string()
}

const METRICS: Recording<'static> = (200, r#"{"MetricDataResults":[]}"#);
const ECS: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")];

#[tokio::test]
async fn aws_keys_are_kept() {
    let hour = given(Some(now() + TimeDelta::hours(1)));
    let answers = [
        (200, hour.as_str()),
        METRICS,
        METRICS,
        METRICS,
        (200, hour.as_str()),
        METRICS,
    ];
    let counts = check(&mut cloudwatch(), &ECS, &answers, &[0, 60, 3299, 3300]).await;
    assert_eq!(counts, [2, 1, 1, 2]);

    // Without an end nothing is kept.
    let endless = given(None);
    let answers = [
        (200, endless.as_str()),
        METRICS,
        (200, endless.as_str()),
        METRICS,
    ];
    assert_eq!(
        check(&mut cloudwatch(), &ECS, &answers, &[0, 60]).await,
        [2, 2]
    );

    // Neither is what CloudWatch refused.
    let refused = (400, r#"{"__type":"ExpiredTokenException"}"#);
    let answers = [(200, hour.as_str()), refused, (200, hour.as_str()), METRICS];
    let counts = check(&mut cloudwatch(), &ECS, &answers, &[0, 60, 120]).await;
    assert_eq!(counts, [2, 2, 1]);

    // The instance's take three requests, a web identity's one.
    let answers = [(200, "imds"), (200, "role"), (200, hour.as_str()), METRICS];
    assert_eq!(
        check(&mut cloudwatch(), &[], &answers, &[0, 60]).await,
        [4, 1]
    );
    let sts = format!(
        "<Credentials><AccessKeyId>ID</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>session</SessionToken><Expiration>2025-06-15T16:06:40Z</Expiration></Credentials>"
    );
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ];
    let answers = [(200, sts.as_str()), METRICS];
    assert_eq!(
        check(&mut cloudwatch(), &web, &answers, &[0, 60]).await,
        [2, 1]
    );
}

#[tokio::test]
async fn google_tokens_are_kept() {
    let granted = format!(r#"{{"access_token":"{SECRET}","expires_in":3599}}"#);
    let stackdriver = || {
        let provider = json!({ "type": "stackdriver" });
        Case::new(provider, &[("project", "p")], "q")
    };
    let granted = (200, granted.as_str());
    let answers = [granted, (200, "{}"), (200, "{}"), granted, (200, "{}")];
    let counts = check(&mut stackdriver(), &[], &answers, &[0, 3298, 3300]).await;
    assert_eq!(counts, [2, 1, 2]);
    let answers = [granted, (401, "{}"), granted, (200, "{}")];
    let counts = check(&mut stackdriver(), &[], &answers, &[0, 60, 120]).await;
    assert_eq!(counts, [2, 2, 1]);
}
