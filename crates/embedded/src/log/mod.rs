//! A partition's log: segments of record batches, kept as they arrived.
//!
//! `append` is the way in, `read` and `search` the ways out, `recovery` what happens at start,
//! `retention` and `compaction` what happens to old records.

pub(crate) mod append;
pub(crate) mod batch;
pub(crate) mod checkpoint;
pub(crate) mod codec;
pub(crate) mod compaction;
pub(crate) mod producers;
pub(crate) mod read;
pub(crate) mod recovery;
pub(crate) mod retention;
pub(crate) mod search;
pub(crate) mod segment;

use std::collections::VecDeque;
use std::path::PathBuf;

use producers::{Aborted, Producers};
use segment::Segment;

/// The log of one partition. Not shared: its partition holds it under a lock.
#[derive(Debug)]
pub(crate) struct Log {
    /// Folder of the segment files; `None` keeps everything in memory.
    pub(crate) dir: Option<PathBuf>,
    /// Oldest first; the last one takes writes. Empty until the first write.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) log_start: i64,
    /// The offset the next record gets; also the high watermark, as there is one replica.
    pub(crate) next_offset: i64,
    pub(crate) producers: Producers,
    /// In order of their markers.
    pub(crate) aborted: Vec<Aborted>,
    /// Set when its topic is deleted: nothing may be written any more.
    pub(crate) deleted: bool,
    /// Everything below has been compacted; where the next pass begins to look.
    pub(crate) cleaned_to: i64,
}

impl Log {
    pub(crate) fn in_memory() -> Self {
        Self::empty(None, 0)
    }

    pub(crate) fn empty(dir: Option<PathBuf>, start: i64) -> Self {
        Self {
            dir,
            segments: VecDeque::new(),
            log_start: start,
            next_offset: start,
            producers: Producers::default(),
            aborted: Vec::new(),
            deleted: false,
            cleaned_to: 0,
        }
    }

    /// The offset below which no transaction is open: where committed reads end.
    pub(crate) fn last_stable(&self) -> i64 {
        self.producers.first_open().unwrap_or(self.next_offset)
    }

    /// Bytes in all segments.
    pub(crate) fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.meta.size).sum()
    }

    /// Aborted transactions that touch the offsets from `from` up to before `to`.
    pub(crate) fn aborted_between(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let first = self.aborted.partition_point(|a| a.last_offset < from);
        let touching = self.aborted[first..].iter().filter(|a| a.first_offset < to);
        touching.map(|a| (a.producer_id, a.first_offset)).collect()
    }

    /// The segment that holds `offset`, or the first one after it.
    pub(crate) fn segment_of(&self, offset: i64) -> Option<usize> {
        let after = self.segments.partition_point(|s| s.meta.next <= offset);
        (after < self.segments.len()).then_some(after)
    }
}

#[cfg(test)]
mod tests;
