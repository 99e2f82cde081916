//! Session affinity with real requests: the operator, the gateway and pods on loopback, and users with cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use analysis::{
    Asked, HookFault, HookRequest, HookResponse, Outbound, PrometheusServer, QueryFault,
    QueryResult,
};
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use http::header::{COOKIE, HOST, SET_COOKIE};
use sandbox::{Options, Sandbox, Workloads};
use tokio_util::sync::CancellationToken;

use crate::cluster::{wait_for, wait_for_phase};
use crate::podinfo;

const NAMESPACE: &str = "test";
const LIMIT: Duration = Duration::from_secs(60);
const USERS: usize = 60;
/// Requests of a user that must all be answered by the same version.
const VISITS: usize = 5;

/// The gates of the release. There are no metrics.
#[derive(Default)]
pub(crate) struct Gates {
    /// Steps that may still be taken.
    steps: AtomicUsize,
    is_rollback: AtomicBool,
}

impl Gates {
    fn is_open(&self, url: &str) -> bool {
        if !url.ends_with("/more") {
            return self.is_rollback.load(Ordering::Relaxed);
        }
        let taken = |steps: usize| steps.checked_sub(1);
        let order = Ordering::Relaxed;
        self.steps.fetch_update(order, order, taken).is_ok()
    }
}

impl Outbound for Gates {
    fn instant<'a>(
        &'a self,
        _: &'a PrometheusServer,
        _: &'a str,
        _: DateTime<Utc>,
    ) -> Asked<'a, Result<QueryResult, QueryFault>> {
        Box::pin(async { Err(QueryFault::Unreachable("nobody is there".to_owned())) })
    }

    fn post<'a>(&'a self, request: &'a HookRequest) -> Asked<'a, Result<HookResponse, HookFault>> {
        let is_open = self.is_open(request.url.expose());
        let status = if is_open { 200 } else { 403 };
        Box::pin(async move {
            Ok(HookResponse {
                status,
                body: String::new(),
                retry_after: None,
            })
        })
    }
}

/// One user's browser: keeps the cookies it is given, and gives them back.
#[derive(Clone, Default)]
struct User(BTreeMap<String, String>);

impl User {
    /// The version that answered.
    async fn ask(&mut self, http: &reqwest::Client, gateway: SocketAddr) -> Result<String> {
        let jar: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let mut request = http
            .get(format!("http://{gateway}/"))
            .header(HOST, "podinfo.example");
        if !jar.is_empty() {
            request = request.header(COOKIE, jar.join("; "));
        }
        let answer = request.send().await?.error_for_status()?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            self.take(cookie.to_str()?)?;
        }
        let version = answer.headers().get("x-version");
        Ok(version.context("no version")?.to_str()?.to_owned())
    }

    fn take(&mut self, cookie: &str) -> Result<()> {
        let (name, rest) = cookie.split_once('=').context("a cookie without a name")?;
        let (value, attributes) = rest.split_once("; ").context("no attributes")?;
        if attributes.starts_with("Max-Age=-1") {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[tokio::test]
async fn users_of_a_canary_stay_until_it_is_rolled_back() -> Result<()> {
    let options = Options {
        workloads: Workloads::Real,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await?;
    let stop = CancellationToken::new();
    let _ended = stop.clone().drop_guard();
    let gateway = start_gateway(&sandbox, stop.clone()).await?;
    let gates = Arc::new(Gates::default());
    start_operator(&sandbox, Arc::clone(&gates), stop)?;
    load(&sandbox).await?;
    let (client, http) = (sandbox.client(), reqwest::Client::new());
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Initialized"], LIMIT).await?;

    gates.steps.store(1, Ordering::Relaxed);
    sandbox.load(&deployment("2.0.0")).await?;
    wait_for(&client, NAMESPACE, "podinfo", LIMIT, |s| {
        s.canary_weight == 30
    })
    .await?;
    let mut users = vec![User::default(); USERS];
    let mut versions = Vec::new();
    for user in &mut users {
        versions.push(user.ask(&http, gateway).await?);
    }
    let canaries = versions
        .iter()
        .filter(|version| *version == "2.0.0")
        .count();
    ensure!((1..USERS).contains(&canaries), "{canaries} of {USERS}");
    for (user, version) in users.iter_mut().zip(&versions) {
        ensure!(user.has("canary") == (version == "2.0.0"), "{:?}", user.0);
        for _ in 0..VISITS {
            ensure!(user.ask(&http, gateway).await? == *version, "{:?}", user.0);
        }
    }

    // The weights move; users of the canary ask all the while.
    let mut users: Vec<User> = users
        .into_iter()
        .filter(|user| user.has("canary"))
        .collect();
    gates.steps.store(1, Ordering::Relaxed);
    let mut weight = 30;
    while weight != 60 {
        for user in &mut users {
            ensure!(user.ask(&http, gateway).await? == "2.0.0", "{:?}", user.0);
        }
        let seen = wait_for(&client, NAMESPACE, "podinfo", LIMIT, |_| true).await?;
        weight = seen.status.unwrap_or_default().canary_weight;
    }

    gates.is_rollback.store(true, Ordering::Relaxed);
    wait_for_phase(&client, NAMESPACE, "podinfo", &["Failed"], LIMIT).await?;
    for user in &mut users {
        ensure!(user.ask(&http, gateway).await? == "1.0.0", "{:?}", user.0);
        ensure!(!user.has("canary"), "{:?}", user.0);
        ensure!(user.ask(&http, gateway).await? == "1.0.0", "{:?}", user.0);
    }
    Ok(())
}

pub(crate) async fn start_gateway(
    sandbox: &Sandbox,
    stop: CancellationToken,
) -> Result<SocketAddr> {
    let settings = gateway::Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        metrics: None,
        ..gateway::Settings::default()
    };
    let bound = gateway::Bound::bind(settings).await?;
    let address = bound.address();
    let client = sandbox.client();
    tokio::spawn(async move { bound.run(client, stop.cancelled_owned()).await });
    Ok(address)
}

pub(crate) fn start_operator(
    sandbox: &Sandbox,
    gates: Arc<Gates>,
    stop: CancellationToken,
) -> Result<()> {
    let flags = [
        "operator",
        "-interval-min=1s",
        "-port=0",
        "-storage-addr=127.0.0.1:0",
    ];
    let args = operator::Args::parse_go(flags.map(str::to_owned))?;
    let settings = operator::Settings {
        admin: None,
        ..operator::Settings::parse(&args, &|_| None)?
    };
    let client = sandbox.client();
    tokio::spawn(async move {
        operator::run(settings, client, operator::Clock::system(), gates, stop).await
    });
    Ok(())
}

async fn load(sandbox: &Sandbox) -> Result<()> {
    load_definitions(sandbox).await?;
    sandbox.load(CLUSTER).await?;
    sandbox.load(&deployment("1.0.0")).await?;
    Ok(())
}

/// Our kinds, and those of the Gateway API.
pub(crate) async fn load_definitions(sandbox: &Sandbox) -> Result<()> {
    for definition in api::crd::all() {
        sandbox.load(&definition.to_string()).await?;
    }
    sandbox
        .load(include_str!("../../../cli/src/demo/gateway-api.yaml"))
        .await?;
    Ok(())
}

const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: test}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: sluice}
spec: {controllerName: sluice.dev/gateway}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: test}
spec:
  gatewayClassName: sluice
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  provider: sluice
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 80, targetPort: 9898, hosts: [podinfo.example], gatewayRefs: [{name: web}]}
  analysis:
    interval: 1s
    threshold: 2
    stepWeights: [30, 60, 90]
    sessionAffinity: {cookieName: canary, primaryCookieName: primary}
    webhooks:
      - {name: more, type: confirm-traffic-increase, url: 'http://gate.test/more'}
      - {name: back, type: rollback, url: 'http://gate.test/back'}
";

fn deployment(version: &str) -> String {
    let container = format!("image: 'podinfo:{version}'");
    podinfo::deployment(&format!("namespace: {NAMESPACE}"), "", &container)
}
