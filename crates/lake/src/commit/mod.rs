//! The commit log: each feed is a Delta table, and a commit is the only way to change it.
//!
//! One commit carries data files *and* the next Kafka offset of each partition as a Delta
//! transaction id, so that rows and offsets can never disagree.

mod add;
mod files;
mod maintenance;
mod partition;
mod table;

pub use add::{Bounds, NewFile};
pub use files::LiveFile;
pub use partition::Partition;
pub use table::{Change, Opened, Table, Verdict};

/// The application id under which a partition's next offset is kept.
pub fn offset_id(feed: &str, topic: &str, partition: i32) -> String {
    format!("{feed}/{topic}/{partition}")
}
