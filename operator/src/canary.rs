//! Reconciles one Canary: observe, ask, decide, act, record. A table of contents.
//!
//! What is decided is `rollout`'s; how things are looked at, written and told is in the
//! files below. Rounds of one Canary never overlap (`queue.rs`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use rollout::{Action, Answers, Decision, Defaults, World};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::events::Recorder;
use crate::metrics::Metrics;
use crate::runtime::Ways;
use crate::settings::Settings;
use crate::world::Caches;
use crate::world::key::Key;
use crate::world::packed::Packed;
use crate::world::table::Table;

pub mod act;
mod agreed;
pub mod alert;
mod anew;
mod ask;
pub mod build;
mod configs;
mod dropped;
mod finalizer;
mod fought;
mod inventory;
mod observe;
mod providers;
mod record;
mod subject;
mod takeover;

use act::tell::InOrder;
use act::{ActError, Writer};
use alert::Alerts;
use ask::Asked;
use observe::Unobserved;
use subject::{Reading, Subject};

/// Event webhooks that are told at once.
pub const TELLING_MAX: usize = 64;
/// First and longest pause after a round that failed.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Pause after a conflict: the caches hold the newer object by then.
const RACE_PAUSE: Duration = Duration::from_millis(20);
/// Conflicts in a row after which they count as failures.
const RACES_MAX: u32 = 20;

/// What every round needs.
pub struct Context {
    /// What was typed.
    pub settings: Settings,
    /// What canaries fall back to.
    pub defaults: Defaults,
    /// The time.
    pub clock: Clock,
    /// What the watches know.
    pub caches: Arc<Caches>,
    /// Reads and writes objects.
    pub writer: Writer,
    /// The way to metric servers and webhooks.
    pub outbound: Arc<dyn analysis::Outbound>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Tasks that a round leaves behind.
    pub tasks: TaskTracker,
    events: Recorder,
    alerts: Alerts,
    configs: configs::Configs,
    agreed: agreed::Agreed,
    dropped: dropped::Dropped,
    telling: InOrder,
    memory: Mutex<Table<Memory>>,
}

/// What is kept of a canary between its rounds.
struct Memory {
    target: Box<str>,
    /// None at rest.
    course: Option<Box<Course>>,
}

impl Memory {
    /// The valid spec of the run under way.
    fn in_force(&self) -> Option<&Packed<Value>> {
        let in_force = self.course.as_ref()?.in_force.as_ref()?;
        Some(&in_force.spec)
    }
}

/// What is kept while something is under way.
#[derive(Default, PartialEq)]
struct Course {
    answers: Answers,
    failures: u32,
    races: u32,
    providers: providers::Found,
    /// When it was last looked up who changes what is kept.
    fought: Option<DateTime<Utc>>,
    in_force: Option<InForce>,
    /// What rounds that then failed have told: their repetition does not say it twice.
    told: Vec<Action>,
}

/// The valid spec of the run under way: an edit that breaks it must not stop the run.
#[derive(PartialEq)]
struct InForce {
    generation: Option<i64>,
    spec: Packed<Value>,
}

/// Why a round ended early.
enum Cut {
    Failed(ActError),
    Stalled(subject::Stall),
    Interrupted,
}

impl From<ActError> for Cut {
    fn from(error: ActError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unobserved> for Cut {
    fn from(why: Unobserved) -> Self {
        match why {
            Unobserved::Failed(error) => Self::Failed(error.into()),
            Unobserved::Stalled(stall) => Self::Stalled(stall),
        }
    }
}

impl Context {
    /// A context with nothing remembered.
    pub fn new(
        settings: Settings,
        clock: Clock,
        caches: Arc<Caches>,
        writer: Writer,
        ways: Ways,
        tasks: TaskTracker,
    ) -> Self {
        let Ways {
            outbound,
            alerts,
            metrics,
        } = ways;
        let alerts = Alerts::new(&settings.alerts, alerts);
        let defaults = Defaults {
            provider: settings.mesh_provider.clone(),
            metrics_server: settings.metrics_server.clone(),
            interval_min: chrono::TimeDelta::from_std(settings.interval_min)
                .unwrap_or(chrono::TimeDelta::MAX),
            is_cross_namespace_blocked: settings.is_cross_namespace_refused,
        };
        Self {
            settings,
            defaults,
            clock,
            caches,
            writer,
            outbound,
            metrics,
            tasks,
            events: Recorder::default(),
            alerts,
            configs: configs::Configs::default(),
            agreed: agreed::Agreed::default(),
            dropped: dropped::Dropped::default(),
            telling: InOrder::new(TELLING_MAX),
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Table<Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One round of one Canary; gives the time of the next, if one is due without a change.
pub async fn reconcile(
    ctx: &Arc<Context>,
    key: &Key,
    mut woken: watch::Receiver<u64>,
) -> Option<DateTime<Utc>> {
    let (is_new, in_force) = match ctx.memory().get(&key.namespace, &key.name) {
        None => (true, None),
        Some(memory) => (false, memory.in_force().cloned()),
    };
    if is_new {
        count_canaries(ctx, key);
    }
    let mut subject = match subject::read(ctx, key, in_force.as_ref()) {
        Reading::Gone => return forget(ctx, key),
        Reading::Stalled { value, stall } => return stall_round(ctx, key, &value, &stall).await,
        Reading::Ready(subject) => subject,
    };
    let course = ctx
        .memory()
        .get_mut(&key.namespace, &key.name)
        .and_then(|memory| memory.course.take());
    let mut course = course.unwrap_or_default();
    providers::tell(ctx, &subject, &mut course.providers);
    let round = round(ctx, &mut subject, &mut course, &mut woken).await;
    let next = after(ctx, &subject, &mut course, round).await;
    let memory = Memory {
        target: subject.spec.target.name.as_str().into(),
        course: Some(course).filter(|course| **course != Course::default()),
    };
    let before = ctx.memory().insert(&key.namespace, &key.name, memory);
    let target = before.map(|before| before.target);
    if let Some(other) = target.filter(|before| **before != *subject.spec.target.name) {
        ctx.metrics.forget(&key.namespace, &other);
    }
    next
}

async fn round(
    ctx: &Context,
    subject: &mut Subject,
    course: &mut Course,
    woken: &mut watch::Receiver<u64>,
) -> Result<Decision, Cut> {
    let world = observe::observe(ctx, subject).await?;
    fought::tell(ctx, subject, &world, &mut course.fought).await;
    let answers = &mut course.answers;
    let at = match ask::ask(ctx, subject, &world, answers, woken).await {
        Asked::All { at } => at,
        Asked::Interrupted => return Err(Cut::Interrupted),
    };
    let mut next = decide(ctx, subject, &world, answers, at);
    if anew::is_outdated(ctx, subject, &next).await? {
        return Err(Cut::Interrupted);
    }
    act::act(ctx, subject, &next, &mut course.told).await?;
    let pruned = act::prune(ctx, subject, &world, &next).await;
    if pruned.has_failed {
        next.wake = next.wake.into_iter().chain(after_longest(at)).min();
    }
    record::record(ctx, subject, &next, &pruned.gone).await?;
    Ok(next)
}

/// Decides, and has the decision checked a second way.
fn decide(
    ctx: &Context,
    subject: &Subject,
    world: &World,
    answers: &Answers,
    at: DateTime<Utc>,
) -> Decision {
    let next = rollout::decide::decide(&subject.spec, &subject.state, world, answers, at);
    let broken = rollout::audit::audit(&subject.spec, &subject.state, world, &next);
    for broken in &broken {
        let (invariant, detail) = (broken.invariant, &broken.detail);
        tracing::error!(
            canary = subject.spec.dotted(),
            invariant,
            detail,
            "Decision broke an invariant; holding."
        );
    }
    ctx.metrics.count_audit(broken.len());
    if broken.is_empty() {
        return next;
    }
    Decision {
        state: subject.state.clone(),
        actions: Vec::new(),
        wake: after_longest(at),
        ..next
    }
}

/// When to try again what is not urgent.
fn after_longest(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    at.checked_add_signed(chrono::TimeDelta::from_std(RETRY_LONGEST).ok()?)
}

/// What follows a round.
async fn after(
    ctx: &Context,
    subject: &Subject,
    course: &mut Course,
    round: Result<Decision, Cut>,
) -> Option<DateTime<Utc>> {
    let now = ctx.clock.now();
    let in_a = |pause: Duration| now.checked_add_signed(chrono::TimeDelta::from_std(pause).ok()?);
    match round {
        Ok(next) => {
            course.failures = 0;
            course.races = 0;
            course.told = Vec::new();
            let is_running = next.state.run().is_some();
            let in_force = course.in_force.take().filter(|_| is_running);
            course.in_force = is_running.then(|| subject.in_force(in_force));
            if next.wake.is_none() && !is_running {
                course.answers = Answers::default();
            }
            next.wake
        }
        Err(Cut::Interrupted) => Some(now),
        Err(Cut::Stalled(stall)) => {
            let value = ctx
                .caches
                .canaries
                .read(&subject.key, crate::world::canary::CanarySeen::value);
            match value {
                Some(value) => stall_round(ctx, &subject.key, &value, &stall).await,
                None => None,
            }
        }
        Err(Cut::Failed(error)) if error.is_race() && course.races < RACES_MAX => {
            course.races = course.races.saturating_add(1);
            tracing::debug!(canary = subject.spec.dotted(), %error, "Decided on what is no longer there; again.");
            in_a(RACE_PAUSE)
        }
        Err(Cut::Failed(error)) => {
            course.failures = course.failures.saturating_add(1);
            ctx.metrics.count_round_error(error.reason());
            record::failed(ctx, subject, &error, course.failures).await;
            in_a(pause(course.failures, &subject.key))
        }
    }
}

/// Grows with the failures in a row, with jitter that differs from canary to canary.
fn pause(failures: u32, key: &Key) -> Duration {
    let seed = crate::digest::short_of(key.to_string().as_bytes());
    let pauses = ExponentialBuilder::default()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(RETRY_LONGEST)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times();
    let place = usize::try_from(failures.saturating_sub(1).min(32)).unwrap_or_default();
    pauses.build().nth(place).unwrap_or(RETRY_LONGEST)
}

/// A Canary that is not followed: told, and let go if it is being deleted.
async fn stall_round(
    ctx: &Context,
    key: &Key,
    value: &Value,
    stall: &subject::Stall,
) -> Option<DateTime<Utc>> {
    let told = if crate::json::str_at(value, "/metadata/deletionTimestamp").is_empty() {
        record::stalled(ctx, key, value, stall).await
    } else {
        finalizer::let_go(ctx, key, value).await
    };
    let error = told.err()?;
    if !error.is_race() {
        ctx.metrics.count_round_error(error.reason());
        tracing::warn!(canary = %key, error = crate::error::chain(&error), "Stalled canary not told; retrying.");
    }
    let pause = if error.is_race() {
        RACE_PAUSE
    } else {
        RETRY_LONGEST
    };
    ctx.clock
        .now()
        .checked_add_signed(chrono::TimeDelta::from_std(pause).ok()?)
}

/// Forgets a deleted Canary.
fn forget(ctx: &Context, key: &Key) -> Option<DateTime<Utc>> {
    count_canaries(ctx, key);
    ctx.caches.relations.remove(key);
    ctx.dropped.forget(key);
    ctx.agreed
        .sweep(|service| ctx.caches.services.read(service, |_| ()).is_some());
    if let Some(memory) = ctx.memory().remove(&key.namespace, &key.name) {
        ctx.metrics.forget(&key.namespace, &memory.target);
    }
    None
}

fn count_canaries(ctx: &Context, key: &Key) {
    let count = ctx.caches.canaries.count(&key.namespace);
    ctx.metrics.set_total(&key.namespace, count);
}
