//! Whatever is observed in whatever order, decisions stay sound.
//!
//! When faults stop, a run comes to its end, and a crash changes nothing about it.

use proptest::prelude::*;
use rollout::{Seen, State, state::Phase};
use serde_json::{Value, json};

use crate::script::{Cluster, canary};

/// Moments after which a run without faults must be over.
const MOMENTS_MAX: usize = 120;

/// One analysis of each kind.
fn ways() -> Vec<Value> {
    vec![
        json!({"stepWeight": 25, "maxWeight": 50}),
        json!({"stepWeights": [1, 60], "stepWeightPromotion": 40}),
        json!({"stepWeight": 50, "mirror": true}),
        json!({"stepWeights": [30, 60], "stepWeightPromotion": 50,
            "sessionAffinity": {"cookieName": "c", "primaryCookieName": "p"}}),
        json!({"stepWeight": 50, "onUnknown": {"deadline": "20s", "action": "rollback"}}),
        json!({"iterations": 2}),
        json!({"iterations": 2, "mirror": true}),
        json!({"iterations": 1, "match": [{"headers": {"a": {"exact": "b"}}}]}),
    ]
}

fn analyses() -> impl Strategy<Value = (Value, Value)> {
    let gates = json!([
        {"name": "leave", "type": "confirm-rollout", "url": "http://g", "deadline": "60s"},
        {"name": "load", "type": "pre-rollout", "url": "http://g"},
        {"name": "more", "type": "confirm-traffic-increase", "url": "http://g", "deadline": "300s"},
        {"name": "qa", "type": "confirm-promotion", "url": "http://g"},
        {"name": "stop", "type": "rollback", "url": "http://g"},
    ]);
    let metrics = json!([{"name": "request-success-rate", "threshold": 99}]);
    let specs = vec![
        json!({}),
        json!({"provider": "kubernetes"}),
        json!({"skipAnalysis": true}),
        json!({"revertOnDeletion": true}),
        json!({"autoscalerRef": {"apiVersion": "a", "kind": "ScaledObject", "name": "s"}}),
    ];
    (
        proptest::sample::select(ways()),
        proptest::sample::select(specs),
    )
        .prop_map(move |(mut analysis, spec)| {
            analysis["webhooks"] = gates.clone();
            analysis["metrics"] = metrics.clone();
            (analysis, spec)
        })
}

/// More with `PROPTEST_CASES`.
fn cases() -> u32 {
    const CASES_MIN: u32 = 300;
    ProptestConfig::default().cases.max(CASES_MIN)
}

const WORDS: [&str; 38] = [
    "1s",
    "3s",
    "10s",
    "10s",
    "10s",
    "10s",
    "10s",
    "700s",
    "v1",
    "v2",
    "v3",
    "canary=down",
    "canary=up",
    "primary=down",
    "primary=up",
    "primary=gone",
    "target=gone",
    "target=fault",
    "target=ok",
    "routes=0",
    "routes=30",
    "routes=100",
    "routes=broken",
    "routes=unread",
    "routes=slow",
    "routes=taken",
    "routes=40",
    "leave=closed",
    "leave=open",
    "request-success-rate=50",
    "request-success-rate=100",
    "request-success-rate=error",
    "qa=closed",
    "qa=open",
    "more=closed",
    "more=open",
    "stop=open",
    "stop=closed",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sound_at_every_step_and_settled_when_faults_stop(
        (analysis, spec) in analyses(),
        words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..60),
    ) {
        let mut cluster = Cluster::new(canary(&analysis, &spec));
        cluster.moment("stop=closed");
        for word in words {
            cluster.moment(word);
        }
        if !matches!(cluster.world.target, Seen::Present(_)) {
            cluster.moment("v2");
        }
        cluster.moment("canary=up primary=up target=ok request-success-rate=100 qa=open more=open leave=open stop=closed routes=taken");
        let mut moments = 0;
        while !is_settled(&cluster.state()) {
            moments += 1;
            prop_assert!(moments < MOMENTS_MAX, "still {:#?}\n{:#?}", cluster.state(), cluster.world);
            cluster.moment("10s");
        }
        // Settled is settled: no action, no write, no time to wake.
        let before = cluster.status.clone();
        let decision = cluster.tick();
        prop_assert!(decision.actions.is_empty(), "{:?}", decision.actions);
        prop_assert_eq!(decision.wake, None);
        prop_assert_eq!(&cluster.status, &before);
    }
}

fn is_settled(state: &State) -> bool {
    matches!(
        state.phase(),
        Phase::Initialized | Phase::Succeeded | Phase::Failed
    )
}

#[test]
fn a_target_that_somebody_keeps_at_zero_fails_at_its_deadline() {
    let spec = json!({"progressDeadlineSeconds": 60});
    let mut cluster = Cluster::new(canary(&json!({"stepWeight": 50}), &spec));
    cluster.moment("1s");
    cluster.moment("canary=down v2");
    let began = cluster.now;
    while !is_settled(&cluster.state()) {
        if let Seen::Present(target) = &mut cluster.world.target {
            target.desired = 0;
        }
        cluster.tick();
        cluster.now += chrono::TimeDelta::seconds(1);
        assert!((cluster.now - began).num_seconds() < 70, "still waiting");
    }
    assert_eq!(cluster.state().phase(), Phase::Failed);
}

/// What a release of v2 came to, with a crash before the n-th write.
fn release(analysis: &Value, is_good: bool, writes_left: Option<usize>) -> (Cluster, String) {
    let mut analysis = analysis.clone();
    analysis["metrics"] = json!([{"name": "request-success-rate", "threshold": 99}]);
    let mut cluster = Cluster::new(canary(&analysis, &json!({})));
    cluster.writes_left = writes_left;
    for _ in 0..3 {
        cluster.moment("1s");
    }
    cluster.moment("v2");
    if !is_good {
        cluster.moment("request-success-rate=50");
    }
    for _ in 0..14 {
        cluster.moment("10s");
    }
    let primary = cluster.world.primary.workload().unwrap();
    let runs = primary.snapshot.as_ref().map(|it| it.revision.to_string());
    let state = cluster.state();
    let end = format!("{:?} {} % {runs:?}", state.phase(), state.weight());
    (cluster, end)
}

#[test]
fn a_crash_before_any_write_ends_where_it_would_have_ended() {
    for (analysis, is_good) in ways().iter().flat_map(|way| [(way, true), (way, false)]) {
        let (calm, end) = release(analysis, is_good, None);
        assert!(is_settled(&calm.state()), "{analysis}: {end}");
        assert!(calm.writes > 15, "{analysis}: {}", calm.writes);
        for crash in 0..calm.writes {
            let (crashed, reached) = release(analysis, is_good, Some(crash));
            let told = format!("{analysis}, good {is_good}, crash before write {crash}");
            assert_eq!(reached, end, "{told}");
            // A step that was routed and not stored goes on from there: nobody is sent to and fro.
            assert_eq!(crashed.weights, calm.weights, "{told}");
        }
    }
}
