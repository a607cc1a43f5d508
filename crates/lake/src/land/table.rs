//! Builds the versions of a table from its changelog topic.
//!
//! Each version holds one file per Kafka partition, complete: the rows of the version before, less
//! the keys that changed since, plus the changed rows. A process merges the partitions that it owns
//! and carries the others over as they are, so a version is whole whoever makes it.

use std::collections::{BTreeMap, HashMap};

use affluent_core::layout::{DataFile, Kind};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::{Committed, DeadLetter, Settings, dead_letters};
use crate::buffer::Chunk;
use crate::columns::{self, KAFKA_KEY};
use crate::commit::{Change, LiveFile, NewFile, Partition, Table, Verdict, offset_id};
use crate::data_file::{OpenFile, StagedFile};
use crate::read;
use crate::staging::Staging;
use crate::{Engine, Error};

/// Changes of one table that are not in a version yet.
pub struct TableLander {
    table: Table,
    topic: String,
    settings: Settings,
    partitions: BTreeMap<i32, Changes>,
    sequence: u64,
}

/// One Kafka partition's changes since the last version.
#[derive(Default)]
struct Changes {
    base: Option<i64>,
    next: Option<i64>,
    batches: Vec<RecordBatch>,
    /// Where the last row of each key is; none where it was deleted.
    latest: HashMap<Box<[u8]>, Option<(usize, usize)>>,
    bytes: usize,
    dead: Vec<DeadLetter>,
}

impl TableLander {
    pub fn new(table: Table, topic: &str, settings: Settings) -> Self {
        Self { table, topic: topic.to_owned(), settings, partitions: BTreeMap::new(), sequence: 0 }
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    pub fn position(&self, partition: i32) -> Result<Option<i64>, Error> {
        self.table.id(&self.id(partition))
    }

    /// Takes over a partition: where to read on. Without a version to build on the topic is read
    /// from its start again: a changelog holds the whole state.
    pub fn assign(&mut self, partition: i32) -> Result<Option<i64>, Error> {
        self.table.refresh()?;
        let base = self.table.id(&self.id(partition))?;
        let changes = Changes { base, ..Changes::default() };
        self.partitions.insert(partition, changes);
        let has_version = self.latest_version(&self.table)?.is_some();
        Ok(base.filter(|_| has_version))
    }

    pub fn drop_partition(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Notes a chunk's changes: of each key only the last one counts.
    pub fn land(&mut self, chunk: Chunk) {
        let Some(changes) = self.partitions.get_mut(&chunk.partition) else { return };
        changes.next = Some(chunk.next_offset);
        let index = changes.batches.len();
        changes.bytes += chunk.batch.get_array_memory_size();
        if let Some(keys) = chunk.batch.column_by_name(KAFKA_KEY).and_then(|keys| keys.as_binary_opt::<i32>())
        {
            let mut deletes = chunk.deletes.into_iter().peekable();
            for row in 0..=keys.len() {
                while let Some(delete) = deletes.next_if(|delete| delete.row == row) {
                    changes.bytes += delete.key.len();
                    changes.latest.insert(delete.key, None);
                }
                if row < keys.len() {
                    changes.note(keys.value(row), (index, row));
                }
            }
        }
        changes.batches.push(chunk.batch);
        changes.compact();
    }

    pub fn pass(&mut self, partition: i32, next_offset: i64, dead: Vec<DeadLetter>) {
        if let Some(changes) = self.partitions.get_mut(&partition) {
            changes.next = Some(next_offset.max(changes.next.unwrap_or(0)));
            changes.dead.extend(dead);
        }
    }

    pub fn memory(&self) -> usize {
        self.partitions.values().map(|changes| changes.bytes + changes.latest.len() * 64).sum()
    }

    /// Makes the next version, unless nothing has changed.
    pub fn commit(&mut self, engine: &Engine, staging: &Staging, now_ms: i64) -> Result<Committed, Error> {
        let mut targets = Vec::new();
        for changes in self.partitions.values() {
            targets.extend(dead_letters::publish(engine, staging, &changes.dead)?);
        }
        let mut build = Build {
            engine,
            staging,
            settings: &self.settings,
            topic: &self.topic,
            partitions: &self.partitions,
            now_ms,
            sequence: self.sequence,
            fenced: Vec::new(),
            made: Vec::new(),
            snapshot: None,
        };
        let result = self.table.commit(|table| {
            build.take_back();
            build.plan(table)
        });
        if result.is_err() {
            build.take_back();
        }
        let (fenced, made, snapshot) = (build.fenced, build.made, build.snapshot);
        self.sequence = build.sequence;
        let version = result?;
        let mut done = Committed { version, snapshot, ..Committed::default() };
        for staged in &made {
            done.files += 1;
            done.rows += staged.file.rows;
            done.bytes += staged.file.bytes;
            staging.settle(&staged.target);
        }
        for target in targets {
            staging.settle(&target);
        }
        for partition in &fenced {
            self.partitions.remove(partition);
        }
        for (partition, changes) in &mut self.partitions {
            if let Some(next) = changes.next {
                done.offsets.push((*partition, next));
                *changes = Changes { base: Some(next), ..Changes::default() };
            }
        }
        done.fenced = fenced;
        Ok(done)
    }

    fn id(&self, partition: i32) -> String {
        offset_id(self.table.name(), &self.topic, partition)
    }

    fn latest_version(&self, table: &Table) -> Result<Option<u64>, Error> {
        Ok(latest(&table.live_files()?, &self.topic).0)
    }
}

impl Changes {
    fn note(&mut self, key: &[u8], place: (usize, usize)) {
        match self.latest.get_mut(key) {
            Some(known) => *known = Some(place),
            None => {
                self.bytes += key.len();
                self.latest.insert(key.into(), Some(place));
            }
        }
    }

    /// Drops rows that later ones replaced, once they are most of what is held.
    fn compact(&mut self) {
        const MIN_ROWS: usize = 1 << 15;
        let held: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        if held < MIN_ROWS || held < self.latest.len() * 4 {
            return;
        }
        let Ok(kept) = self.rows() else { return };
        self.batches = kept;
        self.bytes = self.latest.keys().map(|key| key.len()).sum();
        for (index, batch) in self.batches.iter().enumerate() {
            self.bytes += batch.get_array_memory_size();
            let Some(keys) = batch.column_by_name(KAFKA_KEY).and_then(|keys| keys.as_binary_opt::<i32>())
            else {
                continue;
            };
            for row in 0..keys.len() {
                if let Some(place) = self.latest.get_mut(keys.value(row)) {
                    *place = Some((index, row));
                }
            }
        }
    }

    /// The last row of every key that was not deleted.
    fn rows(&self) -> Result<Vec<RecordBatch>, arrow::error::ArrowError> {
        let mut keep: Vec<Vec<bool>> =
            self.batches.iter().map(|batch| vec![false; batch.num_rows()]).collect();
        for (batch, row) in self.latest.values().flatten() {
            keep[*batch][*row] = true;
        }
        self.batches
            .iter()
            .zip(keep)
            .filter(|(_, keep)| keep.contains(&true))
            .map(|(batch, keep)| filter_record_batch(batch, &BooleanArray::from(keep)))
            .collect()
    }
}

/// The newest version, and the newest one that was made from this topic.
fn latest(files: &[LiveFile], topic: &str) -> (Option<u64>, u64) {
    let newest = files.iter().filter_map(LiveFile::version).max().unwrap_or(0);
    let own = files
        .iter()
        .filter(|file| file.origin().is_some_and(|origin| origin.topic == topic))
        .filter_map(LiveFile::version)
        .max();
    (own, newest)
}

/// One attempt at the next version.
struct Build<'a> {
    engine: &'a Engine,
    staging: &'a Staging,
    settings: &'a Settings,
    topic: &'a str,
    partitions: &'a BTreeMap<i32, Changes>,
    now_ms: i64,
    sequence: u64,
    fenced: Vec<i32>,
    made: Vec<StagedFile>,
    snapshot: Option<u64>,
}

impl Build<'_> {
    /// Deletes what a lost attempt has published: the next one builds on another version.
    fn take_back(&mut self) {
        for staged in std::mem::take(&mut self.made) {
            self.staging.discard(self.engine, &staged.target);
        }
        self.fenced.clear();
        self.snapshot = None;
    }

    fn plan(&mut self, table: &Table) -> Result<Verdict, Error> {
        let mut change = Change::default();
        for (partition, changes) in self.partitions {
            let Some(next) = changes.next else { continue };
            let id = offset_id(table.name(), self.topic, *partition);
            if table.id(&id)? == changes.base {
                change.ids.push((id, next));
            } else {
                self.fenced.push(*partition);
            }
        }
        if change.ids.is_empty() {
            return Ok(Verdict::Abandon);
        }
        if self.has_changes() {
            self.build(table)?;
            change.adds = self.made.iter().map(|staged| staged.file.clone()).collect();
        }
        Ok(Verdict::Commit(change))
    }

    fn has_changes(&self) -> bool {
        let own = self.partitions.iter().filter(|(partition, _)| !self.fenced.contains(partition));
        own.into_iter().any(|(_, changes)| !changes.latest.is_empty())
    }

    fn build(&mut self, table: &Table) -> Result<(), Error> {
        let files = table.live_files()?;
        let (base, newest) = latest(&files, self.topic);
        let version = newest + 1;
        let before: Vec<&LiveFile> =
            files.iter().filter(|file| base.is_some() && file.version() == base).collect();
        let mut sources: BTreeMap<i32, Vec<&LiveFile>> = BTreeMap::new();
        for file in before {
            if let Some(origin) = file.origin() {
                sources.entry(origin.partition).or_default().push(file);
            }
        }
        for (partition, changes) in self.partitions {
            if !self.fenced.contains(partition) && !changes.latest.is_empty() {
                let old = sources.remove(partition).unwrap_or_default();
                self.merge(table, version, *partition, &old, changes)?;
            }
        }
        for (partition, files) in sources {
            for file in files {
                self.carry_over(table, version, partition, file)?;
            }
        }
        if self.made.is_empty() {
            self.write_empty(table, version)?;
        }
        self.snapshot = Some(version);
        Ok(())
    }

    /// A table that has no rows any more has a version all the same, or the one before would stay
    /// the newest.
    fn write_empty(&mut self, table: &Table, version: u64) -> Result<(), Error> {
        let schema = columns::file_schema(Kind::Table, &table.schema()?);
        let Some((partition, changes)) = self.partitions.iter().find(|(_, changes)| changes.next.is_some())
        else {
            return Ok(());
        };
        let (partition, next) = (*partition, changes.next.unwrap_or(0));
        let name = self.name(partition, next);
        let place = Partition::Version(version);
        let none = RecordBatch::new_empty(schema);
        let file = OpenFile::create(self.staging, &table.folder(), place, &name, &none, self.settings.codec)?;
        let staged = file.finish(self.now_ms)?;
        self.staging.publish(self.engine, &staged.target)?;
        self.made.push(staged);
        Ok(())
    }

    fn name(&mut self, partition: i32, first_offset: i64) -> String {
        self.sequence += 1;
        let writer = format!("{}{:06}", self.staging.writer(), self.sequence);
        DataFile { topic: self.topic.to_owned(), partition, first_offset, writer }.name()
    }

    /// The old rows whose keys did not change, then the changed rows.
    fn merge(
        &mut self,
        table: &Table,
        version: u64,
        partition: i32,
        old: &[&LiveFile],
        changes: &Changes,
    ) -> Result<(), Error> {
        let folder = table.folder();
        let failed = |source| Error::Arrow { table: folder.clone(), source };
        let schema = columns::file_schema(Kind::Table, &table.schema()?);
        let name = self.name(partition, changes.next.unwrap_or(0));
        let mut output: Option<OpenFile> = None;
        let (staging, codec) = (self.staging, self.settings.codec);
        let mut write = |batch: RecordBatch| -> Result<(), Error> {
            if batch.num_rows() == 0 {
                return Ok(());
            }
            let file = match &mut output {
                Some(file) => file,
                None => output.insert(OpenFile::create(
                    staging,
                    &folder,
                    Partition::Version(version),
                    &name,
                    &batch,
                    codec,
                )?),
            };
            file.write(&batch)?;
            // One row group of a merge stays small: the memory is the process's, not the merge's.
            if file.memory() > 32 << 20 { file.flush() } else { Ok(()) }
        };
        for file in old {
            let path = format!("{folder}/{}", file.path);
            read::each_batch(self.engine, &path, &mut |batch| {
                let batch = read::adapt(&batch, &schema).map_err(failed)?;
                let keep = unchanged(&batch, changes);
                write(filter_record_batch(&batch, &keep).map_err(failed)?)
            })?;
        }
        for batch in changes.rows().map_err(failed)? {
            write(read::adapt(&batch, &schema).map_err(failed)?)?;
        }
        if let Some(file) = output {
            let staged = file.finish(self.now_ms)?;
            self.staging.publish(self.engine, &staged.target)?;
            self.made.push(staged);
        }
        Ok(())
    }

    /// Another process's partition goes into the new version as it is.
    fn carry_over(
        &mut self,
        table: &Table,
        version: u64,
        partition: i32,
        file: &LiveFile,
    ) -> Result<(), Error> {
        let first = file.origin().map_or(0, |origin| origin.first_offset);
        let name = self.name(partition, first);
        let place = Partition::Version(version);
        let path = format!("{}/{name}", place.folder());
        let target = format!("{}/{path}", table.folder());
        self.staging.publish_copy(self.engine, &format!("{}/{}", table.folder(), file.path), &target)?;
        let file = NewFile {
            path,
            partition: place.values(),
            bytes: file.bytes,
            rows: file.rows.unwrap_or(0),
            modified_ms: self.now_ms,
            bounds: Vec::new(),
        };
        self.made.push(StagedFile { target, file });
        Ok(())
    }
}

fn unchanged(batch: &RecordBatch, changes: &Changes) -> BooleanArray {
    match batch.column_by_name(KAFKA_KEY).and_then(|keys| keys.as_binary_opt::<i32>()) {
        Some(keys) => {
            (0..keys.len()).map(|row| Some(!changes.latest.contains_key(keys.value(row)))).collect()
        }
        None => BooleanArray::from(vec![true; batch.num_rows()]),
    }
}
