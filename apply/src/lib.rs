//! Server-side apply and what it needs: order, inventory, pruning and health.
//!
//! The rules are Flux's (`kustomize-controller`): definitions first, everything tried in a dry run
//! before anything is written, an inventory of what was applied, and deletion only of what that
//! inventory names and our labels own. This crate is the one place that writes users' objects.
//! It decides nothing about when: controllers call it.

pub mod error;
pub mod health;
pub mod inventory;
pub mod kinds;
pub mod object;
pub mod order;
pub mod owner;
mod pass;
pub mod prune;
mod wait;
mod write;

pub use error::ApplyError;
pub use health::Health;
pub use kinds::Kinds;
pub use object::ObjectId;
pub use owner::{Owner, Rules};
pub use pass::{Change, ChangeKind, Options, apply};
pub use prune::{Pruned, prune};
pub use wait::{Unhealthy, wait_until_gone, wait_until_healthy};
pub use write::apply_one;
