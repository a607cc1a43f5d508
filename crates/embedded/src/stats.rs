//! Counters of a running broker.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a broker has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections open now.
    pub connections: u64,
    /// Requests answered.
    pub requests: u64,
    /// Connections closed because of what they sent.
    pub refused: u64,
    /// Bytes of records taken.
    pub bytes_in: u64,
    /// Bytes of responses sent.
    pub bytes_out: u64,
    /// Topics that exist.
    pub topics: u64,
    /// Partitions that exist.
    pub partitions: u64,
    /// Consumer groups that exist.
    pub groups: u64,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections: read(&self.connections),
            requests: read(&self.requests),
            refused: read(&self.refused),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            ..Stats::default()
        }
    }
}
