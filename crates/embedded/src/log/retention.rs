//! Letting go of old records: by age, by size, or because a client said so.

use std::io;

use super::Log;
use super::checkpoint::{meta_path, producers_path};
use super::recovery::remove_if_there;
use super::segment::Segment;
use crate::wire::Code;

/// Limits of a topic; negative values mean none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
}

impl Log {
    /// Drops whole segments that are past the limits. True when the log's start moved.
    pub(crate) fn retain(&mut self, limits: Limits, now: i64) -> io::Result<bool> {
        let before = self.log_start;
        let stable = self.last_stable();
        let mut excess = match limits.retention_bytes {
            bytes if bytes < 0 => 0,
            bytes => self.size().saturating_sub(bytes as u64),
        };
        while let Some(first) = self.segments.front() {
            let meta = &first.meta;
            let aged = limits.retention_ms >= 0 && now - meta.max_timestamp > limits.retention_ms;
            let expired = aged || meta.size == 0;
            let surplus = excess >= meta.size;
            let only = self.segments.len() == 1;
            // A log that is only too large keeps its newest segment; an expired one goes entirely.
            if (only && meta.size == 0)
                || meta.next > stable
                || !(expired || (surplus && excess > 0 && !only))
            {
                break;
            }
            excess = excess.saturating_sub(meta.size);
            if only {
                self.roll(now)?;
            }
            self.drop_first()?;
        }
        self.move_start(self.segments.front().map_or(self.log_start, |s| s.meta.base));
        Ok(self.log_start != before)
    }

    /// Makes `offset` the first one that can be read (-1: the end) and drops segments before it.
    pub(crate) fn delete_before(&mut self, offset: i64, now: i64) -> Result<i64, Code> {
        let offset = if offset == -1 { self.next_offset } else { offset };
        if offset > self.next_offset || offset < -1 {
            return Err(Code::OffsetOutOfRange);
        }
        self.move_start(offset);
        self.drop_below_start(now).map_err(|error| {
            tracing::error!(dir = ?self.dir, %error, "cannot delete records");
            Code::KafkaStorageError
        })?;
        Ok(self.log_start)
    }

    fn drop_below_start(&mut self, now: i64) -> io::Result<()> {
        while let Some(first) = self.segments.front() {
            let only = self.segments.len() == 1;
            if first.meta.next > self.log_start || (only && first.meta.size == 0) {
                break;
            }
            if only {
                self.roll(now)?;
            }
            self.drop_first()?;
        }
        Ok(())
    }

    fn move_start(&mut self, offset: i64) {
        self.log_start = self.log_start.max(offset);
        let start = self.log_start;
        self.aborted.retain(|a| a.last_offset >= start);
    }

    fn drop_first(&mut self) -> io::Result<()> {
        match self.segments.pop_front() {
            Some(segment) => self.remove_files(&segment),
            None => Ok(()),
        }
    }

    pub(crate) fn remove_files(&self, segment: &Segment) -> io::Result<()> {
        let (Some(dir), Some(path)) = (&self.dir, segment.path()) else { return Ok(()) };
        remove_if_there(path)?;
        remove_if_there(&meta_path(dir, segment.meta.base))?;
        remove_if_there(&producers_path(dir, segment.meta.base))
    }
}
