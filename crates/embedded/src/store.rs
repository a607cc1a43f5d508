//! The broker's own state, topics, offsets, groups and transactions, as one map of keys to values
//! with a journal behind it.
//!
//! Every change is one checksummed entry at the end of the journal and holds whole or not at all,
//! so a kill at any time leaves the state before or after it. The journal is rewritten from the map
//! when most of it is out of date.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// The journal is rewritten once it is this long and four times what it says.
const REWRITE_FROM: u64 = 4 * 1024 * 1024;

/// Changes that hold together: a value, or `None` to remove the key.
pub(crate) type Changes = Vec<(String, Option<Vec<u8>>)>;

/// The map and its journal.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    sync: bool,
}

#[derive(Debug)]
struct Inner {
    map: BTreeMap<String, Vec<u8>>,
    live: u64,
    journal: Option<Journal>,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

/// A value as it is stored.
pub(crate) fn value<T: Serialize>(value: &T) -> io::Result<Option<Vec<u8>>> {
    serde_json::to_vec(value).map(Some).map_err(io::Error::other)
}

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self { inner: Mutex::new(Inner { map: BTreeMap::new(), live: 0, journal: None }), sync: false }
    }

    /// Opens the journal and replays it; an entry that was written only in part is cut off.
    pub(crate) fn open(path: &Path, sync: bool) -> Result<Self, Error> {
        let failed = |source| Error::io(path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let bytes = Bytes::from(fs::read(path).map_err(failed)?);
        let total = bytes.len() as u64;
        let (map, length) = replay(bytes);
        if length < total {
            tracing::info!(path = %path.display(), cut = total - length, "cut an unfinished entry off the journal");
            file.set_len(length).map_err(failed)?;
        }
        io::Seek::seek(&mut file, io::SeekFrom::Start(length)).map_err(failed)?;
        let live = map.iter().map(|(k, v)| entry_size(k, v)).sum();
        let journal = Some(Journal { path: path.to_owned(), file, length });
        Ok(Self { inner: Mutex::new(Inner { map, live, journal }), sync })
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let inner = self.inner.lock();
        parse(key, inner.map.get(key)?)
    }

    /// All values whose keys start with `prefix`, with the rest of the key.
    pub(crate) fn list<T: DeserializeOwned>(&self, prefix: &str) -> Vec<(String, T)> {
        let inner = self.inner.lock();
        let from = inner.map.range(prefix.to_owned()..).take_while(|(k, _)| k.starts_with(prefix));
        from.filter_map(|(k, v)| Some((k[prefix.len()..].to_owned(), parse(k, v)?))).collect()
    }

    /// Makes the changes, together.
    pub(crate) fn apply(&self, changes: Changes) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        if let Some(journal) = &mut inner.journal {
            journal.append(&encode(&changes)?, self.sync)?;
        }
        for (key, value) in changes {
            let old = match value {
                Some(value) => {
                    inner.live += entry_size(&key, &value);
                    inner.map.insert(key.clone(), value)
                }
                None => inner.map.remove(&key),
            };
            inner.live -= old.map_or(0, |old| entry_size(&key, &old));
        }
        let Inner { map, live, journal } = &mut *inner;
        match journal {
            Some(journal) if journal.length > REWRITE_FROM.max(*live * 4) => journal.rewrite(map),
            _ => Ok(()),
        }
    }

    pub(crate) fn put<T: Serialize>(&self, key: String, item: &T) -> io::Result<()> {
        self.apply(vec![(key, value(item)?)])
    }

    /// Forces the journal to the disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.inner.lock().journal.as_ref().map_or(Ok(()), |j| j.file.sync_all())
    }
}

impl Journal {
    fn append(&mut self, entry: &[u8], sync: bool) -> io::Result<()> {
        if let Err(error) = self.file.write_all(entry) {
            self.file.set_len(self.length)?;
            io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += entry.len() as u64;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    fn rewrite(&mut self, map: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&fresh)?;
        let mut length = 0;
        for (key, value) in map {
            let entry = encode(&[(key.clone(), Some(value.clone()))])?;
            file.write_all(&entry)?;
            length += entry.len() as u64;
        }
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        (self.file, self.length) = (file, length);
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::error!(key, %error, "stored value is not understood and is left out"))
        .ok()
}

fn entry_size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len() + 20) as u64
}

/// Length, checksum, then per change: key length, key, value length plus one (0 removes), value.
fn encode(changes: &[(String, Option<Vec<u8>>)]) -> io::Result<Vec<u8>> {
    let mut out = BytesMut::new();
    out.put_u64(0);
    for (key, value) in changes {
        out.put_u32(key.len() as u32);
        out.put_slice(key.as_bytes());
        out.put_u32(value.as_ref().map_or(0, |v| v.len() as u32 + 1));
        out.put_slice(value.as_deref().unwrap_or_default());
    }
    let length = u32::try_from(out.len() - 8).map_err(io::Error::other)?;
    let crc = crc32c::crc32c(&out[8..]);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out[4..8].copy_from_slice(&crc.to_be_bytes());
    Ok(out.to_vec())
}

fn replay(mut bytes: Bytes) -> (BTreeMap<String, Vec<u8>>, u64) {
    let (mut map, mut length) = (BTreeMap::new(), 0);
    while bytes.len() >= 8 {
        let size = bytes.get_u32() as usize;
        let crc = bytes.get_u32();
        if bytes.len() < size || crc32c::crc32c(&bytes[..size]) != crc {
            break;
        }
        let Some(changes) = decode(bytes.split_to(size)) else { break };
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        length += 8 + size as u64;
    }
    (map, length)
}

fn decode(mut entry: Bytes) -> Option<Changes> {
    let mut changes = Changes::new();
    while entry.has_remaining() {
        let size = entry.try_get_u32().ok()? as usize;
        let key = (size <= entry.len()).then(|| entry.split_to(size))?;
        let key = String::from_utf8(key.to_vec()).ok()?;
        let value = match entry.try_get_u32().ok()? as usize {
            0 => None,
            n if n - 1 <= entry.len() => Some(entry.split_to(n - 1).to_vec()),
            _ => return None,
        };
        changes.push((key, value));
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_cut_at_any_byte_holds_whole_changes_only() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("state");
        let store = Store::open(&path, false).expect("open");
        for i in 0..4 {
            let pair =
                vec![(format!("a{i}"), value(&i).expect("v")), (format!("b{i}"), value(&i).expect("v"))];
            store.apply(pair).expect("apply");
        }
        store.apply(vec![("a0".into(), None), ("b0".into(), None)]).expect("apply");
        let whole = fs::read(&path).expect("read");
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("write");
            let store = Store::open(&path, false).expect("open");
            let keys = |p: &str| store.list::<i32>(p).into_iter().map(|(k, _)| k).collect::<Vec<_>>();
            assert_eq!(keys("a"), keys("b"), "cut at {cut}");
            store.put("a9".into(), &9).expect("put");
            drop(store);
            assert_eq!(Store::open(&path, false).expect("open").get::<i32>("a9"), Some(9));
        }
    }

    #[test]
    fn the_journal_is_rewritten_when_it_is_mostly_stale() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("state");
        let store = Store::open(&path, false).expect("open");
        let large = "x".repeat(100_000);
        for _ in 0..100 {
            store.put("k".into(), &large).expect("put");
        }
        assert!(fs::metadata(&path).expect("meta").len() <= REWRITE_FROM + 200_000);
        drop(store);
        assert_eq!(Store::open(&path, false).expect("open").get::<String>("k"), Some(large));
    }
}
