//! Provider `kubernetes`: no routing objects. The Services alone decide, so nothing is written or read.

use rollout::Split;

use crate::{
    adapter::Adapter,
    error::{ReadError, RenderError},
    object::{Live, Manifest, ObjectRef},
    refuse,
    route::Route,
};

/// Plain Services.
#[derive(Debug)]
pub(crate) struct Kubernetes;

impl Adapter for Kubernetes {
    fn objects(&self, _: &Route) -> Vec<ObjectRef> {
        Vec::new()
    }

    fn render(&self, route: &Route, _: &Live) -> Result<Vec<Manifest>, RenderError> {
        refuse::sessions(route, "Provider kubernetes")?;
        refuse::testers(route, "Provider kubernetes")?;
        Ok(Vec::new())
    }

    /// What was wanted: there is nothing that could say otherwise.
    fn seen(&self, route: &Route, _: &Live) -> Result<Split, ReadError> {
        Ok(route.split)
    }
}
