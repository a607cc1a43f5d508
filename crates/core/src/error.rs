//! What can go wrong in `core`, by what a caller does about it.

/// An error of the lake's files and feeds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `--lake-root` cannot be understood or opened.
    #[error("cannot use {root:?} as a lake: {reason}")]
    Root { root: String, reason: String },
    /// There is no lake yet.
    #[error("there is no lake at {root}; run init-datalake --lake-root {root} first")]
    NoLake { root: String },
    /// No such feed; `hint` names what exists.
    #[error("there is no feed {name:?}{hint}")]
    UnknownFeed { name: String, hint: String },
    #[error("the feed {name:?} is archived; run feeds restore {name} to use it again")]
    ArchivedFeed { name: String },
    #[error("the feed {name:?} is disabled; run feeds enable {name} to use it again")]
    DisabledFeed { name: String },
    /// A feed file or feed definition that breaks a rule.
    #[error("bad feed {name:?}: {reason}")]
    BadFeed { name: String, reason: String },
    #[error("cannot {action} {path} in the lake")]
    Storage {
        action: &'static str,
        path: String,
        #[source]
        source: object_store::Error,
    },
}

impl Error {
    /// May the same call work later?
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage { source, .. } => matches!(source, object_store::Error::Generic { .. }),
            _ => false,
        }
    }
}
