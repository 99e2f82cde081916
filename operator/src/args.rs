//! Reads the command line of `sluice operator`: Flagger's flags, as Flagger takes them.
//!
//! Long names have one dash or two, values follow `=` or a space, booleans stand bare or
//! follow `=`. It does not say what the flags mean: that is `settings.rs`. Source of names
//! and defaults: Flagger 1.44 `cmd/flagger/main.go` as described by its help text.

use clap::{ArgAction, Parser};

/// What was typed, with Flagger's defaults for what was not.
#[derive(Clone, Parser)]
#[command(
    name = "operator",
    about = "Runs the canary and GitOps controllers",
    args_override_self = true,
    disable_version_flag = true
)]
pub struct Args {
    /// Path to a kubeconfig; empty: in-cluster, then the user's own.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub kubeconfig: String,
    /// Address of the API server, in place of the kubeconfig's.
    #[arg(long, default_value = "")]
    pub master: String,
    /// Requests per second to the API server; below 0: as many as there are.
    #[arg(long, default_value_t = 100, allow_negative_numbers = true)]
    pub kubeconfig_qps: i32,
    /// Requests to the API server that may come at once.
    #[arg(long, default_value_t = 250, allow_negative_numbers = true)]
    pub kubeconfig_burst: i32,
    /// Kubeconfig of the cluster that holds the routing objects; empty: the same cluster.
    #[arg(long, default_value = "")]
    pub kubeconfig_service_mesh: String,
    /// Prometheus base URL.
    #[arg(long, default_value = "http://prometheus:9090")]
    pub metrics_server: String,
    /// How often Flagger looks for new canaries; here only a bound on retries.
    #[arg(long, default_value = "10s")]
    pub control_loop_interval: String,
    /// Shortest analysis interval; shorter ones are raised to it.
    #[arg(long, default_value = "10s")]
    pub interval_min: String,
    /// Workers; here the number of canaries that are reconciled at once, times sixty-four.
    #[arg(long, default_value_t = 2)]
    pub threadiness: u16,
    /// Watch this namespace only; empty: all.
    #[arg(long, default_value = "")]
    pub namespace: String,
    /// Routing provider of canaries that name none.
    #[arg(long, default_value = "istio")]
    pub mesh_provider: String,
    /// Keys that may hold the selector label, in order.
    #[arg(long, default_value = "app,name,app.kubernetes.io/name")]
    pub selector_labels: String,
    /// Prefixes of labels copied to the primary; `*` for all.
    #[arg(long, default_value = "")]
    pub include_label_prefix: String,
    /// Track ConfigMaps and Secrets of the target.
    #[arg(long, default_value = "true", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub enable_config_tracking: bool,
    /// Prefix of NGINX ingress annotations.
    #[arg(long, default_value = "nginx.ingress.kubernetes.io")]
    pub ingress_annotations_prefix: String,
    /// Ingress class of HTTPProxy objects.
    #[arg(long, default_value = "")]
    pub ingress_class: String,
    /// Elect one leader among the replicas.
    #[arg(long, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub enable_leader_election: bool,
    /// Namespace of the leader's Lease; `--namespace` wins.
    #[arg(long, default_value = "kube-system")]
    pub leader_election_namespace: String,
    /// Refuse references to other namespaces.
    #[arg(long, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub no_cross_namespace_refs: bool,
    /// Slack hook; the environment's SLACK_URL wins.
    #[arg(long, default_value = "")]
    pub slack_url: String,
    /// Slack token; the environment's SLACK_TOKEN wins.
    #[arg(long, default_value = "")]
    pub slack_token: String,
    /// Proxy to Slack; the environment's SLACK_PROXY_URL wins.
    #[arg(long, default_value = "")]
    pub slack_proxy_url: String,
    /// Slack user.
    #[arg(long, default_value = "flagger")]
    pub slack_user: String,
    /// Slack channel.
    #[arg(long, default_value = "")]
    pub slack_channel: String,
    /// Teams hook; the environment's MSTEAMS_URL wins.
    #[arg(long, default_value = "")]
    pub msteams_url: String,
    /// Proxy to Teams; the environment's MSTEAMS_PROXY_URL wins.
    #[arg(long, default_value = "")]
    pub msteams_proxy_url: String,
    /// Receiver of every event; the environment's EVENT_WEBHOOK_URL wins.
    #[arg(long, default_value = "")]
    pub event_webhook: String,
    /// Name of the cluster, told in alerts.
    #[arg(long, default_value = "")]
    pub cluster_name: String,
    /// Port of /metrics and /healthz; 0: any free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// debug, info, warn, error, fatal or panic.
    #[arg(long, default_value = "debug")]
    pub log_level: String,
    /// json or console.
    #[arg(long, default_value = "json")]
    pub zap_encoding: String,
    /// Accepted, without effect.
    #[arg(long, hide = true, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub zap_replace_globals: bool,
    /// Folder of kept artifacts; empty: the GitOps controllers do not run.
    #[arg(long, default_value = "")]
    pub storage_path: String,
    /// Address on which artifacts are served.
    #[arg(long, default_value = ":9090")]
    pub storage_addr: String,
    /// Address under which others reach the artifacts.
    #[arg(long, default_value = "")]
    pub storage_adv_addr: String,
    /// Let addresses in objects lead to loopback: for an operator beside its servers.
    #[arg(long, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub allow_loopback: bool,
    /// Print the version and end.
    #[arg(long, default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_parser = go_bool)]
    pub version: bool,
    #[command(flatten)]
    klog: Klog,
}

/// The flags of klog: accepted, without effect, because manifests carry them.
#[derive(Clone, Parser)]
struct Klog {
    #[arg(long = "v", hide = true)]
    _v: Option<String>,
    #[arg(long = "vmodule", hide = true)]
    _vmodule: Option<String>,
    #[arg(long = "log_dir", hide = true)]
    _log_dir: Option<String>,
    #[arg(long = "log_file", hide = true)]
    _log_file: Option<String>,
    #[arg(long = "log_file_max_size", hide = true)]
    _log_file_max_size: Option<String>,
    #[arg(long = "log_backtrace_at", hide = true)]
    _log_backtrace_at: Option<String>,
    #[arg(long = "stderrthreshold", hide = true)]
    _stderrthreshold: Option<String>,
    #[arg(long = "logtostderr", hide = true, num_args = 0..=1, require_equals = true)]
    _logtostderr: Option<Option<String>>,
    #[arg(long = "alsologtostderr", hide = true, num_args = 0..=1, require_equals = true)]
    _alsologtostderr: Option<Option<String>>,
    #[arg(long = "alsologtostderrthreshold", hide = true)]
    _alsologtostderrthreshold: Option<String>,
    #[arg(long = "legacy_stderr_threshold_behavior", hide = true, num_args = 0..=1, require_equals = true)]
    _legacy_stderr_threshold_behavior: Option<Option<String>>,
    #[arg(long = "add_dir_header", hide = true, num_args = 0..=1, require_equals = true)]
    _add_dir_header: Option<Option<String>>,
    #[arg(long = "skip_headers", hide = true, num_args = 0..=1, require_equals = true)]
    _skip_headers: Option<Option<String>>,
    #[arg(long = "skip_log_headers", hide = true, num_args = 0..=1, require_equals = true)]
    _skip_log_headers: Option<Option<String>>,
    #[arg(long = "one_output", hide = true, num_args = 0..=1, require_equals = true)]
    _one_output: Option<Option<String>>,
}

impl Args {
    /// Parses `argv`, the program's name first. Errors are clap's, ready to be printed.
    pub fn parse_go<I>(argv: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = String>,
    {
        Self::try_parse_from(normalize_argv(argv))
    }
}

/// Gives long names their second dash: Go's flag package takes one or two.
pub fn normalize_argv<I>(argv: I) -> Vec<String>
where
    I: IntoIterator<Item = String>,
{
    let mut ended = false;
    argv.into_iter()
        .enumerate()
        .map(|(position, word)| {
            ended |= word == "--";
            let name = word.strip_prefix('-').unwrap_or_default();
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && word != "-h";
            if position == 0 || ended || !is_name {
                word
            } else {
                format!("-{word}")
            }
        })
        .collect()
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
fn go_bool(word: &str) -> Result<bool, String> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let argv = std::iter::once("operator").chain(line.split_whitespace());
        Args::parse_go(argv.map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_flags_as_go_does() {
        for line in [
            "-mesh-provider=gatewayapi:v1 -enable-leader-election -port=0",
            "--mesh-provider gatewayapi:v1 --enable-leader-election=true --port 0",
            "-mesh-provider kuma -mesh-provider gatewayapi:v1 -enable-leader-election=T -port 0 -v=4 -logtostderr",
            "-alsologtostderrthreshold INFO -legacy_stderr_threshold_behavior=false -mesh-provider=gatewayapi:v1 \
             -enable-leader-election -port=0",
        ] {
            let args = parse(line).unwrap();
            assert_eq!(args.mesh_provider, "gatewayapi:v1", "{line}");
            assert!(args.enable_leader_election, "{line}");
            assert_eq!(args.port, 0, "{line}");
        }
    }

    #[test]
    fn has_the_defaults_of_flagger() {
        let args = parse("").unwrap();
        assert_eq!(args.metrics_server, "http://prometheus:9090");
        assert_eq!(args.selector_labels, "app,name,app.kubernetes.io/name");
        assert!(args.enable_config_tracking && !args.enable_leader_election);
        assert_eq!((args.port, args.threadiness), (8080, 2));
        assert!(
            !parse("-enable-config-tracking=false")
                .unwrap()
                .enable_config_tracking
        );
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for line in [
            "-no-such-flag",
            "-port=high",
            "-enable-leader-election=maybe",
            "-port 65536",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
