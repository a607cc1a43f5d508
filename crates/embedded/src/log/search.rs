//! Finding offsets by time.

use std::io;

use super::Log;
use super::batch::{BatchHeader, HEADER_LEN};
use super::codec;
use super::segment::{Segment, Source};

/// A batch found by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

impl Log {
    /// The first record of `timestamp` or later. Where a batch cannot be looked into the answer is
    /// its first offset: never late, early by less than a batch.
    pub(crate) fn offset_for_time(&self, timestamp: i64) -> io::Result<Option<Found>> {
        for segment in self.segments.iter().filter(|s| s.meta.max_timestamp >= timestamp) {
            let mut at = segment.meta.position_of_time(timestamp);
            let source = segment.source(at, segment.meta.size - at)?;
            while let Some(header) = header_at(segment, &source, at)? {
                if header.max_timestamp >= timestamp && header.next_offset() > self.log_start {
                    let found = first_within(&header, &source.read(at, header.size)?, timestamp);
                    let offset = found.offset.max(self.log_start);
                    return Ok(Some(Found { offset, ..found }));
                }
                at += header.size as u64;
            }
        }
        Ok(None)
    }

    /// The batch with the largest timestamp.
    pub(crate) fn offset_of_max_time(&self) -> Option<Found> {
        let largest =
            self.segments.iter().filter(|s| s.meta.size > 0).max_by_key(|s| s.meta.max_timestamp)?;
        let meta = &largest.meta;
        Some(Found { offset: meta.max_timestamp_offset, timestamp: meta.max_timestamp })
    }
}

fn first_within(header: &BatchHeader, batch: &[u8], timestamp: i64) -> Found {
    let start = Found { offset: header.base_offset, timestamp: header.base_timestamp.max(timestamp) };
    if header.has_append_time() {
        return Found { timestamp: header.max_timestamp, ..start };
    }
    let Ok(plain) = codec::records(header, batch) else { return start };
    let at = |r: &codec::Record<'_>| Found {
        offset: header.base_offset + r.offset_delta,
        timestamp: header.base_timestamp + r.timestamp_delta,
    };
    let records = codec::parse(&plain).unwrap_or_default();
    records.iter().map(at).find(|f| f.timestamp >= timestamp).unwrap_or(start)
}

fn header_at(segment: &Segment, source: &Source, at: u64) -> io::Result<Option<BatchHeader>> {
    if at + HEADER_LEN as u64 > segment.meta.size {
        return Ok(None);
    }
    Ok(BatchHeader::parse(&source.read(at, HEADER_LEN)?))
}
