//! The seam through which tests make the server fail, and a seeded random source of such faults.
//!
//! A fault is asked for once per request, before anything is done; the server carries it out.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::requests::{RequestInfo, Verb};

/// Decides which requests fail, and how.
pub trait Faults: Send + Sync {
    /// The fault for this request, if any.
    fn on(&self, request: &RequestInfo) -> Option<Fault>;
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this HTTP code, doing nothing; 429 and 503 may name seconds to wait.
    Answer {
        /// The HTTP code.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// Do what is asked, then break the connection before the answer.
    LoseReply,
    /// Break the connection before doing anything.
    Refuse,
    /// Answer after this much (tokio) time.
    Delay(Duration),
    /// End a watch without a word after this much time.
    CutWatch(Duration),
    /// Keep a watch open after this much time but send nothing more.
    StallWatch(Duration),
    /// Tell a watch at once that its version is gone; answer 410 to anything else.
    Gone,
}

/// No faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn on(&self, _request: &RequestInfo) -> Option<Fault> {
        None
    }
}

/// Random faults from a seed, the same for the same order of requests.
#[derive(Debug)]
pub struct RandomFaults {
    rng: Mutex<StdRng>,
    /// How many of 1,000 requests fail.
    per_mille: u32,
    /// Only requests of this user, if given.
    user: Option<String>,
}

impl RandomFaults {
    /// Faults for so many of 1,000 requests, of one user or of all.
    #[must_use]
    pub fn new(seed: u64, per_mille: u32, user: Option<&str>) -> Self {
        Self {
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            per_mille,
            user: user.map(ToOwned::to_owned),
        }
    }
}

impl Faults for RandomFaults {
    fn on(&self, request: &RequestInfo) -> Option<Fault> {
        if self.user.as_ref().is_some_and(|user| *user != request.user) {
            return None;
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        if rng.random_range(0..1_000) >= self.per_mille {
            return None;
        }
        let millis = rng.random_range(1..5_000);
        let dice = rng.random_range(0..8_u8);
        let delay = Duration::from_millis(millis);
        Some(match (request.verb, dice) {
            (Verb::Watch, 0..=2) => Fault::CutWatch(delay),
            (Verb::Watch, 3..=4) => Fault::StallWatch(delay),
            (Verb::Watch, _) => Fault::Gone,
            (_, 0) => Fault::Answer {
                code: 429,
                retry_after_s: Some(1),
            },
            (_, 1) => Fault::Answer {
                code: 500,
                retry_after_s: None,
            },
            (_, 2) => Fault::Answer {
                code: 503,
                retry_after_s: None,
            },
            (Verb::Update | Verb::Patch | Verb::Delete, 3) => Fault::Answer {
                code: 409,
                retry_after_s: None,
            },
            (_, 3..=4) => Fault::LoseReply,
            (_, 5) => Fault::Refuse,
            (_, _) => Fault::Delay(delay),
        })
    }
}
