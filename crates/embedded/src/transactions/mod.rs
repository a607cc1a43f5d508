//! The transaction coordinator: producer ids, open transactions, and how they end.
//!
//! A transaction's end is decided by storing `PrepareCommit` or `PrepareAbort`; then markers are
//! written; then its offsets and `Complete...` are stored as one change. A crash anywhere in between
//! is finished at the next start, as markers are only written where the transaction is still open.

pub(crate) mod end;
pub(crate) mod init;
pub(crate) mod state;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::{Store, value};
use crate::wire::Code;
use state::Txn;

/// Producer ids are taken from the store in blocks of this many.
const BLOCK: i64 = 1000;

/// All transactional ids, each under its own lock, which is held for as long as a request works on
/// it: produce requests too, so that none slips in behind an end marker.
#[derive(Debug)]
pub(crate) struct Transactions {
    store: Arc<Store>,
    map: Mutex<HashMap<String, Arc<Mutex<Txn>>>>,
    ids: Mutex<Ids>,
}

#[derive(Debug)]
struct Ids {
    next: i64,
    block_end: i64,
}

fn txn_key(id: &str) -> String {
    format!("txn/{id}")
}

impl Transactions {
    pub(crate) fn open(store: Arc<Store>) -> Self {
        let shared = |(id, txn): (String, Txn)| (id, Arc::new(Mutex::new(txn)));
        let map = store.list("txn/").into_iter().map(shared).collect();
        let next = store.get("next-producer-id").unwrap_or(0);
        Self { store, map: Mutex::new(map), ids: Mutex::new(Ids { next, block_end: next }) }
    }

    /// A producer id never given out before.
    pub(crate) fn new_producer_id(&self) -> Result<i64, Code> {
        let mut ids = self.ids.lock();
        if ids.next == ids.block_end {
            let end = ids.block_end + BLOCK;
            self.store.put("next-producer-id".to_owned(), &end).map_err(|e| storage_error("", &e))?;
            ids.block_end = end;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Mutex<Txn>>> {
        self.map.lock().get(id).cloned()
    }

    /// Every transactional id.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Mutex<Txn>>)> {
        let mut all: Vec<_> = self.map.lock().iter().map(|(id, t)| (id.clone(), Arc::clone(t))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Changes a transaction and stores it; the change is undone when it cannot be stored.
    pub(crate) fn update<T>(
        &self,
        id: &str,
        txn: &mut Txn,
        change: impl FnOnce(&mut Txn) -> Result<T, Code>,
    ) -> Result<T, Code> {
        let before = txn.clone();
        let result = change(txn);
        if result.is_ok() && *txn != before {
            let stored = self.store.put(txn_key(id), txn);
            if let Err(error) = stored {
                *txn = before;
                return Err(storage_error(id, &error));
            }
        } else if result.is_err() {
            *txn = before;
        }
        result
    }

    /// True while an open transaction holds an offset of the group on the partition.
    pub(crate) fn hold_offset(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.all().iter().any(|(_, txn)| txn.lock().holds_offset(group, topic, partition))
    }

    /// The stored form of a transaction, for a change that holds with others.
    fn change(id: &str, txn: &Txn) -> io::Result<(String, Option<Vec<u8>>)> {
        Ok((txn_key(id), value(txn)?))
    }
}

/// Logs what the client cannot be told.
pub(crate) fn storage_error(id: &str, error: &io::Error) -> Code {
    tracing::error!(transactional_id = id, %error, "cannot store the transaction; is the disk full?");
    Code::CoordinatorNotAvailable
}
