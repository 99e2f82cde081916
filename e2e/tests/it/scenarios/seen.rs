//! What was seen of a Canary: how it stood, write for write, and what it waits for.

use std::sync::{Arc, Mutex};

use api::Canary;
use api::canary::CanaryStatus;
use futures::TryStreamExt;
use kube::Client;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::task::JoinHandle;

use super::answers::Answers;
use super::script::{Trace, event, gist};
use super::stage::NAMESPACE;

/// How a Canary without a status stands.
const NONE: &str = "without a status";

/// Watches the Canary until it is dropped.
pub(super) struct Observer {
    standings: Arc<Mutex<Vec<String>>>,
    last: Arc<Mutex<CanaryStatus>>,
    answers: Arc<Answers>,
    watch: JoinHandle<()>,
}

impl Observer {
    pub(super) fn start(client: Client, answers: Arc<Answers>) -> Self {
        let standings = Arc::new(Mutex::new(Vec::new()));
        let last = Arc::new(Mutex::new(CanaryStatus::default()));
        let (told, latest) = (Arc::clone(&standings), Arc::clone(&last));
        let watch = tokio::spawn(async move {
            let canaries: Api<Canary> = Api::namespaced(client, NAMESPACE);
            let config = watcher::Config::default();
            let mut seen = Box::pin(watcher(canaries, config));
            while let Ok(Some(event)) = seen.try_next().await {
                match event {
                    Event::Apply(canary) | Event::InitApply(canary) => {
                        let Some(status) = canary.status else {
                            continue;
                        };
                        told.lock().unwrap().push(standing(&status));
                        *latest.lock().unwrap() = status;
                    }
                    Event::Delete(_) => *latest.lock().unwrap() = CanaryStatus::default(),
                    Event::Init | Event::InitDone => {}
                }
            }
        });
        Self {
            standings,
            last,
            answers,
            watch,
        }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> String {
        standing(&self.last.lock().unwrap())
    }

    /// What was seen since the last time.
    pub(super) fn take(&self, before: &str, route: Option<String>) -> Trace {
        let mut trace = Trace {
            route,
            ..Trace::default()
        };
        for standing in self.standings.lock().unwrap().drain(..) {
            trace.stand(&standing);
        }
        let (asked, events) = self.answers.take();
        trace.asked = asked;
        trace.events = events.iter().filter_map(|text| event(text)).collect();
        let last = self.last.lock().unwrap();
        let wait = last.analysis.as_ref().and_then(|it| it.waiting_on.as_ref());
        trace.wait = wait.and_then(|wait| gist(wait));
        trace.after(before)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// A status in the words of a script.
fn standing(status: &CanaryStatus) -> String {
    if status.last_transition_time.is_none() {
        return NONE.to_owned();
    }
    let canary = status.canary_weight;
    let mut text = format!("{:?} {}/{canary}", status.phase, 100 - canary);
    if status.iterations != 0 {
        text.push_str(&format!(", iteration {}", status.iterations));
    }
    if status.failed_checks != 0 {
        text.push_str(&format!(", failed checks {}", status.failed_checks));
    }
    text
}

impl Trace {
    /// True if this is what was told. Weights that were not routed anew are not looked at; a fault of the target is
    /// worded by whoever found it.
    pub(super) fn fits(&self, told: &Self) -> bool {
        let is_route = told.route.is_none() || self.route == told.route;
        let is_wait = match &told.wait {
            Some(wait) if !wait.starts_with("for ") => self.wait.is_some(),
            wait => self.wait == *wait,
        };
        is_route
            && is_wait
            && self.standings == told.standings
            && self.events == told.events
            && self.asked == told.asked
    }
}
