//! The built-in checks: request-success-rate and request-duration
//!
//! Each flavour is a set of words (`Words`) in its own file; the queries are the
//! same for all: a share of two rates, a quantile, or a mean (spec 5.1).

mod envoy;
mod ingress;
mod istio;
mod kubernetes;
mod mesh;
mod sluice;

use std::fmt;

use rollout::spec::CheckSource;

/// Whose metrics the built-in checks read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Istio, and whatever is not known.
    Istio,
    /// App Mesh.
    AppMesh,
    /// Linkerd.
    Linkerd,
    /// Contour.
    Contour,
    /// Gloo.
    Gloo,
    /// Knative.
    Knative,
    /// Kuma.
    Kuma,
    /// NGINX ingress.
    Nginx,
    /// The pods' own metrics: `kubernetes` and Gateway API.
    Kubernetes,
    /// Skipper.
    Skipper,
    /// Traefik.
    Traefik,
    /// Open Service Mesh.
    Osm,
    /// APISIX.
    Apisix,
    /// Sluice's own gateway.
    Sluice,
}

impl Flavour {
    /// Chooses as Flagger does (spec 5.1): by the flag's mesh provider, the
    /// canary's `spec.provider`, and whether the target is a core Service.
    #[must_use]
    pub fn choose(flag: &str, spec_provider: Option<&str>, is_service_target: bool) -> Self {
        let mut provider = if flag.contains("crossover") {
            "crossover"
        } else {
            flag
        };
        if let Some(own) = spec_provider.filter(|own| !own.is_empty()) {
            provider = if flag.contains("linkerd") {
                "linkerd"
            } else {
                own
            };
        }
        let starts = [
            ("appmesh", Self::AppMesh),
            ("gloo", Self::Gloo),
            ("gatewayapi", Self::Kubernetes),
            // Ours, so not bound by Flagger's rule for Services.
            ("sluice", Self::Sluice),
        ];
        if let Some((_, flavour)) = starts
            .into_iter()
            .find(|(start, _)| provider.starts_with(start))
        {
            return flavour;
        }
        // Flagger appends ":service" for such targets, which no name equals.
        if is_service_target {
            return Self::Istio;
        }
        match provider {
            "linkerd" => Self::Linkerd,
            "contour" => Self::Contour,
            "knative" => Self::Knative,
            "kuma" => Self::Kuma,
            "nginx" => Self::Nginx,
            "kubernetes" => Self::Kubernetes,
            "skipper" => Self::Skipper,
            "traefik" => Self::Traefik,
            "osm" => Self::Osm,
            "apisix" => Self::Apisix,
            _ => Self::Istio,
        }
    }

    fn words(self) -> Words {
        match self {
            Self::Istio => istio::WORDS,
            Self::AppMesh => envoy::APP_MESH,
            Self::Contour => envoy::CONTOUR,
            Self::Gloo => envoy::GLOO,
            Self::Knative => envoy::KNATIVE,
            Self::Kuma => envoy::KUMA,
            Self::Linkerd => mesh::LINKERD,
            Self::Osm => mesh::OSM,
            Self::Nginx => ingress::NGINX,
            Self::Skipper => ingress::SKIPPER,
            Self::Traefik => ingress::TRAEFIK,
            Self::Apisix => ingress::APISIX,
            Self::Kubernetes => kubernetes::WORDS,
            Self::Sluice => sluice::WORDS,
        }
    }
}

/// The name in Flagger's "no values found for … metric".
impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Istio => "istio",
            Self::AppMesh => "appmesh",
            Self::Linkerd => "linkerd",
            Self::Contour => "contour",
            Self::Gloo => "gloo",
            Self::Knative => "knative",
            Self::Kuma => "kuma",
            Self::Nginx => "nginx",
            Self::Kubernetes => "kubernetes",
            Self::Skipper => "skipper",
            Self::Traefik => "traefik",
            Self::Osm => "osm",
            Self::Apisix => "apisix",
            Self::Sluice => "sluice",
        })
    }
}

/// What a flavour's metrics are called. Matchers are query templates.
struct Words {
    /// Counter of requests.
    counter: &'static str,
    /// Label matchers of the canary's requests.
    matchers: &'static str,
    /// Matcher of the requests that went well.
    good: &'static str,
    /// How long requests take.
    duration: Duration,
    /// Names that stand in labels with other characters replaced by `_`.
    is_snake: bool,
}

/// How a flavour tells of durations.
enum Duration {
    /// The 99th percentile of a histogram.
    P99 {
        /// The series with the label `le`.
        bucket: &'static str,
        /// Label matchers.
        matchers: &'static str,
        /// Its unit.
        unit: Unit,
    },
    /// The mean, in seconds: `<name>_sum` by `<name>_count`.
    Mean {
        /// Name without ending.
        name: &'static str,
        /// Label matchers.
        matchers: &'static str,
    },
}

/// Unit of a histogram of durations.
enum Unit {
    Milliseconds,
    Seconds,
    /// Seconds, turned into milliseconds after the answer came.
    SecondsOfAnswer,
}

/// A query template of a built-in check, and what its answer is multiplied by.
pub(crate) struct Builtin {
    pub(crate) template: String,
    pub(crate) factor: f64,
    /// Names must be rendered with `_` for what is not a word character.
    pub(crate) is_snake: bool,
}

/// The query of a built-in check; none for the other sources.
pub(crate) fn builtin(flavour: Flavour, source: &CheckSource) -> Option<Builtin> {
    let words = flavour.words();
    let is_snake = words.is_snake;
    match source {
        CheckSource::SuccessRate => Some(Builtin {
            template: success_rate(&words),
            factor: 1.0,
            is_snake,
        }),
        CheckSource::Duration => {
            let (template, factor) = duration(&words.duration);
            Some(Builtin {
                template,
                factor,
                is_snake,
            })
        }
        CheckSource::Query(_) | CheckSource::Template { .. } => None,
    }
}

fn success_rate(words: &Words) -> String {
    let Words {
        counter,
        matchers,
        good,
        duration: _,
        is_snake: _,
    } = words;
    format!(
        "sum( rate( {counter}{{ {matchers}, {good} }}[{{{{ interval }}}}] ) ) \
         / sum( rate( {counter}{{ {matchers} }}[{{{{ interval }}}}] ) ) * 100"
    )
}

fn duration(words: &Duration) -> (String, f64) {
    match words {
        Duration::P99 {
            bucket,
            matchers,
            unit,
        } => {
            let p99 = format!(
                "histogram_quantile( 0.99, sum( rate( {bucket}{{ {matchers} }}[{{{{ interval }}}}] ) ) by (le) )"
            );
            match unit {
                Unit::Milliseconds => (p99, 1.0),
                Unit::Seconds => (format!("1000 * {p99}"), 1.0),
                Unit::SecondsOfAnswer => (p99, 1000.0),
            }
        }
        Duration::Mean { name, matchers } => {
            let rate =
                |end| format!("sum( rate( {name}_{end}{{ {matchers} }}[{{{{ interval }}}}] ) )");
            (format!("1000 * {} / {}", rate("sum"), rate("count")), 1.0)
        }
    }
}
