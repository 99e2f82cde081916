//! What each service is sent, and which AlertProviders will not do.

use super::*;
use crate::message::{Field, Severity};
use expect_test::{Expect, expect};
use serde_json::json;

fn provider(spec: &Value) -> AlertProvider {
    let object = json!({"metadata": {"name": "on-call", "namespace": "test"}, "spec": spec});
    serde_json::from_value(object).unwrap()
}

fn content(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
    entries.iter().map(entry).collect()
}

fn check(spec: &Value, severity: Severity, expected: &Expect) {
    let secret = content(&[
        ("address", "https://hooks.test/T0/B0?k=v\n"),
        ("token", "xoxb-1"),
    ]);
    let receiver = Receiver::read(&provider(spec), Some(&secret)).unwrap();
    let request = receiver.request(&Message {
        sender: "podinfo.test".into(),
        text: "Failed checks threshold reached 2".into(),
        severity,
        fields: vec![
            Field::new("Cluster", "eu<1>"),
            Field::new("Target", "Deployment/podinfo.test"),
        ],
    });
    let part = |secret: &Option<Secret>| {
        secret
            .as_ref()
            .map_or("-".to_owned(), |secret| secret.expose().to_owned())
    };
    expected.assert_eq(&format!(
        "{} {} {}\n{:#}\n",
        request.url.expose(),
        part(&request.token),
        part(&request.proxy),
        request.body
    ));
}

#[test]
fn slack() {
    check(
        &json!({"type": "slack", "secretRef": {"name": "hook"}, "channel": "ops", "proxy": "http://proxy:3128"}),
        Severity::Error,
        &expect![[r#"
            https://hooks.test/T0/B0?k=v xoxb-1 http://proxy:3128
            {
              "attachments": [
                {
                  "author_name": "podinfo.test",
                  "color": "danger",
                  "fields": [
                    {
                      "short": false,
                      "title": "Cluster",
                      "value": "eu<1>"
                    },
                    {
                      "short": false,
                      "title": "Target",
                      "value": "Deployment/podinfo.test"
                    }
                  ],
                  "mrkdwn_in": [
                    "text"
                  ],
                  "text": "Failed checks threshold reached 2"
                }
              ],
              "channel": "ops",
              "icon_emoji": ":rocket:",
              "icon_url": "",
              "username": "flagger"
            }
        "#]],
    );
}

#[test]
fn defaults_and_calm() {
    check(
        &json!({"type": "slack", "address": "https://hooks.test/a", "username": ""}),
        Severity::Warn,
        &expect![[r#"
            https://hooks.test/a - -
            {
              "attachments": [
                {
                  "author_name": "podinfo.test",
                  "color": "good",
                  "fields": [
                    {
                      "short": false,
                      "title": "Cluster",
                      "value": "eu<1>"
                    },
                    {
                      "short": false,
                      "title": "Target",
                      "value": "Deployment/podinfo.test"
                    }
                  ],
                  "mrkdwn_in": [
                    "text"
                  ],
                  "text": "Failed checks threshold reached 2"
                }
              ],
              "channel": "general",
              "icon_emoji": ":rocket:",
              "icon_url": "",
              "username": "flagger"
            }
        "#]],
    );
}

#[test]
fn discord() {
    check(
        &json!({"type": "discord", "secretRef": {"name": "hook"}}),
        Severity::Info,
        &expect![[r#"
            https://hooks.test/T0/B0/slack?k=v - -
            {
              "attachments": [
                {
                  "author_name": "podinfo.test",
                  "color": "good",
                  "fields": [
                    {
                      "short": false,
                      "title": "Cluster",
                      "value": "eu<1>"
                    },
                    {
                      "short": false,
                      "title": "Target",
                      "value": "Deployment/podinfo.test"
                    }
                  ],
                  "mrkdwn_in": [
                    "text"
                  ],
                  "text": "Failed checks threshold reached 2"
                }
              ],
              "channel": "general",
              "icon_emoji": ":rocket:",
              "icon_url": "",
              "username": "flagger"
            }
        "#]],
    );
    for (address, expected) in [
        (
            "https://d.test/api/1/x/slack",
            "https://d.test/api/1/x/slack",
        ),
        ("https://d.test/api/1/x/", "https://d.test/api/1/x/slack"),
        ("https://d.test", "https://d.test/slack"),
    ] {
        assert_eq!(
            super::discord::url(&Secret::new(address)).expose(),
            expected
        );
    }
}

#[test]
fn rocket() {
    check(
        &json!({"type": "rocket", "address": "https://r.test/hooks/1"}),
        Severity::Error,
        &expect![[r##"
            https://r.test/hooks/1 - -
            {
              "attachments": [
                {
                  "author_name": "podinfo.test",
                  "color": "#FF0000",
                  "fields": [
                    {
                      "short": false,
                      "title": "Cluster",
                      "value": "eu<1>"
                    },
                    {
                      "short": false,
                      "title": "Target",
                      "value": "Deployment/podinfo.test"
                    }
                  ],
                  "mrkdwn_in": [
                    "text"
                  ],
                  "text": "Failed checks threshold reached 2"
                }
              ],
              "channel": "general",
              "icon_emoji": ":rocket:",
              "icon_url": "",
              "username": "flagger"
            }
        "##]],
    );
}

#[test]
fn msteams() {
    check(
        &json!({"type": "msteams", "secretRef": {"name": "hook"}}),
        Severity::Info,
        &expect![[r#"
            https://hooks.test/T0/B0?k=v - -
            {
              "@context": "http://schema.org/extensions",
              "@type": "MessageCard",
              "sections": [
                {
                  "activitySubtitle": "podinfo.test",
                  "activityTitle": "Failed checks threshold reached 2",
                  "facts": [
                    {
                      "name": "Cluster",
                      "value": "eu<1>"
                    },
                    {
                      "name": "Target",
                      "value": "Deployment/podinfo.test"
                    }
                  ]
                }
              ],
              "summary": "podinfo.test",
              "themeColor": "0076D7"
            }
        "#]],
    );
}

#[test]
fn gchat() {
    check(
        &json!({"type": "gchat", "address": "https://chat.test/v1"}),
        Severity::Error,
        &expect![[r#"
            https://chat.test/v1 - -
            {
              "cards": [
                {
                  "header": {
                    "imageUrl": "https://flagger.app/favicon.png",
                    "subtitle": "podinfo.test",
                    "title": "Flagger"
                  },
                  "sections": [
                    {
                      "widgets": [
                        {
                          "textParagraph": {
                            "text": "<font color=#848484><strong>Failed checks threshold reached 2</strong></font>"
                          }
                        }
                      ]
                    },
                    {
                      "widgets": [
                        {
                          "textParagraph": {
                            "text": "Cluster<br><font color=#848484><strong>eu&lt;1&gt;</strong></font>"
                          }
                        }
                      ]
                    },
                    {
                      "widgets": [
                        {
                          "textParagraph": {
                            "text": "Target<br><font color=#848484><strong>Deployment/podinfo.test</strong></font>"
                          }
                        }
                      ]
                    }
                  ]
                }
              ]
            }
        "#]],
    );
}

#[test]
fn what_will_not_do_is_named_without_its_value() {
    let hidden = "hidden-token";
    for (spec, secret, words) in [
        (
            json!({"type": "pager", "address": "http://a"}),
            None,
            "spec.type is \"pager\"",
        ),
        (
            json!({"type": "slack"}),
            None,
            "neither spec.address nor spec.secretRef",
        ),
        (json!({"type": "slack", "address": " "}), None, "neither"),
        (
            json!({"type": "slack", "address": format!("{hidden}://x")}),
            None,
            "spec.address is not",
        ),
        (
            json!({"type": "slack", "address": "http://a", "proxy": hidden}),
            None,
            "spec.proxy is not",
        ),
        (
            json!({"type": "slack", "secretRef": {"name": "hook"}}),
            None,
            "no such Secret",
        ),
        (
            json!({"type": "slack", "secretRef": {"name": "hook"}}),
            Some(content(&[("token", hidden)])),
            "no key \"address\"",
        ),
        (
            json!({"type": "slack", "secretRef": {"name": "hook"}}),
            Some(content(&[("address", hidden)])),
            "key \"address\" of Secret \"hook\" is not",
        ),
    ] {
        let Err(error) = Receiver::read(&provider(&spec), secret.as_ref()) else {
            panic!("{spec} is taken");
        };
        let told = error.to_string();
        assert!(told.contains(words) && !told.contains(hidden), "{told}");
    }
}
