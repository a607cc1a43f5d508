//! Fetch: settles on what to read, waits for more if that is too little, reads it.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::Context;
use crate::topics::partition::Partition;
use crate::wire::fetch::{PartitionAnswer, TopicAnswer, encode};
use crate::wire::{Code, Frame};

/// A partition asked for, resolved once per request.
struct Wanted {
    request: FetchPartition,
    partition: Result<Arc<Partition>, Code>,
}

struct WantedTopic {
    name: StrBytes,
    id: Uuid,
    partitions: Vec<Wanted>,
}

/// Longest wait granted, whatever a client asks for.
const MAX_WAIT: Duration = Duration::from_secs(300);

pub(crate) async fn handle(context: &Context<'_>, request: FetchRequest) -> Frame {
    // No sessions here: a client that goes on with one is told to start over with a full request.
    if request.session_id != 0 {
        return encode(context.header, Code::FetchSessionIdNotFound.code(), Vec::new());
    }
    let committed_only = request.isolation_level == 1;
    let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(context.node.config.fetch_max_bytes);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0).min(max_bytes);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let deadline = Instant::now() + wait;
    let topics = resolve(context, &request);
    loop {
        let waiter = Arc::new(Notify::new());
        for wanted in topics.iter().flat_map(|t| &t.partitions) {
            if let Ok(partition) = &wanted.partition {
                partition.watch(&waiter);
            }
        }
        let (answers, size, failed) = read(&topics, max_bytes, committed_only);
        let enough = size >= min_bytes || failed || topics.iter().all(|t| t.partitions.is_empty());
        if enough || timeout_at(deadline, waiter.notified()).await.is_err() {
            return encode(context.header, 0, answers);
        }
    }
}

fn resolve(context: &Context<'_>, request: &FetchRequest) -> Vec<WantedTopic> {
    let by_id = context.header.version >= 13;
    let mut topics = Vec::with_capacity(request.topics.len());
    for wanted in &request.topics {
        let topic = if by_id {
            context.node.topics.by_id(wanted.topic_id)
        } else {
            context.node.topics.get(&wanted.topic)
        };
        let unknown = if by_id { Code::UnknownTopicId } else { Code::UnknownTopicOrPartition };
        let partitions = wanted.partitions.iter().map(|p| {
            let partition = topic.as_ref().ok_or(unknown).and_then(|t| t.partition(p.partition));
            let partition = partition.and_then(|found| match p.current_leader_epoch {
                ..=0 => Ok(found),
                _ => Err(Code::UnknownLeaderEpoch),
            });
            Wanted { request: p.clone(), partition }
        });
        let partitions = partitions.collect();
        topics.push(WantedTopic { name: wanted.topic.0.clone(), id: wanted.topic_id, partitions });
    }
    topics
}

/// Reads every partition within the sizes. The first one with records yields at least one batch.
fn read(topics: &[WantedTopic], max_bytes: usize, committed_only: bool) -> (Vec<TopicAnswer>, usize, bool) {
    let (mut size, mut failed) = (0, false);
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let room = max_bytes.saturating_sub(size);
            let answer = match &wanted.partition {
                Ok(partition) => read_one(partition, &wanted.request, room, size == 0, committed_only),
                Err(code) => Err(*code),
            };
            let answer = answer.unwrap_or_else(|code| PartitionAnswer {
                error: code.code(),
                high_watermark: -1,
                last_stable_offset: -1,
                log_start_offset: -1,
                ..PartitionAnswer::default()
            });
            failed |= answer.error != 0;
            size += answer.records.iter().map(bytes::Bytes::len).sum::<usize>();
            partitions.push(PartitionAnswer { index: wanted.request.partition, ..answer });
        }
        answers.push(TopicAnswer { name: topic.name.clone(), id: topic.id, partitions });
    }
    (answers, size, failed)
}

fn read_one(
    partition: &Partition,
    wanted: &FetchPartition,
    room: usize,
    at_least_one: bool,
    committed_only: bool,
) -> Result<PartitionAnswer, Code> {
    let log = partition.log.lock();
    if log.deleted {
        return Err(Code::UnknownTopicOrPartition);
    }
    let (end, stable, start) = (log.next_offset, log.last_stable(), log.log_start);
    let mut answer = PartitionAnswer {
        high_watermark: end,
        last_stable_offset: stable,
        log_start_offset: start,
        aborted: committed_only.then(Vec::new),
        ..PartitionAnswer::default()
    };
    let offset = wanted.fetch_offset;
    if offset < start || offset > end {
        answer.error = Code::OffsetOutOfRange.code();
        return Ok(answer);
    }
    let limit = if committed_only { stable } else { end };
    let room = room.min(usize::try_from(wanted.partition_max_bytes).unwrap_or(0));
    if room == 0 && !at_least_one {
        return Ok(answer);
    }
    let planned = log.plan(offset, limit, room);
    drop(log);
    let batches = match planned.and_then(|plan| plan.map(|p| p.run(room, at_least_one)).transpose()) {
        Ok(Some(batches)) => batches,
        Ok(None) => return Ok(answer),
        Err(error) => {
            tracing::error!(%error, offset, "cannot read the log");
            return Err(Code::KafkaStorageError);
        }
    };
    if committed_only && batches.size > 0 {
        answer.aborted = Some(partition.log.lock().aborted_between(offset, batches.next));
    }
    answer.records = batches.chunks;
    Ok(answer)
}
