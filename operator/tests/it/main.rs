//! The operator against an API server and controllers in the process, on paused time.

mod cluster;
mod golden;
mod isolation;
mod lease;
mod outbound;
mod trouble;
