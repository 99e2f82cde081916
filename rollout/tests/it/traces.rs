//! Whole runs, told as scripts: what is seen at a moment, and what is decided.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::script::{Cluster, canary};

/// Runs a script on a Canary with this analysis (and further spec fields), and compares what was decided.
/// Lines before `---` are carried out without being printed.
pub(crate) fn check(analysis: &Value, spec: &Value, script: &str, want: &Expect) {
    let mut cluster = Cluster::new(canary(analysis, spec));
    let mut out = String::new();
    let (quiet, told) = script.split_once("---").unwrap_or(("", script));
    for line in quiet.lines().map(str::trim).filter(|line| !line.is_empty()) {
        cluster.moment(line);
    }
    for line in told.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(&format!("> {line}\n{}", cluster.moment(line)));
    }
    want.assert_eq(&out);
}

pub(crate) fn weighted() -> Value {
    json!({"stepWeight": 25, "maxWeight": 50, "metrics": [
        {"name": "request-success-rate", "threshold": 99, "interval": "1m"},
        {"name": "request-duration", "threshold": 500, "interval": "1m"},
    ]})
}

fn with_gates(types: &[(&str, &str)]) -> Value {
    let mut analysis = weighted();
    analysis["webhooks"] = types
        .iter()
        .map(|(name, kind)| json!({"name": name, "type": kind, "url": "http://gate/"}))
        .collect();
    analysis
}

pub(crate) fn none() -> Value {
    json!({})
}

#[test]
fn initialisation_switches_to_a_ready_primary_and_then_rests() {
    check(
        &weighted(),
        &none(),
        "primary=down\n5s\n5s primary=up\n60s",
        &expect![[r#"
            > primary=down
              0 Initializing 0 | Services; primary v1; !"podinfo-primary.test not ready: it does not exist" | waiting for podinfo-primary: 0 of 1 pods ready, 10 min left
            > 5s
              5 Initializing 0 | waiting for podinfo-primary: 0 of 2 pods ready, 9 min 55 s left
            > 5s primary=up
             10 Initializing 0 | Services; Apex; routes 0; !"VirtualService \"podinfo\" does not exist" | waiting for routes: VirtualService "podinfo" does not exist
             10 Initialized 0 | Services; Apex; routes 0; scale Zero; "Initialization done! podinfo.test"; alert Info "New Deployment detected, initialization completed." | initialised at 100 % after 10 s: podinfo-primary serves
            > 60s
             70 Initialized 0
        "#]],
    );
}

#[test]
fn good_release_takes_one_interval_a_step() {
    check(
        &weighted(),
        &none(),
        "v1\n---\n1s v2 canary=down\n5s canary=up\n10s\n10s\n10s\n60s",
        &expect![[r#"
            > 1s v2 canary=down
              1 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              1 Progressing 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo: 0 of 2 pods ready, 10 min left
            > 5s canary=up
              6 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
            > 10s
             16 Progressing 50 | asked request-success-rate, request-duration | routes 50; "Advance podinfo.test canary weight 50"
            > 10s
             26 Promoting 50 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             26 Finalising 0 | routes 0; "Routing all traffic to primary"
             26 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 25 s: 2 steps, 4 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
            > 10s
             36 Succeeded 0
            > 60s
             96 Succeeded 0
        "#]],
    );
}

#[test]
fn bad_release_is_rolled_back_at_the_threshold() {
    check(
        &weighted(),
        &none(),
        "v1\n---\n1s v2\n10s request-success-rate=66.666\n10s\n60s",
        &expect![[r#"
            > 1s v2
              1 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              1 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
            > 10s request-success-rate=66.666
             11 Progressing 25 | asked request-success-rate, request-duration | !"Halt podinfo.test advancement success rate 66.67% < 99%"
            > 10s
             21 Progressing 25 | asked request-success-rate, request-duration | !"Halt podinfo.test advancement success rate 66.67% < 99%"; !"Rolling back podinfo.test failed checks threshold reached 2"; alert Error "Failed checks threshold reached 2"
             21 Progressing 0 | routes 0
             21 Failed 0 | "Canary failed! Scaling down podinfo.test"; scale Zero; count false | rolled back at 25 % after 20 s: request-success-rate 66.7 %, needs ≥ 99 %: 2 checks of 2 failed
            > 60s
             81 Failed 0
        "#]],
    );
}

#[test]
fn no_verdict_holds_and_counts_as_nothing() {
    check(
        &weighted(),
        &none(),
        "v1\nv2\n---\n10s request-success-rate=error\n5s\n5s\n10s request-success-rate=none\n10s request-success-rate=100",
        &expect![[r#"
            > 10s request-success-rate=error
             10 Progressing 25 | asked request-success-rate, request-duration | !"Prometheus query failed: prometheus http://prom:9090 refused the connection" | waiting for metrics: prometheus http://prom:9090 refused the connection (next try in 10 s); weight stays at 25 %
            > 5s
             15 Progressing 25 | waiting for metrics: prometheus http://prom:9090 refused the connection (next try in 5 s); weight stays at 25 %
            > 5s
             20 Progressing 25 | asked request-success-rate, request-duration | waiting for metrics: prometheus http://prom:9090 refused the connection (next try in 10 s); weight stays at 25 %
            > 10s request-success-rate=none
             30 Progressing 25 | asked request-success-rate, request-duration | !"Halt advancement no values found for metric: request-success-rate" | waiting for metrics: no values found for metric: request-success-rate (next try in 10 s); weight stays at 25 %
            > 10s request-success-rate=100
             40 Progressing 50 | asked request-success-rate, request-duration | routes 50; "Advance podinfo.test canary weight 50"
        "#]],
    );
}

#[test]
fn gates_are_asked_in_order() {
    let mut gates = with_gates(&[
        ("leave", "confirm-rollout"),
        ("load", "pre-rollout"),
        ("smoke", "rollout"),
        ("more", "confirm-traffic-increase"),
        ("qa", "confirm-promotion"),
        ("done", "post-rollout"),
        ("stop", "rollback"),
    ]);
    gates["threshold"] = json!(5);
    check(
        &gates,
        &none(),
        "v1\nstop=closed leave=closed\n---\n1s v2\n5s\n5s leave=open load=closed\n10s load=open more=closed\n10s more=open\n10s smoke=closed\n10s smoke=open\n10s qa=closed\n10s\n10s qa=open",
        &expect![[r#"
            > 1s v2
              1 Waiting 0 | asked leave | !"Halt podinfo.test advancement waiting for approval leave"; alert Warn "Canary is waiting for approval." | waiting for gate "leave" (confirm-rollout): answered 403 at 08:00:01
            > 5s
              6 Waiting 0 | waiting for gate "leave" (confirm-rollout): answered 403 at 08:00:01
            > 5s leave=open load=closed
             11 Progressing 0 | asked leave | "Confirm-rollout check leave passed"; routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
             11 Progressing 0 | asked stop, load | "Starting canary analysis for podinfo.test"; !"Halt podinfo.test advancement pre-rollout check load failed answered 403"
            > 10s load=open more=closed
             21 Progressing 0 | asked stop, load, more | !"Halt podinfo.test advancement waiting for approval more"; alert Warn "Canary traffic increase is waiting for approval." | waiting for gate "more" (confirm-traffic-increase): answered 403 at 08:00:21
            > 10s more=open
             31 Progressing 25 | asked stop, more | routes 25; "Starting canary analysis for podinfo.test"; "Pre-rollout check load passed"; "Confirm-traffic-increase check more passed"; "Advance podinfo.test canary weight 25"
            > 10s smoke=closed
             41 Progressing 25 | asked stop, smoke | !"Halt podinfo.test advancement external check smoke failed answered 403"
            > 10s smoke=open
             51 Progressing 50 | asked stop, smoke, request-success-rate, request-duration, more | routes 50; "Confirm-traffic-increase check more passed"; "Advance podinfo.test canary weight 50"
            > 10s qa=closed
             61 WaitingPromotion 50 | asked stop, smoke, request-success-rate, request-duration, more, qa | !"Halt podinfo.test advancement waiting for approval qa"; alert Warn "Canary promotion is waiting for approval." | waiting for gate "qa" (confirm-promotion): answered 403 at 08:01:01
            > 10s
             71 WaitingPromotion 50 | asked stop, smoke, request-success-rate, request-duration, qa | waiting for gate "qa" (confirm-promotion): answered 403 at 08:01:11
            > 10s qa=open
             81 Promoting 50 | asked stop, smoke, request-success-rate, request-duration, qa | "Confirm-promotion check qa passed"; "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             81 Finalising 0 | routes 0; "Routing all traffic to primary"
             81 Succeeded 0 | scale Zero; count true; hooks done Succeeded; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 70 s: 2 steps, 4 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
        "#]],
    );
}

#[test]
fn rollback_hook_rolls_back() {
    let gates = with_gates(&[("stop", "rollback"), ("qa", "confirm-promotion")]);
    check(
        &gates,
        &none(),
        "v1\nstop=closed qa=closed v2\n10s\n10s\n---\n5s\n5s stop=open",
        &expect![[r#"
            > 5s
             25 WaitingPromotion 50 | waiting for gate "qa" (confirm-promotion): answered 403 at 08:00:20
            > 5s stop=open
             30 Progressing 50 | asked stop | !"Rollback check stop passed"; !"Rolling back podinfo.test manual webhook invoked"; alert Warn "Rolling back manual webhook invoked"
             30 Progressing 0 | routes 0
             30 Failed 0 | "Canary failed! Scaling down podinfo.test"; scale Zero; count false | rolled back at 50 % after 30 s: rollback hook "stop" asked for it
        "#]],
    );
}

#[test]
fn newer_revision_gets_no_traffic_in_any_phase() {
    let gates = with_gates(&[("qa", "confirm-promotion")]);
    check(
        &gates,
        &none(),
        "v1\nv2\n10s\n---\n3s v3 canary=down\n3s canary=up",
        &expect![[r#"
            > 3s v3 canary=down
             13 Progressing 0 | routes 0; "New revision detected! Restarting analysis for podinfo.test"
             13 Progressing 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo: 0 of 2 pods ready, 10 min left
            > 3s canary=up
             16 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
        "#]],
    );
    check(
        &gates,
        &none(),
        "v1\nqa=closed v2\n10s\n10s\n---\n3s v3",
        &expect![[r#"
            > 3s v3
             23 Progressing 0 | routes 0; "New revision detected! Restarting analysis for podinfo.test"
             23 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
        "#]],
    );
    check(
        &gates,
        &none(),
        "v1\nv2\n10s\n10s primary=down\n---\n1s\n3s v3\n3s primary=up",
        &expect![[r#"
            > 1s
             21 Progressing 50 | waiting for podinfo-primary: 0 of 2 pods ready, 9 min 39 s left
            > 3s v3
             24 Progressing 50 | routes 50; "New revision detected! Restarting analysis for podinfo.test"
             24 Progressing 50 | !"podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo-primary: 0 of 2 pods ready, 10 min left
            > 3s primary=up
             27 Progressing 50 | "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 50"
        "#]],
    );
}

#[test]
fn target_back_at_the_promoted_version_ends_the_run() {
    check(
        &weighted(),
        &none(),
        "v1\nv2\n10s\n---\n3s v1\n60s",
        &expect![[r#"
            > 3s v1
             13 Progressing 0 | routes 0; "New revision detected! Restarting analysis for podinfo.test"
             13 Promoting 0
             13 Finalising 0 | routes 0; "Routing all traffic to primary"
             13 Succeeded 0 | "Scaling down podinfo.test: the target is back at what the primary runs"; scale Zero
            > 60s
             73 Succeeded 0
        "#]],
    );
}

#[test]
fn promotion_that_fails_keeps_users_on_the_canary_and_its_cure_rolls_forward() {
    check(
        &weighted(),
        &none(),
        "v1\nv2\n10s primary=breaks\n---\n10s\n600s\n60s\n5s v3 canary=down\n5s canary=up\n600s\n10s\n5s primary=up\n10s",
        &expect![[r#"
            > 10s
             20 Promoting 50 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             20 Promoting 50 | !"podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo-primary: 0 of 2 pods ready, 10 min left
            > 600s
            620 Failed 100 | routes 100; !"Promotion of podinfo.test failed, primary not ready: podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"; alert Error "Promotion failed, primary not ready: podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"; count false | promotion failed at 50 % after 620 s: podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available
            > 60s
            680 Failed 100
            > 5s v3 canary=down
            685 Progressing 100 | routes 100; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
            685 Progressing 100 | !"podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo-primary: 0 of 2 pods ready, 10 min left
            > 5s canary=up
            690 Progressing 100 | waiting for podinfo-primary: 0 of 2 pods ready, 9 min 55 s left
            > 600s
            1290 Progressing 100 | "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 100"
            > 10s
            1300 Promoting 100 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v3
            1300 Promoting 100 | !"podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo-primary: 0 of 2 pods ready, 10 min left
            > 5s primary=up
            1305 Finalising 0 | routes 0; "Routing all traffic to primary"
            1305 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 620 s: 1 step, 2 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
            > 10s
            1315 Succeeded 0
        "#]],
    );
}

#[test]
fn canary_that_never_comes_up_is_rolled_back() {
    check(
        &weighted(),
        &none(),
        "v1\ncanary=down v2\n---\n599s\n1s\n60s",
        &expect![[r#"
            > 599s
            599 Progressing 0 | waiting for podinfo: 0 of 2 pods ready, 1 s left
            > 1s
            600 Progressing 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"; alert Error "Progress deadline exceeded canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"
            600 Failed 0 | "Canary failed! Scaling down podinfo.test"; scale Zero; count false | rolled back at 0 % after 600 s: canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available
            > 60s
            660 Failed 0
        "#]],
    );
}

#[test]
fn canary_that_loses_its_pods_loses_its_traffic() {
    check(
        &weighted(),
        &none(),
        "v1\nv2\n10s\n---\n2s canary=down\n5s canary=up\n5s\n2s canary=down",
        &expect![[r#"
            > 2s canary=down
             12 Progressing 0 | routes 0; !"Halt podinfo.test advancement podinfo.test has no pods at weight 50"
             12 Progressing 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo: 0 of 2 pods ready, 10 min left
            > 5s canary=up
             17 Progressing 0 | next check in 5 s
            > 5s
             22 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
            > 2s canary=down
             24 Progressing 0 | routes 0; !"Halt podinfo.test advancement podinfo.test has no pods at weight 25"; !"Rolling back podinfo.test failed checks threshold reached 2"; alert Error "Failed checks threshold reached 2"
             24 Failed 0 | "Canary failed! Scaling down podinfo.test"; scale Zero; count false | rolled back at 0 % after 24 s: podinfo.test has no pods at weight 25: 2 checks of 2 failed
        "#]],
    );
}

#[test]
fn primary_goes_back_in_steps() {
    let mut analysis = weighted();
    analysis["stepWeightPromotion"] = json!(30);
    check(
        &analysis,
        &none(),
        "v1\nv2\n10s\n---\n10s\n10s\n10s",
        &expect![[r#"
            > 10s
             20 Promoting 50 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             20 Promoting 20 | routes 20; "Advance podinfo.test primary weight 80"
            > 10s
             30 Finalising 0 | routes 0; "Advance podinfo.test primary weight 100"
             30 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 30 s: 2 steps, 4 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
            > 10s
             40 Succeeded 0
        "#]],
    );
}

#[test]
fn skipped_analysis_waits_for_both_sides() {
    check(
        &weighted(),
        &json!({"skipAnalysis": true}),
        "v1\n---\ncanary=down primary=up v2\n5s canary=up primary=down\n5s primary=up",
        &expect![[r#"
            > canary=down primary=up v2
              0 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              0 Progressing 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo: 0 of 2 pods ready, 10 min left
            > 5s canary=up primary=down
              5 Progressing 0 | !"podinfo-primary.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo-primary: 0 of 2 pods ready, 9 min 55 s left
            > 5s primary=up
             10 Promoting 0 | "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             10 Finalising 0 | routes 0; "Routing all traffic to primary"
             10 Succeeded 0 | scale Zero; count true; "Promotion completed! Canary analysis was skipped for podinfo.test"; alert Info "Canary analysis was skipped, promotion finished." | promoted at 100 % after 10 s: analysis skipped
        "#]],
    );
}

#[test]
fn others_changes_are_put_right_and_missing_primaries_made_anew() {
    check(
        &weighted(),
        &none(),
        "v1\n---\nroutes=40\nroutes=broken",
        &expect![[r#"
            > routes=40
              0 Initialized 0 | routes 0
            > routes=broken
              0 Initialized 0 | routes 0
        "#]],
    );
    check(
        &weighted(),
        &none(),
        "v1\nv2\n---\nroutes=70\nroutes=broken",
        &expect![[r#"
            > routes=70
              0 Progressing 25 | routes 25; !"the canary has 70 %, 25 % is wanted" | waiting for routes: the canary has 70 %, 25 % is wanted
              0 Progressing 25 | next check in 10 s
            > routes=broken
              0 Progressing 25 | routes 25
        "#]],
    );
    check(
        &weighted(),
        &none(),
        "v1\n---\nprimary=gone\n5s",
        &expect![[r#"
            > primary=gone
              0 Initialized 0 | Services; primary v1; !"podinfo-primary.test not ready: it does not exist" | waiting for podinfo-primary: 0 of 1 pods ready, 10 min left
              0 Initialized 0
            > 5s
              5 Initialized 0
        "#]],
    );
}

#[test]
fn changed_config_is_a_new_revision() {
    check(
        &weighted(),
        &none(),
        "v1\n---\nconfig=b\n10s\n10s\n5s config=c",
        &expect![[r#"
            > config=b
              0 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              0 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
            > 10s
             10 Progressing 50 | asked request-success-rate, request-duration | routes 50; "Advance podinfo.test canary weight 50"
            > 10s
             20 Promoting 50 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v1
             20 Finalising 0 | routes 0; "Routing all traffic to primary"
             20 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 20 s: 2 steps, 4 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
            > 5s config=c
             25 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
             25 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
        "#]],
    );
}

#[test]
fn suspended_and_faulty_targets_hold() {
    check(
        &weighted(),
        &none(),
        "v1\n---\nsuspend=on v2\nsuspend=off target=fault\n10s target=ok\n10s target=gone\n5s v2",
        &expect![[r#"
            > suspend=on v2
              0 Initialized 0 | suspended: spec.suspend is true
            > suspend=off target=fault
              0 Initialized 0 | !"ConfigMap \"a\" is missing" | ConfigMap "a" is missing
            > 10s target=ok
             10 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
             10 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
            > 10s target=gone
             20 Progressing 0 | routes 0; !"Halt podinfo.test advancement podinfo.test has no pods at weight 25"
             20 Progressing 0 | !"Deployment podinfo does not exist" | waiting for Deployment podinfo: it does not exist
            > 5s v2
             25 Progressing 0 | next check in 5 s
        "#]],
    );
}

#[test]
fn deletion_puts_things_back_target_first() {
    check(
        &weighted(),
        &json!({"revertOnDeletion": true}),
        "v1\n---\ncanary=down delete\n5s canary=up",
        &expect![[r#"
            > canary=down delete
              0 Terminating 0 | RevertTarget; "Terminating canary podinfo.test"
              0 Terminating 0 | !"canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available" | waiting for podinfo: 0 of 2 pods ready, 10 min left
            > 5s canary=up
              5 Terminating 0 | RevertApex; RevertRoutes; "Terminated canary podinfo.test"; RemoveFinalizer
        "#]],
    );
    check(
        &weighted(),
        &none(),
        "v1\n---\ndelete",
        &expect![[r#"
        > delete
          0 Initialized 0
    "#]],
    );
}
