//! Starts a sandbox and holds its parts; everything ends when it is dropped.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apiserver::ApiServer;
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cache::Cache;
use crate::clock::Clock;
use crate::control::{Control, NODE, Wiring, node_labels};
use crate::git::GitServer;
use crate::load::{self, LoadError};
use crate::prometheus::Prometheus;
use crate::traffic::{self, Recorders, Traffic, TrafficOptions};
use crate::workload::Network;

/// 2026-01-01T00:00:00Z, when simulated time begins.
const EPOCH_UNIX_S: i64 = 1_767_225_600;
/// The user of the controllers' requests, in the API server's log.
pub const CONTROLLERS_USER: &str = "sandbox-controllers";
/// The user of the simulated data plane's requests.
pub const TRAFFIC_USER: &str = "sandbox-traffic";

/// What stands behind a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workloads {
    /// An HTTP server on loopback, like podinfo; Prometheus scrapes it.
    Real,
    /// Nothing; [`Traffic`] answers for it. For paused time.
    Simulated,
}

/// How to start a sandbox.
#[derive(Clone)]
pub struct Options {
    /// Seed of every choice: names, delays, answers.
    pub seed: u64,
    /// What stands behind a pod.
    pub workloads: Workloads,
    /// The time at the start; without it 2026-01-01 for simulated workloads and the machine's for real ones.
    pub epoch: Option<DateTime<Utc>>,
    /// How often Prometheus scrapes.
    pub scrape_interval: Duration,
    /// Whether the kubelet and the controllers run; without them only the API server does.
    pub has_controllers: bool,
    /// Changes of each resource that a watch can come back to.
    pub history_changes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            workloads: Workloads::Simulated,
            epoch: None,
            scrape_interval: Duration::from_secs(1),
            has_controllers: true,
            history_changes_max: 1_000,
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The API server refused the node.
    #[error("failed to register node {NODE:?}")]
    Node(#[source] Box<kube::Error>),
    /// The address was not free, or not on loopback.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running cluster; dropping it ends everything it started.
pub struct Sandbox {
    api: ApiServer,
    client: Client,
    clock: Clock,
    cache: Arc<Mutex<Cache>>,
    prometheus: Prometheus,
    git: GitServer,
    recorders: Recorders,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Sandbox {
    /// Starts an API server, the controllers and a Prometheus.
    ///
    /// # Errors
    /// When the API server refuses the node.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        let clock = Clock::starting_at(start_of(&options));
        let api = ApiServer::new(apiserver::Options {
            clock: Arc::new(move || clock.now()),
            seed: options.seed,
            history_changes_max: options.history_changes_max,
            ..apiserver::Options::default()
        });
        let client = api.client_as(CONTROLLERS_USER, "default");
        let prometheus = Prometheus::new(clock);
        let cache = Arc::new(Mutex::new(Cache::default()));
        let mut tasks = vec![tokio::spawn(
            prometheus.clone().run(options.scrape_interval),
        )];
        register_node(&client, &clock)
            .await
            .map_err(|error| SandboxError::Node(Box::new(error)))?;
        if options.has_controllers {
            let network = match options.workloads {
                Workloads::Real => Network::real(),
                Workloads::Simulated => Network::simulated(),
            };
            let control = Control::new(Wiring {
                client,
                clock,
                cache: Arc::clone(&cache),
                prometheus: prometheus.clone(),
                network,
                seed: options.seed,
            });
            tasks.push(tokio::spawn(control.run()));
        }
        let client = api.client("default");
        Ok(Self {
            api,
            client,
            clock,
            cache,
            prometheus,
            git: GitServer::default(),
            recorders: Recorders::default(),
            tasks: Mutex::new(tasks),
        })
    }

    /// The API server, for its request log, its faults and clients of other names.
    #[must_use]
    pub fn api(&self) -> &ApiServer {
        &self.api
    }

    /// Lets kubectl and others in over a loopback address; port 0 takes a free one. Gives the address, from which
    /// `ApiServer::kubeconfig` makes a kubeconfig.
    ///
    /// # Errors
    /// When the address is not free.
    pub async fn serve(&self, address: SocketAddr) -> Result<SocketAddr, SandboxError> {
        let (listener, bound) = listen(address).await?;
        let api = self.api.clone();
        self.keep(tokio::spawn(async move {
            if let Err(error) = api.serve(listener).await {
                tracing::warn!(%error, "API server stopped serving.");
            }
        }));
        Ok(bound)
    }

    /// Serves the Prometheus HTTP API; port 0 takes a free one. Gives the address.
    ///
    /// # Errors
    /// When the address is not free.
    pub async fn serve_prometheus(
        &mut self,
        address: SocketAddr,
    ) -> Result<SocketAddr, SandboxError> {
        let (listener, bound) = listen(address).await?;
        self.keep(self.prometheus.serve(listener));
        Ok(bound)
    }

    /// Serves the Git repositories over smart HTTP; port 0 takes a free one. Gives the address.
    ///
    /// # Errors
    /// When the address is not free.
    pub async fn serve_git(&self, address: SocketAddr) -> Result<SocketAddr, SandboxError> {
        let (listener, bound) = listen(address).await?;
        self.keep(self.git.serve(listener));
        Ok(bound)
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task);
    }

    /// A client whose default namespace is `default`.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The time in the sandbox.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Its Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> &Prometheus {
        &self.prometheus
    }

    /// Its Git server; serve it on a listener to clone from it.
    #[must_use]
    pub fn git(&self) -> &GitServer {
        &self.git
    }

    /// Applies all documents of a YAML text, definitions and namespaces first.
    ///
    /// # Errors
    /// At the first document that is incomplete, of an unknown kind, or refused.
    pub async fn load(&self, yaml: &str) -> Result<Vec<DynamicObject>, LoadError> {
        load::load(&self.client, yaml).await
    }

    /// Starts simulated traffic; it ends when the answer is dropped.
    #[must_use]
    pub fn traffic(&self, options: TrafficOptions) -> Traffic {
        let client = self.api.client_as(TRAFFIC_USER, "default");
        traffic::start(
            client,
            Arc::clone(&self.cache),
            self.prometheus.clone(),
            Arc::clone(&self.recorders),
            options,
        )
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let refused = |source| SandboxError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

fn start_of(options: &Options) -> DateTime<Utc> {
    options.epoch.unwrap_or_else(|| match options.workloads {
        Workloads::Real => Utc::now(),
        Workloads::Simulated => DateTime::from_timestamp(EPOCH_UNIX_S, 0).unwrap_or_default(),
    })
}

async fn register_node(client: &Client, clock: &Clock) -> Result<(), kube::Error> {
    let condition = NodeCondition {
        type_: "Ready".to_owned(),
        status: "True".to_owned(),
        reason: Some("KubeletReady".to_owned()),
        last_transition_time: Some(clock.stamp()),
        ..NodeCondition::default()
    };
    let node = Node {
        metadata: ObjectMeta {
            name: Some(NODE.to_owned()),
            labels: Some(node_labels()),
            ..ObjectMeta::default()
        },
        spec: None,
        status: Some(NodeStatus {
            conditions: Some(vec![condition]),
            ..NodeStatus::default()
        }),
    };
    let nodes: Api<Node> = Api::all(client.clone());
    let made = match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.code == 409 => nodes.get(NODE).await?,
        answer => answer?,
    };
    let next = Node {
        status: node.status,
        ..made
    };
    nodes
        .replace_status(NODE, &PostParams::default(), &next)
        .await
        .map(|_| ())
}
