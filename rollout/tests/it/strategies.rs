//! The strategies beside the weighted one, and runs that Flagger began, told as scripts.

use expect_test::{Expect, expect};
use serde_json::json;

use crate::{
    script::{Cluster, canary},
    traces::{check, none, weighted},
};

#[test]
fn ab_testing_moves_chosen_users_at_once() {
    let ab = json!({"iterations": 2, "match": [{"headers": {"x": {"exact": "y"}}}],
        "webhooks": [{"name": "qa", "type": "confirm-promotion", "url": "http://gate/"}]});
    check(
        &ab,
        &none(),
        "v1\n---\nv2\n10s\n10s",
        &expect![[r#"
        > v2
          0 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
          0 Progressing 100 | routes 100; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary iteration 1/2"
        > 10s
         10 Progressing 100 | "Advance podinfo.test canary iteration 2/2"
        > 10s
         20 Promoting 100 | asked qa | "Confirm-promotion check qa passed"; "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
         20 Finalising 0 | routes 0; "Routing all traffic to primary"
         20 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 20 s: 2 steps
    "#]],
    );
}

#[test]
fn blue_green_switches_after_its_iterations() {
    let bg = json!({"iterations": 2, "mirror": true,
        "webhooks": [{"name": "qa", "type": "confirm-promotion", "url": "http://gate/"}]});
    check(
        &bg,
        &none(),
        "v1\n---\nv2\n10s\n10s qa=closed\n10s qa=open\n10s",
        &expect![[r#"
            > v2
              0 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              0 Progressing 0 | routes 0 mirrored; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary iteration 1/2"
            > 10s
             10 Progressing 0 | "Advance podinfo.test canary iteration 2/2"
            > 10s qa=closed
             20 WaitingPromotion 0 | asked qa | !"Halt podinfo.test advancement waiting for approval qa"; alert Warn "Canary promotion is waiting for approval." | waiting for gate "qa" (confirm-promotion): answered 403 at 08:00:20
            > 10s qa=open
             30 Progressing 100 | asked qa | routes 100; "Confirm-promotion check qa passed"; "Stop traffic mirroring and route all traffic to canary"
            > 10s
             40 Promoting 100 | asked qa | "Confirm-promotion check qa passed"; "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             40 Finalising 0 | routes 0; "Routing all traffic to primary"
             40 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 40 s: 3 steps
        "#]],
    );
}

#[test]
fn plain_services_only_check() {
    check(
        &weighted(),
        &json!({"provider": "kubernetes"}),
        "v1\n---\nv2\n10s",
        &expect![[r#"
            > v2
              0 Progressing 0 | "New revision detected! Scaling up podinfo.test"; !"Progressive traffic is not supported when using the kubernetes provider"; !"Setting canaryAnalysis.iterations: 10"; alert Info "New revision detected, progressing canary analysis."; scale Up
              0 Progressing 0 | "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary iteration 1/10"
            > 10s
             10 Progressing 0 | asked request-success-rate, request-duration | "Advance podinfo.test canary iteration 2/10"
        "#]],
    );
}

#[test]
fn mirroring_comes_before_the_first_step() {
    let mut mirror = weighted();
    mirror["mirror"] = json!(true);
    check(
        &mirror,
        &none(),
        "v1\n---\nv2\n10s\n10s\n10s",
        &expect![[r#"
            > v2
              0 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
              0 Progressing 0 | routes 0 mirrored; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 0"
            > 10s
             10 Progressing 25 | asked request-success-rate, request-duration | routes 25; "Advance podinfo.test canary weight 25"
            > 10s
             20 Progressing 50 | asked request-success-rate, request-duration | routes 50; "Advance podinfo.test canary weight 50"
            > 10s
             30 Promoting 50 | asked request-success-rate, request-duration | "Copying podinfo.test template spec to podinfo-primary.test"; promote v2
             30 Finalising 0 | routes 0; "Routing all traffic to primary"
             30 Succeeded 0 | scale Zero; count true; "Promotion completed! Scaling down podinfo.test"; alert Info "Canary analysis completed successfully, promotion finished." | promoted at 100 % after 30 s: 3 steps, 6 checks passed: success 100 % (needs ≥ 99 %), p99 0 ms (needs ≤ 500 ms)
        "#]],
    );
}

/// A status as Flagger stored it, with a primary that carries no annotation of ours.
fn taken_over(phase: &str, script: &str, want: &Expect) {
    let mut cluster = Cluster::new(canary(&weighted(), &none()));
    let status = json!({"phase": phase, "failedChecks": 1, "canaryWeight": 20, "iterations": 0,
        "lastAppliedSpec": "5498f4fcd6", "lastPromotedSpec": "5498f4fcd6",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Promoted", "status": "True", "reason": phase, "message": "m",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    cluster.status = Some(serde_json::from_value(status).unwrap());
    cluster.world.primary = rollout::Seen::Present(crate::script::pods(None, 2));
    cluster.world.drift.clear();
    let is_settled = matches!(phase, "Initialized" | "Succeeded" | "Failed");
    if is_settled {
        cluster.status.as_mut().unwrap().canary_weight = 0;
    }
    cluster.moment(if is_settled {
        "suspend=on routes=0"
    } else {
        "suspend=on routes=20"
    });
    let mut out = String::new();
    for line in script.lines() {
        out.push_str(&format!("> {line}\n{}", cluster.moment(line)));
    }
    want.assert_eq(&out);
}

#[test]
fn taking_over_from_flagger_starts_no_rollout() {
    taken_over(
        "Succeeded",
        "suspend=off\n10s\nv2",
        &expect![[r#"
        > suspend=off
          0 Succeeded 0 | adopt v1
        > 10s
         10 Succeeded 0
        > v2
         10 Progressing 0 | routes 0; "New revision detected! Scaling up podinfo.test"; alert Info "New revision detected, progressing canary analysis."; scale Up
         10 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
    "#]],
    );
    taken_over(
        "Failed",
        "suspend=off\n10s",
        &expect![[r#"
        > suspend=off
          0 Failed 0
        > 10s
         10 Failed 0
    "#]],
    );
    taken_over(
        "Progressing",
        "suspend=off v1\n10s",
        &expect![[r#"
        > suspend=off v1
          0 Progressing 0 | routes 0; "New revision detected! Restarting analysis for podinfo.test"
          0 Progressing 25 | routes 25; "Starting canary analysis for podinfo.test"; "Advance podinfo.test canary weight 25"
        > 10s
         10 Progressing 50 | asked request-success-rate, request-duration | routes 50; "Advance podinfo.test canary weight 50"
    "#]],
    );
}
