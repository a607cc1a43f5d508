//! One topic in the main thread: its partitions, what is decoded of them, and when to commit.

use std::time::{Duration, Instant};

use affluent_core::feeds::Feed;
use affluent_core::schema::Schema;
use affluent_lake::buffer::{Appended, Buffer, Record};
use affluent_lake::decode::{Inferred, Reject};
use affluent_lake::land::DeadLetter;

/// Records kept to infer a schema from, before anything is decoded.
const SAMPLE_RECORDS: usize = 1000;
const SAMPLE_BYTES: usize = 4 << 20;

/// A topic and what is in flight of it.
pub(crate) struct Intake {
    pub(crate) topic: String,
    pub(crate) feed: Feed,
    /// None until it is inferred.
    pub(crate) schema: Option<Schema>,
    /// No declared columns: they grow with what the records bring.
    pub(crate) growing: bool,
    pub(crate) ends: Vec<i64>,
    partitions: Vec<Option<Partition>>,
    sample: Vec<Sampled>,
    sample_bytes: usize,
    /// Since when records wait for a commit.
    waiting_since: Option<Instant>,
    last_record: Instant,
    pub(crate) rows: u64,
    pub(crate) last_commit: Instant,
}

/// An assigned partition.
pub(crate) struct Partition {
    buffer: Option<Buffer>,
    /// The offset after the last record seen.
    pub(crate) next: Option<i64>,
    /// Records were passed over since the last flush: tombstones and dead letters.
    passed: bool,
    dead: Vec<DeadLetter>,
    pub(crate) at_end: bool,
}

/// A record kept until the schema is known.
pub(crate) struct Sampled {
    pub(crate) partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Sampled {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
        }
    }
}

/// What became of a record.
pub(crate) enum Taken {
    Row,
    Tombstone,
    Sampled,
    Rejected(String),
    /// The buffer can hold no more: it is to be flushed, and the record taken again.
    Full,
    /// The partition is not ours any more.
    Stray,
}

impl Intake {
    pub(crate) fn new(topic: String, feed: Feed, schema: Option<Schema>, ends: Vec<i64>) -> Self {
        let now = Instant::now();
        Self {
            topic,
            growing: feed.schema.is_none(),
            feed,
            schema,
            ends,
            partitions: Vec::new(),
            sample: Vec::new(),
            sample_bytes: 0,
            waiting_since: None,
            last_record: now,
            rows: 0,
            last_commit: now,
        }
    }

    /// Takes a partition over, from `next` on.
    pub(crate) fn assign(&mut self, partition: i32, next: Option<i64>) {
        let index = partition as usize;
        if self.partitions.len() <= index {
            self.partitions.resize_with(index + 1, || None);
        }
        let end = self.ends.get(index).copied().unwrap_or(0);
        let at_end = next.unwrap_or(0) >= end;
        self.partitions[index] =
            Some(Partition { buffer: None, next, passed: false, dead: Vec::new(), at_end });
    }

    /// Gives a partition up, with all that is buffered of it.
    pub(crate) fn drop_partition(&mut self, partition: i32) {
        if let Some(slot) = self.partitions.get_mut(partition as usize) {
            *slot = None;
        }
        self.sample.retain(|sampled| sampled.partition != partition);
    }

    pub(crate) fn has(&self, partition: i32) -> bool {
        matches!(self.partitions.get(partition as usize), Some(Some(_)))
    }

    pub(crate) fn partition_mut(&mut self, partition: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(partition as usize)?.as_mut()
    }

    /// The numbers of the assigned partitions.
    pub(crate) fn assigned(&self) -> Vec<i32> {
        self.partitions
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_some())
            .map(|(index, _)| index as i32)
            .collect()
    }

    /// Has everything been read that was in the assigned partitions at the start?
    pub(crate) fn is_at_end(&self) -> bool {
        self.partitions.iter().flatten().all(|partition| partition.at_end)
    }

    /// Records that are known to be behind, for the progress line.
    pub(crate) fn lag(&self) -> u64 {
        let behind = |(index, slot): (usize, &Option<Partition>)| {
            let partition = slot.as_ref().filter(|partition| !partition.at_end)?;
            let end = self.ends.get(index)?;
            u64::try_from(end - partition.next.unwrap_or(0)).ok()
        };
        self.partitions.iter().enumerate().filter_map(behind).sum()
    }

    /// Takes one record. `now` was read a moment ago.
    #[inline]
    pub(crate) fn take(
        &mut self,
        partition: i32,
        record: Record<'_>,
        now: Instant,
        now_micros: i64,
    ) -> Taken {
        let Some(Some(slot)) = self.partitions.get_mut(partition as usize) else { return Taken::Stray };
        self.waiting_since.get_or_insert(now);
        self.last_record = now;
        slot.next = slot.next.max(Some(record.offset + 1));
        if self.ends.get(partition as usize).is_some_and(|end| record.offset + 1 >= *end) {
            slot.at_end = true;
        }
        let Some(schema) = &self.schema else {
            self.sample_bytes += record.value.map_or(0, <[u8]>::len) + 64;
            self.sample.push(Sampled {
                partition,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            });
            return Taken::Sampled;
        };
        let buffer = match &mut slot.buffer {
            Some(buffer) => buffer,
            None => slot.buffer.insert(Buffer::new(&self.feed, schema, partition, self.growing)),
        };
        match buffer.append(record, now_micros) {
            Appended::Row => {
                self.rows += 1;
                Taken::Row
            }
            Appended::Tombstone => {
                slot.passed = true;
                Taken::Tombstone
            }
            Appended::Rejected(Reject::Full) => Taken::Full,
            Appended::Rejected(reject) => {
                slot.passed = true;
                Taken::Rejected(reject.to_string())
            }
            Appended::NoKey => {
                slot.passed = true;
                Taken::Rejected("a table's record needs a key, and this one has none".to_owned())
            }
        }
    }

    /// Notes a record that is rejected before it is decoded.
    pub(crate) fn pass(&mut self, partition: i32, offset: i64, now: Instant) {
        self.waiting_since.get_or_insert(now);
        self.last_record = now;
        let end = self.ends.get(partition as usize).copied();
        if let Some(slot) = self.partition_mut(partition) {
            slot.next = slot.next.max(Some(offset + 1));
            slot.passed = true;
            slot.at_end |= end.is_some_and(|end| offset + 1 >= end);
        }
    }

    pub(crate) fn keep_dead(&mut self, partition: i32, letter: DeadLetter) {
        if let Some(slot) = self.partition_mut(partition) {
            slot.dead.push(letter);
        }
    }

    /// The end of a partition was reached: what is left of it are control records, if anything.
    pub(crate) fn reached_end(&mut self, partition: i32, now: Instant) {
        let end = self.ends.get(partition as usize).copied().unwrap_or(0);
        let Some(slot) = self.partition_mut(partition) else { return };
        if slot.at_end {
            return;
        }
        slot.at_end = true;
        if slot.next.unwrap_or(0) < end {
            slot.next = Some(end);
            slot.passed = true;
            self.waiting_since.get_or_insert(now);
        }
    }

    /// The buffer of a partition, for flushing, once there is a reason to.
    pub(crate) fn buffer(&mut self, partition: i32) -> Option<&mut Buffer> {
        self.partition_mut(partition)?.buffer.as_mut().filter(|buffer| !buffer.is_empty())
    }

    /// Records passed over since the last flush: the next offset and the dead letters.
    pub(crate) fn take_passed(&mut self, partition: i32) -> Option<(i64, Vec<DeadLetter>)> {
        let slot = self.partition_mut(partition)?;
        if !std::mem::take(&mut slot.passed) {
            return None;
        }
        Some((slot.next?, std::mem::take(&mut slot.dead)))
    }

    /// Bytes buffered, and the partition that holds the most of them.
    pub(crate) fn buffered(&self) -> (usize, Option<(usize, i32)>) {
        let mut total = self.sample_bytes;
        let mut largest = None;
        for (index, slot) in self.partitions.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let dead: usize = slot.dead.iter().map(DeadLetter::bytes).sum();
            let bytes = slot.buffer.as_ref().map_or(0, Buffer::bytes);
            total += bytes + dead;
            largest = largest.max(Some((bytes, index as i32)));
        }
        (total, largest)
    }

    /// Is there anything that a commit would move?
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Is it time to commit, by age, by idleness or by rows?
    pub(crate) fn is_due(&self, now: Instant, max_age: Duration, idle: Duration, max_rows: u64) -> bool {
        let Some(since) = self.waiting_since else { return false };
        self.rows >= max_rows
            || now.duration_since(since) >= max_age
            || now.saturating_duration_since(self.last_record) >= idle
    }

    /// Is the sample large enough to infer the columns?
    pub(crate) fn is_sampled(&self) -> bool {
        self.schema.is_none() && (self.sample.len() >= SAMPLE_RECORDS || self.sample_bytes >= SAMPLE_BYTES)
    }

    pub(crate) fn is_sampling(&self) -> bool {
        self.schema.is_none()
    }

    /// The columns of the sample, and the records to take again now.
    pub(crate) fn infer(&mut self) -> (Schema, Vec<Sampled>) {
        let mut inferred = Inferred::new();
        for sampled in &self.sample {
            // What is no record says nothing of the columns; it is rejected when it is decoded.
            let _ = sampled.value.as_deref().map(|value| inferred.observe(value));
        }
        self.sample_bytes = 0;
        let schema = inferred.merge_into(&Schema::default()).unwrap_or_default();
        (schema, std::mem::take(&mut self.sample))
    }

    /// What the buffered records brought that the columns lack: the columns to have.
    pub(crate) fn grown(&mut self) -> Option<Schema> {
        let known = self.schema.clone()?;
        let mut schema = known.clone();
        for slot in self.partitions.iter_mut().flatten() {
            if let Some(growth) = slot.buffer.as_mut().and_then(Buffer::take_growth)
                && let Some(grown) = growth.merge_into(&schema)
            {
                schema = grown;
            }
        }
        (schema != known).then_some(schema)
    }

    /// New columns: buffers, which are empty now, are made anew with them.
    pub(crate) fn set_schema(&mut self, schema: Schema) {
        for slot in self.partitions.iter_mut().flatten() {
            slot.buffer = None;
        }
        self.schema = Some(schema);
    }

    /// Everything taken so far was handed on to be committed.
    pub(crate) fn committing(&mut self, now: Instant) {
        self.waiting_since = None;
        self.rows = 0;
        self.last_commit = now;
    }
}
