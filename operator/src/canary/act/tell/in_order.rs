//! Tasks that a round leaves behind: those of one canary one after another, of all a limited number at once.
//!
//! A canary with too many is given no further ones.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Tasks of one canary that wait or run; further ones are dropped.
pub(super) const WAITING_MAX: usize = 64;

/// What is under way.
pub struct InOrder {
    slots: Arc<Semaphore>,
    /// By uid of the canary.
    lines: Mutex<HashMap<String, Line>>,
}

/// The tasks of one canary.
struct Line {
    places: Arc<Semaphore>,
    /// Closed when the last task has ended.
    last: Option<Receiver<()>>,
    /// Whether one was dropped since there was none.
    has_dropped: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(WAITING_MAX)),
            last: None,
            has_dropped: false,
        }
    }
}

/// A task was dropped: its canary has too many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// The first since it had none.
    pub is_first: bool,
}

/// A task's place in the line of its canary.
struct Place {
    before: Option<Receiver<()>>,
    held: OwnedSemaphorePermit,
}

impl InOrder {
    /// Nothing is under way.
    pub fn new(at_once_max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once_max)),
            lines: Mutex::default(),
        }
    }

    /// Starts `task` when those of the same canary have ended.
    pub(super) fn spawn(
        &self,
        tasks: &TaskTracker,
        uid: &str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Full> {
        let (done, last) = channel::<()>();
        let Place { before, held } = self.follow(uid, last)?;
        let slots = Arc::clone(&self.slots);
        tasks.spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let _slot = slots.acquire().await;
            task.await;
            drop((done, held));
        });
        Ok(())
    }

    /// Puts a task at the end of its canary's line.
    fn follow(&self, uid: &str, last: Receiver<()>) -> Result<Place, Full> {
        let mut all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |last: &mut Receiver<()>| last.try_recv() == Err(TryRecvError::Empty);
        all.retain(|_, line| line.last.as_mut().is_some_and(is_open));
        let line = all.entry(uid.to_owned()).or_default();
        match Arc::clone(&line.places).try_acquire_owned() {
            Ok(held) => Ok(Place {
                before: line.last.replace(last),
                held,
            }),
            Err(_) => Err(Full {
                is_first: !mem::replace(&mut line.has_dropped, true),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_canary_s_tasks_keep_their_order_and_hold_up_no_other() {
        let (queue, tasks) = (InOrder::new(8), TaskTracker::new());
        let told = Arc::new(Mutex::new(Vec::new()));
        for (uid, text, seconds) in [("a", "a1", 3), ("a", "a2", 1), ("b", "b1", 2)] {
            let told = Arc::clone(&told);
            let task = async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                told.lock().unwrap().push(text);
            };
            assert_eq!(queue.spawn(&tasks, uid, task), Ok(()));
        }
        tasks.close();
        tasks.wait().await;
        assert_eq!(*told.lock().unwrap(), ["b1", "a1", "a2"]);
        let (_open, next) = channel();
        assert!(queue.follow("c", next).unwrap().before.is_none());
        assert_eq!(
            queue.lines.lock().unwrap().len(),
            1,
            "ended ones are let go"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_canary_with_too_many_tasks_gets_no_more_until_one_ends() {
        let (queue, tasks) = (InOrder::new(8), TaskTracker::new());
        let a_second = || async { tokio::time::sleep(Duration::from_secs(1)).await };
        let take = |uid: &str| queue.spawn(&tasks, uid, a_second());
        for _ in 0..WAITING_MAX {
            assert_eq!(take("a"), Ok(()));
        }
        assert_eq!(take("a"), Err(Full { is_first: true }));
        assert_eq!(take("a"), Err(Full { is_first: false }));
        assert_eq!(take("b"), Ok(()), "others have their own places");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(take("a"), Ok(()));
        assert_eq!(take("a"), Err(Full { is_first: false }));
        tokio::time::sleep(Duration::from_secs(100)).await;
        for _ in 0..WAITING_MAX {
            assert_eq!(take("a"), Ok(()));
        }
        assert_eq!(take("a"), Err(Full { is_first: true }), "told anew");
    }
}
