//! What can go wrong in the lake, by what a caller does about it.

use std::io;
use std::path::PathBuf;

/// An error of reading, writing or committing lake data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] affluent_core::error::Error),
    /// The commit log cannot be read or written.
    #[error("cannot {action} the commit log of {table}")]
    Log {
        action: &'static str,
        table: String,
        #[source]
        source: Box<delta_kernel::KernelError>,
    },
    /// Too many other writers committed at the same time.
    #[error(
        "gave up after {attempts} tries to commit to {table}, because other writers were faster each time"
    )]
    Contended { table: String, attempts: u32 },
    /// A column of the feed and of the existing table disagree.
    #[error(
        "the column {column:?} of {table} is {existing}, but the feed says {declared}; a column's type cannot \
         change, so give the new one another name or use a new feed"
    )]
    SchemaConflict { table: String, column: String, existing: String, declared: String },
    #[error("cannot write a data file for {table}")]
    Parquet {
        table: String,
        #[source]
        source: parquet::errors::ParquetError,
    },
    #[error("cannot lay out rows for {table}")]
    Arrow {
        table: String,
        #[source]
        source: arrow::error::ArrowError,
    },
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} {path} in the lake's store")]
    Store {
        action: &'static str,
        path: String,
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    /// May the same call work later, without anything being changed?
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_transient(),
            Self::Contended { .. } => true,
            Self::Store { source, .. } => matches!(source, object_store::Error::Generic { .. }),
            Self::Log { source, .. } => {
                matches!(
                    source.as_ref(),
                    delta_kernel::KernelError::ObjectStore(object_store::Error::Generic { .. })
                )
            }
            _ => false,
        }
    }
}
