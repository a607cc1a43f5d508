//! One segment of a partition's log: its bytes, in a file or in memory, and a sparse index of them.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::batch::BatchHeader;

/// Bytes between two index entries: what a lookup may read in vain.
const INDEX_EVERY: u64 = 32 * 1024;

/// A batch that starts at `position`, and the largest timestamp of all batches before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry(pub(crate) i64, pub(crate) u64, pub(crate) i64);

/// What is known of a segment's bytes without reading them; stored beside a closed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) base: i64,
    pub(crate) size: u64,
    /// The offset after the last batch.
    pub(crate) next: i64,
    pub(crate) max_timestamp: i64,
    /// Last offset of the batch with the largest timestamp.
    pub(crate) max_timestamp_offset: i64,
    pub(crate) index: Vec<Entry>,
}

impl Meta {
    pub(crate) fn new(base: i64) -> Self {
        Self { base, size: 0, next: base, max_timestamp: -1, max_timestamp_offset: -1, index: Vec::new() }
    }

    /// Takes a batch at the end of the segment into account.
    pub(crate) fn note(&mut self, batch: &BatchHeader) {
        if self.index.last().is_none_or(|e| self.size - e.1 >= INDEX_EVERY) {
            self.index.push(Entry(batch.base_offset, self.size, self.max_timestamp));
        }
        if batch.max_timestamp > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.max_timestamp_offset = batch.last_offset();
        }
        self.size += batch.size as u64;
        self.next = batch.next_offset();
    }

    /// A position at or before the batch that holds `offset`.
    pub(crate) fn position_of(&self, offset: i64) -> u64 {
        let after = self.index.partition_point(|e| e.0 <= offset);
        after.checked_sub(1).map_or(0, |i| self.index[i].1)
    }

    /// A position at or before the first batch with a timestamp of at least `timestamp`.
    pub(crate) fn position_of_time(&self, timestamp: i64) -> u64 {
        let after = self.index.partition_point(|e| e.2 < timestamp);
        after.checked_sub(1).map_or(0, |i| self.index[i].1)
    }
}

#[derive(Debug)]
enum Data {
    File { path: PathBuf, open: Option<Arc<File>> },
    Memory(Vec<(u64, Bytes)>),
}

/// A segment with its bytes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) meta: Meta,
    /// When its first batch was written here, for rolling by time.
    pub(crate) created: i64,
    data: Data,
}

/// Part of a segment's bytes, readable without the partition's lock.
#[derive(Debug)]
pub(crate) enum Source {
    File(Arc<File>),
    Memory { start: u64, chunks: Vec<Bytes> },
}

pub(crate) fn log_path(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

impl Segment {
    pub(crate) fn in_memory(base: i64, created: i64) -> Self {
        Self { meta: Meta::new(base), created, data: Data::Memory(Vec::new()) }
    }

    /// Creates the file of a new segment.
    pub(crate) fn create(dir: &Path, base: i64, created: i64) -> io::Result<Self> {
        let path = log_path(dir, base);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { meta: Meta::new(base), created, data: Data::File { path, open: Some(Arc::new(file)) } })
    }

    /// A segment whose file exists; it is opened when it is first used.
    pub(crate) fn existing(dir: &Path, meta: Meta, created: i64) -> Self {
        let path = log_path(dir, meta.base);
        Self { meta, created, data: Data::File { path, open: None } }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.data {
            Data::File { path, .. } => Some(path),
            Data::Memory(_) => None,
        }
    }

    /// Writes batches at the end. After an error the file is cut back to what it held before.
    pub(crate) fn append(&mut self, parts: &[Bytes]) -> io::Result<()> {
        match &mut self.data {
            Data::Memory(chunks) => {
                let mut position = self.meta.size;
                for part in parts {
                    chunks.push((position, part.clone()));
                    position += part.len() as u64;
                }
                Ok(())
            }
            Data::File { path, open } => {
                let file = match open {
                    Some(file) => file,
                    None => {
                        let mut file = OpenOptions::new().read(true).write(true).open(&*path)?;
                        file.seek(SeekFrom::Start(self.meta.size))?;
                        open.insert(Arc::new(file))
                    }
                };
                let written = write_all_vectored(file, parts);
                if written.is_err() {
                    file.set_len(self.meta.size)?;
                    (&**file).seek(SeekFrom::Start(self.meta.size))?;
                }
                written
            }
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.data {
            Data::File { open: Some(file), .. } => file.sync_data(),
            _ => Ok(()),
        }
    }

    /// Lets go of the open file of a segment that takes no more writes.
    pub(crate) fn close(&mut self) {
        if let Data::File { open, .. } = &mut self.data {
            *open = None;
        }
    }

    /// A reader of the bytes from `position` on.
    pub(crate) fn source(&self, position: u64, length: u64) -> io::Result<Source> {
        match &self.data {
            Data::File { open: Some(file), .. } => Ok(Source::File(Arc::clone(file))),
            Data::File { path, open: None } => Ok(Source::File(Arc::new(File::open(path)?))),
            Data::Memory(chunks) => {
                let first = chunks.partition_point(|(at, c)| at + c.len() as u64 <= position);
                let start = chunks.get(first).map_or(position, |(at, _)| *at);
                // One chunk more than asked for: the records of a batch whose header is the last.
                let count = chunks[first..].iter().take_while(|(at, _)| *at < position + length).count() + 1;
                Ok(Source::Memory {
                    start,
                    chunks: chunks[first..].iter().take(count).map(|(_, c)| c.clone()).collect(),
                })
            }
        }
    }
}

impl Source {
    /// Reads `length` bytes at `position` as one piece.
    pub(crate) fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let mut buffer = BytesMut::zeroed(length);
                file.read_exact_at(&mut buffer, position)?;
                Ok(buffer.freeze())
            }
            Self::Memory { .. } => {
                let chunks = self.slices(position, length)?;
                Ok(match chunks.as_slice() {
                    [one] => one.clone(),
                    many => Bytes::from(many.concat()),
                })
            }
        }
    }

    /// Bytes held in memory, without copying them; for a file the same as one `read`.
    pub(crate) fn slices(&self, position: u64, length: usize) -> io::Result<Vec<Bytes>> {
        let Self::Memory { start, chunks } = self else { return Ok(vec![self.read(position, length)?]) };
        let (mut at, end, mut out) = (*start, position + length as u64, Vec::new());
        for chunk in chunks {
            let next = at + chunk.len() as u64;
            if next > position && at < end {
                let from = position.saturating_sub(at) as usize;
                let to = (end.min(next) - at) as usize;
                out.push(chunk.slice(from..to));
            }
            at = next;
        }
        if at < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(out) }
    }
}

fn write_all_vectored(mut file: &File, parts: &[Bytes]) -> io::Result<()> {
    let (mut index, mut skip) = (0, 0);
    while index < parts.len() {
        let slices: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&parts[index][skip..]))
            .chain(parts[index + 1..].iter().take(255).map(|p| IoSlice::new(p)))
            .collect();
        let mut written = match file.write_vectored(&slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        while index < parts.len() && written >= parts[index].len() - skip {
            written -= parts[index].len() - skip;
            index += 1;
            skip = 0;
        }
        skip += written;
    }
    Ok(())
}
