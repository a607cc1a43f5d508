//! The errors that starting and running a broker can end in.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a broker could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listen address could not be bound.
    #[error("cannot listen on {addr}: choose another address or stop what holds it")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the data folder open.
    #[error("data folder {} is in use by another broker: stop it or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("cannot use {}: check that it exists and may be written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Stored state could not be understood.
    #[error("{} is damaged ({reason}): restore it or start with an empty data folder", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A setting that cannot work.
    #[error("setting {name} is not usable: {reason}")]
    Config {
        /// The setting's name.
        name: &'static str,
        /// What to change.
        reason: String,
    },
}

impl Error {
    /// An I/O error that carries the path it happened on.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
