//! DeleteRecords and OffsetForLeaderEpoch.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::Context;
use crate::clock::now_ms;
use crate::wire::Code;

pub(crate) fn delete(context: &Context<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let results = topic.partitions.iter().map(|p| {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(p.partition_index);
            match delete_before(context, &topic.name, p.partition_index, p.offset) {
                Ok(start) => result.with_low_watermark(start),
                Err(code) => result.with_low_watermark(-1).with_error_code(code.code()),
            }
        });
        let partitions = results.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(context: &Context<'_>, topic: &str, index: i32, offset: i64) -> Result<i64, Code> {
    let (found, partition) = context.node.topics.partition(topic, index)?;
    if !found.settings().delete {
        return Err(Code::PolicyViolation);
    }
    let mut log = partition.log.lock();
    let start = log.delete_before(offset, now_ms())?;
    // Stored under the log's lock, so that the stored start never goes back.
    context.node.topics.store_start(topic, index, start)?;
    drop(log);
    partition.changed();
    Ok(start)
}

/// There has only ever been epoch 0, and it ends where the log ends.
pub(crate) fn epoch_ends(
    context: &Context<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let ends = topic.partitions.iter().map(|p| {
            let end = EpochEndOffset::default().with_partition(p.partition);
            match context.node.topics.partition(&topic.topic, p.partition) {
                Err(code) => end.with_error_code(code.code()),
                Ok(_) if p.current_leader_epoch > 0 => end.with_error_code(Code::UnknownLeaderEpoch.code()),
                Ok((_, partition)) if p.leader_epoch == 0 => {
                    end.with_leader_epoch(0).with_end_offset(partition.log.lock().next_offset)
                }
                Ok(_) => end.with_leader_epoch(-1).with_end_offset(-1),
            }
        });
        let partitions = ends.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
