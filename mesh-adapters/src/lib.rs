//! Puts a route into the words of each mesh, and reads the weights back.
//!
//! Adapters word, they do not speak: a `Route` and the live objects go in, objects come out. The operator
//! reads what `objects` names, writes what `marked` gives by server-side apply, and only when `differs` says
//! so. One file a mesh; `provider` is the table of them.

pub mod adapter;
mod apisix;
mod appmesh;
mod contour;
pub mod cookie;
pub mod drift;
mod duration;
pub mod error;
mod gateway_api;
mod gloo;
mod ingress;
pub mod inventory;
mod istio;
pub mod knative;
mod kubernetes;
mod kuma;
pub mod mark;
mod metadata;
pub mod object;
mod ports;
pub mod provider;
mod refuse;
pub mod route;
mod seen;
mod smi;
mod traefik;

pub use adapter::Adapter;
pub use cookie::Cookies;
pub use drift::{differs, sole};
pub use error::{ReadError, RenderError};
pub use mark::APPLIED;
pub use object::{Live, Manifest, ObjectRef, Replacement};
pub use provider::{UnknownProvider, adapter};
pub use rollout::{Split, Weight};
pub use route::{Owner, Route};
