//! Acts: carries out the actions of one decision, in order; the first failure ends the round.
//!
//! Each action looks at what is there first and writes only a difference, so that doing it
//! twice is doing it once. It chooses nothing.

use rollout::spec::TargetKind;
use rollout::world::Snapshot;
use rollout::{Action, Decision, Split};
use thiserror::Error;

use super::alert::{self, Said};
use super::subject::Subject;
use super::{Context, finalizer, inventory};

mod configs;
mod copies;
mod knative;
mod owners;
mod prune;
mod routes;
mod scaler;
mod services;
pub mod tell;
mod workload;
pub mod write;

pub use write::{WriteError, Writer};

pub(super) use copies::is_behind;
pub(super) use prune::prune;

/// What the finalizer shares with the actions.
pub(super) mod reverting {
    pub(in crate::canary) use super::routes::restore;
    pub(in crate::canary) use super::workload::{change, replicas_from_zero, rest};
}

/// What is remembered as told between rounds that fail.
const TOLD_MAX: usize = 64;

/// Why an action was not carried out.
#[derive(Debug, Error)]
pub enum ActError {
    /// A request failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The target is not what was decided on: decide again.
    #[error("the target changed while it was copied")]
    TargetMoved,
    /// An object that the action needs is not there.
    #[error("failed to {verb}: {object} does not exist")]
    Absent {
        /// What was to be done.
        verb: &'static str,
        /// What is missing.
        object: String,
    },
    /// The object cannot be built.
    #[error(transparent)]
    Build(#[from] super::build::BuildError),
    /// The route cannot be worded.
    #[error("canary {canary}: {source}")]
    Render {
        /// The canary.
        canary: String,
        /// Why.
        source: mesh_adapters::RenderError,
    },
    /// The routing objects are being listed.
    #[error("the routes are not listed yet")]
    RoutesUnlisted,
    /// The routing objects cannot be read.
    #[error("failed to read the routes of canary {canary}: {why}")]
    Routes {
        /// The canary.
        canary: String,
        /// Why.
        why: String,
    },
}

impl ActError {
    /// Whether it says no more than that something moved: decide again at once, tell nobody.
    pub fn is_race(&self) -> bool {
        match self {
            Self::TargetMoved | Self::RoutesUnlisted | Self::Write(WriteError::Conflict { .. }) => {
                true
            }
            Self::Write(
                WriteError::Deposed { .. }
                | WriteError::Missing { .. }
                | WriteError::Refused { .. }
                | WriteError::Unreachable { .. },
            )
            | Self::Absent { .. }
            | Self::Build(_)
            | Self::Render { .. }
            | Self::Routes { .. } => false,
        }
    }

    /// One word for metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Write(WriteError::Deposed { .. }) => "Deposed",
            Self::Write(WriteError::Conflict { .. }) => "Conflict",
            Self::Write(WriteError::Missing { .. }) | Self::Absent { .. } => "Missing",
            Self::Write(WriteError::Refused { .. }) => "Refused",
            Self::Write(WriteError::Unreachable { .. }) => "Unreachable",
            Self::TargetMoved => "TargetMoved",
            Self::Build(_) => "TargetUnusable",
            Self::Render { .. } => "InvalidSpec",
            Self::RoutesUnlisted | Self::Routes { .. } => "RoutesUnread",
        }
    }
}

/// Carries out the actions of a decision. What is in `told` was told by a round before that failed, and is not told again.
pub async fn act(
    ctx: &Context,
    subject: &mut Subject,
    next: &Decision,
    told: &mut Vec<Action>,
) -> Result<(), ActError> {
    inventory::note(ctx, subject, next).await?;
    let mut actions: Vec<&Action> = next.actions.iter().collect();
    if subject.spec.target.kind == TargetKind::Service {
        // The canary's copy follows the target at once: users leave it first.
        actions.sort_by_key(|action| **action != Action::Routes(Split::PRIMARY));
    }
    let before = told.len();
    for action in actions {
        if told.iter().take(before).any(|one| one == action) {
            continue;
        }
        carry_out(ctx, subject, next, action).await?;
        if !action.is_object_write() && told.len() < TOLD_MAX {
            told.push(action.clone());
        }
    }
    Ok(())
}

async fn carry_out(
    ctx: &Context,
    subject: &mut Subject,
    next: &Decision,
    action: &Action,
) -> Result<(), ActError> {
    let special = match subject.spec.target.kind {
        TargetKind::Deployment | TargetKind::DaemonSet => None,
        TargetKind::Service => copies::carry_out(ctx, subject, action).await,
        TargetKind::Knative => knative::carry_out(ctx, subject, action).await,
    };
    if let Some(done) = special {
        return done;
    }
    match action {
        Action::AddFinalizer => finalizer::set(ctx, subject, true).await,
        Action::RemoveFinalizer => finalizer::set(ctx, subject, false).await,
        Action::Services => services::ensure_pair(ctx, subject).await,
        Action::Primary { from } => workload::ensure_primary(ctx, subject, from).await,
        Action::Adopt { snapshot } => workload::adopt(ctx, subject, snapshot).await,
        Action::Apex => services::ensure_apex(ctx, subject).await,
        Action::Routes(split) => routes::ensure(ctx, subject, &next.state, *split).await,
        Action::ScaleTarget(scale) => workload::scale_target(ctx, subject, *scale).await,
        Action::ScalePrimary { replicas_min } => {
            workload::scale_primary(ctx, subject, *replicas_min).await
        }
        Action::PrimaryScaler { update } => scaler::ensure(ctx, subject, *update).await,
        Action::PauseScaler => scaler::pause(ctx, subject, true).await,
        Action::ResumeScaler => scaler::pause(ctx, subject, false).await,
        Action::Promote { snapshot } => workload::promote(ctx, subject, snapshot).await,
        Action::RevertTarget => finalizer::revert_target(ctx, subject).await,
        Action::RevertApex => finalizer::revert_apex(ctx, subject).await,
        Action::RevertRoutes => finalizer::revert_routes(ctx, subject).await,
        Action::RunHooks {
            hooks,
            about,
            phase,
        } => {
            tell::run_hooks(ctx, subject, hooks, about, *phase).await;
            Ok(())
        }
        Action::Event {
            warning,
            text,
            phase,
        } => {
            tell::event(ctx, subject, *warning, text, *phase).await;
            Ok(())
        }
        Action::Alert {
            severity,
            text,
            has_fields,
        } => {
            let said = Said {
                severity: *severity,
                text,
                has_fields: *has_fields,
            };
            alert::send(ctx, subject, next, &said).await;
            Ok(())
        }
        Action::Count { success, skipped } => {
            tell::count(ctx, subject, *success, *skipped);
            Ok(())
        }
    }
}

/// What a snapshot's config keys name: `configmap/<name>`, `secret/<name>`.
fn is_in(snapshot: &Snapshot, config: &super::build::config::ConfigRef) -> bool {
    snapshot.configs.contains_key(&config.key())
}
