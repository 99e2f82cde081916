//! Reads what a pass over a GitRepository must know, and chooses what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::GitRepository;
use api::source::{Artifact, GitRepositorySpec, GitRepositoryStatus};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject};
use sources::credentials::Access;
use sources::git::{GitError, Reference, ReferenceFields, Remote};
use sources::store::{Presence, Slot, StoreError};

use crate::conditions;
use crate::context::Controller;
use crate::failure::{Failure, Next};
use crate::record::RecordError;
use crate::schedule;
use crate::source::SLOT_KIND;
use crate::subject::{self, Key};

const TIMEOUT_DEFAULT: &str = "60s";

/// What a pass knows before it acts.
pub(super) struct Seen {
    pub(super) object: Arc<DynamicObject>,
    pub(super) key: Key,
    /// The object as its kind, or why it cannot be read.
    pub(super) repository: Result<GitRepository, Failure>,
    pub(super) status: Option<GitRepositoryStatus>,
    /// The stored artifact, verified just now.
    pub(super) artifact: Option<Artifact>,
    /// What the storage said of an artifact that was there before.
    pub(super) loss: Option<Presence>,
    /// The Secret's content, or why there is none.
    pub(super) access: Result<Access, Failure>,
    pub(super) storage: Result<(), Failure>,
}

/// Reads the object, its Secret and its artifact.
pub(super) async fn observe(
    controller: &Controller,
    object: Arc<DynamicObject>,
) -> Result<Seen, RecordError> {
    let mut object = controller.recent.freshest(object);
    if !subject::is_deleting(&object) {
        object = controller.add_finalizer(&object).await?;
    }
    let key = Key::of(&object);
    let status: Option<GitRepositoryStatus> = subject::decode_status(&object);
    let repository = subject::decode::<GitRepository>(&object)
        .map_err(|error| Failure::malformed("InvalidSpec", &error));
    let mut seen = Seen {
        object,
        key,
        repository,
        status,
        artifact: None,
        loss: None,
        access: Ok(Access::default()),
        storage: Ok(()),
    };
    let is_idle = seen
        .repository
        .as_ref()
        .is_ok_and(|repository| repository.spec.suspend);
    if subject::is_deleting(&seen.object) || is_idle {
        return Ok(seen);
    }
    seen.storage = observe_storage(controller, &mut seen)
        .await
        .map_err(|error| stored(&error));
    if let Ok(repository) = &seen.repository
        && let Some(reference) = &repository.spec.secret_ref
    {
        seen.access = read_secret(controller, &seen.key.namespace, &reference.name).await;
    }
    Ok(seen)
}

/// Collects old files and checks the current one, byte for byte.
async fn observe_storage(controller: &Controller, seen: &mut Seen) -> Result<(), StoreError> {
    let store = &controller.shared.store;
    let slot = Slot::new(SLOT_KIND, &seen.key.namespace, &seen.key.name)?;
    let recorded = seen
        .status
        .as_ref()
        .and_then(|status| status.artifact.clone());
    let current = recorded.as_ref().map(|artifact| artifact.path.as_str());
    store
        .collect(
            &slot,
            current,
            controller.shared.settings.retention,
            controller.now(),
        )
        .await?;
    let Some(artifact) = recorded else {
        return Ok(());
    };
    match store.verify(&artifact.path, &artifact.digest).await? {
        Presence::Verified => {
            let url = store.url(&artifact.path);
            seen.artifact = Some(Artifact { url, ..artifact });
        }
        loss @ (Presence::Missing | Presence::Corrupt) => seen.loss = Some(loss),
    }
    Ok(())
}

/// A storage error in the words of a condition.
pub(super) fn stored(error: &StoreError) -> Failure {
    Failure::new(error.reason(), sources::chain(error), Next::Backoff)
}

async fn read_secret(
    controller: &Controller,
    namespace: &str,
    name: &str,
) -> Result<Access, Failure> {
    const REASON: &str = "AuthenticationFailed";
    let api: Api<Secret> = Api::namespaced(controller.client.clone(), namespace);
    let secret = match api.get_opt(name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let message = format!(
                "failed to get secret '{namespace}/{name}': it does not exist; create it, or correct spec.secretRef.name"
            );
            return Err(Failure::new(REASON, message, Next::Backoff));
        }
        // The client's error tells of HTTP, not of the Secret's content.
        Err(error) => {
            return Err(Failure::new(
                REASON,
                format!("failed to get secret '{namespace}/{name}': {error}"),
                Next::Backoff,
            ));
        }
    };
    let keys: BTreeMap<String, Vec<u8>> = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect();
    Access::from_secret(&keys).map_err(|error| {
        Failure::new(
            REASON,
            format!("secret '{namespace}/{name}': {error}"),
            Next::Backoff,
        )
    })
}

/// What a pass will do.
pub(super) enum Plan {
    /// Delete the artifacts and let the object go.
    Remove,
    /// Nothing: the object is suspended.
    Hold,
    /// Nothing: something must change first.
    Refuse(Failure),
    /// Fetch.
    Fetch(Box<Fetch>),
}

/// A fetch, its fields read.
pub(super) struct Fetch {
    pub(super) spec: GitRepositorySpec,
    pub(super) remote: Remote,
    pub(super) reference: Reference,
    pub(super) interval: Duration,
    /// The revision that need not be fetched again.
    pub(super) known_revision: Option<String>,
}

/// Chooses. Pure.
pub(super) fn plan(seen: &Seen) -> Plan {
    if subject::is_deleting(&seen.object) {
        return Plan::Remove;
    }
    let repository = match &seen.repository {
        Ok(repository) if repository.spec.suspend => return Plan::Hold,
        Ok(repository) => repository,
        Err(failure) => return Plan::Refuse(failure.clone()),
    };
    match plan_fetch(seen, &repository.spec) {
        Ok(fetch) => Plan::Fetch(Box::new(fetch)),
        Err(failure) => Plan::Refuse(failure),
    }
}

fn plan_fetch(seen: &Seen, spec: &GitRepositorySpec) -> Result<Fetch, Failure> {
    refuse_unserved(spec)?;
    let interval = schedule::read("spec.interval", &spec.interval)?;
    let timeout = schedule::read(
        "spec.timeout",
        spec.timeout.as_deref().unwrap_or(TIMEOUT_DEFAULT),
    )?;
    seen.storage.clone()?;
    let access = seen.access.clone()?;
    let remote = Remote::new(&spec.url, access, timeout).map_err(|error| fetched(&error))?;
    let fields = spec.reference.as_ref();
    let reference = Reference::from_fields(ReferenceFields {
        branch: fields.and_then(|r| r.branch.as_deref()),
        tag: fields.and_then(|r| r.tag.as_deref()),
        semver: fields.and_then(|r| r.semver.as_deref()),
        name: fields.and_then(|r| r.name.as_deref()),
        commit: fields.and_then(|r| r.commit.as_deref()),
    })
    .map_err(|error| fetched(&error))?;
    let status = seen.status.clone().unwrap_or_default();
    let is_same_shape = status.observed_ignore == spec.ignore
        && status.observed_sparse_checkout == spec.sparse_checkout
        && conditions::is_true(&status.conditions, "ArtifactInStorage");
    let known_revision = seen
        .artifact
        .as_ref()
        .filter(|_| is_same_shape)
        .map(|artifact| artifact.revision.clone());
    Ok(Fetch {
        spec: spec.clone(),
        remote,
        reference,
        interval,
        known_revision,
    })
}

/// A fetch error in the words of a condition.
pub(super) fn fetched(error: &GitError) -> Failure {
    let next = match error.retry() {
        sources::Retry::Soon | sources::Retry::AtNextCheck => Next::Backoff,
        sources::Retry::NotUntilSpecChanges => Next::NotUntilSpecChanges,
    };
    Failure::new(error.reason(), sources::chain(error), next)
}

/// Fields whose meaning would be lost silently.
fn refuse_unserved(spec: &GitRepositorySpec) -> Result<(), Failure> {
    let refuse = |reason, field: &str, cure: &str| {
        Err(Failure::stalled(
            reason,
            format!("{field} is not served: {cure}"),
        ))
    };
    if let Some(provider) = spec
        .provider
        .as_deref()
        .filter(|p| !p.is_empty() && *p != "generic")
    {
        return refuse(
            "InvalidProviderConfiguration",
            &format!("spec.provider {provider:?}"),
            "use \"generic\" with a token in spec.secretRef",
        );
    }
    if spec.service_account_name.is_some() {
        return refuse(
            "FeatureGateDisabled",
            "spec.serviceAccountName",
            "use a token in spec.secretRef",
        );
    }
    if spec.verify.is_some() {
        return refuse(
            "InvalidVerificationMode",
            "spec.verify",
            "remove it; unverified content would otherwise count as verified",
        );
    }
    if spec.proxy_secret_ref.is_some() {
        return refuse(
            "AuthenticationFailed",
            "spec.proxySecretRef",
            "set HTTPS_PROXY in the environment of Sluice instead",
        );
    }
    if spec.recurse_submodules {
        return refuse(
            "GitOperationFailed",
            "spec.recurseSubmodules",
            "make the submodule a GitRepository of its own",
        );
    }
    if !spec.include.is_empty() {
        return refuse(
            "IncludeUnavailable",
            "spec.include",
            "make a Kustomization for each repository",
        );
    }
    Ok(())
}
