//! Landing: chunks of rows become files, and files become commits.
//!
//! [`stream::StreamLander`] appends to a stream's days; [`table::TableLander`] builds the versions
//! of a table. Both follow one rule: a commit is valid only while the log still says, for each
//! partition, the offset that its rows start from.

mod dead_letters;
pub mod stream;
pub mod sweep;
pub mod table;

use std::path::PathBuf;

use affluent_core::layout::Kind;

pub use dead_letters::DeadLetter;

use crate::buffer::Chunk;
use crate::commit::Table;
use crate::data_file::Codec;
use crate::staging::Staging;
use crate::{Engine, Error};

/// What all landers of a process share in settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub codec: Codec,
    /// Files open at the same time, over all days and partitions of a feed.
    pub max_open_files: usize,
    /// A data file is closed when it has about so many bytes.
    pub target_file_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { codec: Codec::Zstd(1), max_open_files: 128, target_file_bytes: 256 << 20 }
    }
}

/// What one commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Version of the log, none where there was nothing to commit.
    pub version: Option<u64>,
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Kafka partitions and the next offset that the log now holds for them.
    pub offsets: Vec<(i32, i64)>,
    /// Partitions that another process has taken further: what was buffered of them is dropped.
    pub fenced: Vec<i32>,
    /// The table version that was made, for tables.
    pub snapshot: Option<u64>,
}

/// Lands one topic, by the kind of its feed.
pub enum Lander {
    Stream(stream::StreamLander),
    Table(table::TableLander),
}

impl Lander {
    pub fn new(table: Table, topic: &str, settings: Settings) -> Self {
        match table.kind() {
            Kind::Stream => Self::Stream(stream::StreamLander::new(table, topic, settings)),
            Kind::Table => Self::Table(table::TableLander::new(table, topic, settings)),
        }
    }

    pub fn table(&mut self) -> &mut Table {
        match self {
            Self::Stream(lander) => lander.table(),
            Self::Table(lander) => lander.table(),
        }
    }

    /// Takes over a partition; says where to read on, none for its start.
    pub fn assign(&mut self, partition: i32) -> Result<Option<i64>, Error> {
        match self {
            Self::Stream(lander) => lander.assign(partition),
            Self::Table(lander) => lander.assign(partition),
        }
    }

    /// The next offset of any partition, as the log has it.
    pub fn position(&self, partition: i32) -> Result<Option<i64>, Error> {
        match self {
            Self::Stream(lander) => lander.position(partition),
            Self::Table(lander) => lander.position(partition),
        }
    }

    /// Forgets a partition and all of it that is not committed.
    pub fn drop_partition(&mut self, engine: &Engine, staging: &Staging, partition: i32) {
        match self {
            Self::Stream(lander) => lander.drop_partition(engine, staging, partition),
            Self::Table(lander) => lander.drop_partition(partition),
        }
    }

    pub fn land(&mut self, staging: &Staging, chunk: Chunk, now_ms: i64) -> Result<(), Error> {
        match self {
            Self::Stream(lander) => lander.land(staging, &chunk, now_ms),
            Self::Table(lander) => {
                lander.land(chunk);
                Ok(())
            }
        }
    }

    /// Notes records that leave no row.
    pub fn pass(&mut self, partition: i32, next_offset: i64, dead: Vec<DeadLetter>) {
        match self {
            Self::Stream(lander) => lander.pass(partition, next_offset, dead),
            Self::Table(lander) => lander.pass(partition, next_offset, dead),
        }
    }

    pub fn memory(&self) -> usize {
        match self {
            Self::Stream(lander) => lander.memory(),
            Self::Table(lander) => lander.memory(),
        }
    }

    pub fn commit(&mut self, engine: &Engine, staging: &Staging, now_ms: i64) -> Result<Committed, Error> {
        match self {
            Self::Stream(lander) => lander.commit(engine, staging, now_ms),
            Self::Table(lander) => lander.commit(engine, staging, now_ms),
        }
    }
}

fn io_error(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { action, path, source }
}
