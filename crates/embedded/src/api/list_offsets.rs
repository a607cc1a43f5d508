//! ListOffsets: the first, the last, or the first of a time.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::Context;
use crate::log::search::Found;
use crate::wire::Code;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// Earliest on local disk; the same as the earliest here.
const EARLIEST_LOCAL: i64 = -4;
/// Latest in remote storage, of which there is none.
const LATEST_TIERED: i64 = -5;

pub(crate) fn handle(context: &Context<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == 1;
    let version = context.header.version;
    let topics = request.topics.into_iter().map(|topic| {
        let answer = |p: ListOffsetsPartition| {
            let response = ListOffsetsPartitionResponse::default().with_partition_index(p.partition_index);
            match find(context, &topic.name, &p, committed_only) {
                Ok(Some(found)) => response
                    .with_offset(found.offset)
                    .with_timestamp(found.timestamp)
                    .with_leader_epoch(if version >= 4 { 0 } else { -1 }),
                Ok(None) => response.with_offset(-1).with_timestamp(-1),
                Err(code) => response.with_error_code(code.code()).with_offset(-1).with_timestamp(-1),
            }
        };
        let partitions = topic.partitions.iter().cloned().map(answer).collect();
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    context: &Context<'_>,
    topic: &str,
    wanted: &ListOffsetsPartition,
    committed_only: bool,
) -> Result<Option<Found>, Code> {
    let (_, partition) = context.node.topics.partition(topic, wanted.partition_index)?;
    if wanted.current_leader_epoch > 0 {
        return Err(Code::UnknownLeaderEpoch);
    }
    let log = partition.log.lock();
    let at = |offset| Ok(Some(Found { offset, timestamp: -1 }));
    match wanted.timestamp {
        LATEST if committed_only => at(log.last_stable()),
        LATEST => at(log.next_offset),
        EARLIEST | EARLIEST_LOCAL => at(log.log_start),
        MAX_TIMESTAMP => Ok(log.offset_of_max_time()),
        LATEST_TIERED => Ok(None),
        timestamp if timestamp < 0 => Err(Code::UnsupportedForMessageFormat),
        timestamp => {
            let limit = if committed_only { log.last_stable() } else { log.next_offset };
            let found = log.offset_for_time(timestamp).map_err(|error| {
                tracing::error!(topic, %error, "cannot search the log");
                Code::KafkaStorageError
            })?;
            Ok(found.filter(|f| f.offset < limit))
        }
    }
}
