//! Serves the subresources of pods that are created: binding to a node, and eviction.

use serde_json::{Value, json};

use super::{Cluster, DeleteOptions, WriteOptions};
use crate::{
    object::{self, at, put, text, whole},
    resource::ResourceType,
    selector::label_selector_matches,
    status::ApiError,
};

impl Cluster {
    /// Binds a pod to a node.
    ///
    /// # Errors
    /// 404 without such a pod, 409 when it is bound already.
    pub(crate) fn bind(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        binding: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let old = self.get(kind, namespace, name)?;
        if let Some(node) = text(&old, &["spec", "nodeName"]).filter(|node| !node.is_empty()) {
            let why = format!("pod {name} is already assigned to node {node:?}");
            return Err(ApiError::conflict(kind.subject(name), &why));
        }
        let mut new = old.clone();
        let node = text(binding, &["target", "name"]).unwrap_or_default();
        put(&mut new, &["spec", "nodeName"], Value::from(node));
        self.settle(kind, &old, new, options, Vec::new(), None)?;
        Ok(created())
    }

    /// Evicts a pod unless a disruption budget forbids it.
    ///
    /// # Errors
    /// 404 without such a pod, 429 when a budget has nothing left.
    pub(crate) fn evict(
        &mut self,
        kind: &ResourceType,
        namespace: &str,
        name: &str,
        eviction: &Value,
    ) -> Result<Value, ApiError> {
        let pod = self.get(kind, namespace, name)?;
        self.check_budgets(namespace, &pod)?;
        let mut options = DeleteOptions::default();
        if let Some(body) = eviction.get("deleteOptions") {
            options.read(body)?;
        }
        self.delete(kind, namespace, name, &options)?;
        Ok(created())
    }

    fn check_budgets(&mut self, namespace: &str, pod: &Value) -> Result<(), ApiError> {
        let Some(budgets) = self.registry.find("policy", "v1", "poddisruptionbudgets") else {
            return Ok(());
        };
        let none = json!({});
        let labels = at(pod, &["metadata", "labels"]).unwrap_or(&none);
        for (place, budget) in &self.store.collection(&budgets.store_key).objects {
            let covers = at(budget, &["spec", "selector"])
                .is_some_and(|rule| label_selector_matches(rule, labels));
            let allowed = whole(budget, &["status", "disruptionsAllowed"]).unwrap_or(0);
            if place.0 == namespace && covers && allowed <= 0 {
                let healthy = whole(budget, &["status", "currentHealthy"]).unwrap_or(0);
                let wanted = whole(budget, &["status", "desiredHealthy"]).unwrap_or(0);
                let message = format!(
                    "The disruption budget {} needs {wanted} healthy pods and has {healthy} currently",
                    object::name(budget)
                );
                return Err(ApiError::too_many_requests(
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    &json!([{ "reason": "DisruptionBudget", "message": message }]),
                ));
            }
        }
        Ok(())
    }
}

fn created() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}
