//! Compaction: of the records in closed segments only the last of each key stays.
//!
//! Closed segments do not change, so they are read and rewritten without the partition's lock; the
//! rewritten one takes the old one's place under the lock, if that is still there. A crash leaves
//! the old file or the new one. Each record's removal rests on a later record of its key alone, so a
//! pass that stops half-way has done no harm.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use bytes::Bytes;

use super::Log;
use super::batch::{BatchHeader, HEADER_LEN, build};
use super::codec::{self, Record};
use super::producers::Aborted;
use super::recovery::remove_if_there;
use super::segment::{Meta, Segment, Source, log_path};
use crate::topics::partition::Partition;

/// Keys remembered in one pass, which bounds its memory to some 40 MiB; keys past it wait.
const MAX_KEYS: usize = 1_000_000;

/// What a topic asks of compaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) dirty_ratio: f64,
    /// How long a tombstone stays readable.
    pub(crate) delete_retention_ms: i64,
    /// Records younger than this stay.
    pub(crate) lag_ms: i64,
}

/// A closed segment as it was when the pass began.
struct Closed {
    meta: Meta,
    created: i64,
    source: Source,
}

/// Where the last record of each key is. Keys stand here as two 64-bit hashes.
struct Latest {
    hashers: (RandomState, RandomState),
    offsets: HashMap<(u64, u64), i64>,
}

impl Latest {
    fn new() -> Self {
        Self { hashers: (RandomState::new(), RandomState::new()), offsets: HashMap::new() }
    }

    fn id(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key))
    }

    fn see(&mut self, key: &[u8], offset: i64) {
        let id = self.id(key);
        if self.offsets.len() < MAX_KEYS || self.offsets.contains_key(&id) {
            self.offsets.insert(id, offset);
        }
    }

    fn is_stale(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(&self.id(key)).is_some_and(|latest| *latest > offset)
    }
}

/// Compacts a partition if enough of it is new. True when something was rewritten.
pub(crate) fn compact(partition: &Partition, rules: Rules, now: i64) -> io::Result<bool> {
    let (closed, aborted, dir, cleaned_to) = {
        let log = partition.log.lock();
        let stable = log.last_stable();
        let old_enough = |s: &&Segment| s.meta.next <= stable && now - s.meta.max_timestamp >= rules.lag_ms;
        let count = log.segments.len().saturating_sub(1);
        let segments = log.segments.iter().take(count).take_while(old_enough);
        let closed = segments.map(|s| {
            Ok(Closed { meta: s.meta.clone(), created: s.created, source: s.source(0, s.meta.size)? })
        });
        (closed.collect::<io::Result<Vec<_>>>()?, log.aborted.clone(), log.dir.clone(), log.cleaned_to)
    };
    let total: u64 = closed.iter().map(|c| c.meta.size).sum();
    let dirty: u64 = closed.iter().filter(|c| c.meta.next > cleaned_to).map(|c| c.meta.size).sum();
    if dirty == 0 || (dirty as f64) < rules.dirty_ratio * total as f64 {
        return Ok(false);
    }
    let mut latest = Latest::new();
    for segment in &closed {
        each_batch(segment, |header, batch| {
            if let Some((_, plain)) = open(header, batch, &aborted) {
                let records = codec::parse(&plain).unwrap_or_default();
                for record in records {
                    if let Some(key) = record.key {
                        latest.see(key, header.base_offset + record.offset_delta);
                    }
                }
            }
            Ok(())
        })?;
    }
    let mut rewritten = false;
    for segment in &closed {
        let drop_tombstones = now - segment.meta.max_timestamp > rules.delete_retention_ms;
        let keep = |record: &Record<'_>, offset: i64| match record.key {
            None => true,
            Some(key) => !(latest.is_stale(key, offset) || record.tombstone && drop_tombstones),
        };
        rewritten |= rewrite(partition, segment, dir.as_ref(), &aborted, keep, now)?;
    }
    partition.log.lock().cleaned_to = closed.last().map_or(cleaned_to, |c| c.meta.next);
    Ok(rewritten)
}

/// The plain records of a batch of committed data; `None` for markers, aborted data, and what
/// cannot be read, which is kept as it is.
fn open(header: &BatchHeader, batch: &[u8], aborted: &[Aborted]) -> Option<(BatchHeader, Vec<u8>)> {
    if header.is_control() || is_aborted(header, aborted) {
        return None;
    }
    codec::records(header, batch).ok().map(|plain| (*header, plain))
}

fn is_aborted(header: &BatchHeader, aborted: &[Aborted]) -> bool {
    let within = |a: &Aborted| (a.first_offset..=a.last_offset).contains(&header.base_offset);
    header.is_transactional() && aborted.iter().any(|a| a.producer_id == header.producer_id && within(a))
}

fn each_batch(
    segment: &Closed,
    mut visit: impl FnMut(&BatchHeader, &Bytes) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = 0;
    while at + HEADER_LEN as u64 <= segment.meta.size {
        let head = segment.source.read(at, HEADER_LEN)?;
        let Some(header) = BatchHeader::parse(&head) else { break };
        visit(&header, &segment.source.read(at, header.size)?)?;
        at += header.size as u64;
    }
    Ok(())
}

/// Where a rewritten segment goes.
enum Target {
    File(PathBuf, BufWriter<File>, Meta),
    Memory(Segment),
}

impl Target {
    fn meta(&mut self) -> &mut Meta {
        match self {
            Self::File(_, _, meta) => meta,
            Self::Memory(segment) => &mut segment.meta,
        }
    }

    fn push(&mut self, header: &BatchHeader, batch: &Bytes) -> io::Result<()> {
        match self {
            Self::File(_, file, _) => file.write_all(batch)?,
            Self::Memory(segment) => segment.append(std::slice::from_ref(batch))?,
        }
        self.meta().note(header);
        Ok(())
    }
}

fn rewrite(
    partition: &Partition,
    old: &Closed,
    dir: Option<&PathBuf>,
    aborted: &[Aborted],
    keep: impl Fn(&Record<'_>, i64) -> bool,
    now: i64,
) -> io::Result<bool> {
    let base = old.meta.base;
    let mut target = match dir {
        Some(dir) => {
            let path = log_path(dir, base).with_extension("cleaned");
            let file = BufWriter::new(File::create(&path)?);
            Target::File(path, file, Meta::new(base))
        }
        None => Target::Memory(Segment::in_memory(base, now)),
    };
    each_batch(old, |header, batch| {
        if is_aborted(header, aborted) && !header.is_control() {
            return Ok(());
        }
        match filtered(header, batch, &keep)? {
            Filtered::Whole => target.push(header, batch),
            Filtered::Part(header, batch) => target.push(&header, &batch),
            Filtered::Nothing => Ok(()),
        }
    })?;
    let smaller = target.meta().size < old.meta.size;
    finish(partition, old, dir, target, smaller)
}

/// Puts the rewritten segment in the old one's place. One that holds nothing goes, except at the
/// front, where it keeps the log's start.
fn finish(
    partition: &Partition,
    old: &Closed,
    dir: Option<&PathBuf>,
    target: Target,
    smaller: bool,
) -> io::Result<bool> {
    let (fresh, segment) = match target {
        Target::Memory(segment) => (None, segment),
        Target::File(path, file, meta) => {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            let dir = dir.ok_or_else(|| io::Error::other("a file without a folder"))?;
            (Some((path, dir)), Segment::existing(dir, meta, old.created))
        }
    };
    let mut log = partition.log.lock();
    let place = place_of(&log, old).filter(|_| smaller);
    match (place, &fresh) {
        (None, fresh) => fresh.as_ref().map_or(Ok(()), |(path, _)| remove_if_there(path))?,
        (Some(at), fresh) if segment.meta.size == 0 && at > 0 => {
            if let Some((path, _)) = fresh {
                remove_if_there(path)?;
            }
            if let Some(gone) = log.segments.remove(at) {
                log.remove_files(&gone)?;
            }
        }
        (Some(at), fresh) => {
            if let Some((path, dir)) = fresh {
                fs::rename(path, log_path(dir, old.meta.base))?;
            }
            log.segments[at] = segment;
            log.store_meta(at)?;
        }
    }
    Ok(place.is_some())
}

fn place_of(log: &Log, old: &Closed) -> Option<usize> {
    let same = |s: &Segment| s.meta.base == old.meta.base && s.meta.size == old.meta.size;
    if log.deleted { None } else { log.segments.iter().position(same) }
}

enum Filtered {
    Whole,
    Part(BatchHeader, Bytes),
    Nothing,
}

fn filtered(
    header: &BatchHeader,
    batch: &Bytes,
    keep: &impl Fn(&Record<'_>, i64) -> bool,
) -> io::Result<Filtered> {
    if header.is_control() {
        return Ok(Filtered::Whole);
    }
    let Ok(plain) = codec::records(header, batch) else { return Ok(Filtered::Whole) };
    let Some(records) = codec::parse(&plain) else { return Ok(Filtered::Whole) };
    let kept: Vec<&Record<'_>> =
        records.iter().filter(|r| keep(r, header.base_offset + r.offset_delta)).collect();
    if kept.len() == records.len() {
        return Ok(Filtered::Whole);
    }
    if kept.is_empty() {
        return Ok(Filtered::Nothing);
    }
    let plain: Vec<u8> = kept.iter().flat_map(|r| r.raw).copied().collect();
    let (codec, packed) = if header.compression() == 0 { (0, plain) } else { codec::pack(&plain)? };
    let attributes = (header.attributes & !7) | codec;
    // The last delta stays, so that the batch still covers its offsets.
    let template = BatchHeader { attributes, records: kept.len() as i32, ..*header };
    let rebuilt = build(&template, &packed);
    Ok(Filtered::Part(rebuilt.header, rebuilt.bytes))
}
