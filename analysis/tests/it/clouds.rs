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
    expect![[r#"
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-date: 20250615T150640Z
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/eu-west-1/monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=a89d7d93e8028fbdd02b30593f97f1c86d1ed31d937f0f2e9eef889bc0d930ee
        content-type: application/x-amz-json-1.0

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[{"Expression":"m1 / 2","Id":"e1","Label":"podinfo-app"},{"Id":"m1","MetricStat":{"Metric":{"Dimensions":[{"Name":"a","Value":"b"}],"MetricName":"Y","Namespace":"X"},"Period":60,"Stat":"Sum"},"ReturnData":false}],"StartTime":1749999400}
        value 1.5 (1)
        nothing: no values found for custom metric: m (1)
        nothing: no values found for custom metric: m (1)
        error: cloudwatch eu-west-1 answered with 2 results instead of one; all queries but one need "ReturnData": false (1)
        error: cloudwatch eu-west-1 answered with a value more than 12 min old (1)
        error: cloudwatch eu-west-1 answered with the status InternalError (1)
        error: cloudwatch eu-west-1 gave an answer that cannot be read: invalid type: string "1", expected f64 at line 1 column 46 (1)
        error: cloudwatch eu-west-1 gave an answer that cannot be read: it is empty (1)
        error: cloudwatch eu-west-1 gave an answer that cannot be read: it is HTML, not JSON (1)
        error: cloudwatch eu-west-1 answered 400: no rights for *** (1)
        error: cloudwatch eu-west-1 answered 503: <html> (4)
        error: cloudwatch eu-west-1 refused the connection (4)"#]].assert_eq(&lines.join("\n"));
    let passing = recorded(&[(500, ""), (0, ""), (200, good)], &KEYS);
    assert_eq!(case.measured(&passing).await, "value 1.5");
}

#[tokio::test]
async fn cloudwatch_points_last_a_period() {
    let body = r#"{"MetricDataResults":[{"Timestamps":[1749997000],"Values":[1]}]}"#;
    for (period, expected) in [(60, false), (3600, true)] {
        let query = format!(r#"[{{"Id":"m","MetricStat":{{"Period":{period}}}}}]"#);
        let told = cloudwatch(&query)
            .measured(&recorded(&[(200, body)], &KEYS))
            .await;
        assert_eq!(told == "value 1", expected, "{told}");
    }
}

#[tokio::test]
async fn cloudwatch_queries_must_be_arrays() {
    let check = async |query: &str, expected: Expect| {
        let recorded = recorded(&[(200, "")], &KEYS);
        expected.assert_eq(&cloudwatch(query).measured(&recorded).await);
        assert!(recorded.asked().is_empty());
    };
    check("", expect!["error: cloudwatch eu-west-1 cannot be asked: the query must be a JSON array of MetricDataQuery: EOF while parsing a value at line 1 column 0"]).await;
    check("{}", expect!["error: cloudwatch eu-west-1 cannot be asked: the query must be a JSON array of MetricDataQuery"]).await;
    check("[1]", expect!["error: cloudwatch eu-west-1 cannot be asked: the query must be a JSON array of MetricDataQuery"]).await;
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
    expect![[r#"
        available
        available
        not available: cloudwatch eu-west-1 answered 400: The security token is invalid (UnrecognizedClientException)
        not available: cloudwatch eu-west-1 gave an answer that cannot be read: it is HTML, not JSON
        not available: cloudwatch eu-west-1 answered 403: Forbidden
        not available: cloudwatch eu-west-1 answered 503
        not available: cloudwatch eu-west-1 refused the connection"#]].assert_eq(&lines.join("\n"));
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

const LAST: Recording<'static> = (400, "{}");

/// What a credential service answers.
const GIVEN: &str = r#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"hunter2-marker-key","Token":"session"}"#;

#[tokio::test]
async fn aws_credentials_of_the_environment() {
    let session = [KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "session")];
    expect![[r#"
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        content-type: application/x-amz-json-1.0
        x-amz-security-token: session

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[],"StartTime":1749999400}
        error: cloudwatch eu-west-1 answered 400: {}"#]]
    .assert_eq(&chain(&session, &[LAST]).await);
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ];
    let sts = "<AssumeRoleWithWebIdentityResponse>\n<Credentials><SessionToken>session</SessionToken><SecretAccessKey>hunter2-marker-key</SecretAccessKey>\n<AccessKeyId>ID</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResponse>";
    expect![[r#"
        Post https://sts.eu-west-1.amazonaws.com/
        content-type: application/x-www-form-urlencoded

        Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=sluice-1750000000&WebIdentityToken=hunter2-marker-jwt
        ---
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        content-type: application/x-amz-json-1.0
        x-amz-security-token: session

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[],"StartTime":1749999400}
        error: cloudwatch eu-west-1 answered 400: {}"#]].assert_eq(&chain(&web, &[(200, sts), LAST]).await);
    expect![[r#"
        Post https://sts.eu-west-1.amazonaws.com/
        content-type: application/x-www-form-urlencoded

        Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=sluice-1750000000&WebIdentityToken=hunter2-marker-jwt
        error: cloudwatch eu-west-1 cannot be asked: the AWS security token service answered 403: Not authorized with ***"#]].assert_eq(
        &chain(&web, &[(403, "<ErrorResponse>\n<Error><Code>AccessDenied</Code><Message>Not authorized with hunter2-marker-jwt</Message></Error></ErrorResponse>")]).await,
    );
    expect![[r#"
        Post https://sts.eu-west-1.amazonaws.com/
        content-type: application/x-www-form-urlencoded

        Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=sluice-1750000000&WebIdentityToken=hunter2-marker-jwt
        error: cloudwatch eu-west-1 cannot be asked: the AWS security token service gave no credentials"#]].assert_eq(&chain(&web, &[(200, "<html>")]).await);
    let gone = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone"), web[1]];
    expect![[r#"

        error: cloudwatch eu-west-1 cannot be asked: the AWS security token service has no token: AWS_WEB_IDENTITY_TOKEN_FILE cannot be read"#]].assert_eq(&chain(&gone, &[]).await);
}

#[tokio::test]
async fn aws_credentials_of_the_container() {
    let ecs = [(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "/v2/credentials/x",
    )];
    expect![[r#"
        Get http://169.254.170.2/v2/credentials/x (cloud identity)
        ---
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        content-type: application/x-amz-json-1.0
        x-amz-security-token: session

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[],"StartTime":1749999400}
        error: cloudwatch eu-west-1 answered 400: {}"#]]
    .assert_eq(&chain(&ecs, &[(200, GIVEN), LAST]).await);
    let eks = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
    ];
    expect![[r#"
        Get http://169.254.170.23/v1/credentials (cloud identity)
        authorization: hunter2-marker-jwt
        ---
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        content-type: application/x-amz-json-1.0
        x-amz-security-token: session

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[],"StartTime":1749999400}
        error: cloudwatch eu-west-1 answered 400: {}"#]]
    .assert_eq(&chain(&eks, &[(200, GIVEN), LAST]).await);
    expect![[r#"
        Get http://169.254.170.23/v1/credentials (cloud identity)
        authorization: hunter2-marker-jwt
        error: cloudwatch eu-west-1 cannot be asked: the container's credential service answered 404: no pod identity"#]].assert_eq(&chain(&eks, &[(404, "no pod identity")]).await);
    let plain = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/")];
    expect![[r#"

        error: cloudwatch eu-west-1 cannot be asked: the container's credential service has an address that must be asked over https"#]].assert_eq(&chain(&plain, &[(200, GIVEN)]).await);
}

#[tokio::test]
async fn aws_credentials_of_the_instance() {
    expect![[r#"
        Put http://169.254.169.254/latest/api/token (cloud identity)
        x-aws-ec2-metadata-token-ttl-seconds: 300
        ---
        Get http://169.254.169.254/latest/meta-data/iam/security-credentials/ (cloud identity)
        x-aws-ec2-metadata-token: imds-token
        ---
        Get http://169.254.169.254/latest/meta-data/iam/security-credentials/role (cloud identity)
        x-aws-ec2-metadata-token: imds-token
        ---
        Post https://monitoring.eu-west-1.amazonaws.com/
        x-amz-target: GraniteServiceVersion20100801.GetMetricData
        content-type: application/x-amz-json-1.0
        x-amz-security-token: session

        {"EndTime":1750000000,"MaxDatapoints":20,"MetricDataQueries":[],"StartTime":1749999400}
        error: cloudwatch eu-west-1 answered 400: {}"#]]
    .assert_eq(
        &chain(
            &[],
            &[(200, "imds-token"), (200, "role\n"), (200, GIVEN), LAST],
        )
        .await,
    );
    expect![[r#"
        Put http://169.254.169.254/latest/api/token (cloud identity)
        x-aws-ec2-metadata-token-ttl-seconds: 300
        ---
        Get http://169.254.169.254/latest/meta-data/iam/security-credentials/ (cloud identity)
        x-aws-ec2-metadata-token: imds-token
        error: cloudwatch eu-west-1 cannot be asked: found no AWS credentials in the operator's environment, and the instance metadata service knows no role of this instance"#]].assert_eq(&chain(&[], &[(200, "imds-token"), (200, ""), LAST]).await);
    expect![[r#"
        Put http://169.254.169.254/latest/api/token (cloud identity)
        x-aws-ec2-metadata-token-ttl-seconds: 300
        error: cloudwatch eu-west-1 cannot be asked: found no AWS credentials in the operator's environment, and the instance metadata service refused the connection"#]].assert_eq(&chain(&[], &[]).await);
    expect![[r#"

        error: cloudwatch eu-west-1 cannot be asked: found no AWS credentials in the operator's environment"#]].assert_eq(&chain(&[("AWS_EC2_METADATA_DISABLED", "TRUE")], &[]).await);
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
    expect![[r#"
        Get http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token (cloud identity)
        metadata-flavor: Google
        ---
        Post https://monitoring.googleapis.com/v3/projects/hunter2-marker-project/timeSeries:query
        authorization: Bearer hunter2-marker-t
        content-type: application/json

        {"query":"fetch x | within 1m"}
        value 1.5
        value 42
        nothing: no values found for custom metric: m: the query returned NaN
        error: stackdriver https://monitoring.googleapis.com answered with -Inf, which is not a finite number
        error: stackdriver https://monitoring.googleapis.com gave an answer that cannot be read: its first value is not a number
        nothing: no values found for custom metric: m
        nothing: no values found for custom metric: m
        nothing: no values found for custom metric: m
        error: stackdriver https://monitoring.googleapis.com answered with 2 time series instead of one; aggregate them in the query
        error: stackdriver https://monitoring.googleapis.com answered with a value more than 11 min old
        error: stackdriver https://monitoring.googleapis.com gave an answer that cannot be read: it is empty
        error: stackdriver https://monitoring.googleapis.com gave an answer that cannot be read: it is HTML, not JSON
        error: stackdriver https://monitoring.googleapis.com answered 403: *** is not yours
        error: stackdriver https://monitoring.googleapis.com refused the connection
        available
        not available: stackdriver https://monitoring.googleapis.com answered 400: {"error":{"status":"X"}}
        not available: stackdriver https://monitoring.googleapis.com answered 403
        not available: stackdriver https://monitoring.googleapis.com refused the connection"#]].assert_eq(&lines.join("\n"));
}

/// What the assertion for a key says, its signature checked; and what was asked.
async fn asked_with(key: &str) -> (String, String) {
    let recorded = recorded(&[GRANTED, (0, "")], &[]);
    stackdriver(Some(key), "p").measured(&recorded).await;
    let asked = recorded.asked();
    let (_, assertion) = asked.split_once("&assertion=").unwrap();
    let assertion = assertion.lines().next().unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let public = include_bytes!("testdata/account.public.der");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    public
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
    let parts = signed.split('.').map(decode);
    let parts: Vec<String> = parts.map(|part| String::from_utf8(part).unwrap()).collect();
    (parts.join("\n"), asked.replace(assertion, "JWT"))
}

#[tokio::test]
async fn google_tokens_are_asked_for() {
    let uri = "https://oauth2.test/token";
    let pem = include_str!("testdata/account.key.pem");
    let (claims, asked) = asked_with(&account("service_account", uri, pem)).await;
    expect![[r#"
        {"alg":"RS256","kid":"id-1","typ":"JWT"}
        {"aud":"https://oauth2.test/token","exp":1750003600,"iat":1750000000,"iss":"me@p.iam","scope":"https://www.googleapis.com/auth/monitoring.read"}"#]].assert_eq(&claims);
    expect![[r#"
        Post https://oauth2.test/token
        content-type: application/x-www-form-urlencoded

        grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=JWT
        ---
        Post https://monitoring.googleapis.com/v3/projects/p/timeSeries:query
        authorization: Bearer hunter2-marker-t
        content-type: application/json

        {"query":"fetch x | within 1m"}"#]]
    .assert_eq(&asked);
    let pkcs1 = include_str!("testdata/account.pkcs1.pem");
    let again = asked_with(&account("service_account", uri, pkcs1)).await;
    assert_eq!(again, (claims, asked));
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
        expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: Google's token server answered 400: no ***"],
    )
    .await;
    told(
        &good,
        &[(200, "{\"id_token\":\"hunter2-marker\"}")],
        expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: Google's token server gave no token"],
    )
    .await;
    told(&good, &[], expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: Google's token server refused the connection"]).await;
    told(SECRET, &[], expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: serviceAccountKey of its Secret is not the JSON key of a service account"]).await;
    told(&account("external_account", uri, pem), &[], expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: serviceAccountKey of its Secret is not the JSON key of a service account"]).await;
    told(
        &account("service_account", "http://oauth2.test", pem),
        &[],
        expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: serviceAccountKey of its Secret has a token_uri that is not an https URL"],
    )
    .await;
    told(&account("service_account", uri, SECRET), &[], expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: serviceAccountKey of its Secret has a private_key that is not an RSA key in PEM"]).await;
    let elliptic = include_str!("testdata/tls.key.pem");
    told(&account("service_account", uri, elliptic), &[], expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: serviceAccountKey of its Secret has a private_key that is not an RSA key in PEM"]).await;
    let file = recorded(&[], &[("GOOGLE_APPLICATION_CREDENTIALS", "/token")]);
    expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: the file of GOOGLE_APPLICATION_CREDENTIALS is not the JSON key of a service account"].assert_eq(&stackdriver(None, "p").measured(&file).await);
    let path = recorded(&[], &[]);
    expect!["error: stackdriver https://monitoring.googleapis.com cannot be asked: project of its Secret is not a project id"].assert_eq(
        &stackdriver(None, "hunter2-marker/../p")
            .measured(&path)
            .await,
    );
}
