//! Committed offsets: kept in the store under group, topic and partition.

use serde::{Deserialize, Serialize};

use super::{Groups, storage_error, stored_offset};
use crate::store::Changes;
use crate::wire::Code;

/// Longest metadata text kept with an offset, Kafka's own default.
pub(crate) const METADATA_MAX: usize = 4096;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) at: i64,
}

/// An offset with where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OffsetOf {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) committed: Committed,
}

/// Group ids may hold any character but this one, so keys come apart again.
const SEPARATOR: char = '\0';

fn prefix(group: &str) -> String {
    format!("offset/{group}{SEPARATOR}")
}

fn key(group: &str, topic: &str, partition: i32) -> String {
    format!("offset/{group}{SEPARATOR}{topic}{SEPARATOR}{partition}")
}

/// The group in a key without its `offset/`.
pub(crate) fn group_of_key(key: &str) -> Option<&str> {
    key.split(SEPARATOR).next()
}

/// True for an id that keys can hold.
pub(crate) fn is_valid_group(id: &str) -> bool {
    !id.is_empty() && !id.contains(SEPARATOR)
}

/// The changes that commit offsets.
pub(crate) fn commit_changes(group: &str, offsets: &[OffsetOf]) -> std::io::Result<Changes> {
    let change = |o: &OffsetOf| Ok((key(group, &o.topic, o.partition), stored_offset(&o.committed)?));
    offsets.iter().map(change).collect()
}

impl Groups {
    pub(crate) fn commit(&self, group: &str, offsets: &[OffsetOf]) -> Result<(), Code> {
        let changes = commit_changes(group, offsets).map_err(|e| storage_error(group, &e))?;
        self.store.apply(changes).map_err(|e| storage_error(group, &e))
    }

    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        self.store.get(&key(group, topic, partition))
    }

    /// All offsets of a group, ordered by topic and partition.
    pub(crate) fn all_committed(&self, group: &str) -> Vec<OffsetOf> {
        let parse = |(key, committed): (String, Committed)| {
            let (topic, partition) = key.split_once(SEPARATOR)?;
            Some(OffsetOf { topic: topic.to_owned(), partition: partition.parse().ok()?, committed })
        };
        let mut all: Vec<_> = self.store.list(&prefix(group)).into_iter().filter_map(parse).collect();
        all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        all
    }

    /// The changes that remove a group's offsets where `which` says so.
    pub(crate) fn offset_removals(&self, group: &str, which: impl Fn(&OffsetOf) -> bool) -> Changes {
        let all = self.all_committed(group);
        all.iter().filter(|o| which(o)).map(|o| (key(group, &o.topic, o.partition), None)).collect()
    }

    /// The changes that remove every group's offsets on a topic.
    pub(crate) fn removals_on_topic(&self, topic: &str) -> Changes {
        self.all().iter().flat_map(|(group, _)| self.offset_removals(group, |o| o.topic == topic)).collect()
    }
}
