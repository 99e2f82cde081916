//! Takes the pods of a DaemonSet away and gives them back, by a node label that no node has.

use serde_json::{Value, json};

/// Key of the node selector.
const KEY: &str = "flagger.app/scale-to-zero";

/// True for a DaemonSet that is to have no pods.
pub fn is_set(daemon_set: &Value) -> bool {
    daemon_set
        .pointer("/spec/template/spec/nodeSelector")
        .and_then(|selector| selector.get(KEY))
        .is_some()
}

/// The merge patch that takes the pods away, or gives them back.
pub fn patch(is_zero: bool) -> Value {
    let value = is_zero.then_some("true");
    json!({"spec": {"template": {"spec": {"nodeSelector": {KEY: value}}}}})
}

/// The pod template as it is with its pods.
pub fn without(mut template: Value) -> Value {
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return template;
    };
    let Some(selector) = pod.get_mut("nodeSelector").and_then(Value::as_object_mut) else {
        return template;
    };
    selector.remove(KEY);
    if selector.is_empty() {
        pod.remove("nodeSelector");
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_key_comes_and_goes() {
        for (selector, expected) in [
            (json!({KEY: "true"}), json!({"spec": {}})),
            (
                json!({KEY: "true", "disk": "ssd"}),
                json!({"spec": {"nodeSelector": {"disk": "ssd"}}}),
            ),
        ] {
            let template = json!({"spec": {"nodeSelector": selector}});
            assert!(is_set(&json!({"spec": {"template": template}})));
            assert_eq!(without(template), expected);
        }
        for template in [
            json!({"spec": {"a": 1}}),
            json!(null),
            json!({"spec": {"nodeSelector": 7}}),
        ] {
            assert!(!is_set(&json!({"spec": {"template": template}})));
            assert_eq!(without(template.clone()), template);
        }
        assert_eq!(
            patch(false).to_string(),
            r#"{"spec":{"template":{"spec":{"nodeSelector":{"flagger.app/scale-to-zero":null}}}}}"#
        );
    }
}
