//! Small file systems in memory, to be filled up or made read-only. They need root.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::env::note;

/// A mounted file system; it goes away with its test.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many bytes; none, aloud, where that is not allowed.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted =
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()));
        match mounted {
            Ok(()) => Some(Self { folder }),
            Err(reason) => {
                note(&format!("SKIPPED a test of a small disk: cannot mount one here: {reason}"));
                None
            }
        }
    }

    /// Mounts it again with other options, such as `ro` or `size=...`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run(Command::new("mount").args(["-o", &options]).arg(self.folder.path())).unwrap();
    }

    /// Writes a file that leaves only so many bytes free.
    pub fn fill(&self, file: &Path, free: u64) {
        let stat = rustix::fs::statvfs(self.folder.path()).unwrap();
        let now = stat.f_bavail * stat.f_frsize;
        let length = usize::try_from(now.saturating_sub(free)).unwrap();
        std::fs::write(file, vec![0; length]).unwrap();
    }

    /// Removes that file.
    #[allow(clippy::disallowed_methods, reason = "the test's own file")]
    pub fn free(&self, file: &Path) {
        std::fs::remove_file(file).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path: &Path = self.folder.path();
        // Lazily: an open file must not keep it for ever.
        let _ = run(Command::new("umount").arg("-l").arg(path));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
