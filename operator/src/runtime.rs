//! Wires everything: admin server, lease, watches, rounds, shutdown.
//!
//! /metrics and /healthz answer before this process leads; nothing is watched or written
//! until it does. Losing the lease stops all writes at once and ends the run with an error.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminError};
use crate::canary::act::Writer;
use crate::canary::{Context, alert, reconcile};
use crate::clock::Clock;
use crate::clusters::Clusters;
use crate::gitops::{self, GitOpsError};
use crate::lease::{Elector, LeaseError};
use crate::metrics::Metrics;
use crate::outbound::WithCluster;
use crate::queue::{Queue, Taken};
use crate::settings::Settings;
use crate::world::key::Key;
use crate::world::{Caches, Source};

/// Time that rounds under way get to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Pause of a canary whose round panicked.
const PANIC_PAUSE: Duration = Duration::from_secs(60);

/// Why the operator ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The admin server did not start.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Leadership ended.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The GitOps controllers did not start.
    #[error(transparent)]
    GitOps(#[from] GitOpsError),
}

/// The ways out of the process, but for the API server.
#[derive(Clone)]
pub struct Ways {
    /// To metric servers and webhooks.
    pub outbound: Arc<dyn analysis::Outbound>,
    /// To chat services.
    pub alerts: Arc<dyn notifier::Transport>,
    /// To whoever scrapes.
    pub metrics: Arc<Metrics>,
}

/// Runs until `shutdown`, or until leadership is lost. Alerts go out through sockets.
pub async fn run(
    settings: Settings,
    clusters: impl Into<Clusters>,
    clock: Clock,
    outbound: Arc<dyn analysis::Outbound>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let clusters = clusters.into();
    let alerts = alert::sockets(&settings);
    let outbound = Arc::new(WithCluster {
        outside: outbound,
        client: clusters.own.clone(),
    });
    let metrics = Arc::new(Metrics::new(&settings.mesh_provider));
    let ways = Ways {
        outbound,
        alerts,
        metrics,
    };
    run_through(settings, clusters, clock, ways, shutdown).await
}

/// Runs, with ways out that the caller gives.
pub async fn run_through(
    settings: Settings,
    clusters: impl Into<Clusters>,
    clock: Clock,
    ways: Ways,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let clusters = clusters.into();
    let tasks = TaskTracker::new();
    let ended = shutdown.child_token();
    // A run that is dropped leaves no task behind.
    let _guard = ended.clone().drop_guard();
    if let Some(addr) = settings.admin {
        let listener = admin::listen(addr).await?;
        tracing::info!(addr = %listener.local_addr().unwrap_or(addr), "Serving /metrics and /healthz.");
        tasks.spawn(admin::serve(
            listener,
            Arc::clone(&ways.metrics),
            ended.clone(),
        ));
    }
    let mut elector = settings
        .lease_namespace
        .as_deref()
        .map(|namespace| Elector::new(clusters.own.clone(), namespace, &host(), clock));
    if let Some(elector) = &mut elector {
        tokio::select! {
            epoch = elector.acquire() => tracing::info!(epoch, "This process leads."),
            () = shutdown.cancelled() => return Ok(()),
        }
    }
    let clock = clock.set_by(&clusters.own).await;
    let controllers = controllers(
        settings,
        clusters,
        clock,
        ways,
        ended.clone(),
        tasks.clone(),
    );
    let result = match &mut elector {
        None => controllers.await,
        Some(elector) => lead(controllers, elector, &shutdown, &ended).await,
    };
    ended.cancel();
    tasks.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("Tasks left running at the end.");
    }
    result
}

/// Runs the controllers while the lease is held; gives it back only when they have ended.
async fn lead(
    controllers: impl Future<Output = Result<(), RunError>>,
    elector: &mut Elector,
    shutdown: &CancellationToken,
    ended: &CancellationToken,
) -> Result<(), RunError> {
    let done = CancellationToken::new();
    let keep = async {
        let kept = elector.keep(&done).await;
        // Writes fail from here on, whatever a round was about to do.
        ended.cancel();
        kept
    };
    let work = async {
        let worked = tokio::select! {
            worked = controllers => worked,
            () = shutdown.cancelled() => Ok(()),
        };
        ended.cancel();
        done.cancel();
        worked
    };
    let (kept, worked) = tokio::join!(keep, work);
    kept?;
    worked
}

/// The canary controller, and the GitOps controllers where they are wanted.
async fn controllers(
    settings: Settings,
    clusters: Clusters,
    clock: Clock,
    ways: Ways,
    ended: CancellationToken,
    tasks: TaskTracker,
) -> Result<(), RunError> {
    let (storage, shared) = (settings.storage.clone(), settings.clone());
    // Each has a bucket of its own, so that a large pass of one does not hold the other up.
    let rate = settings.cluster.rate;
    let client = clusters.clone().limited(rate).own;
    let canaries = canaries(
        settings,
        clusters.limited(rate),
        clock,
        ways,
        ended.clone(),
        tasks,
    );
    let Some(storage) = storage else {
        canaries.await;
        return Ok(());
    };
    let gitops = async {
        let ran = gitops::run(&shared, &storage, client, clock, ended.clone()).await;
        // One without the other would look healthy and do half.
        ended.cancel();
        ran
    };
    let ((), ran) = tokio::join!(canaries, gitops);
    Ok(ran?)
}

async fn canaries(
    settings: Settings,
    clusters: Clusters,
    clock: Clock,
    ways: Ways,
    ended: CancellationToken,
    tasks: TaskTracker,
) {
    let queue = Arc::new(Queue::default());
    let source = Source {
        clusters: clusters.clone(),
        namespace: settings.namespace.clone(),
        shutdown: ended.clone(),
        tasks: tasks.clone(),
        selector_labels: settings.selector_labels.clone().into(),
    };
    let caches = Caches::start(source, Arc::clone(&queue));
    let writer = Writer::new(
        clusters,
        Arc::clone(&caches),
        Arc::clone(&ways.metrics),
        ended.clone(),
    );
    let rounds_max = settings.rounds_max;
    let ctx = Arc::new(Context::new(
        settings,
        clock,
        Arc::clone(&caches),
        writer,
        ways,
        tasks.clone(),
    ));
    tokio::select! {
        () = caches.ready() => {}
        () = ended.cancelled() => return,
    }
    alert::start(&ctx, &ended);
    let rounds = TaskTracker::new();
    tokio::select! {
        () = dispatch(&ctx, &queue, &rounds, rounds_max, &ended) => {}
        () = ended.cancelled() => {}
    }
    rounds.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, rounds.wait())
        .await
        .is_err()
    {
        tracing::warn!("Rounds left running at the end.");
    }
}

/// Starts a round for each canary that is due, at most `rounds_max` at once.
async fn dispatch(
    ctx: &Arc<Context>,
    queue: &Arc<Queue<Key>>,
    rounds: &TaskTracker,
    rounds_max: usize,
    ended: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(rounds_max));
    // The slots are never closed.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let taken = queue.next().await;
        ctx.metrics.observe_lateness(taken.late);
        let (ctx, queue, ended) = (Arc::clone(ctx), Arc::clone(queue), ended.clone());
        rounds.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = round(&ctx, &queue, taken) => {}
                () = ended.cancelled() => {}
            }
        });
    }
}

/// One round; one that panics costs no more than itself.
async fn round(ctx: &Arc<Context>, queue: &Queue<Key>, taken: Taken<Key>) {
    let Taken { key, woken, .. } = taken;
    let round = AssertUnwindSafe(reconcile(ctx, &key, woken)).catch_unwind();
    let next = match round.await {
        Ok(next) => next.map(|time| ctx.clock.instant(time)),
        Err(_) => {
            tracing::error!(canary = %key, "Round panicked; this canary pauses.");
            ctx.metrics.count_round_error("Panic");
            Instant::now().checked_add(PANIC_PAUSE)
        }
    };
    queue.finish(&key, next);
}

/// The pod's name, as Kubernetes sets it.
fn host() -> String {
    std::fs::read_to_string("/etc/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
