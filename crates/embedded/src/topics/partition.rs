//! A partition: its log under a lock, and the readers that wait for it to grow.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::log::Log;

/// Waiters kept before those that gave up are swept out.
const SWEEP_FROM: usize = 32;

/// One partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Mutex<Log>,
    waiters: Mutex<Vec<Weak<Notify>>>,
}

impl Partition {
    pub(crate) fn new(log: Log) -> Self {
        Self { log: Mutex::new(log), waiters: Mutex::new(Vec::new()) }
    }

    /// Has `waiter` notified at the next change.
    pub(crate) fn watch(&self, waiter: &Arc<Notify>) {
        let mut waiters = self.waiters.lock();
        if waiters.len() >= SWEEP_FROM {
            waiters.retain(|w| w.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waiter));
    }

    /// Wakes everyone who waits. Called after the log's lock is let go.
    pub(crate) fn changed(&self) {
        let waiters = std::mem::take(&mut *self.waiters.lock());
        waiters.iter().filter_map(Weak::upgrade).for_each(|w| w.notify_one());
    }
}
