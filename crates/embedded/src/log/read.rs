//! Reading batches from an offset on. What to read is settled under the partition's lock; the
//! reading itself, one system call, happens outside of it.

use std::io;

use bytes::Bytes;

use super::Log;
use super::batch::{BatchHeader, HEADER_LEN};
use super::segment::Source;

/// Read past the wanted bytes to make up for starting at an index entry before the offset.
const SLACK: u64 = 32 * 1024;

/// A read that was settled on.
#[derive(Debug)]
pub(crate) struct Plan {
    source: Source,
    position: u64,
    /// End of the segment when the plan was made.
    end: u64,
    offset: i64,
    /// Batches from here on are not to be shown.
    limit: i64,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) size: usize,
    /// The offset after the last batch.
    pub(crate) next: i64,
}

impl Log {
    /// Settles on a read of batches from the one that holds `offset`, up to before `limit`.
    /// `None` when there is nothing there.
    pub(crate) fn plan(&self, offset: i64, limit: i64, max_bytes: usize) -> io::Result<Option<Plan>> {
        if offset >= limit {
            return Ok(None);
        }
        let Some(segment) = self.segment_of(offset).map(|i| &self.segments[i]) else { return Ok(None) };
        let (position, end) = (segment.meta.position_of(offset), segment.meta.size);
        let span = (max_bytes as u64 + SLACK).max(SLACK * 2).min(end - position);
        let source = segment.source(position, span.max(end.min(position + SLACK) - position))?;
        Ok(Some(Plan { source, position, end, offset, limit }))
    }
}

impl Plan {
    /// Reads up to `max_bytes` of whole batches; the first one even if it is larger, when `at_least_one`.
    pub(crate) fn run(self, max_bytes: usize, at_least_one: bool) -> io::Result<Batches> {
        let wanted = (max_bytes as u64 + SLACK).min(self.end - self.position) as usize;
        if let Source::Memory { .. } = self.source {
            return self.run_chunks(max_bytes, at_least_one);
        }
        let mut buffer = self.source.read(self.position, wanted)?;
        let mut position = self.position;
        let mut skip = 0;
        // Past the batches before the offset; there are few, as the index leads close to it.
        loop {
            match BatchHeader::parse(&buffer[skip..]) {
                Some(header) if header.next_offset() <= self.offset => {
                    if skip + header.size > buffer.len() {
                        position += (skip + header.size) as u64;
                        let rest = ((max_bytes as u64).max(HEADER_LEN as u64))
                            .min(self.end.saturating_sub(position));
                        buffer = self.source.read(position, rest as usize)?;
                        skip = 0;
                    } else {
                        skip += header.size;
                    }
                }
                Some(header) => {
                    let missing =
                        at_least_one && header.base_offset < self.limit && skip + header.size > buffer.len();
                    if missing {
                        buffer = self.source.read(position + skip as u64, header.size)?;
                        skip = 0;
                    }
                    break;
                }
                None if buffer.len() - skip < HEADER_LEN && position + (buffer.len() as u64) < self.end => {
                    position += skip as u64;
                    let rest = (max_bytes as u64 + SLACK).min(self.end - position);
                    buffer = self.source.read(position, rest as usize)?;
                    skip = 0;
                }
                None => return Ok(Batches { next: self.offset, ..Batches::default() }),
            }
        }
        Ok(self.cut(buffer.slice(skip..), max_bytes, at_least_one))
    }

    /// Keeps whole batches below the limit and within the size.
    fn cut(&self, buffer: Bytes, max_bytes: usize, at_least_one: bool) -> Batches {
        let (mut at, mut next) = (0, self.offset);
        while let Some(header) = BatchHeader::parse(&buffer[at..]) {
            let end = at + header.size;
            let too_much = end > max_bytes && !(at_least_one && at == 0);
            if header.base_offset >= self.limit || end > buffer.len() || too_much {
                break;
            }
            at = end;
            next = header.next_offset();
        }
        let chunks = if at == 0 { Vec::new() } else { vec![buffer.slice(..at)] };
        Batches { chunks, size: at, next }
    }

    /// The same for batches in memory, which are passed on as they lie there.
    fn run_chunks(self, max_bytes: usize, at_least_one: bool) -> io::Result<Batches> {
        let mut found = Batches { next: self.offset, ..Batches::default() };
        let mut position = self.position;
        while position + HEADER_LEN as u64 <= self.end {
            let Ok(head) = self.source.read(position, HEADER_LEN) else { break };
            let Some(header) = BatchHeader::parse(&head) else { break };
            if header.next_offset() > self.offset {
                let too_much = found.size + header.size > max_bytes && !(at_least_one && found.size == 0);
                if header.base_offset >= self.limit || too_much {
                    break;
                }
                let Ok(slices) = self.source.slices(position, header.size) else { break };
                found.chunks.extend(slices);
                found.size += header.size;
                found.next = header.next_offset();
            }
            position += header.size as u64;
        }
        Ok(found)
    }
}
