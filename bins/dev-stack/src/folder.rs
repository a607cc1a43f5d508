//! The stack's folder: who runs on it, and where.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use affluent_core::exit;
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A stack's folder. A file lock says whether it runs, a file beside it where.
pub(crate) struct Folder {
    path: PathBuf,
}

/// A running stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: i32,
    /// Kafka's bootstrap servers.
    pub kafka: String,
    pub topics: u64,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka  {}  {} topics  process {}", self.kafka, self.topics, self.pid)
    }
}

impl Running {
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.pid).context("the state file names no process")?;
        match kill_process(pid, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => {
                Err(io::Error::from(error)).with_context(|| format!("cannot stop process {}", self.pid))
            }
        }
    }
}

/// Held while the stack runs.
pub(crate) struct Claim {
    _lock: File,
    state: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn kafka(&self) -> PathBuf {
        self.path.join("kafka")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("dev-stack.log")
    }

    fn lock(&self) -> PathBuf {
        self.path.join("dev-stack.lock")
    }

    fn state(&self) -> PathBuf {
        self.path.join("dev-stack.json")
    }

    /// The stack that runs on this folder, once it is ready.
    pub(crate) fn running(&self) -> anyhow::Result<Option<Running>> {
        let lock = match File::open(self.lock()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.lock().display()));
            }
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(fs::TryLockError::WouldBlock) => self.read_state(),
            Err(fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn read_state(&self) -> anyhow::Result<Option<Running>> {
        match fs::read(self.state()) {
            Ok(json) => serde_json::from_slice(&json).map(Some).with_context(|| {
                format!("{} is damaged; stop the stack by hand and delete it", self.state().display())
            }),
            // It is starting, or just ending.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the folder for a stack that starts.
    pub(crate) fn claim(&self) -> anyhow::Result<Claim> {
        let in_folder = || format!("cannot use {} as the stack's folder", self.path.display());
        fs::create_dir_all(&self.path).with_context(in_folder)?;
        let lock = File::create(self.lock()).with_context(in_folder)?;
        match lock.try_lock() {
            Ok(()) => {
                remove(&self.state())?;
                Ok(Claim { _lock: lock, state: self.state() })
            }
            Err(fs::TryLockError::WouldBlock) => Err(self.taken()),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(in_folder),
        }
    }

    fn taken(&self) -> anyhow::Error {
        let who = match self.running() {
            Ok(Some(stack)) => format!("process {} runs on it, with Kafka at {}", stack.pid, stack.kafka),
            _ => "another stack is starting on it".to_owned(),
        };
        exit::usage(format!(
            "the folder {} is taken: {who}; stop it with dev-stack down, or choose another --data-dir",
            self.path.display()
        ))
    }

    /// Deletes a stopped stack's data.
    pub(crate) fn delete(&self) -> anyhow::Result<bool> {
        // Claimed meanwhile, so that no stack starts on what is being deleted.
        if !self.path.exists() {
            return Ok(false);
        }
        // Only a folder of a stack: a mistyped --data-dir must not cost anybody's files.
        if !self.lock().exists() {
            return Err(exit::usage(format!("{} is no folder of a dev-stack", self.path.display())));
        }
        let _claim = self.claim()?;
        let kafka = self.kafka();
        #[allow(clippy::disallowed_methods, reason = "reset deletes the stack's own data, and was asked to")]
        if kafka.exists() {
            fs::remove_dir_all(&kafka).with_context(|| format!("cannot delete {}", kafka.display()))?;
        }
        for file in [self.state(), self.log(), self.lock()] {
            remove(&file)?;
        }
        // Stays where something else lies in it.
        #[allow(clippy::disallowed_methods, reason = "only an empty folder goes")]
        let _ = fs::remove_dir(&self.path);
        Ok(true)
    }
}

impl Claim {
    /// Says that the stack is ready, and where.
    pub(crate) fn announce(&self, stack: &Running) -> anyhow::Result<()> {
        let partial = self.state.with_extension("partial");
        fs::write(&partial, serde_json::to_vec(stack)?)
            .and_then(|()| fs::rename(&partial, &self.state))
            .with_context(|| format!("cannot write {}", self.state.display()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = remove(&self.state);
    }
}

#[allow(clippy::disallowed_methods, reason = "the stack's own small files")]
fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_stack_and_says_which() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::new(&outer.path().join("stack"));
        assert_eq!(folder.running().unwrap(), None);
        assert!(!folder.delete().unwrap());
        let claim = folder.claim().unwrap();
        assert_eq!(folder.running().unwrap(), None);
        let stack = Running { pid: 7, kafka: "127.0.0.1:1".to_owned(), topics: 8 };
        claim.announce(&stack).unwrap();
        assert_eq!(folder.running().unwrap(), Some(stack));
        let error = folder.claim().err().unwrap().to_string();
        assert!(error.contains("process 7") && error.contains("dev-stack down"), "{error}");
        assert!(folder.delete().is_err());
        drop(claim);
        assert_eq!(folder.running().unwrap(), None);
        assert!(folder.delete().unwrap());
        assert!(!folder.path().exists());
    }

    #[test]
    fn reset_deletes_no_folder_that_is_not_a_stack_s() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("thesis.txt"), "years").unwrap();
        let error = Folder::new(outer.path()).delete().unwrap_err().to_string();
        assert!(error.contains("no folder of a dev-stack"), "{error}");
        assert!(outer.path().join("thesis.txt").exists());
    }
}
