//! Reads what a pass over a Kustomization must know, and chooses what to do.
//!
//! Source and dependencies come from the watch caches: a pass that finds
//! nothing to do asks the API server nothing.

use std::sync::Arc;
use std::time::Duration;

use api::Kustomization;
use api::kustomization::{KustomizationSpec, KustomizationStatus};
use api::source::{Artifact, GitRepositoryStatus};
use kube::api::DynamicObject;

use crate::context::{Controller, Shared, cached};
use crate::failure::{Failure, Next};
use crate::kustomization::dependency;
use crate::kustomization::identity::ServiceAccount;
use crate::record::RecordError;
use crate::subject::{self, Key};
use crate::{kustomization, schedule, source};

/// A health or deletion wait is never shorter.
const TIMEOUT_MIN: Duration = Duration::from_secs(30);

/// The source as the watch shows it.
pub(super) enum Source {
    Absent,
    WithoutArtifact,
    Ready(Box<Artifact>),
}

/// What a pass knows before it acts.
pub(super) struct Seen {
    pub(super) object: Arc<DynamicObject>,
    pub(super) key: Key,
    /// The object as its kind, or why it cannot be read.
    pub(super) kustomization: Result<Kustomization, Failure>,
    pub(super) status: Option<KustomizationStatus>,
    pub(super) source: Source,
    /// What dependency is not ready, and why.
    pub(super) blocker: Option<String>,
    pub(super) requeue_dependency: Duration,
    pub(super) no_cross_namespace_refs: bool,
}

/// Reads the object and, from the caches, its source and dependencies.
pub(super) async fn observe(
    controller: &Controller,
    object: Arc<DynamicObject>,
) -> Result<Seen, RecordError> {
    let mut object = controller.recent.freshest(object);
    if !subject::is_deleting(&object) {
        object = controller.add_finalizer(&object).await?;
    }
    let shared = &controller.shared;
    let key = Key::of(&object);
    let kustomization = subject::decode::<Kustomization>(&object)
        .map_err(|error| Failure::malformed("InvalidSpec", &error));
    let source = match &kustomization {
        Ok(kustomization) => observe_source(shared, &key, &kustomization.spec),
        Err(_) => Source::Absent,
    };
    let revision = match &source {
        Source::Ready(artifact) => Some(artifact.revision.as_str()),
        Source::Absent | Source::WithoutArtifact => None,
    };
    let find = |key: &Key| {
        let object = cached(&shared.kustomizations, &kustomization::kind(), key)?;
        subject::decode::<Kustomization>(&object).ok().map(Arc::new)
    };
    let blocker = kustomization
        .as_ref()
        .ok()
        .and_then(|own| dependency::blocker(&key, own, &find, revision));
    Ok(Seen {
        status: subject::decode_status(&object),
        object,
        key,
        kustomization,
        source,
        blocker,
        requeue_dependency: shared.settings.requeue_dependency,
        no_cross_namespace_refs: shared.settings.no_cross_namespace_refs,
    })
}

fn observe_source(shared: &Shared, key: &Key, spec: &KustomizationSpec) -> Source {
    let namespace = spec
        .source_ref
        .namespace
        .as_deref()
        .unwrap_or(&key.namespace);
    let source_key = Key::new(namespace, &spec.source_ref.name);
    let Some(object) = cached(&shared.repositories, &source::kind(), &source_key) else {
        return Source::Absent;
    };
    let status: Option<GitRepositoryStatus> = subject::decode_status(&object);
    match status.and_then(|status| status.artifact) {
        Some(artifact) => Source::Ready(Box::new(artifact)),
        None => Source::WithoutArtifact,
    }
}

/// What a pass will do.
pub(super) enum Plan {
    /// Delete what was applied, and let the object go.
    Finalize,
    /// Nothing: the object is suspended.
    Hold,
    /// Nothing: something must change first.
    Refuse(Failure),
    /// Build and apply.
    Apply(Box<Work>),
}

/// A build and its applying, the fields read.
pub(super) struct Work {
    pub(super) spec: KustomizationSpec,
    pub(super) artifact: Artifact,
    pub(super) account: Option<ServiceAccount>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

/// Chooses. Pure.
pub(super) fn plan(seen: &Seen) -> Plan {
    if subject::is_deleting(&seen.object) {
        return Plan::Finalize;
    }
    let kustomization = match &seen.kustomization {
        Ok(kustomization) if kustomization.spec.suspend => return Plan::Hold,
        Ok(kustomization) => kustomization,
        Err(failure) => return Plan::Refuse(failure.clone()),
    };
    match plan_work(seen, &kustomization.spec) {
        Ok(work) => Plan::Apply(Box::new(work)),
        Err(failure) => Plan::Refuse(failure),
    }
}

fn plan_work(seen: &Seen, spec: &KustomizationSpec) -> Result<Work, Failure> {
    let interval = schedule::read("spec.interval", &spec.interval)?;
    let timeout = read_timeout(spec, interval)?;
    refuse_unserved(spec)?;
    let account = spec.service_account_name.as_deref();
    let account = account
        .map(|name| ServiceAccount::parse(&seen.key.namespace, name))
        .transpose()?;
    let namespace = spec
        .source_ref
        .namespace
        .as_deref()
        .unwrap_or(&seen.key.namespace);
    let reference = format!(
        "{}/{namespace}/{}",
        spec.source_ref.kind, spec.source_ref.name
    );
    if seen.no_cross_namespace_refs && namespace != seen.key.namespace {
        return Err(Failure::stalled(
            "AccessDenied",
            format!(
                "can't access '{reference}', cross-namespace references have been blocked; use a source in namespace {:?}",
                seen.key.namespace
            ),
        ));
    }
    let delay = seen.requeue_dependency;
    let artifact = match &seen.source {
        Source::Absent => {
            let message = format!("Source '{reference}' not found");
            return Err(Failure {
                is_told: false,
                ..Failure::new("ArtifactFailed", message, Next::RetryInterval)
            });
        }
        Source::WithoutArtifact => {
            let message = format!(
                "Source artifact not found, retrying in {}",
                api::duration::format(delay)
            );
            return Err(Failure::waiting("ArtifactFailed", message, delay));
        }
        Source::Ready(artifact) => Artifact::clone(artifact),
    };
    if let Some(blocker) = &seen.blocker {
        return Err(Failure::waiting(
            "DependencyNotReady",
            blocker.clone(),
            delay,
        ));
    }
    Ok(Work {
        spec: spec.clone(),
        artifact,
        account,
        interval,
        timeout,
    })
}

/// `spec.timeout`, or the interval less half a minute; never under half a minute.
fn read_timeout(spec: &KustomizationSpec, interval: Duration) -> Result<Duration, Failure> {
    let timeout = match &spec.timeout {
        Some(text) => schedule::read("spec.timeout", text)?,
        None => interval.saturating_sub(TIMEOUT_MIN),
    };
    Ok(timeout.max(TIMEOUT_MIN))
}

/// `spec.retryInterval`, or the interval, or a minute when neither can be read.
pub(super) fn retry_interval(seen: &Seen) -> Duration {
    let Ok(kustomization) = &seen.kustomization else {
        return Duration::from_secs(60);
    };
    let spec = &kustomization.spec;
    let text = spec.retry_interval.as_ref().unwrap_or(&spec.interval);
    schedule::read("spec.retryInterval", text).unwrap_or(Duration::from_secs(60))
}

/// Fields whose meaning would be lost silently.
fn refuse_unserved(spec: &KustomizationSpec) -> Result<(), Failure> {
    let refuse = |reason, field: &str, cure: &str| {
        Err(Failure::stalled(
            reason,
            format!("{field} is not served: {cure}"),
        ))
    };
    if spec.source_ref.kind != "GitRepository" {
        let field = format!("spec.sourceRef.kind {:?}", spec.source_ref.kind);
        return refuse("ArtifactFailed", &field, "use a GitRepository");
    }
    if let Some(retry_interval) = &spec.retry_interval {
        schedule::read("spec.retryInterval", retry_interval)?;
    }
    if !spec.health_check_exprs.is_empty() {
        return refuse(
            "InvalidCELExpression",
            "spec.healthCheckExprs",
            "remove it; the kinds' own Ready conditions are used",
        );
    }
    if spec.depends_on.iter().any(|one| one.ready_expr.is_some()) {
        return refuse(
            "InvalidCELExpression",
            "spec.dependsOn[].readyExpr",
            "remove it; the Ready condition is used",
        );
    }
    if spec.decryption.is_some() {
        return refuse(
            "BuildFailed",
            "spec.decryption",
            "remove it, and keep encrypted Secrets out of this path",
        );
    }
    if spec.kube_config.is_some() {
        return refuse(
            "ReconciliationFailed",
            "spec.kubeConfig",
            "run Sluice in the cluster that is to be changed",
        );
    }
    if !spec.ignore.is_empty() {
        return refuse(
            "ReconciliationFailed",
            "spec.ignore",
            "leave the fields out of the manifests instead",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_the_worked_values() {
        let timeout = |interval: &str, timeout: Option<&str>| {
            let spec = KustomizationSpec {
                timeout: timeout.map(str::to_owned),
                ..KustomizationSpec::default()
            };
            api::duration::format(
                read_timeout(&spec, api::duration::parse(interval).unwrap()).unwrap(),
            )
        };
        assert_eq!(timeout("10m", None), "9m30s");
        assert_eq!(timeout("50s", None), "30s");
        assert_eq!(timeout("5m", Some("10s")), "30s");
        assert_eq!(timeout("5m", Some("1m")), "1m0s");
    }
}
