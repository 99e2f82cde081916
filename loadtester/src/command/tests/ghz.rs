//! Lines of ghz.

use super::check;

/// Flags, and what is said of them.
const REFUSED: &[(&str, &str)] = &[
    ("--nope 1", r#"flag "--nope" is not known"#),
    ("-Z 1", r#"flag "--Z" is not known"#),
    ("-c 0", r#"Some("0") is no value of flag "--concurrency""#),
    ("-z 1y", r#"Some("1y") is no value of flag "--duration""#),
    (
        "-m secret",
        r#"flag "--metadata": it is no JSON object: give one such as {"name": "value"}"#,
    ),
    (
        r#"--reflect-metadata '{"a b":"secret"}'"#,
        r#"flag "--reflect-metadata": "a b" is no name of a header: give letters, digits and dashes"#,
    ),
    (
        r#"-m '{"a":["secret"]}'"#,
        r#"flag "--metadata": the value of "a" is no text that a header can hold: give printable ASCII in quotes"#,
    ),
    (
        r#"-m '{"a-bin":"secret!"}'"#,
        r#"flag "--metadata": the value of "a-bin" is not in base64, as the name's end says: encode it"#,
    ),
    (
        "--cert x",
        r#"flag "--cert" needs "--key" beside it: give both"#,
    ),
    (
        "--key x",
        r#"flag "--key" needs "--cert" beside it: give both"#,
    ),
    (
        "--insecure=x",
        r#"Some("x") is no value of flag "--insecure""#,
    ),
    (
        "--call Check",
        r#"Some("Check") is no value of flag "--call""#,
    ),
    (
        "--call a/b?c/d",
        r#"Some("a/b?c/d") is no value of flag "--call""#,
    ),
    (
        "--connections 3 -c 2",
        r#"Some("3") is no value of flag "--connections""#,
    ),
    ("-c 1001", "failed to use concurrency 1001: give 1 to 1000"),
    (
        "--config x",
        r#"flag "--config" is not served by the built-in generator: write its settings as flags"#,
    ),
    (
        "-D x",
        r#"flag "--data-file" is not served by the built-in generator: give the message as JSON with -d"#,
    ),
    (
        "-d @",
        r#"flag "--data" is not served by the built-in generator: give the message itself, not "@""#,
    ),
    (
        "-d '{{.UUID}'",
        r#"template: --data:1: bad character U+007D '}'; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
    ),
    (
        "-m '{{upper .UUID}}'",
        r#"template: --metadata:1: function "upper" not defined; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
    ),
    (
        "-d '{{newUUID}}' --disable-template-functions",
        r#"template: --data:1: function "newUUID" not defined; functions beside Go's own are newUUID, randomString and randomInt, and --disable-template-data sends the text as it is"#,
    ),
    (
        "--load-schedule=zigzag",
        r#"Some("zigzag") is no value of flag "--load-schedule""#,
    ),
    (
        "--load-end=-1",
        r#"Some("-1") is no value of flag "--load-end""#,
    ),
    (
        "--load-schedule=step --load-step=1 --load-step-duration=1s",
        r#"flags "--load-*": failed to start at 0: give 1 to 100000"#,
    ),
    (
        "--load-schedule=line --load-start=1 --load-end=5",
        r#"flags "--load-*": failed to step by 0: give a step above 0 to go up, below 0 to go down"#,
    ),
    (
        "--concurrency-schedule=step --concurrency-start=1",
        r#"flags "--concurrency-*": failed to step every 0s: give a step duration"#,
    ),
    (
        "--concurrency-schedule=line --concurrency-start=5 --concurrency-end=2",
        r#"flags "--concurrency-*": failed to go from 5 to 2 by steps of 1: give an end of 1 to 1000 that the steps lead to"#,
    ),
    (
        "--stream-dynamic-messages",
        r#"flag "--stream-dynamic-messages" is not served by the built-in generator: give the messages as a JSON list with -d, filled in once for each call"#,
    ),
    (
        "--max-recv-message-size=4MB",
        r#"flag "--max-recv-message-size" is not served by the built-in generator: leave it out: any size will do"#,
    ),
    (
        "--async",
        r#"flag "--async" is not served by the built-in generator: say how many calls a second: --rps"#,
    ),
];

#[test]
fn ghz_lines() {
    // Flagger's documentation has the first two.
    check(
        "ghz -z 1m -q 10 -c 2 --insecure podinfo.test:9898",
        r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://podinfo.test:9898/ 60s c2 qSome(10.0) tSome(20s) [] "" keep+h2"#,
    );
    check(
        "ghz --insecure --proto=/tmp/ghz/health.proto --call=grpc.health.v1.Health/Check podinfo.test:9898",
        r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://podinfo.test:9898/ 200x c50 qNone tSome(20s) [] "" keep+h2"#,
    );
    check(
        r#"ghz app --proto a/b.proto -i x,y --call pkg.Svc.Do -d '{"a":1}' -m '{"X-A":"1","t-bin":"aGk="}' -n30 --connections=2 -r 5 -x 10s -t 3 --cname n --cacert ca.pem -O json --name=z"#,
        r#"pkg.Svc/Do a/b.proto ["x", "y"] "{\"a\":1}" x2 Checked { roots: None, name: Some("n") } None Some(10s) Some("ca.pem"); GET https://app:443/ 30x c50 qSome(5.0) tSome(3s) [t-bin=aGk, x-a=1] "" keep+h2"#,
    );
    check(
        "ghz -insecure -protoset x.set -call p.S/M --authority a.test --no-count-errors --async --rps 7 dns:///h:1 -z 0",
        r#"p.S/M set x.set "" x1 Any Some("http://h:1/") None None; GET http://a.test/ 200x c1000 qSome(7.0) tSome(20s) [] "" keep+h2"#,
    );
    check(
        r#"ghz --skipTLS --call p.S/M -m '{"a":"b"}' --disable-template-data -d '{"a":"{{b}}"}' [::1]:1"#,
        r#"p.S/M reflection1 "{\"a\":\"{{b}}\"}" x1 Any None None None; GET https://[::1]:1/ 200x c50 qNone tSome(20s) [a=b] "" keep+h2"#,
    );
}

#[test]
fn ghz_lines_that_vary() {
    check(
        r#"ghz --cert c.pem --key k.pem -d '{"a":"{{newUUID}}"}' -m '{"a":"{{.WorkerID}}"}' a:1"#,
        r#"grpc.health.v1.Health/Check health template x1 Checked { roots: None, name: None } None None None; GET https://a:1/ 200x c50 qNone tSome(20s) [] "" keep+h2 filled in as c.pem k.pem"#,
    );
    let told = |pace: &str, concurrency: &str| {
        format!(
            r#"grpc.health.v1.Health/Check health "" x1 Any None None None; GET http://a:1/ 200x c{concurrency} q{pace} tSome(20s) [] "" keep+h2"#
        )
    };
    // ghz's documentation has the next three, in two parts.
    check(
        "ghz --insecure a:1 --load-schedule=step --load-start=50 --load-end=150 --load-step=10 --load-step-duration=5s",
        &told(
            "Schedule { start: 50.0, step: 10.0, every_s: 5.0, steps: 10, rest_from_s: 50.0, rest: 150.0 }",
            "50",
        ),
    );
    check(
        "ghz --insecure a:1 -r 200 --load-schedule LINE --load-start=200 --load-step=-2 --load-end=50",
        &told(
            "Schedule { start: 200.0, step: -2.0, every_s: 1.0, steps: 75, rest_from_s: 75.0, rest: 50.0 }",
            "50",
        ),
    );
    check(
        "ghz --insecure a:1 --rps 200 --concurrency-schedule=step --concurrency-start=10 --concurrency-step=10 --concurrency-step-duration=5s --concurrency-max-duration=60s",
        &told(
            "Some(200.0)",
            "Schedule { start: 10.0, step: 10.0, every_s: 5.0, steps: 12, rest_from_s: 60.0, rest: 130.0 }",
        ),
    );
    // What a schedule is made of is of no matter where there is none.
    check(
        "ghz --insecure a:1 --load-schedule=const --load-start 5 --concurrency-end=3",
        &told("None", "50"),
    );
}

#[test]
fn ghz_refusals() {
    check(
        "ghz --insecure",
        r#"failed to read "ghz": the host and port are missing"#,
    );
    for (flags, why) in REFUSED {
        check(
            &format!("ghz {flags} --insecure a:1"),
            &format!(r#"failed to read "ghz": {why}"#),
        );
    }
    check(
        "ghz http://a:1/",
        r#"failed to read "ghz": Some("http://a:1/") is no value of flag "host""#,
    );
}
