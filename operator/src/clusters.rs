//! The clusters that a run works with: that of the Canaries, and the one that holds the objects of the mesh.
//!
//! Mostly they are one. It does not connect: clients are given.

use kube::Client;
use kube::api::ApiResource;

use crate::throttle::{Rate, limited};
use crate::world::kind;

/// Clients of the clusters.
#[derive(Clone)]
pub struct Clusters {
    /// The cluster of the Canaries.
    pub own: Client,
    /// Where the objects of the mesh are; none: in the same.
    pub mesh: Option<Mesh>,
}

/// The cluster of the mesh.
#[derive(Clone)]
pub struct Mesh {
    /// Its client.
    pub client: Client,
    /// Whether it is another API server: then no owner reference can lead there.
    pub is_elsewhere: bool,
}

impl From<Client> for Clusters {
    fn from(own: Client) -> Self {
        Self { own, mesh: None }
    }
}

impl Clusters {
    /// The client of the cluster that a kind is in.
    pub fn of(&self, resource: &ApiResource) -> &Client {
        match &self.mesh {
            Some(mesh) if kind::is_of_mesh(resource) => &mesh.client,
            Some(_) | None => &self.own,
        }
    }

    /// Whether Canaries can own objects of a kind.
    pub fn may_own(&self, resource: &ApiResource) -> bool {
        let is_elsewhere = self.mesh.as_ref().is_some_and(|mesh| mesh.is_elsewhere);
        !(is_elsewhere && kind::is_of_mesh(resource))
    }

    /// The same, each held to a rate.
    pub fn limited(self, rate: Option<Rate>) -> Self {
        let Some(rate) = rate else {
            return self;
        };
        let mesh = self.mesh.map(|mesh| Mesh {
            client: limited(&mesh.client, rate),
            ..mesh
        });
        Self {
            own: limited(&self.own, rate),
            mesh,
        }
    }
}
