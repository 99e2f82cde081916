//! Validation: what is parsed, and what is refused with which words.

use expect_test::{Expect, expect};
use rollout::{
    Defaults, ValidSpec,
    spec::{Strategy, TargetKind},
};
use serde_json::{Value, json};

use crate::script::canary;

fn refused(analysis: &Value, spec: &Value, want: &Expect) {
    let found = ValidSpec::validate(&canary(analysis, spec), &Defaults::default()).unwrap_err();
    let lines: Vec<String> = found.0.iter().map(ToString::to_string).collect();
    want.assert_eq(&lines.join("\n"));
}

fn steps(analysis: &Value) -> Vec<u8> {
    let spec = ValidSpec::validate(&canary(analysis, &json!({})), &Defaults::default()).unwrap();
    match spec.strategy {
        Strategy::Weighted { steps, .. } => steps.iter().map(|step| step.percent()).collect(),
        other @ (Strategy::AbTesting { .. } | Strategy::BlueGreen { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn step_sequences() {
    for (analysis, want) in [
        (json!({"stepWeight": 20, "maxWeight": 50}), vec![20, 40, 60]),
        (json!({"stepWeights": [1, 2, 10, 80]}), vec![1, 2, 10, 80]),
        (json!({"stepWeights": [1, 2, 10, 130]}), vec![1, 2, 10, 100]),
        (json!({"stepWeight": 30}), vec![30, 60, 90, 100]),
        (json!({"stepWeight": 30, "maxWeight": 30}), vec![30]),
        (json!({"stepWeight": 100}), vec![100]),
        (json!({"stepWeights": [50], "maxWeight": 90}), vec![50]),
        (
            json!({"stepWeight": 40, "stepWeights": [5]}),
            vec![40, 80, 100],
        ),
    ] {
        assert_eq!(steps(&analysis), want, "{analysis}");
    }
}

/// Graphite's units, which its queries need; other queries would not run with them.
#[test]
fn intervals_in_graphites_words() {
    let metric = |interval: &str, query: &str| {
        let mut metric = json!({"name": "m", "interval": interval});
        metric[query] = match query {
            "query" => json!("vector(1)"),
            _ => json!({"name": "t"}),
        };
        let analysis = json!({"stepWeight": 50, "metrics": [metric]});
        let valid = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default());
        valid.map(|spec| spec.checks[0].interval.num_seconds()).ok()
    };
    for (interval, seconds) in [("1min", 60), ("5minutes", 300), ("30sec", 30), ("1m", 60)] {
        assert_eq!(metric(interval, "templateRef"), Some(seconds), "{interval}");
    }
    assert_eq!(metric("1mon", "templateRef"), None);
    assert_eq!(metric("min", "templateRef"), None);
    assert_eq!(metric("1min", "query"), None);
}

#[test]
fn everything_wrong_is_told_at_once() {
    refused(
        &json!({"interval": "soon", "stepWeights": [10, 20, 10, 10], "stepWeightPromotion": 101,
            "canaryReadyThreshold": 101,
            "metrics": [{"name": "mine"}, {"name": "request-duration", "interval": "0s",
                "thresholdRange": {"min": 3, "max": 2}}],
            "webhooks": [{"name": "a", "url": "file:///etc", "retries": -1, "timeout": "1m0.5"}],
            "sessionAffinity": {"cookieName": "a", "primaryCookieName": "a"}}),
        &json!({"service": {"port": 0, "name": "a".repeat(60)}, "progressDeadlineSeconds": 0,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Job", "name": ""}}),
        &expect![[r#"
            canary test/podinfo: spec.service.port is 0: a port is between 1 and 65535
            canary test/podinfo: spec.service.name is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": with -primary it has more than the 63 characters that a Service name can have
            canary test/podinfo: spec.targetRef.name is empty: name the workload
            canary test/podinfo: spec.targetRef.kind is "Job": use Deployment, DaemonSet or Service
            canary test/podinfo: spec.analysis.stepWeights[2] is 10 after 20: weights must rise
            canary test/podinfo: spec.analysis.stepWeights[3] is 10 after 10: weights must rise
            canary test/podinfo: spec.analysis.interval is "soon": "soon" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
            canary test/podinfo: spec.analysis.stepWeightPromotion is 101: weight 101 is not between 0 and 100
            canary test/podinfo: spec.analysis.canaryReadyThreshold is 101: a share is between 0 and 100 per cent
            canary test/podinfo: spec.progressDeadlineSeconds is 0: give a workload at least 1 second to become ready
            canary test/podinfo: spec.analysis.metrics[0].name is "mine": it is not built in; give templateRef or query, or use request-success-rate or request-duration
            canary test/podinfo: spec.analysis.metrics[1].interval is "0s": a query needs a window; use for example "1m"
            canary test/podinfo: spec.analysis.metrics[1].thresholdRange is 3 to 2: no value can keep it; min must not be above max
            canary test/podinfo: spec.analysis.sessionAffinity.primaryCookieName is "a": it cannot be the same as cookieName; give the primary its own cookie
            canary test/podinfo: spec.analysis.webhooks[0].url is no web address: write http://… or https://…
            canary test/podinfo: spec.analysis.webhooks[0].timeout is "1m0.5": "1m0.5" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
            canary test/podinfo: spec.analysis.webhooks[0].retries is -1: use a number between 0 and 100"#]],
    );
}

#[test]
fn a_metric_server_that_is_asked_is_a_url() {
    let template = json!([{"name": "m", "templateRef": {"name": "t"}}]);
    let builtin = json!([{"name": "request-duration", "interval": "1m"}]);
    let validate = |server: &str, metrics: &Value, is_skipped: bool| {
        let analysis = json!({"stepWeight": 10, "metrics": metrics});
        let spec = json!({"metricsServer": server, "skipAnalysis": is_skipped});
        ValidSpec::validate(&canary(&analysis, &spec), &Defaults::default())
    };
    for (server, metrics, is_skipped) in [
        ("http://prometheus:9090", &builtin, false),
        ("HTTPS://user:word@prometheus/prefix?a=b", &builtin, false),
        ("", &builtin, false),
        ("prometheus:9090", &template, false),
        ("prometheus:9090", &builtin, true),
    ] {
        let valid = validate(server, metrics, is_skipped);
        assert!(valid.is_ok(), "{server}: {valid:?}");
    }
    let cure = "use an http or https URL with a host, for example \"http://prometheus:9090\"";
    for (server, shown) in [
        ("prometheus:9090", "prometheus:9090"),
        ("prometheus", "prometheus"),
        ("http://", "http://"),
        ("http:///prometheus", "http:///prometheus"),
        ("ftp://prometheus", "ftp://prometheus"),
        ("user:word@prometheus:9090", "prometheus:9090"),
    ] {
        let told = validate(server, &builtin, false).unwrap_err().to_string();
        let wanted = format!("canary test/podinfo: spec.metricsServer is {shown:?}: {cure}");
        assert_eq!(told, wanted);
    }
    let defaults = Defaults {
        metrics_server: "prometheus:9090".into(),
        ..Defaults::default()
    };
    let analysis = json!({"stepWeight": 10, "metrics": builtin});
    let told = ValidSpec::validate(&canary(&analysis, &json!({})), &defaults).unwrap_err();
    let flag = "flag -metrics-server of the operator is \"prometheus:9090\"";
    assert!(told.to_string().contains(flag), "{told}");
}

#[test]
fn further_ports_have_numbers_and_names_of_their_own() {
    let ports = |given: Value| json!({"service": {"port": 80, "ports": given}});
    let good = ports(json!([{"name": "grpc", "port": 90}, {"name": "g2", "port": 91}]));
    let analysis = json!({"stepWeight": 10});
    assert!(ValidSpec::validate(&canary(&analysis, &good), &Defaults::default()).is_ok());
    let bad = json!([
        {"name": "http", "port": 80}, {"name": "", "port": 0}, {"name": "-a", "port": 65536},
        {"name": "Grpc", "port": 90}, {"name": "grpc", "port": 90}, {"name": "a".repeat(64), "port": 91},
    ]);
    refused(
        &analysis,
        &ports(bad),
        &expect![[r#"
        canary test/podinfo: spec.service.ports[0].name is "http": another port has this name; the first one's is service.portName, or "http"
        canary test/podinfo: spec.service.ports[0].port is 80: another port has this number; the first one's is service.port
        canary test/podinfo: spec.service.ports[1].name is "": it names a port and a route: letters a-z, digits and dashes between them, 63 at most
        canary test/podinfo: spec.service.ports[1].port is 0: a port is between 1 and 65535
        canary test/podinfo: spec.service.ports[2].name is "-a": it names a port and a route: letters a-z, digits and dashes between them, 63 at most
        canary test/podinfo: spec.service.ports[2].port is 65536: a port is between 1 and 65535
        canary test/podinfo: spec.service.ports[3].name is "Grpc": it names a port and a route: letters a-z, digits and dashes between them, 63 at most
        canary test/podinfo: spec.service.ports[4].port is 90: another port has this number; the first one's is service.port
        canary test/podinfo: spec.service.ports[5].name is "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": it names a port and a route: letters a-z, digits and dashes between them, 63 at most"#]],
    );
    let many: Vec<Value> = (0..17)
        .map(|place| json!({"name": format!("p{place}"), "port": 100 + place}))
        .collect();
    refused(
        &analysis,
        &ports(many.into()),
        &expect!["canary test/podinfo: spec.service.ports is 17 long: give 16 at most"],
    );
}

#[test]
fn each_wrong_thing_names_its_cure() {
    refused(
        &json!({"stepWeight": 0}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis is without stepWeight, stepWeights and iterations: the canary would never get traffic; give one of them"
        ],
    );
    refused(
        &json!({"stepWeight": 10, "iterations": 3}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis.iterations is 3: iterations and stepWeight exclude each other; remove one"
        ],
    );
    refused(
        &json!({"stepWeight": 10, "maxWeight": 101}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis.maxWeight is 101: a weight is between 1 and 100"
        ],
    );
    refused(
        &json!({"stepWeight": -5}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis.stepWeight is -5: a step is between 1 and 100"
        ],
    );
    refused(
        &json!({"stepWeights": [100, 200]}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis.stepWeights[1] is 200 after 100: it is never reached; remove it"
        ],
    );
    refused(
        &json!({"iterations": -1}),
        &json!({}),
        &expect![
            "canary test/podinfo: spec.analysis.iterations is -1: use a number between 0 and 10000"
        ],
    );
    refused(
        &json!({"stepWeight": 5, "interval": "9999h"}),
        &json!({}),
        &expect![[r#"canary test/podinfo: spec.analysis.interval is "9999h": use at most 168h"#]],
    );
    refused(
        &json!({}),
        &json!({"analysis": null, "service": null}),
        &expect![
            "canary test/podinfo: spec.analysis is missing: say how a revision is judged: interval, threshold and stepWeight or iterations"
        ],
    );
}

#[test]
fn intervals_that_are_none_are_refused_by_name() {
    let told: Vec<String> = [
        "0",
        "-1s",
        "1y",
        "1m0.5",
        "9223372036854775808ns",
        "∞",
        "1m30s",
    ]
    .iter()
    .map(|text| {
        let canary = canary(&json!({"stepWeight": 5, "interval": text}), &json!({}));
        match ValidSpec::validate(&canary, &Defaults::default()) {
            Ok(spec) => format!("{text}: {} s", spec.interval.num_seconds()),
            Err(findings) => format!("{text}: {findings}"),
        }
    })
    .collect();
    expect![[r#"
        0: 10 s
        -1s: canary test/podinfo: spec.analysis.interval is "-1s": "-1s" is negative; a duration must be positive, for example "30s"
        1y: canary test/podinfo: spec.analysis.interval is "1y": "1y" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
        1m0.5: canary test/podinfo: spec.analysis.interval is "1m0.5": "1m0.5" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
        9223372036854775808ns: canary test/podinfo: spec.analysis.interval is "9223372036854775808ns": "9223372036854775808ns" is longer than a duration can be
        ∞: canary test/podinfo: spec.analysis.interval is "∞": "∞" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
        1m30s: 90 s"#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_knative_service_goes_with_its_own_provider() {
    let target =
        |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "name": "a"});
    let knative = target("serving.knative.dev/v1", "Service");
    let own = canary(
        &json!({"stepWeight": 5}),
        &json!({"provider": "knative", "targetRef": knative, "service": null}),
    );
    let spec = ValidSpec::validate(&own, &Defaults::default()).unwrap();
    assert_eq!(
        (spec.target.kind, spec.apex.as_str(), spec.has_routes()),
        (TargetKind::Knative, "a", true)
    );
    let steps = json!({"stepWeight": 5});
    refused(
        &steps,
        &json!({"provider": "istio", "targetRef": knative}),
        &expect![[
            r#"canary test/podinfo: spec.provider is "istio": can't use "istio" provider with Knative Service as target; use "knative""#
        ]],
    );
    refused(
        &steps,
        &json!({"provider": null, "targetRef": knative,
            "autoscalerRef": {"apiVersion": "v1", "kind": "HorizontalPodAutoscaler", "name": "h"}}),
        &expect![[r#"
            canary test/podinfo: spec.provider is "": can't use "" provider with Knative Service as target; use "knative"
            canary test/podinfo: spec.autoscalerRef.name is "h": can't use autoscaler with Knative Service, which scales itself; remove it"#]],
    );
    refused(
        &steps,
        &json!({"provider": "knative", "targetRef": target("v1", "Service")}),
        &expect![[
            r#"canary test/podinfo: spec.provider is "knative": can't use v1/Service as target if provider is set to knative; use a serving.knative.dev/v1 Service, or another provider"#
        ]],
    );
    refused(
        &steps,
        &json!({"targetRef": target("serving.knative.dev/v1beta1", "Service")}),
        &expect![[
            r#"canary test/podinfo: spec.targetRef.apiVersion is "serving.knative.dev/v1beta1": of Knative use "serving.knative.dev/v1""#
        ]],
    );
}

#[test]
fn cross_namespace_references_are_refused_when_blocked() {
    let analysis = json!({"stepWeight": 5,
        "metrics": [{"name": "a", "templateRef": {"name": "t", "namespace": "other"}},
            {"name": "b", "templateRef": {"name": "t", "namespace": "test"}}],
        "alerts": [{"name": "a", "providerRef": {"name": "p", "namespace": "other"}}]});
    let canary = canary(&analysis, &json!({}));
    assert!(ValidSpec::validate(&canary, &Defaults::default()).is_ok());
    let blocked = Defaults {
        is_cross_namespace_blocked: true,
        ..Defaults::default()
    };
    let found = ValidSpec::validate(&canary, &blocked).unwrap_err();
    expect![[r#"canary test/podinfo: spec.analysis.metrics[0].templateRef.namespace is "other": cross-namespace references are blocked; use one in "test"; canary test/podinfo: spec.analysis.alerts[0].providerRef.namespace is "other": cross-namespace references are blocked; use one in "test""#]].assert_eq(&found.to_string());
}

#[test]
fn template_variables_are_for_every_source() {
    let metric = json!({"name": "request-duration", "query": "q", "templateRef": {"name": "t"},
        "templateVariables": {"region": "eu"}});
    let analysis = json!({"stepWeight": 50, "metrics": [metric]});
    let spec = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default()).unwrap();
    let regions = spec.checks.iter().map(|it| it.variables["region"].as_str());
    assert_eq!(regions.collect::<Vec<_>>(), ["eu"; 3]);
}

#[test]
fn defaults_are_flaggers() {
    let analysis = json!({"interval": "3s", "threshold": -1, "stepWeight": 50,
        "metrics": [{"name": "mine", "templateRef": {"name": "t"}}, {"name": "request-success-rate"}],
        "webhooks": [{"name": "e", "type": "event", "url": "http://e"}, {"name": "r", "url": "http://r"}]});
    let spec = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default()).unwrap();
    let told = format!(
        "{} s, {} failed, {} s\n{:#?}\n{:#?}",
        spec.interval.num_seconds(),
        spec.threshold,
        spec.progress_deadline.num_seconds(),
        spec.checks
            .iter()
            .map(|it| (&it.name, &it.limits))
            .collect::<Vec<_>>(),
        spec.gates
            .iter()
            .map(|it| (&it.name, it.kind, it.timeout))
            .collect::<Vec<_>>(),
    );
    expect![[r#"
        10 s, 1 failed, 600 s
        [
            (
                "request-success-rate",
                Limits {
                    min: Some(
                        0.0,
                    ),
                    max: None,
                },
            ),
            (
                "mine",
                Limits {
                    min: None,
                    max: Some(
                        0.0,
                    ),
                },
            ),
        ]
        [
            (
                "r",
                Rollout,
                10s,
            ),
        ]"#]]
    .assert_eq(&told);
}

#[test]
fn testers_are_beside_weights_and_never_everybody() {
    let tester = json!({"headers": {"x-tester": {"exact": "1"}}});
    assert_eq!(
        steps(&json!({"stepWeights": [5, 10], "testers": [tester]})),
        [5, 10]
    );
    refused(
        &json!({"stepWeight": 10, "match": [tester], "testers": [{}, {"headers": {"a": {}},
            "queryParams": {"b": {"exact": ""}}}, {"sourceLabels": {"app": "test"}}]}),
        &json!({}),
        &expect![[r#"
            canary test/podinfo: spec.analysis.testers is given beside match: with match nobody else reaches the canary; remove one of them
            canary test/podinfo: spec.analysis.testers[0] is empty: it would choose every user; give headers, queryParams or sourceLabels
            canary test/podinfo: spec.analysis.testers[1].headers["a"] is empty: it would choose every user; give exact, prefix, suffix or regex
            canary test/podinfo: spec.analysis.testers[1].queryParams["b"] is empty: it would choose every user; give exact, prefix, suffix or regex"#]],
    );
    let without_weights = expect![
        "canary test/podinfo: spec.analysis.testers is given without weights: testers are beside the users of a weight; give stepWeight or stepWeights, or use match with iterations"
    ];
    for (analysis, provider) in [
        (json!({"iterations": 2, "testers": [tester]}), "istio"),
        (json!({"stepWeight": 10, "testers": [tester]}), "kubernetes"),
    ] {
        refused(&analysis, &json!({"provider": provider}), &without_weights);
    }
    refused(
        &json!({"stepWeight": 10, "testers": vec![tester; 17]}),
        &json!({}),
        &expect!["canary test/podinfo: spec.analysis.testers is 17 long: give 16 at most"],
    );
}

#[test]
fn a_deadline_for_no_verdict_that_says_nothing_is_refused() {
    for (deadline, why) in [
        ("0s", "one answer that did not come would be the end"),
        ("soon", "has a number without a unit"),
        ("9999h", "use at most 168h"),
    ] {
        let policy = json!({"deadline": deadline, "action": "rollback"});
        let analysis = json!({"stepWeight": 5, "onUnknown": policy});
        let found = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default());
        let told = found.unwrap_err().to_string();
        let field = format!("spec.analysis.onUnknown.deadline is {deadline:?}");
        assert!(told.contains(&field) && told.contains(why), "{told}");
    }
}

#[test]
fn deadlines_belong_to_gates_that_are_waited_for() {
    let hook = |kind: &str, deadline: &str| json!({"name": "a", "type": kind, "url": "http://g", "deadline": deadline});
    refused(
        &json!({"stepWeight": 50, "webhooks": [
            hook("confirm-rollout", "24h"), hook("confirm-promotion", "0s"), hook("confirm-traffic-increase", "a day"),
            hook("rollout", "1h"), hook("pre-rollout", "1h"), hook("rollback", "1h"), hook("post-rollout", "1h")]}),
        &json!({}),
        &expect![[r#"
            canary test/podinfo: spec.analysis.webhooks[1].deadline is "0s": no gate could be opened in time; use for example "24h"
            canary test/podinfo: spec.analysis.webhooks[2].deadline is "a day": "a day" has a number without a unit; units are h, m, s, ms, us and ns, for example "1m30s"
            canary test/podinfo: spec.analysis.webhooks[3].deadline is "1h": of this type a closed one is a failed check, and spec.analysis.threshold ends those; remove it
            canary test/podinfo: spec.analysis.webhooks[4].deadline is "1h": of this type a closed one is a failed check, and spec.analysis.threshold ends those; remove it
            canary test/podinfo: spec.analysis.webhooks[5].deadline is "1h": nothing waits for a webhook of this type; remove it
            canary test/podinfo: spec.analysis.webhooks[6].deadline is "1h": nothing waits for a webhook of this type; remove it"#]],
    );
}

#[test]
fn what_a_provider_leaves_out_is_told() {
    let names = json!({"cookieName": "c", "primaryCookieName": "p"});
    let one = json!({"cookieName": "c"});
    for (provider, affinity, count) in [
        ("gatewayapi:v1beta1", &names, 1),
        ("gatewayapi:v1beta1", &one, 0),
        ("gatewayapi:v1", &names, 0),
    ] {
        let analysis = json!({"stepWeight": 50, "sessionAffinity": affinity});
        let canary = canary(&analysis, &json!({"provider": provider}));
        let spec = ValidSpec::validate(&canary, &Defaults::default()).unwrap();
        assert_eq!(spec.notices.len(), count, "{provider}");
        assert!(
            spec.notices
                .iter()
                .all(|told| told.contains("primaryCookieName"))
        );
    }
    for (provider, origins, count) in [
        ("gatewayapi:v1", json!([{"regex": ".*"}]), 1),
        ("gatewayapi:v1", json!([]), 0),
        ("gatewayapi:v1beta1", json!([{"regex": ".*"}]), 0),
        ("istio", json!([{"regex": ".*"}]), 0),
    ] {
        let service = json!({"port": 80, "corsPolicy": {"allowOrigins": origins}});
        let own = json!({"provider": provider, "service": service});
        let canary = canary(&json!({"stepWeight": 50}), &own);
        let spec = ValidSpec::validate(&canary, &Defaults::default()).unwrap();
        assert_eq!(spec.notices.len(), count, "{provider}");
        assert!(
            spec.notices
                .iter()
                .all(|told| told.contains("allowOrigins"))
        );
    }
}
