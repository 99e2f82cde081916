//! Holds requests to an API server to a rate: a bucket of tokens, as client-go has one for each client.
//!
//! Requests wait, in the order in which they come; none is dropped. The start of a watch is one request. The
//! lease is renewed past it: who leads must not depend on how much there is to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use tokio::time::Instant;

/// How many requests are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second, in the long run; at least 1.
    pub qps: u32,
    /// At once, after a rest; at least 1.
    pub burst: u32,
}

/// A bucket of `burst` tokens that fills up by `qps` a second.
struct Bucket {
    /// Time in which one token comes.
    every: Duration,
    /// Time in which all come.
    all: Duration,
    /// When it is full again.
    full: Mutex<Instant>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let every = Duration::from_secs(1) / rate.qps.max(1);
        Self {
            every,
            all: every.saturating_mul(rate.burst.max(1)),
            full: Mutex::new(Instant::now()),
        }
    }

    /// Takes a token, now or from those to come; gives when that one is there.
    fn take(&self) -> Instant {
        let now = Instant::now();
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let next = now.max(*full).checked_add(self.every).unwrap_or(now);
        *full = next;
        next.checked_sub(self.all).unwrap_or(now)
    }
}

/// A client whose requests are held to `rate`.
pub fn limited(client: &Client, rate: Rate) -> Client {
    let bucket = Arc::new(Bucket::new(rate));
    let namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, bucket) = (client.clone(), Arc::clone(&bucket));
        async move {
            tokio::time::sleep_until(bucket.take()).await;
            client.send(request).await
        }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate_holds() {
        let bucket = Bucket::new(Rate { qps: 10, burst: 3 });
        let start = Instant::now();
        let waits: Vec<u128> = (0..6)
            .map(|_| bucket.take().saturating_duration_since(start).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        tokio::time::advance(Duration::from_millis(700)).await;
        let waits: Vec<u128> = (0..5)
            .map(|_| {
                bucket
                    .take()
                    .saturating_duration_since(Instant::now())
                    .as_millis()
            })
            .collect();
        assert_eq!(
            waits,
            [0, 0, 0, 100, 200],
            "it holds no more than the burst"
        );
    }
}
