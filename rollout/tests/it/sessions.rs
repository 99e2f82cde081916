//! Session affinity: which cookies are stored at which weight, and what is refused.

use expect_test::{Expect, expect};
use rollout::{Action, Defaults, ValidSpec};
use serde_json::{Value, json};

use crate::script::{Cluster, canary};

fn sticky(more: &Value) -> Value {
    let mut analysis = json!({"stepWeight": 25, "maxWeight": 50, "metrics": [{"name": "request-success-rate", "threshold": 99}],
        "sessionAffinity": {"cookieName": "canary", "primaryCookieName": "primary"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        analysis[key] = value.clone();
    }
    analysis
}

/// The cookies after each moment, each value as a letter in the order of its first appearance.
struct Story {
    cluster: Cluster,
    values: Vec<String>,
    out: String,
}

impl Story {
    fn of(analysis: &Value) -> Self {
        let mut cluster = Cluster::new(canary(analysis, &json!({})));
        cluster.moment("v1");
        Self {
            cluster,
            values: Vec::new(),
            out: String::new(),
        }
    }

    fn tell(mut self, script: &str, want: &Expect) -> Self {
        for line in script.lines().map(str::trim) {
            self.cluster.moment(line);
            let status = self.cluster.status.clone().unwrap();
            let cookies = [
                ("canary", &status.session_affinity_cookie),
                ("primary", &status.primary_session_affinity_cookie),
                ("previous", &status.previous_session_affinity_cookie),
            ];
            let mut told = format!("{line}: {:?} {} %", status.phase, status.canary_weight);
            for (role, cookie) in cookies {
                if let Some(cookie) = cookie {
                    told.push_str(&format!(" {role} {}", self.letter(cookie)));
                }
            }
            self.out.push_str(&told);
            self.out.push('\n');
        }
        want.assert_eq(&self.out);
        self.out.clear();
        self
    }

    fn letter(&mut self, cookie: &str) -> String {
        let (name, value) = cookie.split_once('=').unwrap();
        assert!(
            value.len() == 10 && value.bytes().all(|b| b.is_ascii_alphabetic()),
            "{cookie}"
        );
        let place = self.values.iter().position(|known| known == value);
        let place = place.unwrap_or_else(|| {
            self.values.push(value.to_owned());
            self.values.len() - 1
        });
        format!("{name}={}", char::from(b'A' + u8::try_from(place).unwrap()))
    }
}

#[test]
fn cookies_live_as_long_as_the_canary_has_traffic_and_are_new_for_each_run() {
    Story::of(&sticky(&json!({"stepWeightPromotion": 30}))).tell(
        "v2\n10s\n10s\n10s\n60s\n1s v3\n10s request-success-rate=50\n10s\n60s\nv2",
        &expect![[r#"
            v2: Progressing 25 % canary canary=A primary primary=B
            10s: Progressing 50 % canary canary=A primary primary=C
            10s: Promoting 20 % canary canary=A primary primary=D
            10s: Succeeded 0 % previous canary=A
            60s: Succeeded 0 % previous canary=A
            1s v3: Progressing 25 % canary canary=E primary primary=F previous canary=A
            10s request-success-rate=50: Progressing 25 % canary canary=E primary primary=F previous canary=A
            10s: Failed 0 % previous canary=E
            60s: Failed 0 % previous canary=E
            v2: Failed 0 % previous canary=E
        "#]],
    );
}

#[test]
fn a_newer_revision_ends_the_sessions_of_the_one_before() {
    Story::of(&sticky(&json!({}))).tell(
        "v2\n10s\n1s v3 canary=down\n1s canary=up",
        &expect![[r#"
            v2: Progressing 25 % canary canary=A primary primary=B
            10s: Progressing 50 % canary canary=A primary primary=C
            1s v3 canary=down: Progressing 0 % previous canary=A
            1s canary=up: Progressing 25 % canary canary=D primary primary=E previous canary=A
        "#]],
    );
}

#[test]
fn a_failed_promotion_keeps_its_users() {
    Story::of(&sticky(&json!({}))).tell(
        "v2\n10s\n10s primary=breaks\n700s\n1s v3 primary=up\n10s",
        &expect![[r#"
            v2: Progressing 25 % canary canary=A primary primary=B
            10s: Progressing 50 % canary canary=A primary primary=C
            10s primary=breaks: Promoting 50 % canary canary=A primary primary=C
            700s: Failed 100 % canary canary=A primary primary=D
            1s v3 primary=up: Progressing 25 % canary canary=E primary primary=F previous canary=A
            10s: Progressing 50 % canary canary=E primary primary=G previous canary=A
        "#]],
    );
}

#[test]
fn without_a_primary_cookie_there_is_none() {
    let only = json!({"sessionAffinity": {"cookieName": "canary"}});
    Story::of(&sticky(&only)).tell(
        "v2\n10s",
        &expect![[r#"
        v2: Progressing 25 % canary canary=A
        10s: Progressing 50 % canary canary=A
    "#]],
    );
    let chosen =
        json!({"iterations": 1, "stepWeight": 0, "match": [{"headers": {"a": {"exact": "b"}}}]});
    Story::of(&sticky(&chosen)).tell(
        "v2",
        &expect![[r#"
        v2: Progressing 100 %
    "#]],
    );
}

#[test]
fn a_setting_that_comes_or_goes_on_the_way_is_followed() {
    let story = Story::of(&sticky(&json!({"sessionAffinity": null}))).tell(
        "v2",
        &expect![[r#"
        v2: Progressing 25 %
    "#]],
    );
    let mut cluster = story.cluster;
    cluster.canary = canary(&sticky(&json!({})), &json!({}));
    let decision = cluster.tick();
    assert!(
        matches!(decision.actions.as_slice(), [Action::Routes(_)]),
        "{:?}",
        decision.actions
    );
    let renamed = json!({"sessionAffinity": {"cookieName": "other"}});
    cluster.canary = canary(&sticky(&renamed), &json!({}));
    let story = Story {
        cluster,
        values: Vec::new(),
        out: String::new(),
    };
    story.tell(
        "1s\n10s",
        &expect![[r#"
            1s: Progressing 25 % canary other=A previous canary=B
            10s: Progressing 50 % canary other=A previous canary=B
        "#]],
    );
}

#[test]
fn what_flagger_stored_is_taken_over() {
    let mut story = Story::of(&sticky(&json!({})));
    let status = story.cluster.status.as_mut().unwrap();
    status.session_affinity_cookie = Some("canary=abcdefghij".into());
    status.primary_session_affinity_cookie = Some("=klmnopqrst".into());
    story.tell(
        "1s\nv2",
        &expect![[r#"
        1s: Initialized 0 % previous canary=A
        v2: Progressing 25 % canary canary=B primary primary=C previous canary=A
    "#]],
    );
}

#[test]
fn a_decision_taken_again_gives_the_same_cookies() {
    let mut cluster = Cluster::new(canary(&sticky(&json!({})), &json!({})));
    for line in ["v1", "v2", "10s"] {
        cluster.moment(line);
    }
    let stored = cluster.status.clone();
    // The route is written, the status is not: a conflict, or a crash.
    for _ in 0..2 {
        cluster.now += chrono::TimeDelta::seconds(10);
        cluster.status.clone_from(&stored);
        cluster.tick();
    }
    let once = cluster.status.clone().unwrap();
    cluster.status = stored;
    cluster.tick();
    let again = cluster.status.unwrap();
    assert_eq!(
        (
            again.session_affinity_cookie,
            again.primary_session_affinity_cookie
        ),
        (
            once.session_affinity_cookie,
            once.primary_session_affinity_cookie
        )
    );
}

#[test]
fn what_would_break_a_header_is_refused() {
    for (affinity, want) in [
        (json!({"cookieName": ""}), "cookieName is \"\""),
        (json!({"cookieName": "a b"}), "cookieName is \"a b\""),
        (json!({"cookieName": "a=b"}), "cookieName is"),
        (json!({"cookieName": "a\r\nX: y"}), "cookieName is"),
        (
            json!({"cookieName": "a", "primaryCookieName": "a"}),
            "primaryCookieName is \"a\": it cannot be the same",
        ),
        (
            json!({"cookieName": "a", "primaryCookieName": "b;"}),
            "primaryCookieName is",
        ),
        (
            json!({"cookieName": "a", "domain": "x; Secure"}),
            "domain is",
        ),
        (json!({"cookieName": "a", "path": "/\n"}), "path is"),
        (
            json!({"cookieName": "a", "sameSite": "Maybe"}),
            "sameSite is",
        ),
        (json!({"cookieName": "a", "maxAge": -1}), "maxAge is -1"),
    ] {
        let analysis = sticky(&json!({"sessionAffinity": affinity}));
        let found = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default());
        let told = found.unwrap_err().to_string();
        let want = format!("canary test/podinfo: spec.analysis.sessionAffinity.{want}");
        assert!(told.starts_with(&want), "{told}");
    }
    let whole = json!({"cookieName": "__Host-a.b", "primaryCookieName": "", "domain": ".example.com", "path": "/a",
        "sameSite": "None", "secure": true, "partitioned": true, "httpOnly": true, "maxAge": 0});
    let analysis = sticky(&json!({"sessionAffinity": whole}));
    let spec = ValidSpec::validate(&canary(&analysis, &json!({})), &Defaults::default()).unwrap();
    assert_eq!(spec.affinity.unwrap().primary_cookie_name, None);
}
