//! Small readings of Kubernetes objects that several controllers share.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use serde::Serialize;

/// The letters of generated names: no vowels, nothing that looks alike
/// (k8s.io/apimachinery/pkg/util/rand).
const SAFE_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A short name for a value: FNV-1a of its JSON in safe letters.
pub(crate) fn hash<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut state: u32 = 0x811c_9dc5;
    for byte in json {
        state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    state
        .to_string()
        .bytes()
        .map(|digit| letter(usize::from(digit)))
        .collect()
}

/// One of the letters of generated names.
pub(crate) fn letter(at: usize) -> char {
    SAFE_LETTERS
        .get(at % SAFE_LETTERS.len())
        .copied()
        .map_or('b', char::from)
}

/// The reference by which an object is controlled by `owner`.
pub(crate) fn controlled_by<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    let mut reference = owner.controller_owner_ref(&()).unwrap_or_default();
    reference.block_owner_deletion = Some(true);
    reference
}

/// Whether labels have all of these.
pub(crate) fn has_all(
    wanted: &BTreeMap<String, String>,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    wanted
        .iter()
        .all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
}

/// A count or a share of `total`; shares round up or down as told.
pub(crate) fn resolve(value: Option<&IntOrString>, total: i32, is_rounded_up: bool) -> i32 {
    match value {
        None => resolve(
            Some(&IntOrString::String("25%".to_owned())),
            total,
            is_rounded_up,
        ),
        Some(IntOrString::Int(count)) => *count,
        Some(IntOrString::String(share)) => {
            let percent: i64 = share.trim_end_matches('%').parse().unwrap_or(0);
            let product = i64::from(total).saturating_mul(percent);
            let whole = if is_rounded_up {
                product.saturating_add(99)
            } else {
                product
            } / 100;
            i32::try_from(whole).unwrap_or(i32::MAX)
        }
    }
}

pub(crate) fn is_terminating(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// Whether a pod counts for its owner: not ending and not ended.
pub(crate) fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    !is_terminating(&pod.metadata) && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// The pod's Ready condition when it is true.
pub(crate) fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status == "True")
}

/// A count as the API's number.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
