//! Alerts: queued by a round, sent beside it, told on the Canary when they do not arrive.
//!
//! A round never waits for a chat service: its alerts go into one of a few short queues, each
//! with a task of its own, so that the order of one canary's alerts holds and a receiver that
//! hangs holds up few others. A crash right after an alert may lose or repeat it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::canary::CanaryAlert;
use futures::future::join_all;
use notifier::{Message, Receiver, Transport};
use rollout::Decision;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::build::Owner;
use super::subject::Subject;
use crate::settings;
use crate::world::key::Key;

mod receivers;
mod word;

pub use receivers::sockets;
pub use word::Said;

/// Queues, each with its task.
const LANES: usize = 8;
/// Alerts that wait in one queue; further ones are dropped, and that is told.
const WAITING_MAX: usize = 64;

/// What is waiting to be sent, and the way out.
pub struct Alerts {
    transport: Arc<dyn Transport>,
    /// For canaries that list no alerts.
    global: Option<Receiver>,
    lanes: [Lane; LANES],
}

#[derive(Default)]
struct Lane {
    waiting: Mutex<VecDeque<Job>>,
    came: Notify,
}

/// One alert of one canary.
struct Job {
    canary: Key,
    owner: Owner,
    entries: Vec<CanaryAlert>,
    message: Message,
}

impl Alerts {
    /// Nothing waits yet. A global receiver that will not do is logged and left out.
    pub fn new(settings: &settings::Alerts, transport: Arc<dyn Transport>) -> Self {
        let global = receivers::global(settings).unwrap_or_else(|error| {
            tracing::error!(%error, "Alerts of canaries without spec.analysis.alerts are off.");
            None
        });
        Self {
            transport,
            global,
            lanes: Default::default(),
        }
    }

    /// False if the queue of this canary is full.
    fn push(&self, id: u64, job: Job) -> bool {
        let place = usize::try_from(id).unwrap_or_default() % LANES;
        let Some(lane) = self.lanes.get(place) else {
            return false;
        };
        let mut waiting = lock(&lane.waiting);
        if waiting.len() >= WAITING_MAX {
            return false;
        }
        waiting.push_back(job);
        lane.came.notify_one();
        true
    }
}

/// Queues one alert of a decision.
pub(super) async fn send(ctx: &Context, subject: &Subject, next: &Decision, said: &Said<'_>) {
    let message = word::message(ctx, subject, next, said);
    let listed = subject
        .canary
        .analysis()
        .map(|analysis| analysis.alerts.as_slice())
        .unwrap_or_default();
    if listed.is_empty() && ctx.alerts.global.is_none() {
        return;
    }
    let entries: Vec<CanaryAlert> = listed
        .iter()
        .filter(|entry| notifier::hears(entry.severity.as_deref(), message.severity))
        .cloned()
        .collect();
    if entries.is_empty() && !listed.is_empty() {
        return;
    }
    let job = Job {
        canary: subject.key.clone(),
        owner: subject.owner.clone(),
        entries,
        message,
    };
    if !ctx.alerts.push(hash(&subject.owner.uid), job) {
        let why = format!("{WAITING_MAX} alerts are waiting to be sent already");
        tell(
            ctx,
            &subject.owner,
            &format!("Alert {:?} not sent: {why}", said.text),
        )
        .await;
    }
}

/// Starts the tasks that send; they end after `ended`, when nothing waits.
pub fn start(ctx: &Arc<Context>, ended: &CancellationToken) {
    for place in 0..LANES {
        let (ctx, ended) = (Arc::clone(ctx), ended.clone());
        ctx.tasks
            .clone()
            .spawn(async move { work(&ctx, place, &ended).await });
    }
}

/// Sends what waits; at the end too, for the next leader does not know of it.
async fn work(ctx: &Context, place: usize, ended: &CancellationToken) {
    let Some(lane) = ctx.alerts.lanes.get(place) else {
        return;
    };
    loop {
        let next = lock(&lane.waiting).pop_front();
        match next {
            Some(job) => deliver(ctx, &job).await,
            None => tokio::select! {
                () = lane.came.notified() => {}
                () = ended.cancelled() => return,
            },
        }
    }
}

/// Sends one alert to all who hear it, at once.
async fn deliver(ctx: &Context, job: &Job) {
    let sent = if job.entries.is_empty() {
        vec![to_global(ctx, job).await]
    } else {
        join_all(job.entries.iter().map(|entry| to_entry(ctx, job, entry))).await
    };
    for text in sent.into_iter().filter_map(Result::err) {
        tell(ctx, &job.owner, &text).await;
    }
}

async fn to_global(ctx: &Context, job: &Job) -> Result<(), String> {
    let Some(receiver) = &ctx.alerts.global else {
        return Ok(());
    };
    let sent = post(ctx, receiver, &job.message).await;
    sent.map_err(|why| {
        let kind = receiver.kind().as_str();
        format!("Alert to {kind} (the operator's flags) not sent: {why}")
    })
}

async fn to_entry(ctx: &Context, job: &Job, entry: &CanaryAlert) -> Result<(), String> {
    let failed = |why: String| format!("Alert {:?} not sent: {why}", entry.name);
    let receiver = receivers::read(ctx, &job.canary, entry)
        .await
        .map_err(failed)?;
    post(ctx, &receiver, &job.message).await.map_err(|why| {
        let kind = receiver.kind().as_str();
        failed(format!(
            "{kind} of alertprovider {:?}: {why}",
            entry.provider_ref.name
        ))
    })
}

async fn post(ctx: &Context, receiver: &Receiver, message: &Message) -> Result<(), String> {
    let request = receiver.request(message);
    let sent = ctx.alerts.transport.send(&request).await;
    sent.map_err(|error| crate::error::chain(&error))
}

/// Logs a failure and writes it as an event; event webhooks are not told.
async fn tell(ctx: &Context, owner: &Owner, text: &str) {
    let canary = format!("{}.{}", owner.name, owner.namespace);
    tracing::warn!(canary, "{text}");
    ctx.events
        .record(&ctx.writer, owner, true, text, ctx.clock.now())
        .await;
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notifier::{Request, Sent, Severity};

    struct Nowhere;

    impl Transport for Nowhere {
        fn send<'a>(&'a self, _: &'a Request) -> Sent<'a> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn alerts() -> Alerts {
        let settings = settings::Alerts {
            slack_url: None,
            slack_token: None,
            slack_proxy_url: None,
            slack_user: String::new(),
            slack_channel: String::new(),
            msteams_url: None,
            msteams_proxy_url: None,
        };
        Alerts::new(&settings, Arc::new(Nowhere))
    }

    fn job() -> Job {
        Job {
            canary: Key::new("test", "a"),
            owner: Owner {
                name: "a".into(),
                namespace: "test".into(),
                uid: "u".into(),
            },
            entries: Vec::new(),
            message: Message {
                sender: "a.test".into(),
                text: "hello".into(),
                severity: Severity::Info,
                fields: Vec::new(),
            },
        }
    }

    #[test]
    fn a_full_queue_is_one_canary_s_own() {
        let alerts = alerts();
        assert!((0..WAITING_MAX).all(|_| alerts.push(0, job())));
        assert!(!alerts.push(0, job()), "full");
        assert!(alerts.push(1, job()), "another lane");
    }
}
