//! Lands the rows of one topic in the days of a stream.

use std::collections::BTreeMap;

use affluent_core::layout::DataFile;
use chrono::NaiveDate;

use super::{Committed, DeadLetter, Settings, dead_letters};
use crate::buffer::Chunk;
use crate::commit::{Change, Partition, Table, Verdict, offset_id};
use crate::data_file::{OpenFile, StagedFile};
use crate::staging::Staging;
use crate::{Engine, Error};

/// Files and offsets of one stream that are not committed yet.
pub struct StreamLander {
    table: Table,
    topic: String,
    settings: Settings,
    partitions: BTreeMap<i32, Progress>,
    /// Numbers the files that start at the same offset.
    sequence: u64,
}

/// One Kafka partition between two commits.
#[derive(Default)]
struct Progress {
    /// What the log says: where the uncommitted rows start.
    base: Option<i64>,
    /// The offset after the last record taken, once there is one.
    next: Option<i64>,
    open: BTreeMap<NaiveDate, OpenFile>,
    staged: Vec<StagedFile>,
    dead: Vec<DeadLetter>,
}

impl StreamLander {
    pub fn new(table: Table, topic: &str, settings: Settings) -> Self {
        Self { table, topic: topic.to_owned(), settings, partitions: BTreeMap::new(), sequence: 0 }
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    pub fn position(&self, partition: i32) -> Result<Option<i64>, Error> {
        self.table.id(&self.id(partition))
    }

    /// Takes over a partition: the next offset as the log has it now, none for a new partition.
    pub fn assign(&mut self, partition: i32) -> Result<Option<i64>, Error> {
        self.table.refresh()?;
        let base = self.table.id(&self.id(partition))?;
        self.partitions.insert(partition, Progress { base, ..Progress::default() });
        Ok(base)
    }

    /// Forgets a partition and all of it that is not committed.
    pub fn drop_partition(&mut self, engine: &Engine, staging: &Staging, partition: i32) {
        if let Some(progress) = self.partitions.remove(&partition) {
            for file in progress.open.values() {
                staging.settle(file.target());
            }
            discard(engine, staging, progress.staged);
        }
    }

    /// Writes a chunk into the files of its days.
    pub fn land(&mut self, staging: &Staging, chunk: &Chunk, now_ms: i64) -> Result<(), Error> {
        let folder = self.table.folder();
        let days = chunk.by_day().map_err(|source| Error::Arrow { table: folder.clone(), source })?;
        // A partition that was dropped meanwhile is landed again by its new owner.
        let Some(progress) = self.partitions.get_mut(&chunk.partition) else { return Ok(()) };
        let start = progress.next.or(progress.base).unwrap_or(0);
        progress.next = Some(chunk.next_offset);
        for (day, batch) in days {
            let file = match progress.open.get_mut(&day) {
                Some(file) => file,
                None => {
                    self.sequence += 1;
                    let name = DataFile {
                        topic: self.topic.clone(),
                        partition: chunk.partition,
                        first_offset: start,
                        writer: format!("{}{:06}", staging.writer(), self.sequence),
                    };
                    let codec = self.settings.codec;
                    let file =
                        OpenFile::create(staging, &folder, Partition::Day(day), &name.name(), &batch, codec)?;
                    progress.open.entry(day).or_insert(file)
                }
            };
            file.write(&batch)?;
            if file.bytes() >= self.settings.target_file_bytes
                && let Some(file) = progress.open.remove(&day)
            {
                progress.staged.push(file.finish(now_ms)?);
            }
        }
        self.bound_open_files(now_ms)
    }

    /// Beyond the limit the file that has been open longest is closed.
    fn bound_open_files(&mut self, now_ms: i64) -> Result<(), Error> {
        while self.partitions.values().map(|progress| progress.open.len()).sum::<usize>()
            > self.settings.max_open_files
        {
            let files = self.partitions.iter().flat_map(|(partition, progress)| {
                progress.open.iter().map(|(day, file)| (file.opened(), *partition, *day))
            });
            let Some((_, partition, day)) = files.min() else { break };
            if let Some(progress) = self.partitions.get_mut(&partition)
                && let Some(file) = progress.open.remove(&day)
            {
                progress.staged.push(file.finish(now_ms)?);
            }
        }
        Ok(())
    }

    /// Notes records that leave no row: tombstones, control records, dead letters.
    pub fn pass(&mut self, partition: i32, next_offset: i64, dead: Vec<DeadLetter>) {
        if let Some(progress) = self.partitions.get_mut(&partition) {
            progress.next = Some(next_offset.max(progress.next.unwrap_or(0)));
            progress.dead.extend(dead);
        }
    }

    /// Memory of the open files.
    pub fn memory(&self) -> usize {
        self.partitions.values().flat_map(|progress| progress.open.values()).map(OpenFile::memory).sum()
    }

    /// Writes out the row group that takes the most memory.
    pub fn relieve(&mut self) -> Result<(), Error> {
        let files = self.partitions.values_mut().flat_map(|progress| progress.open.values_mut());
        match files.max_by_key(|file| file.memory()) {
            Some(largest) => largest.flush(),
            None => Ok(()),
        }
    }

    /// Closes, publishes and commits everything taken so far, files and offsets together.
    pub fn commit(&mut self, engine: &Engine, staging: &Staging, now_ms: i64) -> Result<Committed, Error> {
        let mut targets = Vec::new();
        for progress in self.partitions.values_mut() {
            for file in std::mem::take(&mut progress.open).into_values() {
                progress.staged.push(file.finish(now_ms)?);
            }
        }
        if let Err(error) = self.publish(engine, staging, &mut targets) {
            // Nothing of this was committed: readers of folders shall not see a part of it.
            let files =
                self.partitions.values_mut().flat_map(|progress| std::mem::take(&mut progress.staged));
            discard(engine, staging, files.collect());
            for target in targets {
                staging.discard(engine, &target);
            }
            return Err(error);
        }
        let mut fenced = Vec::new();
        let (partitions, feed, topic) = (&self.partitions, self.table.name().to_owned(), self.topic.clone());
        let version = self.table.commit(|table| {
            fenced = behind(table, &feed, &topic, partitions)?;
            let change = change(partitions, &fenced, &feed, &topic);
            Ok(if change.ids.is_empty() { Verdict::Abandon } else { Verdict::Commit(change) })
        })?;
        Ok(self.settle(engine, staging, version, fenced, targets))
    }

    fn publish(&self, engine: &Engine, staging: &Staging, targets: &mut Vec<String>) -> Result<(), Error> {
        for progress in self.partitions.values() {
            targets.extend(dead_letters::publish(engine, staging, &progress.dead)?);
            for file in &progress.staged {
                staging.publish(engine, &file.target)?;
            }
        }
        Ok(())
    }

    /// After a commit: what was in it is done, what was fenced off is taken back.
    fn settle(
        &mut self,
        engine: &Engine,
        staging: &Staging,
        version: Option<u64>,
        fenced: Vec<i32>,
        targets: Vec<String>,
    ) -> Committed {
        let mut done = Committed { version, ..Committed::default() };
        for partition in &fenced {
            self.drop_partition(engine, staging, *partition);
        }
        for (partition, progress) in &mut self.partitions {
            let Some(next) = progress.next.take() else { continue };
            progress.base = Some(next);
            progress.dead.clear();
            done.offsets.push((*partition, next));
            for StagedFile { target, file } in std::mem::take(&mut progress.staged) {
                done.files += 1;
                done.rows += file.rows;
                done.bytes += file.bytes;
                staging.settle(&target);
            }
        }
        for target in targets {
            staging.settle(&target);
        }
        done.fenced = fenced;
        done
    }

    fn id(&self, partition: i32) -> String {
        offset_id(self.table.name(), &self.topic, partition)
    }
}

/// The partitions whose offset in the log is not the one that our rows start from: a successor was
/// faster.
fn behind(
    table: &Table,
    feed: &str,
    topic: &str,
    partitions: &BTreeMap<i32, Progress>,
) -> Result<Vec<i32>, Error> {
    let mut behind = Vec::new();
    for (partition, progress) in partitions {
        if progress.next.is_some() && table.id(&offset_id(feed, topic, *partition))? != progress.base {
            behind.push(*partition);
        }
    }
    Ok(behind)
}

fn change(partitions: &BTreeMap<i32, Progress>, fenced: &[i32], feed: &str, topic: &str) -> Change {
    let mut change = Change::default();
    for (partition, progress) in partitions {
        if let Some(next) = progress.next
            && !fenced.contains(partition)
        {
            change.ids.push((offset_id(feed, topic, *partition), next));
            change.adds.extend(progress.staged.iter().map(|staged| staged.file.clone()));
        }
    }
    change
}

fn discard(engine: &Engine, staging: &Staging, files: Vec<StagedFile>) {
    for file in files {
        staging.discard(engine, &file.target);
    }
}
