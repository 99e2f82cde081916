//! Clocks that jump: no step is left early, none is lost, and the end is the same.

use rollout::state::Phase;
use serde_json::json;

use crate::script::{Cluster, canary};

/// A release in which the clock jumps by so many seconds at this moment; its weights and its end.
fn release(jump: i64, at: usize, is_restarted: bool) -> (Vec<u8>, Phase) {
    let analysis = json!({"stepWeight": 25, "maxWeight": 50, "stepWeightPromotion": 30,
        "metrics": [{"name": "request-success-rate", "threshold": 99}]});
    let mut cluster = Cluster::new(canary(&analysis, &json!({})));
    cluster.moment("1s");
    cluster.moment("v2");
    for moment in 0..12 {
        if moment == at {
            let before = cluster.weights.clone();
            cluster.now += chrono::TimeDelta::seconds(jump);
            if is_restarted {
                cluster.answers = rollout::Answers::default();
            }
            cluster.moment("");
            let steps = cluster.weights.len() - before.len();
            assert!(
                steps <= 1,
                "jump of {jump} s at {at}: {steps} steps at once"
            );
        }
        cluster.moment("10s");
    }
    (cluster.weights.clone(), cluster.state().phase())
}

#[test]
fn an_hour_either_way_changes_no_weight() {
    let plain = release(0, 0, false);
    assert_eq!(plain.1, Phase::Succeeded);
    for jump in [3600, -3600] {
        for at in 0..6 {
            for is_restarted in [false, true] {
                assert_eq!(release(jump, at, is_restarted), plain, "{jump} s at {at}");
            }
        }
    }
}
