//! Tasks that a round leaves behind: those of one canary one after another, of all a limited number at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{Receiver, channel};
use tokio_util::task::TaskTracker;

/// What is under way.
pub struct InOrder {
    slots: Arc<Semaphore>,
    /// By uid of the canary: closed when its last task has ended.
    last: Mutex<HashMap<String, Receiver<()>>>,
}

impl InOrder {
    /// Nothing is under way.
    pub fn new(at_once_max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once_max)),
            last: Mutex::default(),
        }
    }

    /// Starts `task` when those of the same canary have ended.
    pub(super) fn spawn(
        &self,
        tasks: &TaskTracker,
        uid: &str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let (done, last) = channel::<()>();
        let before = self.follow(uid, last);
        let slots = Arc::clone(&self.slots);
        tasks.spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let _slot = slots.acquire().await;
            task.await;
            drop(done);
        });
    }

    /// Puts a task at the end of its canary's; gives the one before it.
    fn follow(&self, uid: &str, last: Receiver<()>) -> Option<Receiver<()>> {
        let mut all = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.try_recv() == Err(TryRecvError::Empty));
        all.insert(uid.to_owned(), last)
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
            queue.spawn(&tasks, uid, async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                told.lock().unwrap().push(text);
            });
        }
        tasks.close();
        tasks.wait().await;
        assert_eq!(*told.lock().unwrap(), ["b1", "a1", "a2"]);
        let (_open, next) = channel();
        assert!(queue.follow("c", next).is_none());
        assert_eq!(queue.last.lock().unwrap().len(), 1, "ended ones are let go");
    }
}
