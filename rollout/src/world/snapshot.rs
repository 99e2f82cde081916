//! Names one version of a target: its pod template and the configs it reads.
//!
//! Digests are made by the operator. The hashes that Flagger wrote are opaque here: they can be told
//! apart from ours, never recomputed (spec/flagger.md 2.6).

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Flagger's hashes use these letters only, one to ten of them.
const LEGACY_ALPHABET: &str = "456789bcdf";
const LEGACY_LENGTH_MAX: usize = 10;

/// A digest of a pod template: 64 hex digits of SHA-256 when ours, up to ten letters when Flagger's; of a Knative
/// Service the name of the revision itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(String);

impl Revision {
    /// Takes a digest as it is stored.
    #[must_use]
    pub fn new(digest: impl Into<String>) -> Self {
        Self(digest.into())
    }

    /// The digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when Flagger wrote it, so that nothing can be compared with it.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        (1..=LEGACY_LENGTH_MAX).contains(&self.0.len())
            && self
                .0
                .chars()
                .all(|letter| LEGACY_ALPHABET.contains(letter))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of the target: what is analysed and promoted as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Digest of the pod template.
    pub revision: Revision,
    /// Checksums of tracked configs by `configmap/<name>` or `secret/<name>`; empty when none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
}

impl Snapshot {
    /// Text for the annotation on the primary that says what was copied into it (JSON, keys sorted).
    #[must_use]
    pub fn to_annotation(&self) -> String {
        let configs: serde_json::Map<String, serde_json::Value> = self
            .configs
            .iter()
            .map(|(name, checksum)| (name.clone(), checksum.clone().into()))
            .collect();
        serde_json::json!({"configs": configs, "revision": self.revision.as_str()}).to_string()
    }

    /// Reads `to_annotation`'s text; `None` for anything else.
    #[must_use]
    pub fn parse_annotation(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The first letters of the digest, enough to tell versions apart by eye; the whole name of a Knative revision,
    /// which always has a hyphen.
    #[must_use]
    pub fn short(&self) -> &str {
        let whole = self.revision.as_str();
        if whole.contains('-') {
            return whole;
        }
        whole.get(..8).unwrap_or(whole)
    }
}
