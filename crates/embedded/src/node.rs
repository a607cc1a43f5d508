//! Everything a request may touch: settings, topics, groups, transactions.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::clock::now_ms;
use crate::groups::Groups;
use crate::log::compaction::compact;
use crate::stats::Counters;
use crate::store::Store;
use crate::topics::Topics;
use crate::transactions::Transactions;
use crate::{Config, Error, Stats, Storage, SyncMode};

/// The id of the only node.
pub(crate) const NODE_ID: i32 = 1;

/// The state of the broker.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) cluster_id: String,
    pub(crate) store: Arc<Store>,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) counters: Counters,
}

impl Node {
    /// Opens what is stored and finishes transactions that a crash left half ended.
    pub(crate) fn open(config: Config) -> Result<Self, Error> {
        let store = Arc::new(match &config.storage {
            Storage::Memory => Store::in_memory(),
            Storage::Disk(dir) => Store::open(&dir.join("state.journal"), config.sync != SyncMode::Never)?,
        });
        let cluster_id = match store.get("cluster-id") {
            Some(id) => id,
            None => {
                let fresh = Uuid::new_v4().simple().to_string()[..22].to_owned();
                store.put("cluster-id".to_owned(), &fresh).map_err(|e| Error::io("state.journal", e))?;
                fresh
            }
        };
        let topics = Topics::open(&config, Arc::clone(&store))?;
        let groups = Groups::open(Arc::clone(&store), millis(config.group_initial_rebalance_delay));
        let transactions = Transactions::open(Arc::clone(&store));
        let node =
            Self { config, cluster_id, store, topics, groups, transactions, counters: Counters::default() };
        node.finish_transactions(now_ms());
        Ok(node)
    }

    pub(crate) fn stats(&self) -> Stats {
        let topics = self.topics.all();
        Stats {
            topics: topics.len() as u64,
            partitions: topics.iter().map(|t| t.partition_count() as u64).sum(),
            groups: self.groups.all().len() as u64,
            ..self.counters.snapshot()
        }
    }

    /// Whether each produce request is forced to the disk.
    pub(crate) fn sync_always(&self) -> bool {
        self.config.sync == SyncMode::Always
    }

    /// Age, size, compaction and abandoned transactions.
    pub(crate) fn housekeep(&self, now: i64) {
        self.expire_transactions(now);
        for topic in self.topics.all() {
            let settings = topic.settings();
            for (index, partition) in topic.partitions().iter().enumerate() {
                let mut log = partition.log.lock();
                log.producers.expire(now - PRODUCER_EXPIRY.as_millis() as i64);
                let kept = if settings.delete { log.retain(settings.limits, now) } else { Ok(false) };
                drop(log);
                let compacted =
                    if settings.compact { compact(partition, settings.compaction(), now) } else { Ok(false) };
                match kept.and_then(|kept| Ok(kept | compacted?)) {
                    Ok(true) => partition.changed(),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(topic = topic.name, index, %error, "cannot drop or compact old records")
                    }
                }
            }
        }
    }

    /// Leaves everything as the next start wants it.
    pub(crate) fn close(&self) {
        for topic in self.topics.all() {
            for partition in topic.partitions() {
                if let Err(error) = partition.log.lock().store_checkpoint() {
                    tracing::warn!(topic = topic.name, %error, "no checkpoint stored; the next start reads the log");
                }
            }
        }
        if let Err(error) = self.store.flush() {
            tracing::warn!(%error, "the state journal was not forced to the disk");
        }
    }
}

/// An idle producer's sequence is forgotten after this, as in Kafka.
const PRODUCER_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
