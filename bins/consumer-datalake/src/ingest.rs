//! The main thread: polls records, fills buffers, and decides when to flush and to commit.

use std::time::{Duration, Instant};

use affluent_core::cli::Context;
use affluent_core::feeds::Kind;
use affluent_core::stop::Stop;
use affluent_kafka::consumer::{Member, Polled, member_config};
use affluent_kafka::rdkafka::Message;
use affluent_lake::Engine;
use affluent_lake::buffer::Record;
use affluent_lake::commit::Table;
use affluent_lake::land::{Committed, Settings};
use affluent_lake::staging::Staging;
use anyhow::{Context as _, bail};
use indicatif::ProgressBar;

use crate::args::{Args, OnGap};
use crate::dead::{self, DeadLetterTopic};
use crate::intake::{Intake, Taken};
use crate::landing::{Gone, Landing, Report, Work};
use crate::summary::Summary;
use crate::topics::{self, Target};

/// Rows of a chunk at the most: larger batches encode no faster.
const CHUNK_ROWS: usize = 65_536;
/// How often the clock is read and commits are considered, in records and in time.
const TURN_RECORDS: u32 = 512;
const TURN: Duration = Duration::from_millis(50);

/// A running consumer.
pub(crate) struct Ingest<'a> {
    pub(crate) args: &'a Args,
    pub(crate) context: &'a Context,
    pub(crate) engine: &'a Engine,
    pub(crate) member: Option<Member>,
    pub(crate) intakes: Vec<Intake>,
    pub(crate) landing: Landing,
    dead: DeadLetterTopic,
    summary: Summary,
    progress: ProgressBar,
    /// Bytes of a buffer that is handed on.
    chunk_bytes: usize,
    /// Bytes of all buffers together.
    buffer_bytes: usize,
    pub(crate) now: Instant,
    now_micros: i64,
    records_at_turn: u32,
    /// End events per partition number, where several topics share it.
    ends_seen: Vec<u32>,
    shown: Instant,
    /// When the log was last asked how far the others are.
    asked: Instant,
}

impl<'a> Ingest<'a> {
    pub(crate) fn start(
        args: &'a Args,
        context: &'a Context,
        engine: &'a Engine,
        targets: Vec<Target>,
    ) -> anyhow::Result<Self> {
        let memory = usize::try_from(args.memory.max(32 << 20)).unwrap_or(usize::MAX);
        let settings =
            Settings { codec: args.compression, target_file_bytes: args.file_size, ..Settings::default() };
        let staging = Staging::open(engine.lake())?;
        let landing = Landing::start(engine.clone(), staging, settings, memory / 6, context.clock.clone())?;
        landing.send(Work::Sweep)?;
        let mut intakes = Vec::new();
        for (index, target) in targets.into_iter().enumerate() {
            let Target { topic, feed, table, ends } = target;
            let schema = table.as_ref().map(Table::schema).transpose()?;
            let schema = feed.schema.clone().or(schema);
            if let Some(table) = table {
                landing.send(Work::Open { topic: index, name: topic.clone(), table: Box::new(table) })?;
            }
            intakes.push(Intake::new(topic, feed, schema, ends));
        }
        let names: Vec<&str> = intakes.iter().map(|intake| intake.topic.as_str()).collect();
        let config = member_config(&args.kafka, &args.group, memory as u64 / 16 / 1024);
        let member = Member::join(&args.kafka, &config, &names).map_err(affluent_kafka::Error::into_exit)?;
        let summary = Summary::new(intakes.iter().map(|intake| intake.topic.clone()).collect());
        Ok(Self {
            args,
            context,
            engine,
            member: Some(member),
            intakes,
            landing,
            dead: DeadLetterTopic::new(&args.kafka),
            summary,
            progress: context.spinner(),
            chunk_bytes: 1 << 20,
            buffer_bytes: memory / 10,
            now: Instant::now(),
            now_micros: context.clock.now_micros(),
            records_at_turn: 0,
            ends_seen: Vec::new(),
            shown: Instant::now(),
            asked: Instant::now(),
        })
    }

    /// Reads until the end or until told to stop, then commits and leaves.
    pub(crate) fn run(mut self, stop: &Stop) -> anyhow::Result<Summary> {
        let result = self.read(stop).and_then(|()| self.finish());
        self.progress.finish_and_clear();
        match result {
            Ok(()) => Ok(self.summary.timed().clone()),
            Err(error) if error.downcast_ref::<Gone>().is_some() => Err(self.landing_failure()),
            Err(error) => Err(error),
        }
    }

    /// The error that ended the landing thread, as a retryable one where it is.
    fn landing_failure(&mut self) -> anyhow::Error {
        match self.landing.failure() {
            Some(error) if error.is_transient() => {
                affluent_core::exit::try_again(format!("{:#}", anyhow::Error::from(error)))
            }
            Some(error) => error.into(),
            None => anyhow::anyhow!("the landing thread ended without a word"),
        }
    }

    fn read(&mut self, stop: &Stop) -> anyhow::Result<()> {
        // The consumer is moved out for the loop, so that its records do not borrow `self`.
        let member = self.member.take().context("the consumer has left already")?;
        let result = self.read_from(&member, stop);
        self.member = Some(member);
        result
    }

    fn read_from(&mut self, member: &Member, stop: &Stop) -> anyhow::Result<()> {
        while !stop.is_requested() {
            match member.poll(TURN).map_err(affluent_kafka::Error::into_exit)? {
                Some(Polled::Record(message)) => {
                    let record = Record {
                        key: message.key(),
                        value: message.payload(),
                        offset: message.offset(),
                        timestamp_ms: message.timestamp().to_millis(),
                    };
                    self.take(message.topic(), message.partition(), record)?;
                    if self.args.max_messages.is_some_and(|most| self.summary.records >= most) {
                        return Ok(());
                    }
                    self.records_at_turn += 1;
                    if self.records_at_turn < TURN_RECORDS {
                        continue;
                    }
                }
                Some(Polled::End(partition)) => self.reached_end(partition),
                Some(Polled::Assigned(partitions)) => self.assigned(member, partitions)?,
                Some(Polled::Revoked(partitions)) => self.revoked(member, partitions)?,
                Some(Polled::OffsetOutOfRange) => self.out_of_range(member)?,
                None => {}
            }
            self.turn(member)?;
            if self.args.until_end && self.is_done(member)? {
                return Ok(());
            }
        }
        tracing::info!("told to stop: committing what is buffered");
        Ok(())
    }

    fn intake(&self, topic: &str) -> Option<usize> {
        self.intakes.iter().position(|intake| intake.topic == topic)
    }

    #[inline]
    fn take(&mut self, topic: &str, partition: i32, record: Record<'_>) -> anyhow::Result<()> {
        let Some(index) = self.intake(topic) else { return Ok(()) };
        if record.value.is_some_and(|value| value.len() as u64 > self.args.max_record) {
            let reason = format!("larger than --max-record {}", self.args.max_record);
            self.intakes[index].pass(partition, record.offset, self.now);
            return self.reject(index, partition, record, &reason);
        }
        let intake = &mut self.intakes[index];
        match intake.take(partition, record, self.now, self.now_micros) {
            Taken::Row => {}
            Taken::Sampled => {
                if self.intakes[index].is_sampled() {
                    self.infer(index)?;
                }
                // Counted when it is decoded.
                return Ok(());
            }
            Taken::Tombstone => self.summary.tombstones += 1,
            Taken::Full => {
                self.flush(index, partition)?;
                return self.take(topic, partition, record);
            }
            Taken::Stray => return Ok(()),
            Taken::Rejected(reason) => return self.reject(index, partition, record, &reason),
        }
        self.summary.records += 1;
        let chunk_bytes = self.chunk_bytes;
        if let Some(buffer) = self.intakes[index].buffer(partition) {
            let rows = buffer.rows();
            let large = record.value.is_some_and(|value| value.len() > 16 << 10);
            if rows >= CHUNK_ROWS || ((large || rows.is_multiple_of(64)) && buffer.bytes() >= chunk_bytes) {
                self.flush(index, partition)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn reject(
        &mut self,
        index: usize,
        partition: i32,
        record: Record<'_>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let topic = self.intakes[index].topic.clone();
        tracing::warn!(topic, partition, offset = record.offset, reason, "dead letter");
        if self.args.dead_letters.to_topic() {
            self.dead.send(&topic, partition, record, reason)?;
        }
        if self.args.dead_letters.to_folder() {
            self.intakes[index].keep_dead(partition, dead::letter(&topic, partition, record, reason));
        }
        self.summary.records += 1;
        self.summary.dead_letters += 1;
        Ok(())
    }

    /// Now and then: reports, budgets, commits that are due, the progress line.
    fn turn(&mut self, member: &Member) -> anyhow::Result<()> {
        self.records_at_turn = 0;
        self.now = Instant::now();
        self.now_micros = self.context.clock.now_micros();
        self.reports(member)?;
        self.bound_buffers()?;
        for index in 0..self.intakes.len() {
            let intake = &self.intakes[index];
            let (age, idle) = match intake.feed.kind {
                Kind::Stream => (self.args.max_latency, self.args.idle),
                // A version is whole: it is made at intervals, not whenever the topic rests.
                Kind::Table => (self.args.snapshot_interval, self.args.snapshot_interval),
            };
            if intake.is_due(self.now, age, idle, self.args.max_rows) {
                self.commit(index)?;
            }
        }
        self.show();
        Ok(())
    }

    /// All buffers together stay within the budget: the largest goes first.
    fn bound_buffers(&mut self) -> anyhow::Result<()> {
        loop {
            let mut total = 0;
            let mut largest: Option<(usize, usize, i32)> = None;
            for (index, intake) in self.intakes.iter().enumerate() {
                let (bytes, partition) = intake.buffered();
                total += bytes;
                largest = largest.max(partition.map(|(bytes, partition)| (bytes, index, partition)));
            }
            match largest {
                Some((bytes, index, partition)) if total > self.buffer_bytes && bytes > 0 => {
                    self.flush(index, partition)?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Hands a partition's rows to the landing thread.
    pub(crate) fn flush(&mut self, index: usize, partition: i32) -> anyhow::Result<()> {
        let intake = &mut self.intakes[index];
        // What was passed over before the table exists waits for it.
        if intake.is_sampling() {
            return Ok(());
        }
        if let Some(buffer) = intake.buffer(partition) {
            let chunk = buffer.finish()?;
            self.summary.rescued += chunk.rescued as u64;
            self.landing.send(Work::Chunk { topic: index, chunk })?;
        }
        if let Some((next_offset, dead)) = self.intakes[index].take_passed(partition) {
            self.landing.send(Work::Pass { topic: index, partition, next_offset, dead })?;
        }
        Ok(())
    }

    /// Hands everything of a topic on and has it committed.
    pub(crate) fn commit(&mut self, index: usize) -> anyhow::Result<()> {
        if self.intakes[index].is_sampling() {
            self.infer(index)?;
        }
        if !self.intakes[index].has_uncommitted() {
            return Ok(());
        }
        for partition in self.intakes[index].assigned() {
            self.flush(index, partition)?;
        }
        self.dead.flush()?;
        self.landing.send(Work::Commit { topic: index })?;
        self.intakes[index].committing(Instant::now());
        // The buffers are empty: the moment for new columns.
        if self.intakes[index].growing
            && let Some(schema) = self.intakes[index].grown()
        {
            let schema = self.landing.grow(index, schema)?;
            tracing::info!(
                feed = self.intakes[index].feed.name,
                columns = schema.fields.len(),
                "the feed has new columns"
            );
            self.intakes[index].set_schema(schema);
        }
        Ok(())
    }

    /// Makes the table of a feed without declared columns from the first records.
    fn infer(&mut self, index: usize) -> anyhow::Result<()> {
        let intake = &mut self.intakes[index];
        let (inferred, sample) = intake.infer();
        if sample.is_empty() {
            return Ok(());
        }
        let schema = topics::first_schema(&intake.feed, inferred);
        let table = Table::open_or_create(self.engine, intake.feed.kind, &intake.feed.name, &schema)?.table;
        let schema = table.schema()?;
        tracing::info!(
            feed = intake.feed.name,
            columns = schema.fields.len(),
            records = sample.len(),
            "inferred the columns"
        );
        intake.set_schema(schema);
        let (topic, assigned) = (intake.topic.clone(), intake.assigned());
        self.landing.send(Work::Open { topic: index, name: topic.clone(), table: Box::new(table) })?;
        // Another process may have made the table and landed some of this meanwhile.
        let bases: std::collections::HashMap<i32, Option<i64>> =
            self.landing.assign(index, assigned)?.into_iter().collect();
        for sampled in &sample {
            let landed = bases.get(&sampled.partition).copied().flatten().unwrap_or(0);
            if sampled.record().offset >= landed {
                self.take(&topic, sampled.partition, sampled.record())?;
            }
        }
        Ok(())
    }

    /// What the landing thread has done meanwhile.
    pub(crate) fn reports(&mut self, member: &Member) -> anyhow::Result<()> {
        while let Some(report) = self.landing.report() {
            match report {
                Report::Committed { topic, committed } => self.committed(member, topic, committed)?,
                Report::Failed(error) if error.is_transient() => {
                    return Err(affluent_core::exit::try_again(format!("{:#}", anyhow::Error::from(error))));
                }
                Report::Failed(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn committed(&mut self, member: &Member, index: usize, committed: Committed) -> anyhow::Result<()> {
        let name = self.intakes[index].topic.clone();
        self.summary.rows += committed.rows;
        self.summary.files += committed.files;
        self.summary.bytes += committed.bytes;
        self.summary.commits += u64::from(committed.version.is_some());
        self.summary.snapshots += u64::from(committed.snapshot.is_some());
        if let Some(version) = committed.version {
            tracing::info!(
                topic = name,
                version,
                rows = committed.rows,
                files = committed.files,
                bytes = committed.bytes,
                table_version = committed.snapshot,
                "committed"
            );
        }
        member.publish_progress(
            committed.offsets.iter().map(|(partition, next)| (name.as_str(), *partition, *next)),
        );
        if !committed.fenced.is_empty() {
            self.fenced(member, index, &committed.fenced)?;
        }
        Ok(())
    }

    fn reached_end(&mut self, partition: i32) {
        let index = partition as usize;
        if self.ends_seen.len() <= index {
            self.ends_seen.resize(index + 1, 0);
        }
        self.ends_seen[index] += 1;
        // The event does not name its topic: it counts once every topic has had time to send one.
        let sharing = self.intakes.iter().filter(|intake| intake.has(partition)).count();
        if self.ends_seen[index] as usize >= sharing {
            for intake in &mut self.intakes {
                intake.reached_end(partition, self.now);
            }
        }
    }

    /// With `--until-end`: is everything landed, by us or by the rest of the group? Until it is, we
    /// stay, to take over from a member that dies.
    fn is_done(&mut self, member: &Member) -> anyhow::Result<bool> {
        if !self.intakes.iter().all(Intake::is_at_end) {
            return Ok(false);
        }
        for index in 0..self.intakes.len() {
            self.commit(index)?;
        }
        if self.now.duration_since(self.asked) < Duration::from_millis(500) {
            return Ok(false);
        }
        self.asked = self.now;
        self.landing.finish()?;
        self.reports(member)?;
        for index in 0..self.intakes.len() {
            let intake = &self.intakes[index];
            let open: Vec<(i32, i64)> =
                (0..).zip(intake.ends.iter().copied()).filter(|(_, end)| *end > 0).collect();
            // Assigned partitions are at their end, and committed; reading an empty one commits nothing.
            let others: Vec<(i32, i64)> =
                open.into_iter().filter(|(partition, _)| !intake.has(*partition)).collect();
            if others.is_empty() {
                continue;
            }
            if intake.is_sampling() {
                return Ok(false);
            }
            let positions =
                self.landing.positions(index, others.iter().map(|(partition, _)| *partition).collect())?;
            let landed = |(position, (_, end)): (Option<i64>, &(i32, i64))| position.unwrap_or(0) >= *end;
            if !positions.into_iter().zip(&others).all(landed) {
                return Ok(false);
            }
        }
        // What was fenced off meanwhile is read again.
        Ok(self.intakes.iter().all(|intake| intake.is_at_end() && !intake.has_uncommitted()))
    }

    /// Kafka does not have the records that come next.
    fn out_of_range(&mut self, member: &Member) -> anyhow::Result<()> {
        for index in 0..self.intakes.len() {
            for partition in self.intakes[index].assigned() {
                let topic = self.intakes[index].topic.clone();
                let next = self.intakes[index].partition_mut(partition).and_then(|slot| slot.next);
                let start = self.checked_start(member, &topic, partition, next)?;
                if start != next {
                    member.seek(&topic, partition, start).map_err(affluent_kafka::Error::into_exit)?;
                }
            }
        }
        Ok(())
    }

    /// Where to start: at `next`, unless Kafka has deleted it, which must not go unseen.
    pub(crate) fn checked_start(
        &self,
        member: &Member,
        topic: &str,
        partition: i32,
        next: Option<i64>,
    ) -> anyhow::Result<Option<i64>> {
        let Some(next) = next else { return Ok(None) };
        let (low, high) = member.watermarks(topic, partition).map_err(affluent_kafka::Error::into_exit)?;
        if next > high {
            bail!(
                "the lake holds {topic}, partition {partition} up to offset {next}, but Kafka ends at {high}: the \
                 topic was made anew; add a feed with another name for it, or archive this one"
            );
        }
        if next >= low {
            return Ok(Some(next));
        }
        if self.args.on_gap == OnGap::Skip {
            tracing::warn!(
                topic,
                partition,
                from = next,
                to = low,
                "Kafka has deleted records that were not landed"
            );
            return Ok(Some(low));
        }
        bail!(
            "Kafka has deleted {} records of {topic}, partition {partition} that were not landed (offsets {next} to \
             {low}); run again with --on-gap skip to go on without them",
            low - next
        );
    }

    /// Smaller buffers for more partitions, so that all of them fit the budget.
    pub(crate) fn size_chunks(&mut self) {
        let assigned: usize = self.intakes.iter().map(|intake| intake.assigned().len()).sum();
        self.chunk_bytes = (self.buffer_bytes / assigned.max(1)).clamp(64 << 10, 16 << 20);
    }

    fn show(&mut self) {
        if !self.context.is_interactive() || self.now.duration_since(self.shown) < Duration::from_millis(200)
        {
            return;
        }
        self.shown = self.now;
        let lag: u64 = self.intakes.iter().map(Intake::lag).sum();
        let summary = self.summary.timed();
        self.progress.set_message(format!(
            "{} records, {:.0} records/s, {} rows in {} files, lag {lag}",
            summary.records, summary.records_per_s, summary.rows, summary.files
        ));
    }

    /// Commits everything and leaves the group.
    fn finish(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.args.grace;
        for index in 0..self.intakes.len() {
            self.commit(index)?;
        }
        let member = self.member.take().context("the consumer has left already")?;
        self.landing.finish_by(deadline)?;
        self.reports(&member)?;
        drop(member);
        Ok(())
    }
}
