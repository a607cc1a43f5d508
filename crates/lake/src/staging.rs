//! Where data files are written before they are whole.
//!
//! A local lake stages under `.staging/<writer>/<target path>`, on the same file system, and
//! publishes by a hard link: the target appears whole or not at all, and an existing file is never
//! overwritten. The staged name goes after the commit. So what a dead writer left behind names
//! exactly the files that it may have published without committing them. Death is a released file
//! lock: a paused process keeps its lock and cleans up after itself when it wakes.
//!
//! An object store has no links: files are staged in the system's temporary folder and uploaded.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use affluent_core::lake::Lake;
use affluent_core::layout;
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::{Engine, Error};

/// One writer's staging folder; it goes away with it.
pub struct Staging {
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    writer: String,
    local: bool,
}

/// A writer that ended without cleaning up.
#[derive(Debug)]
pub struct DeadWriter {
    folder: PathBuf,
    /// Files that it wrote, relative to the lake: each may stand published but uncommitted.
    pub leftovers: Vec<String>,
}

impl DeadWriter {
    /// Removes its staging folder, after its leftovers were dealt with.
    pub fn bury(self) -> Result<(), Error> {
        #[allow(clippy::disallowed_methods, reason = "a dead writer's own staging folder")]
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &self.folder)(error));
            }
            _ => remove(&self.folder.with_extension("lock")),
        }
        Ok(())
    }
}

impl Staging {
    pub fn open(lake: &Lake) -> Result<Self, Error> {
        let (root, local) = match lake.local_folder() {
            Some(folder) => (folder.join(layout::STAGING), true),
            None => (std::env::temp_dir().join("affluent-staging"), false),
        };
        fs::create_dir_all(&root).map_err(io_error("create", &root))?;
        loop {
            let writer = writer_id();
            let lock_path = root.join(format!("{writer}.lock"));
            let lock = File::create_new(&lock_path).map_err(io_error("create", &lock_path))?;
            lock.lock().map_err(io_error("lock", &lock_path))?;
            // A sweeper may have taken the file for a dead writer's just before it was locked.
            if lock_path.exists() {
                let folder = root.join(&writer);
                fs::create_dir(&folder).map_err(io_error("create", &folder))?;
                return Ok(Self { folder, lock_path, _lock: lock, writer, local });
            }
        }
    }

    /// This writer's id, unique among all that ever wrote.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Makes the staged file for a target path of the lake.
    pub fn create(&self, target: &str) -> Result<(PathBuf, File), Error> {
        let path = self.staged(target);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        let file = File::create_new(&path).map_err(io_error("create", &path))?;
        Ok((path, file))
    }

    fn staged(&self, target: &str) -> PathBuf {
        self.folder.join(target)
    }

    /// Puts a staged and synced file in its place in the lake. Readers of folders see it from now on.
    pub fn publish(&self, engine: &Engine, target: &str) -> Result<(), Error> {
        let staged = self.staged(target);
        match engine.lake().local_folder() {
            Some(root) => link(root, &staged, target),
            None => engine.block_on(upload(engine.lake(), &staged, target)),
        }
    }

    /// Gives an existing file of the lake a second name, without copying it where that is possible.
    pub fn publish_copy(&self, engine: &Engine, source: &str, target: &str) -> Result<(), Error> {
        if let Some(root) = engine.lake().local_folder() {
            // The staged name marks the target as this writer's until it is committed.
            let staged = self.staged(target);
            if let Some(parent) = staged.parent() {
                fs::create_dir_all(parent).map_err(io_error("create", parent))?;
            }
            link_or_copy(&root.join(source), &staged)?;
            return link(root, &staged, target);
        }
        let lake = engine.lake();
        engine.block_on(async {
            lake.store().copy(&lake.path(source), &lake.path(target)).await.map_err(|source| Error::Store {
                action: "copy",
                path: target.to_owned(),
                source,
            })
        })
    }

    /// Forgets a staged file after its target was committed.
    pub fn settle(&self, target: &str) {
        remove(&self.staged(target));
    }

    /// Takes back a file that will not be committed.
    pub fn discard(&self, engine: &Engine, target: &str) {
        if let Err(error) = engine.block_on(engine.lake().delete(target)) {
            tracing::warn!(%error, target, "cannot delete an uncommitted file");
        }
        remove(&self.staged(target));
    }

    /// The dead writers of this lake, with what they left behind. Their locks are free.
    pub fn dead_writers(&self) -> Result<Vec<DeadWriter>, Error> {
        let mut dead = Vec::new();
        for folder in self.dead_folders()? {
            let mut leftovers = Vec::new();
            // On an object store staged files never share a name with what was uploaded.
            if self.local {
                collect(&folder, &folder, &mut leftovers).map_err(io_error("read", &folder))?;
            }
            dead.push(DeadWriter { folder, leftovers });
        }
        Ok(dead)
    }

    fn dead_folders(&self) -> Result<Vec<PathBuf>, Error> {
        let root = self.folder.parent().unwrap_or(&self.folder);
        let mut dead = Vec::new();
        for entry in fs::read_dir(root).map_err(io_error("read", root))? {
            let path = entry.map_err(io_error("read", root))?.path();
            if path != self.folder && path.is_dir() && is_dead(&path.with_extension("lock")) {
                dead.push(path);
            }
        }
        Ok(dead)
    }
}

impl Drop for Staging {
    /// Leaves nothing behind, unless a file stands published and it is not known whether its commit
    /// went through: the next start finds out.
    fn drop(&mut self) {
        let mut staged = Vec::new();
        let read = collect(&self.folder, &self.folder, &mut staged);
        let root = self.folder.ancestors().nth(2).unwrap_or(&self.folder);
        if self.local && (read.is_err() || staged.iter().any(|target| root.join(target).exists())) {
            return;
        }
        #[allow(clippy::disallowed_methods, reason = "the writer's own staging folder")]
        let _ = fs::remove_dir_all(&self.folder);
        remove(&self.lock_path);
    }
}

/// A folder whose lock file is missing or free has no living owner: the lock comes before the folder.
fn is_dead(lock_path: &Path) -> bool {
    match File::open(lock_path) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            found.push(parts.join("/"));
        }
    }
    Ok(())
}

fn link(root: &Path, staged: &Path, target: &str) -> Result<(), Error> {
    let path = root.join(target);
    let parent = path.parent().unwrap_or(root);
    let mut made = Vec::new();
    let mut missing = parent;
    while !missing.exists() {
        made.push(missing);
        missing = missing.parent().unwrap_or(root);
    }
    fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    link_or_copy(staged, &path)?;
    // The names are durable once their folders are: the new ones, and the one that holds them.
    for folder in made.into_iter().chain([missing, parent]) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync", folder))?;
    }
    Ok(())
}

fn link_or_copy(source: &Path, target: &Path) -> Result<(), Error> {
    match fs::hard_link(source, target) {
        Ok(()) => Ok(()),
        // File systems without links: a copy under another name, then an atomic rename.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
        {
            let partial = target.with_extension("partial");
            fs::copy(source, &partial)
                .and_then(|_| File::open(&partial)?.sync_all())
                .and_then(|()| fs::rename(&partial, target))
                .map_err(io_error("write", target))
        }
        Err(error) => Err(io_error("publish", target)(error)),
    }
}

async fn upload(lake: &Lake, staged: &Path, target: &str) -> Result<(), Error> {
    const PART: usize = 16 << 20;
    let failed = |source| Error::Store { action: "upload", path: target.to_owned(), source };
    let mut file = File::open(staged).map_err(io_error("read", staged))?;
    let size = file.metadata().map_err(io_error("read", staged))?.len();
    let location = lake.path(target);
    let mut read = |limit: usize| -> Result<Vec<u8>, Error> {
        let mut part = Vec::with_capacity(limit);
        io::Read::read_to_end(&mut io::Read::take(&mut file, limit as u64), &mut part)
            .map_err(io_error("read", staged))?;
        Ok(part)
    };
    if size <= PART as u64 {
        let whole = read(PART)?;
        return lake.store().put(&location, whole.into()).await.map(|_| ()).map_err(failed);
    }
    let upload = lake.store().put_multipart(&location).await.map_err(failed)?;
    let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
    loop {
        let part = read(PART)?;
        if part.is_empty() {
            break;
        }
        writer.wait_for_capacity(2).await.map_err(failed)?;
        writer.put(part.into());
    }
    writer.finish().await.map(|_| ()).map_err(failed)
}

#[allow(clippy::disallowed_methods, reason = "staged names are this module's own")]
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "cannot remove a staged file");
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

/// Twelve characters: time, process and chance, so that no two writers ever share one.
fn writer_id() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_i64(affluent_core::clock::Clock::System.now_micros());
    let mut bits = hasher.finish();
    let mut id = String::with_capacity(12);
    for _ in 0..12 {
        id.push(char::from_digit((bits % 36) as u32, 36).unwrap_or('0'));
        bits /= 36;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lake() -> (tempfile::TempDir, Engine) {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::create(folder.path().to_str().unwrap()).unwrap();
        (folder, Engine::new(lake).unwrap())
    }

    #[test]
    fn a_file_is_published_whole_and_never_over_another() {
        let (folder, engine) = lake();
        let staging = Staging::open(engine.lake()).unwrap();
        let target = "streams/s/year=2024/month=01/day=02/a.parquet";
        let (_, mut file) = staging.create(target).unwrap();
        file.write_all(b"rows").unwrap();
        staging.publish(&engine, target).unwrap();
        assert_eq!(fs::read(folder.path().join(target)).unwrap(), b"rows");
        assert!(staging.publish(&engine, target).is_err());
        staging.publish_copy(&engine, target, "tables/t/version=v1/a.parquet").unwrap();
        assert_eq!(fs::read(folder.path().join("tables/t/version=v1/a.parquet")).unwrap(), b"rows");
        staging.discard(&engine, target);
        assert!(!folder.path().join(target).exists());
    }

    #[test]
    fn only_the_dead_leave_something_behind() {
        let (_folder, engine) = lake();
        let living = Staging::open(engine.lake()).unwrap();
        living.create("streams/s/living.parquet").unwrap();
        let dying = Staging::open(engine.lake()).unwrap();
        dying.create("streams/s/dead.parquet").unwrap();
        let sweeper = Staging::open(engine.lake()).unwrap();
        assert!(sweeper.dead_writers().unwrap().is_empty());
        // As after kill -9: the lock is free, the folder stays.
        dying._lock.unlock().unwrap();
        let mut dead = sweeper.dead_writers().unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].leftovers, ["streams/s/dead.parquet"]);
        dead.remove(0).bury().unwrap();
        assert!(sweeper.dead_writers().unwrap().is_empty());
        assert!(living.folder.exists());
    }

    #[test]
    fn a_published_file_of_unknown_fate_is_left_for_the_next_start() {
        let (_folder, engine) = lake();
        let staging = Staging::open(engine.lake()).unwrap();
        staging.create("streams/s/a.parquet").unwrap();
        staging.publish(&engine, "streams/s/a.parquet").unwrap();
        let folder = staging.folder.clone();
        drop(staging);
        assert!(folder.exists());
        let next = Staging::open(engine.lake()).unwrap();
        assert_eq!(next.dead_writers().unwrap()[0].leftovers, ["streams/s/a.parquet"]);
        drop(next);
        let staging = Staging::open(engine.lake()).unwrap();
        staging.create("streams/s/b.parquet").unwrap();
        let folder = staging.folder.clone();
        drop(staging);
        assert!(!folder.exists());
    }
}
