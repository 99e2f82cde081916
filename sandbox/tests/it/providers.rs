//! A whole canary on each provider: the operator words its routes, the sandbox's users read them by their own code.
//! At each step the share of requests that the new version answers agrees with the weight; after a promotion and
//! after a rollback there is one version, and nobody went without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use release::Release;

mod knative;
mod outbound;
mod release;

/// A kind that a provider needs: `group/version`, kind, and whether it is cluster-scoped.
type Kind = (&'static str, &'static str, bool);

#[derive(Clone, Copy)]
struct Provider {
    name: &'static str,
    kinds: &'static [Kind],
    /// Merged over the Canary's spec.
    spec: fn() -> Value,
    /// Objects of the user's.
    objects: fn() -> Vec<Value>,
    /// False where all users switch at once.
    has_weights: bool,
    /// True where testers can be sent to the canary beside weights: what is written to choose them.
    testers: Option<fn() -> Value>,
}

const ISTIO: &[Kind] = &[
    ("networking.istio.io/v1beta1", "VirtualService", false),
    ("networking.istio.io/v1beta1", "DestinationRule", false),
];
const HTTP_ROUTE: &[Kind] = &[("gateway.networking.k8s.io/v1", "HTTPRoute", false)];
const SMI: [Kind; 3] = [
    ("split.smi-spec.io/v1alpha1", "TrafficSplit", false),
    ("split.smi-spec.io/v1alpha2", "TrafficSplit", false),
    ("split.smi-spec.io/v1alpha3", "TrafficSplit", false),
];
const APP_MESH_V1BETA1: &[Kind] = &[
    ("appmesh.k8s.aws/v1beta1", "VirtualNode", false),
    ("appmesh.k8s.aws/v1beta1", "VirtualService", false),
];
const APP_MESH_V1BETA2: &[Kind] = &[
    ("appmesh.k8s.aws/v1beta2", "VirtualNode", false),
    ("appmesh.k8s.aws/v1beta2", "VirtualRouter", false),
    ("appmesh.k8s.aws/v1beta2", "VirtualService", false),
];
const GLOO: &[Kind] = &[
    ("gateway.solo.io/v1", "RouteTable", false),
    ("gloo.solo.io/v1", "Upstream", false),
];
const KNATIVE: &[Kind] = &[
    ("serving.knative.dev/v1", "Service", false),
    ("serving.knative.dev/v1", "Revision", false),
];

fn nothing() -> Value {
    json!({})
}

fn none() -> Vec<Value> {
    Vec::new()
}

/// A provider that needs nothing but its kinds.
const fn plain(name: &'static str, kinds: &'static [Kind]) -> Provider {
    Provider {
        name,
        kinds,
        spec: nothing,
        objects: none,
        has_weights: true,
        testers: None,
    }
}

const fn with_testers(provider: Provider) -> Provider {
    Provider {
        testers: Some(by_header),
        ..provider
    }
}

const fn with_ingress(name: &'static str) -> Provider {
    Provider {
        spec: || json!({"ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"}}),
        objects: ingress,
        ..plain(name, &[])
    }
}

const PROVIDERS: &[Provider] = &[
    with_testers(plain("istio", ISTIO)),
    with_testers(Provider {
        spec: gateway,
        ..plain("gatewayapi:v1", HTTP_ROUTE)
    }),
    with_testers(Provider {
        spec: gateway,
        ..plain(
            "gatewayapi:v1beta1",
            &[("gateway.networking.k8s.io/v1beta1", "HTTPRoute", false)],
        )
    }),
    with_testers(Provider {
        spec: || json!({"service": {"port": 80, "targetPort": 9898, "routeKind": "GRPCRoute", "gatewayRefs": [{"name": "gate"}]}}),
        ..plain(
            "gatewayapi:v1",
            &[("gateway.networking.k8s.io/v1", "GRPCRoute", false)],
        )
    }),
    with_testers(plain("sluice", HTTP_ROUTE)),
    with_testers(plain(
        "contour",
        &[("projectcontour.io/v1", "HTTPProxy", false)],
    )),
    Provider {
        testers: Some(by_header_or_cookie_name),
        ..with_ingress("nginx")
    },
    with_ingress("skipper"),
    plain("linkerd", &[SMI[0]]),
    plain("osm", &[SMI[1]]),
    plain("smi:v1alpha1", &[SMI[0]]),
    plain("smi:v1alpha2", &[SMI[1]]),
    plain("smi:v1alpha3", &[SMI[2]]),
    plain("kuma", &[("kuma.io/v1alpha1", "TrafficRoute", true)]),
    plain(
        "traefik",
        &[("traefik.io/v1alpha1", "TraefikService", false)],
    ),
    plain("gloo", GLOO),
    Provider {
        spec: || json!({"service": {"port": 80, "targetPort": 9898, "meshName": "global"}}),
        ..plain("appmesh", APP_MESH_V1BETA1)
    },
    plain("appmesh:v1beta2", APP_MESH_V1BETA2),
    Provider {
        spec: || json!({"routeRef": {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": "web"}}),
        objects: apisix_route,
        ..plain("apisix", &[("apisix.apache.org/v2", "ApisixRoute", false)])
    },
    Provider {
        spec: || json!({"targetRef": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "podinfo"}}),
        ..plain("knative", KNATIVE)
    },
    Provider {
        has_weights: false,
        ..plain("kubernetes", &[])
    },
];

fn gateway() -> Value {
    json!({"service": {"port": 80, "targetPort": 9898, "gatewayRefs": [{"name": "gate"}]}})
}

fn by_header() -> Value {
    json!([{"headers": {"x-tester": {"exact": "yes"}}}, {"headers": {"cookie": {"regex": ".*tester=always.*"}}}])
}

/// NGINX takes the cookie's name for the header `cookie`.
fn by_header_or_cookie_name() -> Value {
    json!([{"headers": {"x-tester": {"exact": "yes"}}}, {"headers": {"cookie": {"exact": "tester"}}}])
}

fn ingress() -> Vec<Value> {
    let backend = json!({"service": {"name": "podinfo", "port": {"number": 80}}});
    vec![
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "test"},
        "spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
    ]
}

fn apisix_route() -> Vec<Value> {
    let backends = json!([{"serviceName": "podinfo", "servicePort": 80}]);
    vec![
        json!({"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "web", "namespace": "test"},
        "spec": {"http": [{"name": "all", "match": {"paths": ["/*"]}, "backends": backends}]}}),
    ]
}

/// Initialises, promotes 2.0.0, and rolls 3.0.0 back, which fails half of its requests.
async fn check(provider: &Provider, with_testers: bool) {
    let testers = provider.testers.filter(|_| with_testers);
    let mut release = Release::start(provider, testers.map(|testers| testers())).await;
    release.until_rests("Initialized", "1.0.0").await;
    release.roll_out("2.0.0", "0", "Succeeded").await;
    release.until_rests("Succeeded", "2.0.0").await;
    release.roll_out("3.0.0", "0.5", "Failed").await;
    release.until_rests("Failed", "2.0.0").await;
    release.everybody_was_served();
}

/// Each case on a clock of its own, as many at once as there are cores.
fn each(cases: Vec<(&'static Provider, bool)>) {
    let (cases, next) = (Arc::new(cases), AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((provider, with_testers)) =
                    cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let mut runtime = tokio::runtime::Builder::new_current_thread();
                    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
                    runtime.block_on(check(provider, *with_testers));
                }
            });
        }
    });
}

#[test]
fn a_whole_canary_on_each_provider() {
    each(PROVIDERS.iter().map(|provider| (provider, false)).collect());
}

#[test]
fn testers_always_reach_the_canary_and_users_by_weight() {
    let able = PROVIDERS
        .iter()
        .filter(|provider| provider.testers.is_some());
    each(able.map(|provider| (provider, true)).collect());
}
