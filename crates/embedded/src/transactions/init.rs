//! Handing out producer ids and epochs; a new owner of a transactional id fences the one before.

use std::sync::Arc;

use parking_lot::Mutex;

use super::state::{Status, Txn};
use crate::node::Node;
use crate::wire::Code;

/// Longest timeout of a transaction, Kafka's own default.
const MAX_TIMEOUT_MS: i32 = 900_000;

impl Node {
    /// A producer id and epoch. `held` is the pair the producer has from before, or -1 and -1.
    pub(crate) fn init_producer(
        &self,
        transactional_id: Option<&str>,
        timeout_ms: i32,
        held: (i64, i16),
        now: i64,
    ) -> Result<(i64, i16), Code> {
        let Some(id) = transactional_id else { return Ok((self.transactions.new_producer_id()?, 0)) };
        if id.is_empty() {
            return Err(Code::InvalidRequest);
        }
        if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
            return Err(Code::InvalidTransactionTimeout);
        }
        let Some(shared) = self.transactions.get(id) else { return self.first_owner(id, timeout_ms) };
        let mut txn = shared.lock();
        if held.0 >= 0 && held != (txn.producer_id, txn.epoch) {
            return Err(Code::ProducerFenced);
        }
        match txn.status {
            Status::Ongoing => {
                // The open transaction is aborted under an epoch of its own, which fences its owner.
                self.transactions
                    .update(id, &mut txn, |t| bump(t, || self.transactions.new_producer_id(), true))?;
                self.end(id, &mut txn, false, now)?;
            }
            Status::PrepareCommit => self.end(id, &mut txn, true, now)?,
            Status::PrepareAbort => self.end(id, &mut txn, false, now)?,
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => {}
        }
        self.transactions.update(id, &mut txn, |t| {
            bump(t, || self.transactions.new_producer_id(), false)?;
            t.timeout_ms = i64::from(timeout_ms);
            t.status = Status::Empty;
            t.partitions.clear();
            t.groups.clear();
            Ok((t.producer_id, t.epoch))
        })
    }

    fn first_owner(&self, id: &str, timeout_ms: i32) -> Result<(i64, i16), Code> {
        let producer_id = self.transactions.new_producer_id()?;
        let mut fresh = Txn::new(producer_id, -1);
        // Under the map's lock, so that of two first owners one wins and the other is told to retry.
        let mut map = self.transactions.map.lock();
        if map.contains_key(id) {
            return Err(Code::ConcurrentTransactions);
        }
        self.transactions.update(id, &mut fresh, |t| {
            t.timeout_ms = i64::from(timeout_ms);
            Ok(())
        })?;
        map.insert(id.to_owned(), Arc::new(Mutex::new(fresh)));
        Ok((producer_id, 0))
    }
}

/// Raises the epoch; past the largest the id is replaced, except while a transaction is open.
fn bump(txn: &mut Txn, new_id: impl FnOnce() -> Result<i64, Code>, open: bool) -> Result<(), Code> {
    if txn.epoch < i16::MAX - 1 || open {
        txn.epoch = txn.epoch.saturating_add(1);
    } else {
        txn.producer_id = new_id()?;
        txn.epoch = 0;
    }
    Ok(())
}
