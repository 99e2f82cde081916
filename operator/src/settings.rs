//! Settings: what the typed flags and the environment mean, parsed and checked once.
//!
//! It reads no environment itself: variables come in through a function, so that tests and
//! the demo give their own.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::args::Args;
use crate::throttle::Rate;

/// Canaries reconciled at once per `-threadiness`: rounds mostly wait for the network, and a webhook may take half a
/// minute in which the others are not to be late.
const ROUNDS_PER_THREAD: usize = 64;
/// Most canaries reconciled at once.
const ROUNDS_MAX: usize = 512;

/// What client-go takes when it is given 0.
const QPS_DEFAULT: u32 = 5;
const BURST_DEFAULT: u32 = 10;

/// What the operator is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL of the Prometheus that canaries use when they name none.
    pub metrics_server: String,
    /// Shortest analysis interval.
    pub interval_min: Duration,
    /// Canaries reconciled at once.
    pub rounds_max: usize,
    /// The only namespace to watch.
    pub namespace: Option<String>,
    /// Provider of canaries that name none.
    pub mesh_provider: String,
    /// Keys that may hold the selector label, in order; never empty.
    pub selector_labels: Vec<String>,
    /// Prefixes of labels and annotations copied to the primary; `*` for all.
    pub include_label_prefix: Vec<String>,
    /// Whether ConfigMaps and Secrets of the target are tracked.
    pub is_config_tracked: bool,
    /// Prefix of NGINX ingress annotations.
    pub ingress_annotations_prefix: String,
    /// Ingress class of HTTPProxy objects.
    pub ingress_class: Option<String>,
    /// Namespace of the Lease; none: no election.
    pub lease_namespace: Option<String>,
    /// Whether references to other namespaces are refused.
    pub is_cross_namespace_refused: bool,
    /// Whether addresses in objects may lead to loopback.
    pub is_loopback_allowed: bool,
    /// Where alerts go when a canary names no provider.
    pub alerts: Alerts,
    /// Receiver of every event.
    pub event_webhook: Option<String>,
    /// Name of the cluster, told in alerts.
    pub cluster_name: Option<String>,
    /// Where /metrics and /healthz are served; none: nowhere.
    pub admin: Option<SocketAddr>,
    /// The least important log line that is written, in tracing's words.
    pub log_level: LogLevel,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// How to reach the cluster.
    pub cluster: Cluster,
    /// Where artifacts are kept and served; none: the GitOps controllers do not run.
    pub storage: Option<Storage>,
}

/// The operator-wide receivers of alerts.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// Slack hook.
    pub slack_url: Option<Redacted>,
    /// Slack token.
    pub slack_token: Option<Redacted>,
    /// Proxy to Slack.
    pub slack_proxy_url: Option<Redacted>,
    /// Slack user.
    pub slack_user: String,
    /// Slack channel.
    pub slack_channel: String,
    /// Teams hook.
    pub msteams_url: Option<Redacted>,
    /// Proxy to Teams.
    pub msteams_proxy_url: Option<Redacted>,
}

/// How to reach the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Path to a kubeconfig; none: in-cluster, then the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// Address of the API server, in place of the kubeconfig's.
    pub master: Option<String>,
    /// Kubeconfig of the cluster that holds the routing objects; none: the same.
    pub service_mesh: Option<PathBuf>,
    /// How many requests it gets; none: no limit.
    pub rate: Option<Rate>,
}

/// Where artifacts are kept and served.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Folder.
    pub path: PathBuf,
    /// Where to listen.
    pub addr: SocketAddr,
    /// `host:port` under which others reach it; none: the address listened on, `localhost` if that is all hosts.
    pub adv_addr: Option<String>,
}

/// The least important log line that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What a user would want to know.
    Info,
    /// What is unusual.
    Warn,
    /// What someone must act on.
    Error,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Console,
}

/// A text that must not be shown: it has no `Display` and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// The text, for the one who sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Redacted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Redacted")
    }
}

/// Why settings make no sense.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A duration that Go would not read either.
    #[error("flag -{flag} is {value:?}: give a duration above zero, such as \"10s\" or \"1m30s\"")]
    Duration {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        value: String,
    },
    /// A value outside the choice.
    #[error("flag -{flag} is {value:?}: give {choice}")]
    Choice {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        value: String,
        /// What may be typed.
        choice: &'static str,
    },
}

impl TryFrom<Args> for Settings {
    type Error = SettingsError;

    /// Reads flags and this process's environment.
    fn try_from(args: Args) -> Result<Self, SettingsError> {
        Self::parse(&args, &|name| std::env::var(name).ok())
    }
}

impl Settings {
    /// Reads flags and the environment; variables win where Flagger lets them win.
    pub fn parse(args: &Args, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        // Checked although nothing polls: a manifest with a bad value fails as it does with Flagger.
        duration("control-loop-interval", &args.control_loop_interval)?;
        let selector_labels = words(&args.selector_labels);
        if selector_labels.is_empty() {
            return Err(SettingsError::Choice {
                flag: "selector-labels",
                value: args.selector_labels.clone(),
                choice: "at least one label key, such as \"app\"",
            });
        }
        let namespace = given(&args.namespace);
        let lease_namespace = args.enable_leader_election.then(|| {
            namespace
                .clone()
                .unwrap_or_else(|| args.leader_election_namespace.clone())
        });
        Ok(Self {
            metrics_server: args.metrics_server.clone(),
            interval_min: duration("interval-min", &args.interval_min)?,
            rounds_max: usize::from(args.threadiness.max(1))
                .saturating_mul(ROUNDS_PER_THREAD)
                .min(ROUNDS_MAX),
            namespace,
            mesh_provider: args.mesh_provider.clone(),
            selector_labels,
            include_label_prefix: words(&args.include_label_prefix),
            is_config_tracked: args.enable_config_tracking,
            ingress_annotations_prefix: args.ingress_annotations_prefix.clone(),
            ingress_class: given(&args.ingress_class),
            lease_namespace,
            is_cross_namespace_refused: args.no_cross_namespace_refs,
            is_loopback_allowed: args.allow_loopback,
            alerts: alerts(args, env),
            event_webhook: env("EVENT_WEBHOOK_URL")
                .and_then(|url| given(&url))
                .or_else(|| given(&args.event_webhook)),
            cluster_name: given(&args.cluster_name),
            admin: Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, args.port))),
            log_level: log_level(&args.log_level),
            log_format: log_format(&args.zap_encoding)?,
            cluster: Cluster {
                kubeconfig: given(&args.kubeconfig).map(PathBuf::from),
                master: given(&args.master),
                service_mesh: given(&args.kubeconfig_service_mesh)
                    .filter(|path| *path != args.kubeconfig)
                    .map(PathBuf::from),
                rate: rate(args.kubeconfig_qps, args.kubeconfig_burst),
            },
            storage: storage(args)?,
        })
    }
}

/// As client-go reads them: 0 is its own default, and below 0 there is no limit.
fn rate(qps: i32, burst: i32) -> Option<Rate> {
    let qps = match u32::try_from(qps).ok()? {
        0 => QPS_DEFAULT,
        qps => qps,
    };
    let burst = match u32::try_from(burst) {
        Ok(burst) if burst > 0 => burst,
        Ok(_) | Err(_) => BURST_DEFAULT,
    };
    Some(Rate { qps, burst })
}

fn alerts(args: &Args, env: &dyn Fn(&str) -> Option<String>) -> Alerts {
    let secret = |variable: &str, flag: &str| {
        env(variable)
            .and_then(|value| given(&value))
            .or_else(|| given(flag))
            .map(Redacted)
    };
    Alerts {
        slack_url: secret("SLACK_URL", &args.slack_url),
        slack_token: secret("SLACK_TOKEN", &args.slack_token),
        slack_proxy_url: secret("SLACK_PROXY_URL", &args.slack_proxy_url),
        slack_user: args.slack_user.clone(),
        slack_channel: args.slack_channel.clone(),
        msteams_url: secret("MSTEAMS_URL", &args.msteams_url),
        msteams_proxy_url: secret("MSTEAMS_PROXY_URL", &args.msteams_proxy_url),
    }
}

fn storage(args: &Args) -> Result<Option<Storage>, SettingsError> {
    // Go's listen addresses may leave the host out: of both families then.
    let listen = match args.storage_addr.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => args.storage_addr.clone(),
    };
    let addr = listen.parse().map_err(|_| SettingsError::Choice {
        flag: "storage-addr",
        value: args.storage_addr.clone(),
        choice: "an address such as \":9090\" or \"127.0.0.1:9090\"",
    })?;
    Ok(given(&args.storage_path).map(|path| Storage {
        path: PathBuf::from(path),
        addr,
        adv_addr: given(&args.storage_adv_addr),
    }))
}

/// Any other word is info, as in Flagger: `warning` too, which its help names.
fn log_level(word: &str) -> LogLevel {
    match word {
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" | "fatal" | "panic" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

fn log_format(word: &str) -> Result<LogFormat, SettingsError> {
    match word {
        "json" => Ok(LogFormat::Json),
        "console" => Ok(LogFormat::Console),
        other => Err(SettingsError::Choice {
            flag: "zap-encoding",
            value: other.to_owned(),
            choice: "json or console",
        }),
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn words(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn duration(flag: &'static str, value: &str) -> Result<Duration, SettingsError> {
    match api::duration::parse(value) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err(SettingsError::Duration {
            flag,
            value: value.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        let argv = std::iter::once("operator")
            .chain(line.split_whitespace())
            .map(str::to_owned);
        let args = Args::parse_go(argv).map_err(|error| error.to_string())?;
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::parse(&args, &lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_wins_and_secrets_stay_hidden() {
        let settings = parse(
            "-slack-url=http://flag -event-webhook=http://flag",
            &[
                ("SLACK_URL", "http://token-in-env"),
                ("EVENT_WEBHOOK_URL", "http://env"),
            ],
        )
        .unwrap();
        assert_eq!(
            settings.alerts.slack_url.as_ref().unwrap().reveal(),
            "http://token-in-env"
        );
        assert_eq!(settings.event_webhook.as_deref(), Some("http://env"));
        assert!(!format!("{settings:?}").contains("token-in-env"));
    }

    #[test]
    fn the_namespace_also_holds_the_lease() {
        for (line, expected) in [
            ("", None),
            ("-enable-leader-election", Some("kube-system")),
            (
                "-enable-leader-election -leader-election-namespace=ops",
                Some("ops"),
            ),
            (
                "-enable-leader-election -leader-election-namespace=ops -namespace=test",
                Some("test"),
            ),
        ] {
            assert_eq!(
                parse(line, &[]).unwrap().lease_namespace.as_deref(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn where_no_host_is_named_both_families_are_heard() {
        for (line, expected) in [
            ("-storage-path=/a", "[::]:9090"),
            ("-storage-path=/a -storage-addr=:80", "[::]:80"),
            ("-storage-path=/a -storage-addr=0.0.0.0:80", "0.0.0.0:80"),
        ] {
            let settings = parse(line, &[]).unwrap();
            assert_eq!(settings.storage.unwrap().addr.to_string(), expected);
            assert_eq!(settings.admin.unwrap().to_string(), "[::]:8080");
        }
    }

    #[test]
    fn the_rate_is_read_as_client_go_reads_it() {
        for (line, expected) in [
            ("", Some((100, 250))),
            ("-kubeconfig-qps=20 -kubeconfig-burst 40", Some((20, 40))),
            ("-kubeconfig-qps=0 -kubeconfig-burst=0", Some((5, 10))),
            ("-kubeconfig-qps=-1", None),
        ] {
            let rate = parse(line, &[]).unwrap().cluster.rate;
            assert_eq!(rate.map(|rate| (rate.qps, rate.burst)), expected, "{line}");
        }
    }

    #[test]
    fn log_levels_are_those_of_flagger() {
        for (line, expected) in [
            ("", LogLevel::Debug),
            ("-log-level=warn", LogLevel::Warn),
            ("-log-level=panic", LogLevel::Error),
            ("-log-level=warning", LogLevel::Info),
            ("-log-level=trace", LogLevel::Info),
        ] {
            assert_eq!(parse(line, &[]).unwrap().log_level, expected, "{line}");
        }
    }

    #[test]
    fn a_mesh_of_its_own_has_a_kubeconfig_of_its_own() {
        for (line, expected) in [
            ("-kubeconfig=/a", None),
            ("-kubeconfig=/a -kubeconfig-service-mesh=/a", None),
            ("-kubeconfig-service-mesh=/b", Some("/b")),
        ] {
            let mesh = parse(line, &[]).unwrap().cluster.service_mesh;
            assert_eq!(mesh, expected.map(PathBuf::from), "{line}");
        }
    }

    #[test]
    fn bad_values_are_named() {
        for (line, named) in [
            ("-interval-min=0s", "-interval-min is \"0s\""),
            ("-interval-min=-1s", "-interval-min is \"-1s\""),
            ("-control-loop-interval=soon", "-control-loop-interval"),
            ("-zap-encoding=text", "-zap-encoding is \"text\""),
            ("-selector-labels=,", "-selector-labels"),
            ("-storage-addr=nowhere", "-storage-addr"),
        ] {
            let error = parse(line, &[]).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
