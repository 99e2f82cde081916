//! Words verdicts as status of routes, Gateways and GatewayClasses.
//!
//! Pure: gives the status to write, or nothing when the object already says it. Entries
//! of other controllers are kept as they are, in their order.

use serde_json::{Value, json};

use crate::compile::{Finding, ListenerVerdict, ParentVerdict};

/// The `status.parents` to write, if it differs.
pub(crate) fn route(
    status: &Value,
    generation: i64,
    verdicts: &[ParentVerdict],
    controller: &str,
    now: &str,
) -> Option<Value> {
    let old: &[Value] = status
        .get("parents")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_ours =
        |entry: &Value| entry.get("controllerName").and_then(Value::as_str) == Some(controller);
    let mut parents: Vec<Value> = old
        .iter()
        .filter(|entry| !is_ours(entry))
        .cloned()
        .collect();
    for verdict in verdicts {
        let before = old
            .iter()
            .find(|entry| is_ours(entry) && entry.get("parentRef") == Some(&verdict.parent))
            .and_then(|entry| entry.get("conditions"));
        let conditions = [
            ("Accepted", &verdict.accepted),
            ("ResolvedRefs", &verdict.resolved),
        ];
        parents.push(json!({
            "parentRef": verdict.parent,
            "controllerName": controller,
            "conditions": conditions_of(&conditions, before, generation, now),
        }));
    }
    let wanted = Value::Array(parents);
    let is_same = match status.get("parents") {
        Some(parents) => *parents == wanted,
        None => wanted == json!([]),
    };
    (!is_same).then(|| json!({ "parents": wanted }))
}

/// The status of a Gateway to write, if it differs. `addresses` are told as they are.
pub(crate) fn gateway(
    status: &Value,
    generation: i64,
    listeners: &[ListenerVerdict],
    addresses: &[String],
    now: &str,
) -> Option<Value> {
    let all = listeners.iter().all(|listener| listener.accepted.is_true);
    let accepted = if all {
        Finding::yes("Accepted")
    } else {
        Finding {
            is_true: true,
            reason: "ListenersNotValid",
            message: "not every listener is valid".to_owned(),
        }
    };
    let programmed = if listeners.iter().any(|listener| listener.accepted.is_true) {
        Finding::yes("Programmed")
    } else {
        Finding::no("Invalid", "no listener is valid")
    };
    let conditions = [("Accepted", &accepted), ("Programmed", &programmed)];
    let told: Vec<Value> = listeners
        .iter()
        .map(|verdict| listener(status, generation, verdict, now))
        .collect();
    let mut wanted = json!({
        "conditions": conditions_of(&conditions, status.get("conditions"), generation, now),
        "listeners": told,
    });
    if !addresses.is_empty() {
        let told: Vec<Value> = addresses
            .iter()
            .map(|address| json!({"type": kind_of(address), "value": address}))
            .collect();
        put(&mut wanted, "addresses", Value::Array(told));
    }
    let is_same = ["conditions", "listeners", "addresses"]
        .iter()
        .all(|field| {
            let wanted = wanted.get(field);
            wanted.is_none() || wanted == status.get(field)
        });
    (!is_same).then_some(wanted)
}

fn kind_of(address: &str) -> &'static str {
    if address.parse::<std::net::IpAddr>().is_ok() {
        "IPAddress"
    } else {
        "Hostname"
    }
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(field.to_owned(), value);
    }
}

fn listener(status: &Value, generation: i64, verdict: &ListenerVerdict, now: &str) -> Value {
    let named =
        |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(verdict.name.as_str());
    let before = status
        .get("listeners")
        .and_then(Value::as_array)
        .and_then(|listeners| listeners.iter().find(named))
        .and_then(|entry| entry.get("conditions"));
    let programmed = if verdict.accepted.is_true {
        Finding::yes("Programmed")
    } else {
        Finding::no("Invalid", verdict.accepted.message.clone())
    };
    let conditions = [
        ("Accepted", &verdict.accepted),
        ("Conflicted", &Finding::no("NoConflicts", "")),
        ("Programmed", &programmed),
        ("ResolvedRefs", &verdict.resolved),
    ];
    let kinds = if verdict.accepted.is_true && verdict.resolved.is_true {
        let kinds = verdict.kinds.iter();
        kinds
            .map(|kind| json!({"group": crate::resource::GROUP, "kind": kind.as_str()}))
            .collect()
    } else {
        json!([])
    };
    json!({
        "name": verdict.name,
        "supportedKinds": kinds,
        "attachedRoutes": verdict.attached,
        "conditions": conditions_of(&conditions, before, generation, now),
    })
}

/// The status of a GatewayClass to write, if it differs.
pub(crate) fn class(status: &Value, generation: i64, now: &str) -> Option<Value> {
    let accepted = Finding::yes("Accepted");
    let before = status.get("conditions");
    let ours = conditions_of(&[("Accepted", &accepted)], before, generation, now);
    let old: &[Value] = before
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let foreign = old
        .iter()
        .filter(|entry| entry.get("type").and_then(Value::as_str) != Some("Accepted"));
    let wanted: Vec<Value> = foreign.cloned().chain(ours).collect();
    let has_ours = wanted.last().is_some_and(|accepted| old.contains(accepted));
    (!has_ours).then(|| json!({ "conditions": wanted }))
}

/// Conditions with the time of their last change; unchanged ones keep theirs.
fn conditions_of(
    wanted: &[(&str, &Finding)],
    before: Option<&Value>,
    generation: i64,
    now: &str,
) -> Vec<Value> {
    let old: &[Value] = before
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let condition = |(kind, finding): &(&str, &Finding)| {
        let status = if finding.is_true { "True" } else { "False" };
        let same = old.iter().find(|entry| {
            entry.get("type").and_then(Value::as_str) == Some(kind)
                && entry.get("status").and_then(Value::as_str) == Some(status)
        });
        let since = same
            .and_then(|entry| entry.get("lastTransitionTime"))
            .and_then(Value::as_str);
        json!({
            "type": kind,
            "status": status,
            "reason": finding.reason,
            "message": finding.message,
            "observedGeneration": generation,
            "lastTransitionTime": since.unwrap_or(now),
        })
    };
    wanted.iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(resolved: bool) -> ParentVerdict {
        ParentVerdict {
            parent: json!({"name": "gw"}),
            accepted: Finding::yes("Accepted"),
            resolved: if resolved {
                Finding::yes("ResolvedRefs")
            } else {
                Finding::no("BackendNotFound", "Service \"n/a\" does not exist")
            },
        }
    }

    #[test]
    fn a_route_keeps_foreign_entries_and_settles() {
        let foreign =
            json!({"parentRef": {"name": "other"}, "controllerName": "x/y", "conditions": []});
        let before = json!({"parents": [foreign]});
        let first = route(&before, 1, &[verdict(false)], "c", "t1").unwrap();
        assert_eq!(first["parents"][0], foreign);
        assert_eq!(
            first["parents"][1]["conditions"][1]["reason"],
            "BackendNotFound"
        );
        assert_eq!(route(&first, 1, &[verdict(false)], "c", "t2"), None);

        let second = route(&first, 2, &[verdict(true)], "c", "t2").unwrap();
        let times: Vec<&Value> = (0..2)
            .map(|at| &second["parents"][1]["conditions"][at]["lastTransitionTime"])
            .collect();
        assert_eq!(times, ["t1", "t2"]);
        assert_eq!(
            second["parents"][1]["conditions"][0]["observedGeneration"],
            2
        );
        assert_eq!(route(&second, 2, &[], "c", "t3"), Some(before));
        assert_eq!(route(&Value::Null, 2, &[], "c", "t3"), None);
    }

    #[test]
    fn a_gateway_and_its_class_settle() {
        let verdict = ListenerVerdict {
            name: "http".into(),
            attached: 2,
            kinds: vec![crate::resource::RouteKind::Http],
            accepted: Finding::yes("Accepted"),
            resolved: Finding::yes("ResolvedRefs"),
        };
        let listeners = [verdict];
        let addresses = ["10.0.0.1".to_owned()];
        let status = gateway(&Value::Null, 3, &listeners, &addresses, "t").unwrap();
        assert_eq!(status["listeners"][0]["attachedRoutes"], 2);
        assert_eq!(status["addresses"][0]["type"], "IPAddress");
        assert_eq!(gateway(&status, 3, &listeners, &addresses, "u"), None);
        assert!(gateway(&status, 4, &listeners, &addresses, "u").is_some());

        let waiting =
            json!({"conditions": [{"type": "Accepted", "status": "Unknown"}, {"type": "Other"}]});
        let accepted = class(&waiting, 1, "t").unwrap();
        assert_eq!(accepted["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(class(&accepted, 1, "u"), None);
    }
}
