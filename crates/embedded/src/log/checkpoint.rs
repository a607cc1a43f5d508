//! Small files beside the segments that spare a start from reading them: the index of each closed
//! segment, the producers as they were at a segment's first offset, and, after an orderly stop,
//! everything about the last segment. All can be rebuilt from the segments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Log;
use super::producers::{Aborted, Producers};
use super::segment::Meta;

/// A closed segment's index and the transactions whose abort markers it holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredMeta {
    pub(crate) meta: Meta,
    pub(crate) aborted: Vec<Aborted>,
}

/// Everything that reading the last segment would find.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) last: StoredMeta,
    pub(crate) producers: Producers,
}

pub(crate) fn meta_path(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.index"))
}

pub(crate) fn producers_path(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.producers"))
}

pub(crate) fn checkpoint_path(dir: &Path) -> PathBuf {
    dir.join("checkpoint")
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::rename(&fresh, path)
}

/// Reads such a file; `None` when it is missing or was damaged, as it can be rebuilt.
pub(crate) fn read_whole<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "unreadable; it is rebuilt from the log");
            None
        }
    }
}

impl Log {
    fn stored_meta(&self, index: usize) -> Option<StoredMeta> {
        let meta = self.segments.get(index)?.meta.clone();
        let within = |a: &&Aborted| a.last_offset >= meta.base && a.last_offset < meta.next;
        let aborted = self.aborted.iter().filter(within).copied().collect();
        Some(StoredMeta { meta, aborted })
    }

    /// Stores a closed segment's index.
    pub(crate) fn store_meta(&self, index: usize) -> io::Result<()> {
        match (&self.dir, self.stored_meta(index)) {
            (Some(dir), Some(stored)) => write_whole(&meta_path(dir, stored.meta.base), &stored),
            _ => Ok(()),
        }
    }

    /// Stores the producers as they are at the next offset, where a new segment begins.
    pub(crate) fn store_producers(&self) -> io::Result<()> {
        match &self.dir {
            Some(dir) => write_whole(&producers_path(dir, self.next_offset), &self.producers),
            None => Ok(()),
        }
    }

    /// Stores what an orderly stop leaves for the next start.
    pub(crate) fn store_checkpoint(&self) -> io::Result<()> {
        let (Some(dir), Some(last)) = (&self.dir, self.segments.len().checked_sub(1)) else { return Ok(()) };
        let Some(last) = self.stored_meta(last) else { return Ok(()) };
        write_whole(&checkpoint_path(dir), &Checkpoint { last, producers: self.producers.clone() })
    }
}
