//! Opening a partition's log. After an orderly stop the checkpoint says it all. After a crash the
//! last segment is read through: what was written only in part is cut off at the first batch whose
//! length or checksum does not hold, and producers and transactions are rebuilt on the way.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Log;
use super::batch::{BatchHeader, HEADER_LEN, is_intact, marker_commits};
use super::checkpoint::{
    Checkpoint, StoredMeta, checkpoint_path, meta_path, producers_path, read_whole, write_whole,
};
use super::producers::{Aborted, Producers};
use super::segment::{Meta, Segment, log_path};

/// Bytes read at once while scanning.
const SCAN_CHUNK: usize = 1024 * 1024;

impl Log {
    /// Opens the log in `dir`; `stored_start` is the start that DeleteRecords set, if it did.
    pub(crate) fn open(dir: PathBuf, stored_start: i64, now: i64) -> io::Result<Self> {
        let bases = segment_bases(&dir)?;
        let checkpoint: Option<Checkpoint> = read_whole(&checkpoint_path(&dir));
        // Valid once: later writes would make it stale.
        remove_if_there(&checkpoint_path(&dir))?;
        let mut log = Self::empty(Some(dir.clone()), stored_start);
        let Some((last, closed)) = bases.split_last() else { return Ok(log) };
        let snapshot_at = usable_snapshot(&dir, &bases);
        for (i, base) in closed.iter().enumerate() {
            log.open_closed(&dir, *base, i < snapshot_at, now)?;
        }
        let length = fs::metadata(log_path(&dir, *last))?.len();
        match checkpoint.filter(|c| c.last.meta.base == *last && c.last.meta.size == length) {
            Some(Checkpoint { last: StoredMeta { meta, aborted }, producers }) => {
                log.aborted.extend(aborted);
                log.producers = producers;
                log.segments.push_back(Segment::existing(&dir, meta, now));
            }
            None => log.open_last(&dir, *last, now)?,
        }
        log.next_offset = log.segments.back().map_or(stored_start, |s| s.meta.next);
        let first = log.segments.front().map_or(stored_start, |s| s.meta.base);
        log.log_start = stored_start.max(first).min(log.next_offset);
        Ok(log)
    }

    /// A segment that was closed: its stored index, or a scan where that is missing or where the
    /// producers must be rebuilt through it.
    fn open_closed(&mut self, dir: &Path, base: i64, skip_producers: bool, now: i64) -> io::Result<()> {
        let length = fs::metadata(log_path(dir, base))?.len();
        let stored: Option<StoredMeta> = read_whole(&meta_path(dir, base));
        if let Some(stored) =
            stored.filter(|s| s.meta.base == base && s.meta.size == length && skip_producers)
        {
            self.aborted.extend(stored.aborted);
            self.segments.push_back(Segment::existing(dir, stored.meta, now));
            return Ok(());
        }
        if let Some(producers) = read_whole(&producers_path(dir, base)) {
            self.producers = producers;
        }
        let file = File::open(log_path(dir, base))?;
        let scanned = scan(&file, base, &mut self.producers, now)?;
        if scanned.meta.size < length {
            tracing::warn!(?dir, base, "a closed segment is damaged; records past the damage are lost");
        }
        write_whole(
            &meta_path(dir, base),
            &StoredMeta { meta: scanned.meta.clone(), aborted: scanned.aborted.clone() },
        )?;
        self.aborted.extend(scanned.aborted);
        self.segments.push_back(Segment::existing(dir, scanned.meta, now));
        Ok(())
    }

    fn open_last(&mut self, dir: &Path, base: i64, now: i64) -> io::Result<()> {
        if let Some(producers) = read_whole(&producers_path(dir, base)) {
            self.producers = producers;
        }
        let path = log_path(dir, base);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let scanned = scan(&file, base, &mut self.producers, now)?;
        let length = file.metadata()?.len();
        if scanned.meta.size < length {
            let cut = length - scanned.meta.size;
            tracing::info!(?dir, base, cut, "cut an unfinished write off the end of the log");
            file.set_len(scanned.meta.size)?;
        }
        self.aborted.extend(scanned.aborted);
        self.segments.push_back(Segment::existing(dir, scanned.meta, now));
        Ok(())
    }
}

/// How many leading segments may be opened without looking at their producers: all before the last
/// segment that has a snapshot.
fn usable_snapshot(dir: &Path, bases: &[i64]) -> usize {
    let readable = |base: &i64| read_whole::<Producers>(&producers_path(dir, *base)).is_some();
    (0..bases.len()).rev().find(|i| readable(&bases[*i])).unwrap_or(0)
}

fn segment_bases(dir: &Path) -> io::Result<Vec<i64>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bases = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log") {
            bases.extend(path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<i64>().ok()));
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Removes one of the log's own files.
#[allow(clippy::disallowed_methods, reason = "the broker's log files are its own to remove")]
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct Scanned {
    meta: Meta,
    aborted: Vec<Aborted>,
}

/// Reads a segment from its start to its end or its first damaged batch.
fn scan(file: &File, base: i64, producers: &mut Producers, now: i64) -> io::Result<Scanned> {
    let length = file.metadata()?.len();
    let mut found = Scanned { meta: Meta::new(base), aborted: Vec::new() };
    let mut buffer = Vec::new();
    while found.meta.size < length {
        let wanted = (length - found.meta.size).min(buffer.len().max(SCAN_CHUNK) as u64) as usize;
        buffer.resize(wanted, 0);
        file.read_exact_at(&mut buffer, found.meta.size)?;
        let mut at = 0;
        while let Some(header) = buffer.get(at..).and_then(BatchHeader::parse) {
            let Some(batch) = buffer.get(at..at + header.size) else { break };
            if !is_intact(&header, batch) || header.base_offset < found.meta.next {
                return Ok(found);
            }
            note(&mut found, producers, &header, batch, now);
            at += header.size;
        }
        if at == 0 {
            // Either the batch is larger than the buffer, or what follows is no whole batch.
            let Some(header) = BatchHeader::parse(&buffer) else { return Ok(found) };
            if found.meta.size + header.size as u64 > length || wanted < HEADER_LEN {
                return Ok(found);
            }
            buffer.resize(header.size, 0);
        }
    }
    Ok(found)
}

fn note(found: &mut Scanned, producers: &mut Producers, header: &BatchHeader, batch: &[u8], now: i64) {
    found.meta.note(header);
    if header.is_control() {
        let commit = marker_commits(batch).unwrap_or(true);
        found.aborted.extend(producers.ended(header, commit, now));
    } else {
        producers.stored(header, now);
    }
}
