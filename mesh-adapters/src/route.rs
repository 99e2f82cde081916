//! Everything of a Canary that routing needs, the wanted split, and who owns the objects.

use api::canary::{Canary, CanaryService, SessionAffinity, analysis::AnalysisMatch};
use rollout::Split;

use crate::error::RenderError;

/// What is to be routed.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Namespace of the Canary and of every object.
    pub namespace: String,
    /// Name of the apex Service; the others are `<apex>-primary` and `<apex>-canary`.
    pub apex: String,
    /// Owner of the objects that are made; `None` when they are on another cluster.
    pub owner: Option<Owner>,
    /// `spec.service`.
    pub service: CanaryService,
    /// `spec.analysis.match`.
    pub matches: Vec<AnalysisMatch>,
    /// `spec.analysis.mirrorWeight` in per cent; `None` is all requests.
    pub mirror_weight: Option<u8>,
    /// `spec.analysis.sessionAffinity`.
    pub session_affinity: Option<SessionAffinity>,
    /// The split wanted.
    pub split: Split,
    /// The selector label that goes onto mesh objects beside `service.apex` metadata: key and value
    /// (spec/flagger.md 2.9, side effect); `None` leaves it out.
    pub selector_label: Option<(String, String)>,
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
    /// Takes from `canary` what routing needs, to be split as `split`. Owner and selector label are left for
    /// the caller to fill in: owner is the Canary itself when it has a uid.
    ///
    /// # Errors
    /// When the Canary has no `spec.service`.
    pub fn new(canary: &Canary, split: Split) -> Result<Self, RenderError> {
        let service = canary
            .spec
            .service
            .clone()
            .ok_or_else(|| RenderError::Missing {
                field: "spec.service".into(),
                cure: "give at least spec.service.port".into(),
            })?;
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
            owner,
            service,
            matches: analysis
                .and_then(|analysis| analysis.match_.clone())
                .unwrap_or_default(),
            mirror_weight: analysis
                .and_then(|analysis| analysis.mirror_weight)
                .and_then(|weight| u8::try_from(weight).ok())
                .filter(|weight| (1..100).contains(weight)),
            session_affinity: analysis.and_then(|analysis| analysis.session_affinity.clone()),
            split,
            selector_label: None,
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
}
