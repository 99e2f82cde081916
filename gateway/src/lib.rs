//! A small HTTP data plane that obeys HTTPRoutes and GRPCRoutes of Gateway API.
//!
//! Objects come in by watches (`watching.rs`) into a [`World`], which [`compile`] turns into
//! an immutable [`Table`] and verdicts; requests (`serve.rs`, `forward.rs`) read the table
//! without a lock, and `record.rs` writes the verdicts as status. Matching, choosing,
//! rewriting and compiling are pure. TLS is not terminated here.
//!
//! ```text
//! watches -> World -> compile -> Table -> Live (pools, counters) -> requests
//!                            \-> verdicts -> status
//! ```

mod body;
mod choose;
mod compile;
mod cors;
mod forward;
mod grpc;
mod host;
mod live;
mod matching;
mod metrics;
mod pool;
mod record;
mod resource;
mod rewrite;
mod serve;
mod status;
mod table;
mod watching;
mod world;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

pub use compile::{Compiled, Selection, compile};
pub use metrics::Metrics;
pub use table::Table;
pub use world::{World, WorldError};

use live::Live;
use watching::Watches;

/// The `controllerName` of our GatewayClasses and status entries.
pub const CONTROLLER_NAME: &str = "sluice.dev/gateway";

/// Interval at which idle connections are closed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// How to run a gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where routed traffic comes in; port 0 takes a free one, `[::]` all of the host's addresses.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/healthz` are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Which Gateways are obeyed.
    pub selection: Selection,
    /// Addresses or hostnames told in the Gateways' status; none leaves them alone.
    pub addresses: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            metrics: Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9090))),
            selection: Selection::default(),
            addresses: Vec::new(),
        }
    }
}

/// Why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener cannot be opened.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address of the settings.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// A gateway with open listeners that does not serve yet.
#[derive(Debug)]
pub struct Bound {
    traffic: TcpListener,
    metrics_listener: Option<TcpListener>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    metrics: Arc<Metrics>,
    selection: Selection,
    addresses: Vec<String>,
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let fail = |source| Error::Listen { address, source };
    let mut tried = vec![address];
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // A socket of `[::]` takes IPv4 as well; a host without IPv6 has this only.
        tried.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
    }
    let listener = TcpListener::bind(&tried[..]).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

/// Opens the listeners and serves until `shutdown` is over.
///
/// # Errors
/// A listener that cannot be opened.
pub async fn run(
    settings: Settings,
    client: kube::Client,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    Bound::bind(settings).await?.run(client, shutdown).await;
    Ok(())
}

impl Bound {
    /// Opens the listeners; clients wait in the kernel until the gateway runs.
    ///
    /// # Errors
    /// A listener that cannot be opened.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let Settings {
            listen: address,
            metrics,
            selection,
            addresses,
        } = settings;
        let (traffic, address) = listen(address).await?;
        let metrics = match metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let (metrics_listener, metrics_address) = metrics.unzip();
        let metrics = Arc::new(Metrics::default());
        Ok(Self {
            traffic,
            metrics_listener,
            address,
            metrics_address,
            metrics,
            selection,
            addresses,
        })
    }

    /// Where routed traffic comes in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The metrics themselves, for a reader in the same process.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Serves what the cluster's routes say until `shutdown` is over; requests in flight
    /// are finished then. Until the first table is known, clients wait.
    pub async fn run(self, client: kube::Client, shutdown: impl Future<Output = ()> + Send) {
        let (selection, addresses) = (self.selection.clone(), self.addresses.clone());
        let (tables, receiver) = watch::channel(None);
        let follow = follow(client, &selection, &addresses, &tables);
        let serve = self.serve_tables(receiver, shutdown);
        tokio::pin!(serve);
        tokio::select! {
            () = serve.as_mut() => {}
            () = follow => serve.await,
        }
    }

    /// Serves the newest of the given tables until `shutdown` is over. Clients wait while
    /// there is none.
    pub async fn serve_tables(
        self,
        mut tables: watch::Receiver<Option<Arc<Table>>>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let Self {
            traffic,
            metrics_listener,
            metrics,
            ..
        } = self;
        let (stop, stopped) = watch::channel(false);
        let admin = async {
            if let Some(listener) = metrics_listener {
                serve::admin(listener, Arc::clone(&metrics), stopped.clone()).await;
            }
        };
        let served = async {
            let mut waiting = stopped.clone();
            let first = tokio::select! {
                () = serve::stopped(&mut waiting) => return,
                table = tables.wait_for(Option::is_some) => match table {
                    Ok(table) => table.clone().unwrap_or_default(),
                    Err(_) => return,
                },
            };
            let (live, current) = watch::channel(Arc::new(Live::new(first, None, &metrics)));
            tokio::select! {
                () = serve::traffic(traffic, current, Arc::clone(&metrics), stopped.clone()) => {}
                () = put_to_use(&mut tables, &live, &metrics) => {}
            }
        };
        let shutdown = async {
            shutdown.await;
            // Nobody listens only if everything has ended.
            let _ = stop.send(true);
        };
        tokio::join!(admin, served, shutdown);
    }
}

/// Joins each new table with the pools and counters in use.
async fn put_to_use(
    tables: &mut watch::Receiver<Option<Arc<Table>>>,
    live: &watch::Sender<Arc<Live>>,
    metrics: &Metrics,
) {
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    loop {
        tokio::select! {
            changed = tables.changed(), if is_open => match changed {
                Ok(()) => {
                    let table = tables.borrow_and_update().clone();
                    if let Some(table) = table {
                        let next = Live::new(table, Some(&live.borrow()), metrics);
                        live.send_replace(Arc::new(next));
                    }
                }
                Err(_) => is_open = false,
            },
            _ = sweep.tick() => live.borrow().sweep(),
        }
    }
}

/// Builds a table after every change in the cluster and has verdicts written as status;
/// a slow API server does not hold up tables. Never ends.
async fn follow(
    client: kube::Client,
    selection: &Selection,
    addresses: &[String],
    tables: &watch::Sender<Option<Arc<Table>>>,
) {
    let (plans, planned) = watch::channel(Arc::default());
    let build = async {
        let mut watches = Watches::open(&client);
        loop {
            watches.changed().await;
            let mut compiled = compile(watches.world(), selection);
            let (routes, rules) = (compiled.routes.len(), compiled.table.rules.len());
            debug!(routes, rules, "Routing table built.");
            tables.send_replace(Some(Arc::new(std::mem::take(&mut compiled.table))));
            let now = k8s_openapi::jiff::Timestamp::now();
            let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            plans.send_replace(Arc::new(record::plan(
                watches.world(),
                &compiled,
                selection,
                addresses,
                &now,
            )));
        }
    };
    tokio::select! {
        () = build => {}
        () = record::carry_out(&client, planned) => {}
    }
}
