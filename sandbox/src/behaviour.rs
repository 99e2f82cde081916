//! What a pod's template says its workload does: its version, its errors, its
//! delays, and whether it becomes ready. Reads podinfo's flags and the
//! sandbox's own annotations; starts nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// `never` keeps pods from becoming ready.
pub const READY: &str = "sandbox.sluice.dev/ready";
/// A duration after the start of the container, such as `3s`.
pub const READY_AFTER: &str = "sandbox.sluice.dev/ready-after";
/// `"true"` makes the container crash a second after each start.
pub const CRASH_LOOP: &str = "sandbox.sluice.dev/crash-loop";
/// `fail` keeps the image from being pulled.
pub const IMAGE_PULL: &str = "sandbox.sluice.dev/image-pull";
/// The share of requests answered with 500, from 0 to 1.
pub const ERROR_RATE: &str = "sandbox.sluice.dev/error-rate";
/// How long a request takes, such as `900ms`.
pub const LATENCY: &str = "sandbox.sluice.dev/latency";

/// podinfo's `--random-error` fails a third of the requests.
const RANDOM_ERROR_SHARE: f64 = 1.0 / 3.0;
/// podinfo's `--random-delay` waits up to 5 s.
const RANDOM_DELAY_MAX: Duration = Duration::from_secs(5);
/// Containers that meshes inject.
const SIDECARS: [&str; 3] = ["istio-proxy", "linkerd-proxy", "envoy"];

/// Whether and when the container becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// After the kubelet's own short delay, drawn from the seed.
    Soon,
    /// This long after the start.
    After(Duration),
    /// It runs and is never ready.
    Never,
    /// It ends soon after each start.
    CrashLoop,
    /// It never starts.
    ImagePullFails,
}

/// What a workload does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Behaviour {
    /// The image's tag.
    pub(crate) version: String,
    pub(crate) message: String,
    /// Share of requests answered with 500, from 0 to 1.
    pub(crate) error_share: f64,
    /// A request waits between these two.
    pub(crate) delay_min: Duration,
    pub(crate) delay_max: Duration,
    pub(crate) readiness: Readiness,
}

impl Behaviour {
    pub(crate) fn of(pod: &Pod) -> Self {
        let none = BTreeMap::new();
        let annotations = pod.metadata.annotations.as_ref().unwrap_or(&none);
        let container = pod.spec.as_ref().and_then(main_container);
        let flags = container.map(Flags::of).unwrap_or_default();
        let image = container
            .and_then(|c| c.image.as_deref())
            .unwrap_or_default();
        let version = image_tag(image).to_owned();
        let latency = annotations.get(LATENCY).and_then(|text| duration(text));
        let (delay_min, delay_max) = flags.delays();
        Self {
            message: flags
                .text("ui-message")
                .unwrap_or_else(|| format!("greetings from podinfo v{version}")),
            version,
            error_share: number(annotations.get(ERROR_RATE)).unwrap_or_else(|| flags.error_share()),
            delay_min: latency.unwrap_or(delay_min),
            delay_max: latency.unwrap_or(delay_max),
            readiness: readiness(annotations, &flags),
        }
    }
}

/// The container that serves: the first that no mesh injected.
pub(crate) fn main_container(spec: &PodSpec) -> Option<&Container> {
    let is_own = |c: &&Container| !SIDECARS.contains(&c.name.as_str());
    spec.containers
        .iter()
        .find(is_own)
        .or_else(|| spec.containers.first())
}

fn readiness(annotations: &BTreeMap<String, String>, flags: &Flags) -> Readiness {
    let says = |key: &str, value: &str| annotations.get(key).is_some_and(|v| v == value);
    if says(IMAGE_PULL, "fail") {
        Readiness::ImagePullFails
    } else if says(CRASH_LOOP, "true") {
        Readiness::CrashLoop
    } else if says(READY, "never") || flags.is_set("unready") {
        Readiness::Never
    } else {
        annotations
            .get(READY_AFTER)
            .and_then(|text| duration(text))
            .map_or(Readiness::Soon, Readiness::After)
    }
}

/// The tag of an image reference, `latest` without one; a digest is no tag.
fn image_tag(image: &str) -> &str {
    let undigested = image.split('@').next().unwrap_or(image);
    let name = undigested.rsplit('/').next().unwrap_or(undigested);
    name.split_once(':').map_or("latest", |(_, tag)| tag)
}

/// `--name=value`, `--name value` and `PODINFO_NAME` of one container.
#[derive(Debug, Default)]
struct Flags(BTreeMap<String, String>);

impl Flags {
    fn of(container: &Container) -> Self {
        let mut flags = BTreeMap::new();
        for env in container.env.iter().flatten() {
            if let (Some(name), Some(value)) = (env.name.strip_prefix("PODINFO_"), &env.value) {
                flags.insert(name.to_ascii_lowercase().replace('_', "-"), value.clone());
            }
        }
        let words = container
            .command
            .iter()
            .flatten()
            .chain(container.args.iter().flatten());
        for word in words {
            if let Some(flag) = word.strip_prefix("--") {
                let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
                flags.insert(name.to_owned(), value.to_owned());
            }
        }
        Self(flags)
    }

    fn is_set(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "true")
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn error_share(&self) -> f64 {
        if self.is_set("random-error") {
            return RANDOM_ERROR_SHARE;
        }
        number(self.0.get("random-error")).unwrap_or(0.0)
    }

    fn delays(&self) -> (Duration, Duration) {
        let fixed = self
            .0
            .get("delay")
            .and_then(|text| duration(text))
            .unwrap_or_default();
        if !self.is_set("random-delay") {
            return (fixed, fixed);
        }
        let unit_ms = if self
            .0
            .get("random-delay-unit")
            .is_some_and(|unit| unit == "ms")
        {
            1.0
        } else {
            1000.0
        };
        let bound = |name: &str| {
            let ms = number(self.0.get(name))? * unit_ms;
            Duration::try_from_secs_f64(ms / 1000.0).ok()
        };
        let min = bound("random-delay-min").unwrap_or_default();
        (
            min,
            bound("random-delay-max")
                .unwrap_or(RANDOM_DELAY_MAX)
                .max(min),
        )
    }
}

/// A number of at least zero.
fn number(text: Option<&String>) -> Option<f64> {
    text?
        .parse()
        .ok()
        .filter(|v: &f64| v.is_finite() && *v >= 0.0)
}

/// Reads `900ms`, `3s`, `1.5s`, `2m` or `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (count, unit) = text.split_at(unit_at);
    let unit_s = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(count.parse::<f64>().ok()? * unit_s).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(pod: serde_json::Value, want: &str) {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let b = Behaviour::of(&pod);
        let got = format!(
            "{} {:.2} {:?}..{:?} {:?}",
            b.version, b.error_share, b.delay_min, b.delay_max, b.readiness
        );
        assert_eq!(got, want);
    }

    fn pod(image: &str, args: &[&str], annotations: &serde_json::Value) -> serde_json::Value {
        json!({"metadata": {"annotations": annotations}, "spec": {"containers": [
            {"name": "istio-proxy", "image": "envoy:9"},
            {"name": "podinfod", "image": image, "args": args,
             "env": [{"name": "PODINFO_UI_MESSAGE", "value": "hi"}]}]}})
    }

    #[test]
    fn reads_flags_and_annotations() {
        let none = json!({});
        check(
            pod("ghcr.io/x/podinfo:6.1.0", &[], &none),
            "6.1.0 0.00 0ns..0ns Soon",
        );
        check(
            pod("host:5000/podinfo@sha256:0", &["--random-error"], &none),
            "latest 0.33 0ns..0ns Soon",
        );
        check(
            pod("p:1", &["--random-error=0.5", "--delay=900ms"], &none),
            "1 0.50 900ms..900ms Soon",
        );
        check(
            pod("p:1", &["--random-delay", "--random-delay-max=2"], &none),
            "1 0.00 0ns..2s Soon",
        );
        check(pod("p:1", &["--unready"], &none), "1 0.00 0ns..0ns Never");
        let slow = json!({LATENCY: "20ms", ERROR_RATE: "0.1", READY_AFTER: "3s"});
        check(
            pod("p:1", &["--random-error"], &slow),
            "1 0.10 20ms..20ms After(3s)",
        );
        check(
            pod("p:1", &[], &json!({CRASH_LOOP: "true", READY: "never"})),
            "1 0.00 0ns..0ns CrashLoop",
        );
        check(
            pod("p:1", &["--delay=soon"], &json!({ERROR_RATE: "NaN"})),
            "1 0.00 0ns..0ns Soon",
        );
    }
}
