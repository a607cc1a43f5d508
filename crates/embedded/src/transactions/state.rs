//! One transactional producer: its id, epoch and open transaction, as it is stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::groups::offsets::OffsetOf;
use crate::wire::Code;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Empty,
    Ongoing,
    /// Decided, and stored so; markers are being written.
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl Status {
    /// The name that tools show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// A group whose offsets are part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupOffsets {
    pub(crate) group: String,
    pub(crate) offsets: Vec<OffsetOf>,
}

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Txn {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout_ms: i64,
    pub(crate) status: Status,
    pub(crate) partitions: BTreeSet<(String, i32)>,
    pub(crate) groups: Vec<GroupOffsets>,
    /// When the open transaction began.
    pub(crate) started: i64,
}

impl Txn {
    pub(crate) fn new(producer_id: i64, timeout_ms: i64) -> Self {
        Self {
            producer_id,
            epoch: 0,
            timeout_ms,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            groups: Vec::new(),
            started: -1,
        }
    }

    /// Checks that a request comes from the current owner of the id.
    pub(crate) fn check(&self, producer_id: i64, epoch: i16) -> Result<(), Code> {
        if producer_id != self.producer_id {
            return Err(Code::InvalidProducerIdMapping);
        }
        if epoch == self.epoch { Ok(()) } else { Err(Code::ProducerFenced) }
    }

    /// Checks that the transaction may still grow.
    pub(crate) fn check_open(&self) -> Result<(), Code> {
        match self.status {
            Status::PrepareCommit | Status::PrepareAbort => Err(Code::ConcurrentTransactions),
            _ => Ok(()),
        }
    }

    /// Opens the transaction if none is.
    pub(crate) fn begin(&mut self, now: i64) {
        if self.status != Status::Ongoing {
            self.status = Status::Ongoing;
            self.started = now;
            self.partitions.clear();
            self.groups.clear();
        }
    }

    /// The offsets of a group in this transaction, added when it is not there yet.
    pub(crate) fn group_mut(&mut self, group: &str) -> &mut GroupOffsets {
        let at = self.groups.iter().position(|g| g.group == group).unwrap_or_else(|| {
            self.groups.push(GroupOffsets { group: group.to_owned(), offsets: Vec::new() });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }

    /// Notes an offset that is committed if the transaction is.
    pub(crate) fn add_offset(&mut self, group: &str, offset: OffsetOf) {
        let of_group = self.group_mut(group);
        of_group.offsets.retain(|o| (&o.topic, o.partition) != (&offset.topic, offset.partition));
        of_group.offsets.push(offset);
    }

    /// True while an end of this transaction would change the group's offset on the partition.
    pub(crate) fn holds_offset(&self, group: &str, topic: &str, partition: i32) -> bool {
        let pending = matches!(self.status, Status::Ongoing | Status::PrepareCommit);
        let on = |o: &OffsetOf| o.topic == topic && o.partition == partition;
        pending && self.groups.iter().any(|g| g.group == group && g.offsets.iter().any(on))
    }

    /// True once an open transaction has outlived its timeout.
    pub(crate) fn is_abandoned(&self, now: i64) -> bool {
        self.status == Status::Ongoing && now - self.started > self.timeout_ms
    }
}
