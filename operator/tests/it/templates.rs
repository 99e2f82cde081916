//! Metrics by template: what is said of one that cannot be asked, and that `deploy/` grants what asking takes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::canary::CanaryPhase;
use apiserver::{Fault, Faults, RequestInfo, Verb};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::Api;
use serde_json::{Value, json};

use crate::cluster::{Cluster, OPERATOR};
use crate::meshes::definition;

const INSTALL: &str = include_str!("../../../deploy/install.yaml");
/// A list that never comes.
const NEVER: Fault = Fault::Delay(Duration::from_hours(1000));
const FORBIDDEN: Fault = Fault::Answer {
    code: 403,
    retry_after_s: None,
};

/// What goes wrong with the operator's requests of a verb and a resource.
struct Wrong(&'static [(Verb, &'static str, Fault)]);

impl Faults for Wrong {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        let is_it = |(verb, resource, _): &&(Verb, &str, Fault)| {
            (*verb, *resource) == (request.verb, request.resource.as_str())
        };
        let found = self.0.iter().find(is_it);
        found
            .filter(|_| request.user == OPERATOR)
            .map(|(_, _, fault)| fault.clone())
    }
}

/// A release that a template judges.
async fn release(provider: Value, wrong: &'static [(Verb, &'static str, Fault)]) -> Cluster {
    let mut cluster = Cluster::new().await;
    // The schema would refuse what cannot be read.
    let kind = (
        "flagger.app/v1beta1",
        "MetricTemplate",
        "metrictemplates",
        "Namespaced",
    );
    cluster.load(&definition(kind)).await;
    let template = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "lag", "namespace": "test"},
        "spec": {"provider": provider, "query": "lag"}});
    cluster.load(&template.to_string()).await;
    let metric =
        json!({"name": "lag", "templateRef": {"name": "lag"}, "thresholdRange": {"min": 1}});
    cluster
        .load_podinfo(&json!({"metrics": [metric]}), &json!({}))
        .await;
    cluster.server.set_faults(Arc::new(Wrong(wrong)));
    cluster.start("");
    cluster.until_phase(CanaryPhase::Initialized).await;
    cluster.release("2.0.0").await;
    cluster
}

async fn check(provider: Value, wrong: &'static [(Verb, &'static str, Fault)], words: &str) {
    let cluster = release(provider, wrong).await;
    let is_told = |found: &api::Canary| {
        let analysis = found.status.as_ref().and_then(|it| it.analysis.as_ref());
        let waits = analysis.and_then(|it| it.waiting_on.as_deref());
        waits.is_some_and(|waits| waits.contains(words))
    };
    cluster.until("podinfo", words, is_told).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_as_it_is() {
    let address = "http://metrics.test";
    let open = json!({"type": "prometheus", "address": address});
    let named = json!({"type": "prometheus", "address": address, "secretRef": {"name": "keys"}});
    check(
        named,
        &[(Verb::Get, "secrets", FORBIDDEN)],
        "secret \"keys\" of spec.provider.secretRef error: failed to read Secret test/keys",
    )
    .await;
    check(
        open,
        &[
            (Verb::List, "metrictemplates", NEVER),
            (Verb::Get, "metrictemplates", FORBIDDEN),
        ],
        "metric template \"lag\" of namespace \"test\": failed to read MetricTemplate test/lag",
    )
    .await;
    check(
        json!({"type": "prometheus", "address": 5}),
        &[],
        "metric template \"lag\" of namespace \"test\": spec.provider.address is not of the right form",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn deploy_grants_what_a_release_asks_for() {
    let provider = json!({"type": "prometheus", "address": "http://metrics.test"});
    let cluster = release(provider, &[(Verb::List, "metrictemplates", NEVER)]).await;
    cluster.until_phase(CanaryPhase::Succeeded).await;
    let mut documents = INSTALL.split("\n---\n");
    let role = documents
        .find(|one| one.contains("\nkind: ClusterRole\n"))
        .unwrap();
    cluster.load(role).await;
    let roles: Api<ClusterRole> = Api::all(cluster.client.clone());
    let rules = roles.get("sluice").await.unwrap().rules.unwrap();
    let asked: BTreeSet<_> = cluster.server.requests(|log| {
        let ours = log.entries().filter(|one| one.info.user == OPERATOR);
        ours.filter(|one| !one.info.resource.is_empty())
            .map(|one| words(&one.info))
            .collect()
    });
    assert!(
        asked
            .iter()
            .any(|(_, what, verb)| (what.as_str(), *verb) == ("metrictemplates", "get"))
    );
    for (group, what, verb) in asked {
        let is_granted = |rule: &PolicyRule| {
            let has = |list: &Option<Vec<String>>, word: &str| {
                list.iter().flatten().any(|one| one == word)
            };
            has(&rule.api_groups, &group)
                && has(&rule.resources, &what)
                && rule.verbs.iter().any(|one| one == verb)
        };
        assert!(rules.iter().any(is_granted), "{verb} {what} of {group:?}");
    }
}

/// Group, resource and verb as a role has them.
fn words(request: &RequestInfo) -> (String, String, &'static str) {
    let mut what = request.resource.clone();
    if !request.subresource.is_empty() {
        what = format!("{what}/{}", request.subresource);
    }
    (request.group.clone(), what, request.verb.as_str())
}
