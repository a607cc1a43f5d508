//! Keeping the log short: a checkpoint now and then, and old entries deleted after it.

use affluent_core::lake::Lake;
use delta_kernel::Engine;
use delta_kernel::SnapshotRef;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::Error;

/// A checkpoint every so many commits, so that readers need not replay the whole log.
const CHECKPOINT_EVERY: u64 = 100;
/// Log entries older than this go once a checkpoint covers them.
const KEEP_LOG_MS: i64 = 30 * 24 * 3600 * 1000;

/// After a commit: the checksum that makes the next snapshot cheap, and sometimes a checkpoint.
///
/// Nothing here can lose data: a failure is logged and the commit stands.
pub(super) fn after_commit(snapshot: SnapshotRef, engine: &dyn Engine) -> (SnapshotRef, bool) {
    let snapshot = match snapshot.write_checksum(engine) {
        Ok((_, newer)) => newer,
        Err(error) => {
            tracing::debug!(%error, version = snapshot.version(), "no checksum was written for this commit");
            snapshot
        }
    };
    if snapshot.version() == 0 || !snapshot.version().is_multiple_of(CHECKPOINT_EVERY) {
        return (snapshot, false);
    }
    match snapshot.checkpoint(engine, None) {
        Ok((_, newer)) => (newer, true),
        Err(error) => {
            tracing::warn!(%error, version = snapshot.version(), "cannot write a checkpoint; the next one will be tried");
            (snapshot, false)
        }
    }
}

/// Deletes log entries that are old and covered by the checkpoint at `checkpoint`.
pub(super) async fn clean_log(lake: &Lake, folder: &str, checkpoint: u64, now_ms: i64) -> Result<u64, Error> {
    let log = lake.path(&format!("{folder}/_delta_log"));
    let failed = |action| move |source| Error::Store { action, path: log_name(folder), source };
    let entries: Vec<_> = lake.store().list(Some(&log)).try_collect().await.map_err(failed("list"))?;
    let mut deleted = 0;
    for entry in entries {
        let name = entry.location.filename().unwrap_or_default();
        let old = now_ms - entry.last_modified.timestamp_millis() > KEEP_LOG_MS;
        let version = name.get(..20).and_then(|digits| digits.parse::<u64>().ok());
        if old && version.is_some_and(|version| version < checkpoint) {
            lake.store().delete(&entry.location).await.map_err(failed("delete from"))?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

fn log_name(folder: &str) -> String {
    format!("{folder}/_delta_log")
}
