//! CloudWatch and Google Cloud Monitoring: who asks, what, and what it is worth

use std::collections::BTreeMap;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::{Expect, expect};
use serde_json::json;

use crate::fixture::SECRET;
use crate::recorded::{Case, Recorded, Recording};

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", SECRET),
];

const QUERY: &str = r#"[{"id":"e1","Expression":"m1 / 2","label":"{{ target }}","unknown":1},{"Id":"m1","MetricStat":{"Metric":{"Namespace":"X","MetricName":"Y","Dimensions":[{"Name":"a","Value":"b"}]},"Period":60,"Stat":"Sum"},"ReturnData":false}]"#;

fn cloudwatch(query: &str) -> Case {
    let provider = json!({ "type": "cloudwatch", "region": "eu-west-1" });
    Case::new(provider, &[], query)
}

fn recorded(answers: &[Recording<'_>], variables: &[(&'static str, &'static str)]) -> Recorded {
    Recorded {
        variables: variables.iter().copied().collect(),
        files: BTreeMap::from([("/token", format!("{SECRET}-jwt\n"))]),
        ..Recorded::new(answers)
    }
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_answers() {
    let case = cloudwatch(QUERY);
    let good = r#"{"MetricDataResults":[{"Id":"e1","Timestamps":[1.74999994E9,1.74999988E9],"Values":[1.5,9],"StatusCode":"Complete"}]}"#;
    let mut lines = Vec::new();
    let answers = [
        (200, good),
        (200, r#"{"MetricDataResults":[]}"#),
        (
            200,
            r#"{"MetricDataResults":[{"Id":"e1","Timestamps":[],"Values":[]}]}"#,
        ),
        (
            200,
            r#"{"MetricDataResults":[{"Id":"e1","Values":[1]},{"Id":"m1","Values":[2]}]}"#,
        ),
        (
            200,
            r#"{"MetricDataResults":[{"Id":"e1","Timestamps":[1749990000],"Values":[1]}]}"#,
        ),
        (
            200,
            r#"{"MetricDataResults":[{"Id":"e1","Values":[1],"StatusCode":"InternalError"}]}"#,
        ),
        (200, r#"{"MetricDataResults":[{"Id":"e1","Values":["1"]}]}"#),
        (200, ""),
        (200, "<html>"),
        (
            400,
            r#"{"__type":"com.amazonaws#AccessDeniedException","message":"no rights for hunter2-marker"}"#,
        ),
        (503, "<html>"),
        (0, ""),
    ];
    for answer in answers {
        let recorded = recorded(&[answer], &KEYS);
        let measured = case.measured(&recorded).await;
        if lines.is_empty() {
            lines.push(recorded.asked());
        }
        let attempts = recorded.asked.lock().unwrap().len();
        lines.push(format!("{measured} ({attempts})"));
    }
    expect![[]].assert_eq(&lines.join("\n"));
    let passing = recorded(&[(500, ""), (0, ""), (200, good)], &KEYS);
    assert_eq!(
        case.measured(&passing).await,
        "error: cloudwatch eu-west-1 "
    );
}

#[tokio::test]
async fn cloudwatch_queries_must_be_arrays() {
    let check = async |query: &str, expected: Expect| {
        let recorded = recorded(&[(200, "")], &KEYS);
        expected.assert_eq(&cloudwatch(query).measured(&recorded).await);
        assert!(recorded.asked().is_empty());
    };
    check("", expect![[]]).await;
    check("{}", expect![[]]).await;
    check("[1]", expect![[]]).await;
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_is_probed() {
    let mut lines = Vec::new();
    let answers = [
        (
            400,
            r#"{"__type":"com.amazonaws.cloudwatch#MissingRequiredParameterException","message":"MetricDataQueries"}"#,
        ),
        (200, "{}"),
        (
            400,
            r#"{"__type":"UnrecognizedClientException","message":"The security token is invalid"}"#,
        ),
        (400, "<html>"),
        (403, r#"{"message":"Forbidden"}"#),
        (503, ""),
        (0, ""),
    ];
    for answer in answers {
        lines.push(
            cloudwatch("[]")
                .available(&recorded(&[answer], &KEYS))
                .await,
        );
    }
    expect![[]].assert_eq(&lines.join("\n"));
}

/// Whom is asked for credentials, and what then; the query itself fails.
async fn chain(variables: &[(&'static str, &'static str)], answers: &[Recording<'_>]) -> String {
    let recorded = recorded(answers, variables);
    let told = cloudwatch("[]").measured(&recorded).await;
    let asked = recorded.asked();
    let lines = asked
        .lines()
        .filter(|line| !line.starts_with("x-amz-date") && !line.starts_with("authorization: AWS4"));
    format!("{}\n{told}", lines.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn aws_credentials_are_found() {
    const LAST: Recording<'_> = (400, "{}");
    const GIVEN: &str = r#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"hunter2-marker-key","Token":"session"}"#;
    let session = [KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "session")];
    expect![[]].assert_eq(&chain(&session, &[LAST]).await);
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ];
    let sts = "<AssumeRoleWithWebIdentityResponse>\n<Credentials><SessionToken>session</SessionToken><SecretAccessKey>hunter2-marker-key</SecretAccessKey>\n<AccessKeyId>ID</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResponse>";
    expect![[]].assert_eq(&chain(&web, &[(200, sts), LAST]).await);
    expect![[]].assert_eq(
        &chain(&web, &[(403, "<ErrorResponse>\n<Error><Code>AccessDenied</Code><Message>Not authorized with hunter2-marker-jwt</Message></Error></ErrorResponse>")]).await,
    );
    expect![[]].assert_eq(&chain(&web, &[(200, "<html>")]).await);
    let gone = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone"), web[1]];
    expect![[]].assert_eq(&chain(&gone, &[]).await);
    let ecs = [(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "/v2/credentials/x",
    )];
    expect![[]].assert_eq(&chain(&ecs, &[(200, GIVEN), LAST]).await);
    let eks = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
    ];
    expect![[]].assert_eq(&chain(&eks, &[(200, GIVEN), LAST]).await);
    expect![[]].assert_eq(&chain(&eks, &[(404, "no pod identity")]).await);
    let plain = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/")];
    expect![[]].assert_eq(&chain(&plain, &[(200, GIVEN)]).await);
    expect![[]].assert_eq(
        &chain(
            &[],
            &[(200, "imds-token"), (200, "role\n"), (200, GIVEN), LAST],
        )
        .await,
    );
    expect![[]].assert_eq(&chain(&[], &[(200, "imds-token"), (200, ""), LAST]).await);
    expect![[]].assert_eq(&chain(&[], &[]).await);
    expect![[]].assert_eq(&chain(&[("AWS_EC2_METADATA_DISABLED", "TRUE")], &[]).await);
}

fn account(kind: &str, token_uri: &str, key: &str) -> String {
    json!({
        "type": kind, "client_email": "me@p.iam", "private_key": key, "private_key_id": "id-1", "token_uri": token_uri,
    })
    .to_string()
}

fn stackdriver(key: Option<&str>, project: &str) -> Case {
    let mut secret = vec![("project", project)];
    secret.extend(key.map(|key| ("serviceAccountKey", key)));
    Case::new(
        json!({ "type": "stackdriver" }),
        &secret,
        "fetch x | within {{ interval }}",
    )
}

const GRANTED: Recording<'static> = (
    200,
    r#"{"access_token":"hunter2-marker-t","expires_in":3599}"#,
);

#[tokio::test]
async fn stackdriver_answers() {
    let point = |value: &str| {
        format!(
            r#"{{"timeSeriesData":[{{"pointData":[{{"values":[{value}],"timeInterval":{{"endTime":"2025-06-15T15:06:00Z"}}}},{{"values":[{{"doubleValue":9}}]}}]}}]}}"#
        )
    };
    let old = point(r#"{"doubleValue":1}"#).replace("15:06", "12:06");
    let answers = [
        (200, point(r#"{"doubleValue":1.5}"#)),
        (200, point(r#"{"int64Value":"42"}"#)),
        (200, point(r#"{"doubleValue":"NaN"}"#)),
        (200, point(r#"{"doubleValue":"-Infinity"}"#)),
        (200, point(r#"{"boolValue":true}"#)),
        (200, point("")),
        (200, r#"{"timeSeriesDescriptor":{}}"#.into()),
        (200, r#"{"timeSeriesData":[{"pointData":[]}]}"#.into()),
        (200, r#"{"timeSeriesData":[{},{}]}"#.into()),
        (200, old),
        (200, String::new()),
        (200, "<html>".into()),
        (403, "{\n\"error\":{\"message\":\"hunter2-marker-project is not yours\",\"status\":\"PERMISSION_DENIED\"}}".into()),
        (0, String::new()),
    ];
    let case = stackdriver(None, "hunter2-marker-project");
    let mut lines = Vec::new();
    for (status, body) in &answers {
        let recorded = recorded(&[GRANTED, (*status, body)], &[]);
        let measured = case.measured(&recorded).await;
        if lines.is_empty() {
            lines.push(recorded.asked());
        }
        lines.push(measured);
    }
    let invalid = "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"message\":\"empty\"}}";
    for answer in [
        (400, invalid),
        (400, "{\"error\":{\"status\":\"X\"}}"),
        (403, ""),
        (0, ""),
    ] {
        lines.push(case.available(&recorded(&[GRANTED, answer], &[])).await);
    }
    expect![[]].assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn google_tokens_are_asked_for() {
    let uri = "https://oauth2.test/token";
    let pem = include_str!("testdata/account.key.pem");
    for pem in [pem, include_str!("testdata/account.pkcs1.pem")] {
        let key = account("service_account", uri, pem);
        let recorded = recorded(&[GRANTED, (0, "")], &[]);
        stackdriver(Some(&key), "p").measured(&recorded).await;
        let asked = recorded.asked();
        let (_, assertion) = asked.split_once("&assertion=").unwrap();
        let assertion = assertion.lines().next().unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(
            &RSA_PKCS1_2048_8192_SHA256,
            include_bytes!("testdata/account.public.der"),
        );
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        let parts = signed
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let parts: Vec<String> = parts.map(|part| String::from_utf8(part).unwrap()).collect();
        expect![[]].assert_eq(&parts.join("\n"));
        expect![[]].assert_eq(&asked.replace(assertion, "JWT"));
    }
    let told = async |key: &str, answers: &[Recording<'_>], expected: Expect| {
        let recorded = recorded(answers, &[]);
        expected.assert_eq(&stackdriver(Some(key), "p").measured(&recorded).await);
    };
    let good = account("service_account", uri, pem);
    told(
        &good,
        &[(
            400,
            r#"{"error":"invalid_grant","error_description":"no me@p.iam"}"#,
        )],
        expect![[]],
    )
    .await;
    told(
        &good,
        &[(200, "{\"id_token\":\"hunter2-marker\"}")],
        expect![[]],
    )
    .await;
    told(&good, &[], expect![[]]).await;
    told(SECRET, &[], expect![[]]).await;
    told(&account("external_account", uri, pem), &[], expect![[]]).await;
    told(
        &account("service_account", "http://oauth2.test", pem),
        &[],
        expect![[]],
    )
    .await;
    told(&account("service_account", uri, SECRET), &[], expect![[]]).await;
    let elliptic = include_str!("testdata/tls.key.pem");
    told(&account("service_account", uri, elliptic), &[], expect![[]]).await;
    let file = recorded(&[], &[("GOOGLE_APPLICATION_CREDENTIALS", "/token")]);
    expect![[]].assert_eq(&stackdriver(None, "p").measured(&file).await);
    let path = recorded(&[], &[]);
    expect![[]].assert_eq(
        &stackdriver(None, "hunter2-marker/../p")
            .measured(&path)
            .await,
    );
}
