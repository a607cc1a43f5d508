//! One feed's Delta table: opened, created, grown, and changed by one commit at a time.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use affluent_core::layout::{self, Kind};
use affluent_core::schema::{Field, Schema, Type};
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::expressions::ColumnName;
use delta_kernel::snapshot::Snapshot;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{KernelError, SnapshotRef};
use url::Url;

use super::{LiveFile, NewFile, files, maintenance};
use crate::columns;
use crate::{Engine, Error};

const ENGINE_INFO: &str = concat!("affluent/", env!("CARGO_PKG_VERSION"));
/// How often a commit that lost a race is built anew.
const MAX_ATTEMPTS: u32 = 50;

/// A feed's table at some version of its log.
pub struct Table {
    engine: Engine,
    kind: Kind,
    name: String,
    url: Url,
    snapshot: SnapshotRef,
}

/// What one commit does.
#[derive(Debug, Default, Clone)]
pub struct Change {
    pub adds: Vec<NewFile>,
    /// Paths of live files that readers shall not see any more.
    pub removes: Vec<String>,
    /// Application ids and their new values, offsets among them.
    pub ids: Vec<(String, i64)>,
    /// Does the set of rows change? Compaction says no.
    pub rearranges_only: bool,
}

/// What to do with a commit, decided anew before every attempt.
pub enum Verdict {
    Commit(Change),
    /// Somebody else has done it, or it must not be done any more.
    Abandon,
}

/// Whether a table was found or made.
pub struct Opened {
    pub table: Table,
    pub created: bool,
}

impl Table {
    /// Opens a feed's table; none where nothing was ever committed.
    pub fn open(engine: &Engine, kind: Kind, name: &str) -> Result<Option<Self>, Error> {
        let url = engine.lake().folder_url(&layout::feed_folder(kind, name));
        match Snapshot::builder_for(&url).build(engine.delta()) {
            Ok(snapshot) => {
                Ok(Some(Self { engine: engine.clone(), kind, name: name.to_owned(), url, snapshot }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(log_error("open", &url, error)),
        }
    }

    /// Opens a feed's table, or makes it with these columns; an existing one gains those it lacks.
    pub fn open_or_create(engine: &Engine, kind: Kind, name: &str, schema: &Schema) -> Result<Opened, Error> {
        if let Some(mut table) = Self::open(engine, kind, name)? {
            table.grow(schema)?;
            return Ok(Opened { table, created: false });
        }
        let folder = layout::feed_folder(kind, name);
        let url = engine.lake().folder_url(&folder);
        let failed = |error| log_error("create", &url, error);
        if let Some(root) = engine.lake().local_folder() {
            let path = root.join(&folder);
            std::fs::create_dir_all(&path).map_err(|source| Error::Io { action: "create", path, source })?;
        }
        let columns = columns::delta_schema(kind, schema).map_err(failed)?;
        let layout = DataLayout::partitioned(columns::partition_columns(kind));
        let created = create_table(&url, columns.into(), ENGINE_INFO, false)
            .with_data_layout(layout)
            .build(engine.delta(), Box::new(FileSystemCommitter::new()))
            .and_then(|transaction| transaction.commit(engine.delta()));
        let created = match created {
            Ok(CommitResult::Committed(_)) => true,
            Ok(CommitResult::Conflicted(_)) => false,
            Ok(CommitResult::Retryable(retryable)) => return Err(failed(retryable.error)),
            Err(KernelError::TableAlreadyExistsAtPath(_)) => false,
            Err(error) => return Err(failed(error)),
        };
        let mut table = Self::open(engine, kind, name)?
            .ok_or_else(|| failed(KernelError::generic("it is gone right after it was made")))?;
        if !created {
            table.grow(schema)?;
        }
        Ok(Opened { table, created })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The table's folder, relative to the lake.
    pub fn folder(&self) -> String {
        layout::feed_folder(self.kind, &self.name)
    }

    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// The feed's own columns.
    pub fn schema(&self) -> Result<Schema, Error> {
        columns::feed_schema(self.kind, &self.snapshot.schema()).map_err(|error| self.failed("read", error))
    }

    /// Reads what others have committed since.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let newer = Snapshot::builder_from(self.snapshot.clone()).build(self.engine.delta());
        self.snapshot = newer.map_err(|error| self.failed("read", error))?;
        Ok(())
    }

    /// The value of an application id, such as a partition's next offset.
    pub fn id(&self, id: &str) -> Result<Option<i64>, Error> {
        self.snapshot.get_app_id_version(id, self.engine.delta()).map_err(|error| self.failed("read", error))
    }

    /// Every file that readers of the log see now.
    pub fn live_files(&self) -> Result<Vec<LiveFile>, Error> {
        files::live(&self.snapshot, self.engine.delta()).map_err(|error| self.failed("read", error))
    }

    /// Adds the columns of `schema` that the table lacks, in a commit of their own.
    pub fn grow(&mut self, schema: &Schema) -> Result<bool, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let missing = self.missing(schema)?;
            if missing.is_empty() {
                return Ok(false);
            }
            let mut builder =
                self.snapshot.clone().update_table(UpdateTableOperation::AlterTable, ENGINE_INFO, false);
            for (parent, field) in missing {
                let field = columns::delta_field(&field).map_err(|error| self.failed("extend", error))?;
                builder = match parent.is_empty() {
                    true => builder.add_column(field),
                    false => builder.add_column_at(ColumnName::new(parent), field),
                };
            }
            let built = builder.build(self.engine.delta(), Box::new(FileSystemCommitter::new()));
            let result = built.and_then(|transaction| transaction.commit(self.engine.delta()));
            match result.map_err(|error| self.failed("extend", error))? {
                CommitResult::Committed(_) => {
                    self.refresh()?;
                    return Ok(true);
                }
                CommitResult::Conflicted(_) => self.refresh()?,
                CommitResult::Retryable(retryable) => return Err(self.failed("extend", retryable.error)),
            }
        }
        Err(Error::Contended { table: self.folder(), attempts: MAX_ATTEMPTS })
    }

    /// What `schema` has and the table has not, as (path of the parent, column).
    fn missing(&self, schema: &Schema) -> Result<Vec<(Vec<String>, Field)>, Error> {
        let existing = self.schema()?;
        let mut missing = Vec::new();
        let conflict = compare(&mut Vec::new(), &existing.fields, &schema.fields, &mut missing);
        match conflict {
            None => Ok(missing),
            Some((column, existing, declared)) => Err(Error::SchemaConflict {
                table: self.folder(),
                column,
                existing: existing.to_string(),
                declared: declared.to_string(),
            }),
        }
    }

    /// Commits what `plan` asks for, or nothing. `plan` sees the newest state before every attempt
    /// and decides anew: the log itself does not check that an application id grows.
    pub fn commit(
        &mut self,
        mut plan: impl FnMut(&Self) -> Result<Verdict, Error>,
    ) -> Result<Option<u64>, Error> {
        for attempt in 0..MAX_ATTEMPTS {
            let change = match plan(self)? {
                Verdict::Commit(change) => change,
                Verdict::Abandon => return Ok(None),
            };
            match self.attempt(&change)? {
                Attempt::Committed(snapshot) => {
                    self.settle(snapshot)?;
                    return Ok(Some(self.version()));
                }
                Attempt::Lost => {
                    self.refresh()?;
                    if self.holds(&change)? {
                        return Ok(Some(self.version()));
                    }
                }
                Attempt::Failed(error) => {
                    if attempt >= 5 {
                        return Err(self.failed("write", error));
                    }
                    tracing::warn!(%error, table = self.folder(), "the commit failed and is tried again");
                    thread::sleep(Duration::from_millis(100 << attempt));
                    self.refresh()?;
                    if self.holds(&change)? {
                        return Ok(Some(self.version()));
                    }
                }
            }
        }
        Err(Error::Contended { table: self.folder(), attempts: MAX_ATTEMPTS })
    }

    /// Did a commit go through although its answer said otherwise (a reply that was lost)? File
    /// names are unique, so a file of ours in the log proves it.
    fn holds(&self, change: &Change) -> Result<bool, Error> {
        for (id, value) in &change.ids {
            if self.id(id)? != Some(*value) {
                return Ok(false);
            }
        }
        match change.adds.first() {
            Some(file) => Ok(self.live_files()?.iter().any(|live| live.path == file.path)),
            // Without files the ids are all that the commit says.
            None => Ok(!change.ids.is_empty()),
        }
    }

    fn attempt(&self, change: &Change) -> Result<Attempt, Error> {
        let failed = |error| self.failed("write", error);
        let engine = self.engine.delta();
        let operation = match (change.rearranges_only, self.kind) {
            (true, _) => UpdateTableOperation::Optimize,
            (false, Kind::Stream) if change.removes.is_empty() => UpdateTableOperation::StreamingUpdate,
            (false, _) if change.adds.is_empty() && !change.removes.is_empty() => {
                UpdateTableOperation::Delete
            }
            (false, _) => UpdateTableOperation::Write,
        };
        let mut transaction = self
            .snapshot
            .clone()
            .update_table(operation, ENGINE_INFO, !change.rearranges_only)
            .build(engine, Box::new(FileSystemCommitter::new()))
            .map_err(failed)?;
        for (id, value) in &change.ids {
            transaction = transaction.with_transaction_id(id.clone(), *value);
        }
        for file in &change.adds {
            let batch = file.to_batch().map_err(|source| Error::Arrow { table: self.folder(), source })?;
            transaction.add_files(Box::new(ArrowEngineData::new(batch)));
        }
        if !change.removes.is_empty() {
            let paths: HashSet<String> = change.removes.iter().cloned().collect();
            for data in files::selected(&self.snapshot, engine, &paths).map_err(failed)? {
                transaction.remove_files(data);
            }
        }
        match transaction.commit(engine).map_err(failed)? {
            CommitResult::Committed(committed) => {
                Ok(Attempt::Committed(committed.post_commit_snapshot().cloned()))
            }
            CommitResult::Conflicted(_) => Ok(Attempt::Lost),
            CommitResult::Retryable(retryable) => Ok(Attempt::Failed(retryable.error)),
        }
    }

    /// Takes over the state after a commit and keeps the log short.
    fn settle(&mut self, snapshot: Option<SnapshotRef>) -> Result<(), Error> {
        match snapshot {
            Some(snapshot) => self.snapshot = snapshot,
            None => self.refresh()?,
        }
        let (snapshot, checkpointed) = maintenance::after_commit(self.snapshot.clone(), self.engine.delta());
        self.snapshot = snapshot;
        if checkpointed {
            let now_ms = affluent_core::clock::Clock::System.now_micros() / 1000;
            let cleaned = self.engine.block_on(maintenance::clean_log(
                self.engine.lake(),
                &self.folder(),
                self.version(),
                now_ms,
            ));
            if let Err(error) = cleaned {
                tracing::warn!(%error, "cannot delete old log entries; the next checkpoint tries again");
            }
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, error: KernelError) -> Error {
        log_error(action, &self.url, error)
    }
}

enum Attempt {
    Committed(Option<SnapshotRef>),
    Lost,
    Failed(KernelError),
}

fn log_error(action: &'static str, url: &Url, error: KernelError) -> Error {
    Error::Log { action, table: url.to_string(), source: Box::new(error) }
}

fn is_missing(error: &KernelError) -> bool {
    match error {
        // A log without versions: its first commit is being written now, or its writer died at it.
        KernelError::FileNotFound(_) | KernelError::InvalidTableLocation(_) | KernelError::EmptyLog => true,
        KernelError::Backtraced { source, .. } => is_missing(source),
        _ => false,
    }
}

/// Walks two lists of columns. Returns the first column whose types cannot be brought together.
fn compare(
    path: &mut Vec<String>,
    existing: &[Field],
    wanted: &[Field],
    missing: &mut Vec<(Vec<String>, Field)>,
) -> Option<(String, Type, Type)> {
    for field in wanted {
        let Some(known) = existing.iter().find(|known| known.name.eq_ignore_ascii_case(&field.name)) else {
            missing.push((path.clone(), field.clone()));
            continue;
        };
        path.push(known.name.clone());
        let conflict = compare_types(path, &known.ty, &field.ty, missing);
        path.pop();
        if conflict.is_some() {
            return conflict;
        }
    }
    None
}

fn compare_types(
    path: &mut Vec<String>,
    existing: &Type,
    wanted: &Type,
    missing: &mut Vec<(Vec<String>, Field)>,
) -> Option<(String, Type, Type)> {
    let step = match (existing, wanted) {
        (Type::Struct(existing), Type::Struct(wanted)) => return compare(path, existing, wanted, missing),
        (Type::Array(existing), Type::Array(wanted)) => ("element", existing, wanted),
        (Type::Map(existing), Type::Map(wanted)) => ("value", existing, wanted),
        (existing, wanted) if stored(existing) == stored(wanted) => return None,
        (existing, wanted) => return Some((path.join("."), existing.clone(), wanted.clone())),
    };
    path.push(step.0.to_owned());
    let conflict = compare_types(path, step.1, step.2, missing);
    path.pop();
    conflict
}

/// The type as the log keeps it.
fn stored(ty: &Type) -> &Type {
    match ty {
        Type::Time => &Type::String,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use affluent_core::lake::Lake;

    use super::*;

    #[test]
    fn a_log_whose_first_commit_never_came_is_no_table_and_can_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::new(Lake::create(folder.path().to_str().unwrap()).unwrap()).unwrap();
        let schema = Schema::parse("a int").unwrap();
        let log = folder.path().join("streams/s/_delta_log");
        std::fs::create_dir_all(&log).unwrap();
        assert!(Table::open(&engine, Kind::Stream, "s").unwrap().is_none());
        // As the store leaves it when it is killed before it gives the file its name.
        std::fs::write(log.join("00000000000000000000.json#1"), b"{").unwrap();
        assert!(Table::open(&engine, Kind::Stream, "s").unwrap().is_none());
        assert!(Table::open_or_create(&engine, Kind::Stream, "s", &schema).unwrap().created);
        assert_eq!(Table::open(&engine, Kind::Stream, "s").unwrap().unwrap().version(), 0);
        assert!(Table::open(&engine, Kind::Stream, "other").unwrap().is_none());
    }
}
