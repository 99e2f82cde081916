//! Fetches and stores what the plan asks for; the only writer of artifacts.

use api::Time;
use api::source::Artifact;
use bytes::Bytes;
use sources::archive::{self, ArchiveError};
use sources::files::{self, Files};
use sources::git::{self, Checkout, Outcome};
use sources::ignore;
use sources::store::Slot;

use crate::context::Controller;
use crate::failure::{Failure, Next};
use crate::source::SLOT_KIND;
use crate::source::observe::{Fetch, Plan, Seen, fetched, stored};

/// What a pass did.
pub(super) enum Done {
    /// The artifacts are gone.
    Removed,
    /// Nothing was to be done.
    Held,
    /// The remote has not moved.
    Unchanged(Box<Fetch>),
    /// An artifact was stored.
    Stored {
        fetch: Box<Fetch>,
        artifact: Artifact,
        subject: String,
    },
    /// The pass ended early; a revision may have been seen before it did.
    Failed {
        failure: Failure,
        new_revision: Option<String>,
    },
}

/// Carries out the plan.
pub(super) async fn act(controller: &Controller, seen: &Seen, plan: Plan) -> Done {
    match plan {
        Plan::Hold => Done::Held,
        Plan::Refuse(failure) => Done::Failed {
            failure,
            new_revision: None,
        },
        Plan::Remove => match remove(controller, seen).await {
            Ok(()) => Done::Removed,
            Err(failure) => Done::Failed {
                failure,
                new_revision: None,
            },
        },
        Plan::Fetch(fetch) => {
            let Ok(_slot) = controller.slots.acquire().await else {
                return Done::Held; // Closed only at shutdown.
            };
            fetch_and_store(controller, seen, fetch).await
        }
    }
}

async fn remove(controller: &Controller, seen: &Seen) -> Result<(), Failure> {
    let slot = Slot::new(SLOT_KIND, &seen.key.namespace, &seen.key.name)
        .map_err(|error| stored(&error.into()))?;
    controller
        .shared
        .store
        .remove(&slot)
        .await
        .map_err(|error| stored(&error))
}

async fn fetch_and_store(controller: &Controller, seen: &Seen, fetch: Box<Fetch>) -> Done {
    let shared = &controller.shared;
    let known = fetch.known_revision.as_deref();
    let outcome = git::fetch(
        &*shared.network,
        &fetch.remote,
        &fetch.reference,
        known,
        shared.settings.git_limits,
    )
    .await;
    match outcome {
        Ok(Outcome::Unchanged) => Done::Unchanged(fetch),
        Err(error) => Done::Failed {
            failure: fetched(&error),
            new_revision: None,
        },
        Ok(Outcome::Fetched(checkout)) => {
            let (revision, subject) = (checkout.revision.clone(), checkout.subject.clone());
            match store(controller, seen, &fetch, checkout).await {
                Ok(artifact) => Done::Stored {
                    fetch,
                    artifact,
                    subject,
                },
                Err(failure) => Done::Failed {
                    failure,
                    new_revision: Some(revision),
                },
            }
        }
    }
}

async fn store(
    controller: &Controller,
    seen: &Seen,
    fetch: &Fetch,
    checkout: Checkout,
) -> Result<Artifact, Failure> {
    let Checkout {
        revision,
        commit,
        subject: _,
        files,
    } = checkout;
    let slot = Slot::new(SLOT_KIND, &seen.key.namespace, &seen.key.name)
        .map_err(|error| stored(&error.into()))?;
    let files = files::keep_directories(files, &fetch.spec.sparse_checkout).map_err(|error| {
        Failure::new(
            "GitOperationFailed",
            format!("spec.sparseCheckout: {error}"),
            Next::Backoff,
        )
    })?;
    let spec_ignore = fetch.spec.ignore.clone();
    let packed = tokio::task::spawn_blocking(move || pack(files, spec_ignore.as_deref())).await;
    let bytes = packed
        .map_err(|error| {
            Failure::new(
                "ArchiveOperationFailed",
                format!("failed to pack the artifact: {error}"),
                Next::Backoff,
            )
        })?
        .map_err(|error| {
            Failure::new(
                "ArchiveOperationFailed",
                sources::chain(&error),
                Next::Backoff,
            )
        })?;
    let file = format!("{commit}.tar.gz");
    let stored = controller
        .shared
        .store
        .put(&slot, &file, bytes, controller.now())
        .await
        .map_err(|error| stored(&error))?;
    Ok(Artifact {
        path: stored.path,
        url: stored.url,
        revision,
        digest: stored.digest,
        last_update_time: Time::whole(stored.updated_at),
        size: i64::try_from(stored.size).ok(),
        metadata: None,
    })
}

fn pack(files: Files, spec_ignore: Option<&str>) -> Result<Bytes, ArchiveError> {
    archive::pack(&ignore::filter(files, spec_ignore))
}
