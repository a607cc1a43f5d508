//! What was done, for people and for scripts.

use std::fmt;
use std::time::Instant;

use affluent_core::units::{show_bytes, show_count};
use serde::Serialize;

/// Counts of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub topics: Vec<String>,
    /// Records read from Kafka and taken.
    pub records: u64,
    /// Rows committed to the lake.
    pub rows: u64,
    /// Rows with something in `_rescued`.
    pub rescued: u64,
    pub tombstones: u64,
    pub dead_letters: u64,
    pub files: u64,
    pub bytes: u64,
    pub commits: u64,
    /// Table versions made.
    pub snapshots: u64,
    pub seconds: f64,
    pub records_per_s: f64,
    #[serde(skip)]
    started: Started,
}

#[derive(Debug, Clone)]
struct Started(Instant);

impl Default for Started {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Summary {
    pub(crate) fn new(topics: Vec<String>) -> Self {
        Self {
            topics,
            records: 0,
            rows: 0,
            rescued: 0,
            tombstones: 0,
            dead_letters: 0,
            files: 0,
            bytes: 0,
            commits: 0,
            snapshots: 0,
            seconds: 0.0,
            records_per_s: 0.0,
            started: Started::default(),
        }
    }

    /// Brings the times up to date.
    pub(crate) fn timed(&mut self) -> &Self {
        self.seconds = self.started.0.elapsed().as_secs_f64();
        self.records_per_s = self.records as f64 / self.seconds.max(1e-9);
        self
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} records of {} in {:.1} s ({} records/s)",
            show_count(self.records),
            self.topics.join(", "),
            self.seconds,
            show_count(self.records_per_s as u64)
        )?;
        write!(
            f,
            "{} rows in {} files, {}, {} commits",
            show_count(self.rows),
            show_count(self.files),
            show_bytes(self.bytes),
            show_count(self.commits)
        )?;
        if self.snapshots > 0 {
            write!(f, ", {} table versions", show_count(self.snapshots))?;
        }
        for (count, what) in [
            (self.rescued, "rows with rescued fields"),
            (self.tombstones, "tombstones"),
            (self.dead_letters, "dead letters"),
        ] {
            if count > 0 {
                write!(f, "\n{} {what}", show_count(count))?;
            }
        }
        Ok(())
    }
}
