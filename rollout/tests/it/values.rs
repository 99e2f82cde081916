//! Small judgements: verdicts, readiness, hashes of Flagger, lengths of time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use expect_test::{Expect, expect};
use rollout::{
    Measured, Revision, Seen, Verdict, Workload,
    spec::{Check, CheckId, CheckSource, Limits, Percent, TargetKind},
    state::Phase,
    verdict::judge,
    waiting::span,
    world::{
        Readiness, WorkloadCondition, readiness,
        readiness::{Bar, broken_since},
    },
};

use crate::script::pods;

#[test]
fn verdicts() {
    let rate = CheckSource::SuccessRate;
    let query = CheckSource::Query("q".into());
    for (source, min, max, value, want) in [
        (&rate, Some(99.0), None, 99.0, Verdict::Pass),
        (&rate, Some(99.0), None, 98.999, Verdict::Fail),
        (&rate, Some(99.0), Some(99.5), 100.0, Verdict::Fail),
        (
            &CheckSource::Duration,
            None,
            Some(500.0),
            500.9,
            Verdict::Pass,
        ),
        (
            &CheckSource::Duration,
            None,
            Some(500.0),
            501.0,
            Verdict::Fail,
        ),
        (&CheckSource::Duration, Some(10.0), None, 9.0, Verdict::Fail),
        (&query, None, Some(0.0), 0.0, Verdict::Pass),
        (&query, None, Some(0.0), 0.1, Verdict::Fail),
        (&query, Some(-1.0), Some(1.0), -2.0, Verdict::Fail),
        (&query, None, None, 1e300, Verdict::Pass),
    ] {
        let check = check_of(source.clone(), min, max);
        assert_eq!(
            judge(&check, &Measured::Value(value)),
            want,
            "{source:?} {value}"
        );
    }
    let check = check_of(query, None, Some(1.0));
    for measured in [
        Measured::Value(f64::NAN),
        Measured::Value(f64::INFINITY),
        Measured::Value(f64::NEG_INFINITY),
        Measured::Nothing("x".into()),
        Measured::Error("x".into()),
    ] {
        assert!(
            matches!(judge(&check, &measured), Verdict::Unknown(_)),
            "{measured:?}"
        );
    }
}

fn check_of(source: CheckSource, min: Option<f64>, max: Option<f64>) -> Check {
    Check {
        id: CheckId(0),
        name: "m".into(),
        source,
        variables: BTreeMap::new(),
        interval: TimeDelta::seconds(60),
        limits: Limits { min, max },
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn ready(workload: Workload, threshold: u8, want: &Expect) {
    ready_of(TargetKind::Deployment, workload, threshold, want);
}

fn ready_of(kind: TargetKind, workload: Workload, threshold: u8, want: &Expect) {
    let bar = Bar {
        name: "podinfo",
        kind,
        threshold: Percent::new(threshold).unwrap(),
        deadline: TimeDelta::seconds(60),
        since: Some(at(100)),
    };
    let said = match readiness(&Seen::Present(workload), bar, at(150)) {
        Readiness::Ready => "ready".to_owned(),
        Readiness::Pending(missing) => format!(
            "{} ({} of {})",
            missing.text, missing.available, missing.needed
        ),
        Readiness::Expired(missing) => format!("EXPIRED {}", missing.text),
    };
    want.assert_eq(&said);
}

#[test]
fn readiness_is_rounded_up_and_never_nothing() {
    let one = || pods(None, 1);
    ready(one(), 100, &expect!["ready"]);
    ready(
        Workload {
            available: 0,
            ..one()
        },
        50,
        &expect![
            "waiting for rollout to finish: 0 of 1 (readyThreshold 50%) updated replicas are available (0 of 1)"
        ],
    );
    ready(
        Workload {
            available: 0,
            ..one()
        },
        0,
        &expect![
            "waiting for rollout to finish: 0 of 1 (readyThreshold 0%) updated replicas are available (0 of 1)"
        ],
    );
    ready(pods(None, 0), 0, &expect!["it is scaled to zero (0 of 1)"]);
    let four = || pods(None, 4);
    ready(
        Workload {
            available: 2,
            ..four()
        },
        51,
        &expect![
            "waiting for rollout to finish: 2 of 3 (readyThreshold 51%) updated replicas are available (2 of 3)"
        ],
    );
    ready(
        Workload {
            available: 2,
            ..four()
        },
        50,
        &expect!["ready"],
    );
    ready(
        Workload {
            updated: 3,
            ..four()
        },
        100,
        &expect![
            "waiting for rollout to finish: 3 out of 4 new replicas have been updated (4 of 4)"
        ],
    );
    ready(
        Workload { total: 5, ..four() },
        100,
        &expect!["waiting for rollout to finish: 1 old replicas are pending termination (4 of 4)"],
    );
    ready(
        Workload {
            generation: 2,
            ..four()
        },
        100,
        &expect![
            "waiting for rollout to finish: observed deployment generation less than desired generation (4 of 4)"
        ],
    );
}

#[test]
fn a_daemon_set_has_pods_where_a_deployment_has_replicas() {
    let check = |workload, want| ready_of(TargetKind::DaemonSet, workload, 100, want);
    let two = || pods(None, 2);
    check(
        Workload {
            generation: 2,
            ..two()
        },
        &expect![
            "waiting for rollout to finish: observed daemonset generation less than desired generation (2 of 2)"
        ],
    );
    check(
        Workload {
            updated: 1,
            ..two()
        },
        &expect!["waiting for rollout to finish: 1 out of 2 new pods have been updated (2 of 2)"],
    );
    check(
        Workload {
            available: 1,
            ..two()
        },
        &expect![
            "waiting for rollout to finish: 1 of 2 (readyThreshold 100%) updated pods are available (1 of 2)"
        ],
    );
}

#[test]
fn deadlines_count_from_the_last_movement_and_old_trouble_does_not_count() {
    let stuck = |updated| Workload {
        available: 0,
        progressing: Some(WorkloadCondition {
            is_true: false,
            reason: "ProgressDeadlineExceeded".into(),
            updated: at(updated),
        }),
        ..pods(None, 1)
    };
    ready(
        stuck(110),
        100,
        &expect![[r#"EXPIRED deployment "podinfo" exceeded its progress deadline"#]],
    );
    ready(
        stuck(90),
        100,
        &expect![
            "waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available (0 of 1)"
        ],
    );
    let bar = |since| Bar {
        name: "podinfo",
        kind: TargetKind::Deployment,
        threshold: Percent::FULL,
        deadline: TimeDelta::seconds(60),
        since,
    };
    let moved = Seen::Present(Workload {
        progressing: Some(WorkloadCondition {
            is_true: true,
            reason: "ReplicaSetUpdated".into(),
            updated: at(120),
        }),
        ..stuck(0)
    });
    let is_expired = |since, now| {
        matches!(
            readiness(&moved, bar(since), at(now)),
            Readiness::Expired(_)
        )
    };
    assert!(!is_expired(Some(at(100)), 179));
    assert!(is_expired(Some(at(100)), 180));
    assert!(!is_expired(None, 9999));
}

#[test]
fn a_primary_is_broken_when_it_is_unavailable_or_given_up() {
    let condition = |is_true, reason: &str, updated| {
        Some(WorkloadCondition {
            is_true,
            reason: reason.into(),
            updated: at(updated),
        })
    };
    let progressing = |reason| condition(true, reason, 20);
    let available = |is_true| condition(is_true, "R", 30);
    for (progressing, availability, ready, want) in [
        (
            progressing("NewReplicaSetAvailable"),
            available(true),
            3,
            None,
        ),
        (
            progressing("NewReplicaSetAvailable"),
            available(false),
            0,
            Some(30),
        ),
        (
            progressing("ProgressDeadlineExceeded"),
            available(true),
            3,
            Some(20),
        ),
        (None, available(false), 3, Some(30)),
        (None, None, 3, None),
        (None, None, 0, Some(10)),
    ] {
        let primary = Workload {
            available: ready,
            progressing,
            availability,
            ..pods(None, 4)
        };
        let since = broken_since(&primary, TargetKind::Deployment, Some(at(10)));
        assert_eq!(since, want.map(at), "{primary:?}");
    }
}

#[test]
fn flaggers_hashes_are_told_from_ours() {
    for (digest, want) in [
        ("5498f4fcd6", true),
        ("9", true),
        ("", false),
        ("5498f4fcd61", false),
        ("549af4fcd6", false),
        (&"4".repeat(64), false),
    ] {
        assert_eq!(Revision::new(digest).is_legacy(), want, "{digest:?}");
    }
}

#[test]
fn lengths_of_time() {
    for (seconds, want) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (500, "8 min 20 s"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (-5, "0 s"),
    ] {
        assert_eq!(span(TimeDelta::seconds(seconds)), want);
    }
}

#[test]
fn annotations_are_read_back() {
    let mut snapshot = crate::script::version("v1");
    snapshot.configs.insert("secret/a".into(), "0f".into());
    let text = snapshot.to_annotation();
    assert_eq!(rollout::Snapshot::parse_annotation(&text), Some(snapshot));
    assert_eq!(rollout::Snapshot::parse_annotation("{}"), None);
}

#[test]
fn hooks_of_the_analysis_hear_of_progress() {
    use rollout::spec::GateKind::{
        ConfirmPromotion, ConfirmRollout, ConfirmTrafficIncrease, PostRollout, PreRollout,
        Rollback, Rollout,
    };
    let waiting = Phase::WaitingPromotion;
    for kind in [
        PreRollout,
        Rollout,
        ConfirmTrafficIncrease,
        ConfirmPromotion,
    ] {
        assert_eq!(kind.hears(waiting), Phase::Progressing, "{kind:?}");
    }
    for kind in [ConfirmRollout, PostRollout, Rollback] {
        assert_eq!(kind.hears(waiting), waiting, "{kind:?}");
    }
}
