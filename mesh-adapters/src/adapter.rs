//! What every mesh adapter can do.

use rollout::Split;

use crate::{
    drift,
    error::{ReadError, RenderError},
    mark,
    object::{Live, Manifest, ObjectRef, Replacement},
    route::Route,
};

/// One mesh. Pure: the same input gives the same output.
pub trait Adapter: Sync {
    /// The objects that `render`, `seen` and `restore` look at, also those that are only copied from. Empty
    /// for a mesh without objects.
    fn objects(&self, route: &Route) -> Vec<ObjectRef>;

    /// The objects wanted, each a server-side apply payload that holds only our fields, in the order
    /// in which they are to be written. Weights are always those of `route.split`.
    ///
    /// # Errors
    /// When the mesh cannot say what the Canary asks for, or an object to copy from does not exist; the field
    /// is named.
    fn render(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError>;

    /// The objects of `render` as they are to be written: each with the mark that tells what was asked for.
    ///
    /// # Errors
    /// As `render`.
    fn marked(&self, route: &Route, live: &Live) -> Result<Vec<Manifest>, RenderError> {
        mark::marked(self, route, live)
    }

    /// The split that the live objects are in.
    ///
    /// # Errors
    /// When an object is missing, not accepted by the gateway, or its weights cannot be told.
    fn seen(&self, route: &Route, live: &Live) -> Result<Split, ReadError>;

    /// What to write so that the objects are as they were before us; empty when nothing can be put back
    /// (what we made goes with its owner).
    fn restore(&self, _: &Route, _: &Live) -> Vec<Replacement> {
        Vec::new()
    }

    /// Objects of ours that no owner takes along, or not at once, to be deleted when the Canary goes.
    fn orphans(&self, _: &Route, _: &Live) -> Vec<ObjectRef> {
        Vec::new()
    }

    /// True when the live objects differ from what `marked` gives, weights and mirrors left aside.
    ///
    /// # Errors
    /// As `render`.
    fn has_drifted(&self, route: &Route, live: &Live) -> Result<bool, RenderError> {
        drift::has_drifted(self, route, live, self.seen(route, live).ok())
    }
}
