//! Everything of a Canary that routing needs, the wanted split, and who owns the objects.

use std::collections::BTreeMap;

use api::canary::{
    Canary, CanaryService, NamespacedObjectRef, SessionAffinity, analysis::AnalysisMatch,
};
use rollout::Split;
use serde_json::{Value, json};

use crate::{cookie::Cookies, error::RenderError};

/// The prefix of NGINX's annotations, unless another is set.
const INGRESS_PREFIX_DEFAULT: &str = "nginx.ingress.kubernetes.io";

/// What is to be routed.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Namespace of the Canary and of every object.
    pub namespace: String,
    /// Name of the apex Service; the others are `<apex>-primary` and `<apex>-canary`.
    pub apex: String,
    /// Name of the routing object: the apex, or `<apex>-<port name>` of a further port.
    pub name: String,
    /// Name of the target (`spec.targetRef.name`).
    pub target: String,
    /// Annotations of the Canary: some meshes have settings there.
    pub annotations: BTreeMap<String, String>,
    /// Name of the Ingress to copy (`spec.ingressRef`).
    pub ingress: Option<String>,
    /// Name of the ApisixRoute to copy (`spec.routeRef`).
    pub apisix_route: Option<String>,
    /// The Gloo Upstream to copy settings from (`spec.upstreamRef`).
    pub upstream: Option<NamespacedObjectRef>,
    /// Owner of the objects that are made; `None` when they are on another cluster.
    pub owner: Option<Owner>,
    /// `spec.service`.
    pub service: CanaryService,
    /// `spec.analysis.match`.
    pub matches: Vec<AnalysisMatch>,
    /// False when a release goes from nothing to all at once and back (`spec.analysis.iterations`): no weights between.
    pub is_gradual: bool,
    /// `spec.analysis.testers`.
    pub testers: Vec<AnalysisMatch>,
    /// `spec.analysis.mirror`.
    pub is_mirror_asked: bool,
    /// `spec.analysis.mirrorWeight` in per cent; `None` is all requests.
    pub mirror_weight: Option<u8>,
    /// `spec.analysis.sessionAffinity`.
    pub session_affinity: Option<SessionAffinity>,
    /// The cookies in force; `None` when nobody keeps them, and session affinity is refused.
    pub cookies: Option<Cookies>,
    /// The split wanted.
    pub split: Split,
    /// The selector label that goes onto mesh objects beside `service.apex` metadata: key and value
    /// (spec/flagger.md 2.9, side effect); `None` leaves it out.
    pub selector_label: Option<(String, String)>,
    /// The label that the target's pods are selected by: key and value; the primary's pods have `-primary`
    /// behind the value. `None` while the target is not known.
    pub selector: Option<(String, String)>,
    /// Prefix of NGINX's annotations (`-ingress-annotations-prefix`).
    pub ingress_prefix: String,
    /// Ingress class of Contour's objects (`-ingress-class`).
    pub ingress_class: Option<String>,
}

/// The Canary as an owner reference names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Route {
    /// Takes from `canary` what routing needs, to be split as `split`. Owner is the Canary itself when it
    /// has a uid. Cookies, selector, selector label and ingress settings are left for the caller to fill in.
    ///
    /// # Errors
    /// When the Canary has no `spec.service`, which only one of a Knative Service may lack.
    pub fn new(canary: &Canary, split: Split) -> Result<Self, RenderError> {
        let is_knative = canary
            .spec
            .target_ref
            .api_version
            .starts_with("serving.knative.dev/");
        let service = match &canary.spec.service {
            Some(service) => service.clone(),
            None if is_knative => CanaryService::default(),
            None => {
                return Err(RenderError::Missing {
                    field: "spec.service".into(),
                    cure: "give at least spec.service.port".into(),
                });
            }
        };
        let analysis = canary.analysis();
        let owner = match (&canary.metadata.name, &canary.metadata.uid) {
            (Some(name), Some(uid)) => Some(Owner {
                name: name.clone(),
                uid: uid.clone(),
            }),
            (Some(_) | None, Some(_) | None) => None,
        };
        Ok(Self {
            namespace: canary.metadata.namespace.clone().unwrap_or_default(),
            apex: canary.apex().to_owned(),
            name: canary.apex().to_owned(),
            target: canary.spec.target_ref.name.clone(),
            annotations: canary.metadata.annotations.clone().unwrap_or_default(),
            ingress: named(canary.spec.ingress_ref.as_ref().map(|it| &it.name)),
            apisix_route: named(canary.spec.route_ref.as_ref().map(|it| &it.name)),
            upstream: canary.spec.upstream_ref.clone(),
            owner,
            service,
            matches: analysis
                .and_then(|analysis| analysis.match_.clone())
                .unwrap_or_default(),
            is_gradual: analysis.is_none_or(|analysis| {
                analysis.iterations.unwrap_or(0) < 1
                    || analysis.step_weight_promotion.unwrap_or(0) > 0
            }),
            testers: analysis
                .map(|analysis| analysis.testers.clone())
                .unwrap_or_default(),
            is_mirror_asked: analysis.is_some_and(|analysis| analysis.mirror),
            mirror_weight: analysis
                .and_then(|analysis| analysis.mirror_weight)
                .and_then(|weight| u8::try_from(weight).ok())
                .filter(|weight| (1..100).contains(weight)),
            session_affinity: analysis.and_then(|analysis| analysis.session_affinity.clone()),
            cookies: None,
            split,
            selector_label: None,
            selector: None,
            ingress_prefix: INGRESS_PREFIX_DEFAULT.into(),
            ingress_class: None,
        })
    }

    /// Name of the primary's Service.
    #[must_use]
    pub fn primary(&self) -> String {
        format!("{}-primary", self.apex)
    }

    /// Name of the canary's Service.
    #[must_use]
    pub fn canary(&self) -> String {
        format!("{}-canary", self.apex)
    }

    /// True when this is the route of one of `service.ports`.
    pub(crate) fn is_further(&self) -> bool {
        self.name != self.apex
    }

    /// True when some users reach the canary whatever its weight: none do while it has none, for then it may have
    /// no pods.
    pub(crate) fn has_testers_now(&self) -> bool {
        !self.testers.is_empty() && !self.split.canary.is_zero()
    }

    /// The selector of the primary's pods.
    pub(crate) fn primary_pods(&self) -> Option<Value> {
        let (key, value) = self.selector.as_ref()?;
        Some(json!({ key: format!("{value}-primary") }))
    }

    /// The selector of the canary's pods.
    pub(crate) fn canary_pods(&self) -> Option<Value> {
        let (key, value) = self.selector.as_ref()?;
        Some(json!({ key: value }))
    }

    /// The path prefix of the first `service.match`, for meshes that take one prefix and nothing else.
    pub(crate) fn path_prefix(&self) -> &str {
        self.service
            .match_
            .first()
            .and_then(|first| first.uri.as_ref()?.prefix.as_deref())
            .filter(|prefix| !prefix.is_empty())
            .unwrap_or("/")
    }
}

fn named(name: Option<&String>) -> Option<String> {
    name.filter(|name| !name.is_empty()).cloned()
}
