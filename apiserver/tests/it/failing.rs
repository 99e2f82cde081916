//! Faults: what the client sees, and what was done.

use std::{sync::Arc, time::Duration};

use apiserver::{Fault, Faults, RandomFaults, RequestInfo, Verb};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, PostParams, WatchParams},
};
use tokio::time::Instant;

use crate::server;

struct On(Verb, Fault);

impl Faults for On {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        (request.verb == self.0).then(|| self.1.clone())
    }
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({ "metadata": { "name": name } })).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_write_fails_as_asked() {
    let server = server();
    let maps: Api<ConfigMap> = Api::namespaced(server.client_as("tester", "default"), "default");
    let cases = [
        (
            Fault::Answer {
                code: 409,
                retry_after_s: None,
            },
            Some(409),
            false,
        ),
        (
            Fault::Answer {
                code: 503,
                retry_after_s: Some(1),
            },
            Some(503),
            false,
        ),
        (Fault::LoseReply, None, true),
        (Fault::Refuse, None, false),
        (Fault::Gone, Some(410), false),
    ];
    for (number, (fault, code, is_done)) in cases.into_iter().enumerate() {
        let name = format!("m-{number}");
        server.set_faults(Arc::new(On(Verb::Create, fault.clone())));
        let error = maps
            .create(&PostParams::default(), &config_map(&name))
            .await
            .unwrap_err();
        let found = if let kube::Error::Api(status) = &error {
            Some(status.code)
        } else {
            None
        };
        assert_eq!(found, code, "{fault:?}: {error}");
        assert_eq!(
            maps.get_opt(&name).await.unwrap().is_some(),
            is_done,
            "{fault:?}"
        );
    }
    server.set_faults(Arc::new(On(
        Verb::Create,
        Fault::Delay(Duration::from_secs(90)),
    )));
    let start = Instant::now();
    maps.create(&PostParams::default(), &config_map("late"))
        .await
        .unwrap();
    assert_eq!(start.elapsed().as_secs(), 90);
    let codes: Vec<u16> = server.requests(|log| {
        log.entries()
            .filter(|entry| entry.info.verb == Verb::Create && entry.info.user == "tester")
            .map(|entry| entry.code)
            .collect()
    });
    assert_eq!(codes, [409, 503, 0, 0, 410, 201]);
    assert_eq!(
        server.requests(|log| log.count_of_verb("tester", Verb::Get)),
        5
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_cut_or_falls_silent() {
    let server = server();
    let maps: Api<ConfigMap> = Api::namespaced(server.client("default"), "default");
    let params = WatchParams::default().timeout(200);
    for (fault, seconds) in [
        (Fault::CutWatch(Duration::from_secs(30)), Some(30)),
        (Fault::StallWatch(Duration::from_secs(30)), None),
    ] {
        server.set_faults(Arc::new(On(Verb::Watch, fault)));
        let start = Instant::now();
        let stream = maps.watch(&params, "0").await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(1_000), stream.count()).await;
        assert_eq!(end.ok().map(|_| start.elapsed().as_secs()), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn random_faults_are_the_same_for_one_seed() {
    let outcomes = async |seed| -> Vec<bool> {
        let server = server();
        server.set_faults(Arc::new(RandomFaults::new(seed, 300, None)));
        let maps: Api<ConfigMap> = Api::namespaced(server.client("default"), "default");
        let mut outcomes = Vec::new();
        for _ in 0..100 {
            outcomes.push(maps.list(&ListParams::default()).await.is_ok());
        }
        outcomes
    };
    let first = outcomes(1).await;
    assert_eq!(first, outcomes(1).await);
    assert_ne!(first, outcomes(2).await);
    assert!(first.contains(&true) && first.contains(&false));
}
