//! Writing batches: sequence check, offsets, segment roll, one vectored write.

use std::io;

use bytes::Bytes;

use super::Log;
use super::batch::{BatchHeader, Incoming, marker_commits};
use super::producers::Verdict;
use super::segment::Segment;
use crate::wire::Code;

/// How a topic wants its records written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendOptions {
    pub(crate) now: i64,
    /// Stamp batches with the broker's time.
    pub(crate) append_time: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    /// Force to the disk before answering.
    pub(crate) sync: bool,
}

/// Where batches went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// -1 where the client's times are kept.
    pub(crate) append_time: i64,
}

impl Log {
    /// Stores batches of one client, or says where they are stored already.
    pub(crate) fn append(&mut self, batches: &[Incoming], options: &AppendOptions) -> Result<Appended, Code> {
        if self.deleted {
            return Err(Code::UnknownTopicOrPartition);
        }
        let append_time = options.append_time.then_some(options.now);
        for batch in batches {
            if let Verdict::Duplicate(seen) = self.producers.judge(&batch.header)? {
                let append_time = append_time.map_or(-1, |_| seen.timestamp);
                return Ok(Appended { base_offset: seen.base_offset, append_time });
            }
        }
        let base_offset = self.next_offset;
        let mut offset = base_offset;
        let mut placed = Vec::with_capacity(batches.len());
        let mut parts = Vec::with_capacity(batches.len() * 2);
        for batch in batches {
            let (header, bytes) = batch.place(offset, append_time);
            offset = header.next_offset();
            placed.push(header);
            parts.extend(bytes);
        }
        let written = self.write(&placed, &parts, options);
        // What reached the log counts for its producer, even where forcing it to the disk failed, so
        // that the producer's next try is recognised.
        if self.next_offset == offset {
            placed.iter().for_each(|header| self.producers.stored(header, options.now));
        }
        written?;
        Ok(Appended { base_offset, append_time: append_time.unwrap_or(-1) })
    }

    /// Stores the marker that ends a transaction. Its epoch may not be older than the producer's.
    pub(crate) fn append_marker(&mut self, marker: &Incoming, options: &AppendOptions) -> Result<(), Code> {
        if self.deleted {
            return Ok(());
        }
        let (header, parts) = marker.place(self.next_offset, None);
        let commit = marker_commits(&marker.bytes).ok_or(Code::InvalidRecord)?;
        let written = self.write(&[header], &parts, options);
        if self.next_offset == header.next_offset() {
            self.aborted.extend(self.producers.ended(&header, commit, options.now));
        }
        written
    }

    fn write(
        &mut self,
        headers: &[BatchHeader],
        parts: &[Bytes],
        options: &AppendOptions,
    ) -> Result<(), Code> {
        let size = headers.iter().map(|h| h.size as u64).sum();
        let result = self.writable(size, options).and_then(|segment| {
            segment.append(parts)?;
            headers.iter().for_each(|h| segment.meta.note(h));
            if options.sync { segment.sync() } else { Ok(()) }
        });
        // Whatever was noted is in the file, even where forcing it to the disk failed.
        self.next_offset = self.segments.back().map_or(self.next_offset, |s| s.meta.next);
        result.map_err(|error| {
            tracing::error!(dir = ?self.dir, %error, "cannot write to the log; is the disk full?");
            Code::KafkaStorageError
        })
    }

    /// The segment to write `size` more bytes to; rolls to a new one when the last is full or old.
    fn writable(&mut self, size: u64, options: &AppendOptions) -> io::Result<&mut Segment> {
        let roll = self.segments.back().is_none_or(|last| {
            let meta = &last.meta;
            let full = meta.size > 0 && meta.size + size > options.segment_bytes;
            let old = meta.size > 0 && options.now - last.created > options.segment_ms;
            full || old || meta.next - meta.base > i64::from(i32::MAX) - 1_000_000
        });
        if roll {
            self.roll(options.now)?;
        }
        self.segments.back_mut().ok_or_else(|| io::Error::other("no segment after a roll"))
    }

    /// Closes the last segment and starts one at the next offset.
    pub(crate) fn roll(&mut self, now: i64) -> io::Result<()> {
        let segment = match &self.dir {
            None => Segment::in_memory(self.next_offset, now),
            Some(dir) => {
                if self.segments.is_empty() {
                    std::fs::create_dir_all(dir)?;
                } else {
                    self.store_meta(self.segments.len() - 1)?;
                }
                self.store_producers()?;
                Segment::create(dir, self.next_offset, now)?
            }
        };
        if let Some(last) = self.segments.back_mut() {
            last.sync()?;
            last.close();
        }
        self.segments.push_back(segment);
        Ok(())
    }
}
