//! Ending transactions: by their producer, by their timeout, by a new owner, after a crash.

use super::state::{Status, Txn};
use super::{Transactions, storage_error};
use crate::groups::offsets::commit_changes;
use crate::log::batch::end_marker;
use crate::node::Node;
use crate::wire::Code;

impl Node {
    /// EndTxn: a repeated request for an end that was reached is answered as the first one was.
    pub(crate) fn end_transaction(
        &self,
        id: &str,
        producer: (i64, i16),
        commit: bool,
        now: i64,
    ) -> Result<(), Code> {
        let shared = self.transactions.get(id).ok_or(Code::InvalidProducerIdMapping)?;
        let mut txn = shared.lock();
        txn.check(producer.0, producer.1)?;
        match (txn.status, commit) {
            (Status::Ongoing, _) => self.end(id, &mut txn, commit, now),
            (Status::PrepareCommit, true) | (Status::PrepareAbort, false) => {
                self.end(id, &mut txn, commit, now)
            }
            (Status::CompleteCommit, true) | (Status::CompleteAbort, false) => Ok(()),
            _ => Err(Code::InvalidTxnState),
        }
    }

    /// Decides, writes the markers, and completes.
    pub(crate) fn end(&self, id: &str, txn: &mut Txn, commit: bool, now: i64) -> Result<(), Code> {
        let (prepared, complete) = if commit {
            (Status::PrepareCommit, Status::CompleteCommit)
        } else {
            (Status::PrepareAbort, Status::CompleteAbort)
        };
        self.transactions.update(id, txn, |t| {
            t.status = prepared;
            Ok(())
        })?;
        for (topic, partition) in &txn.partitions {
            self.write_marker(txn, topic, *partition, commit, now)?;
        }
        let mut done = txn.clone();
        done.status = complete;
        done.started = -1;
        done.partitions.clear();
        done.groups.clear();
        let mut changes = Vec::new();
        for group in txn.groups.iter().filter(|_| commit) {
            self.groups.get_or_create(&group.group);
            changes.extend(commit_changes(&group.group, &group.offsets).map_err(|e| storage_error(id, &e))?);
        }
        changes.push(Transactions::change(id, &done).map_err(|e| storage_error(id, &e))?);
        self.transactions.store.apply(changes).map_err(|e| storage_error(id, &e))?;
        *txn = done;
        Ok(())
    }

    /// Writes the marker where the transaction has records without one. A partition that is gone
    /// has nothing to end.
    fn write_marker(
        &self,
        txn: &Txn,
        topic: &str,
        partition: i32,
        commit: bool,
        now: i64,
    ) -> Result<(), Code> {
        let Ok((topic, partition)) = self.topics.partition(topic, partition) else { return Ok(()) };
        let mut log = partition.log.lock();
        if !log.producers.is_open(txn.producer_id) {
            return Ok(());
        }
        let sync = self.config.sync != crate::SyncMode::Never;
        let marker = end_marker(txn.producer_id, txn.epoch, commit, now);
        log.append_marker(&marker, &topic.settings().append_options(now, sync))?;
        drop(log);
        partition.changed();
        Ok(())
    }

    /// Aborts transactions whose producers have gone silent for too long, and fences those.
    pub(crate) fn expire_transactions(&self, now: i64) {
        for (id, shared) in self.transactions.all() {
            let mut txn = shared.lock();
            if !txn.is_abandoned(now) {
                continue;
            }
            tracing::info!(transactional_id = id, "the transaction outlived its timeout and is aborted");
            let fenced = self.transactions.update(&id, &mut txn, |t| {
                t.epoch = t.epoch.saturating_add(1);
                Ok(())
            });
            if let Err(code) = fenced.and_then(|()| self.end(&id, &mut txn, false, now)) {
                tracing::error!(transactional_id = id, ?code, "cannot abort; it is tried again");
            }
        }
    }

    /// Goes on with the ends that a crash interrupted.
    pub(crate) fn finish_transactions(&self, now: i64) {
        for (id, shared) in self.transactions.all() {
            let mut txn = shared.lock();
            let commit = match txn.status {
                Status::PrepareCommit => true,
                Status::PrepareAbort => false,
                _ => continue,
            };
            if let Err(code) = self.end(&id, &mut txn, commit, now) {
                tracing::error!(transactional_id = id, ?code, "cannot finish the transaction");
            }
        }
    }
}
