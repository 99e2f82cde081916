//! Contour and Envoy as processes beside the cluster: Contour tells Envoy over xDS, Envoy forwards to pods.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program::Program;

/// Where Envoy takes requests: Contour moves a listener's port 80 here.
pub(crate) const HTTP: &str = "127.0.0.1:8080";
/// Where Envoy's own statistics are, as Contour asks of it, at `/stats/prometheus`.
pub(crate) const STATS: &str = "127.0.0.1:8002";
/// The Gateway that Contour serves, by name and namespace.
pub(crate) const GATEWAY: (&str, &str) = ("web", "mesh-gatewayapi");

const XDS: [&str; 2] = ["--xds-address=127.0.0.1", "--xds-port=8001"];
/// Kinds whose definitions are not in the standard channel, or not in the version that Contour asks for.
const FEATURES_OFF: [&str; 3] = ["tlsroutes", "tcproutes", "backendtlspolicies"];
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const TOLD_TIMEOUT: Duration = Duration::from_secs(20);

/// The two programs, ended when dropped.
pub(crate) struct Envoy {
    admin: reqwest::Client,
    _programs: [Program; 2],
}

impl Envoy {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let contour = program("E2E_CONTOUR")?;
        let config = folder.join("contour.yaml");
        let (name, namespace) = GATEWAY;
        let gateway =
            format!("gateway: {{gatewayRef: {{name: {name}, namespace: {namespace}}}}}\n");
        std::fs::write(&config, gateway)?;
        let kubeconfig = std::env::var("KUBECONFIG").context("KUBECONFIG names no file")?;
        let config = format!("--config-path={}", config.display());
        let kubeconfig = format!("--kubeconfig={kubeconfig}");
        let off = FEATURES_OFF.map(|kind| format!("--disable-feature={kind}"));
        let mut flags = vec!["serve", &config, &kubeconfig];
        flags.extend(["--insecure", "--disable-leader-election"]);
        flags.extend(XDS);
        flags.extend(off.iter().map(String::as_str));
        let contour_runs = Program::start("contour", folder, &contour, &flags);

        let bootstrap = folder.join("envoy.json");
        let admin = folder.join("admin.sock");
        let made = Command::new(&contour)
            .arg("bootstrap")
            .arg(&bootstrap)
            .args(XDS)
            .arg(format!("--admin-address={}", admin.display()))
            .output()?;
        let told = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "contour bootstrap: {told}");
        let bootstrap = bootstrap.display().to_string();
        let mut flags = vec!["--config-path", &bootstrap, "--concurrency", "1"];
        flags.extend(["--service-cluster", "contour", "--service-node", "node"]);
        let envoy_runs = Program::start("envoy", folder, &program("E2E_ENVOY")?, &flags);
        Ok(Self {
            admin: reqwest::Client::builder().unix_socket(admin).build()?,
            _programs: [envoy_runs, contour_runs],
        })
    }

    /// Waits until Envoy itself has this weight for a canary's cluster; a cluster that is not named has none.
    pub(crate) async fn until_told(&self, namespace: &str, weight_percent: u32) -> Result<()> {
        let cluster = format!("{namespace}/podinfo-canary/");
        let mut last = None;
        let waited = tokio::time::timeout(TOLD_TIMEOUT, async {
            loop {
                if let Ok(routes) = self.routes().await {
                    last = Some(weight(&routes, &cluster));
                    if last == Some(u64::from(weight_percent)) {
                        return;
                    }
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        let reached = waited.await;
        reached.with_context(|| {
            format!("Envoy has weight {last:?} for {cluster}, not {weight_percent}")
        })
    }

    /// The routes that Envoy obeys.
    async fn routes(&self) -> Result<Value> {
        let url = "http://envoy/config_dump?resource=dynamic_route_configs";
        let answer = self.admin.get(url).send().await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }
}

/// The weight of the cluster whose name begins so, wherever it is in the routes.
fn weight(routes: &Value, cluster: &str) -> u64 {
    match routes {
        Value::Object(fields) => {
            let is_named = |name: &Value| name.as_str().is_some_and(|n| n.starts_with(cluster));
            let named = fields.get("name").is_some_and(is_named);
            match fields.get("weight").and_then(Value::as_u64) {
                Some(weight) if named => weight,
                Some(_) | None => fields
                    .values()
                    .map(|v| weight(v, cluster))
                    .max()
                    .unwrap_or(0),
            }
        }
        Value::Array(list) => list.iter().map(|v| weight(v, cluster)).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn program(variable: &str) -> Result<String> {
    std::env::var(variable).with_context(|| format!("{variable} names no program"))
}
