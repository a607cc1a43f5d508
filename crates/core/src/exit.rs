//! Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try again (EX_TEMPFAIL of sysexits).

use std::fmt;

/// Why a command ends in something else than plain failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Work was done, but not all of it (dead letters, failed deliveries): exit 1, already reported.
    Incomplete,
    /// The command line or a setting is wrong: exit 2.
    Usage,
    /// A server did not answer, a lease is held: the same command may work later. Exit 75.
    TryAgain,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::TryAgain => 75,
        }
    }
}

/// An error that carries its exit code through `anyhow`.
#[derive(Debug)]
pub struct Classified {
    pub exit: Exit,
    message: String,
}

impl fmt::Display for Classified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Classified {}

/// A usage error: exit 2.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Classified { exit: Exit::Usage, message: message.into() }.into()
}

/// A passing fault: exit 75, which the orchestrator retries.
pub fn try_again(message: impl Into<String>) -> anyhow::Error {
    Classified { exit: Exit::TryAgain, message: message.into() }.into()
}

/// An end that was already reported in full by the summary: exit 1.
pub fn incomplete(message: impl Into<String>) -> anyhow::Error {
    Classified { exit: Exit::Incomplete, message: message.into() }.into()
}

/// The exit code of an error: that of the first classified one in its chain, else 1.
pub fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(|cause| cause.downcast_ref::<Classified>()).map_or(1, |found| found.exit.code())
}
