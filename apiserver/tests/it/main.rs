//! Shows the server's behaviour through `kube::Client`, in process and under paused time.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the functions they share"
)]

mod cases;
mod collection;
mod failing;
mod watching;

use apiserver::{ApiServer, Options};

/// A server whose clock is tokio's, so that paused time pauses it too.
fn server() -> ApiServer {
    let start = tokio::time::Instant::now();
    let epoch = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    ApiServer::new(Options {
        clock: std::sync::Arc::new(move || epoch + start.elapsed()),
        seed: 7,
        history_changes_max: 50,
        ..Options::default()
    })
}
