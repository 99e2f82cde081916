//! Fetches from real Git servers, and from hostile ones.

mod bridge;
mod fetch;
mod hostile;
