//! Produce: checks each partition's records, stores them, says where.

use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceResponse, TopicName};
use parking_lot::Mutex;

use super::Context;
use crate::clock::now_ms;
use crate::log::append::Appended;
use crate::log::batch::{Incoming, split};
use crate::stats::Counters;
use crate::transactions::state::{Status, Txn};
use crate::wire::produce::{PartitionRecords, Produce};
use crate::wire::{Code, Frame, WireError};

/// The transaction that records belong to, locked so that it cannot end in between.
struct Owner<'a> {
    txn: &'a Txn,
}

pub(crate) fn handle(context: &Context<'_>, request: Produce) -> Result<Option<Frame>, WireError> {
    let acks_known = matches!(request.acks, -1..=1);
    let id = request.transactional_id.as_ref().filter(|id| !id.is_empty());
    let shared = id.and_then(|id| context.node.transactions.get(id));
    let locked = shared.as_deref().map(Mutex::lock);
    let owner = locked.as_deref().map(|txn| Owner { txn });
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for part in topic.partitions {
            let index = part.index;
            let result = if !acks_known {
                Err(Code::InvalidRequiredAcks)
            } else if id.is_some() && owner.is_none() {
                Err(Code::InvalidProducerIdMapping)
            } else {
                store(context, &topic.name, part, owner.as_ref())
            };
            answers.push(answer(index, result));
        }
        responses.push(
            TopicProduceResponse::default()
                .with_name(TopicName(topic.name))
                .with_partition_responses(answers),
        );
    }
    if request.acks == 0 {
        return Ok(None);
    }
    Frame::encode(context.header, &ProduceResponse::default().with_responses(responses)).map(Some)
}

fn answer(index: i32, result: Result<(Appended, i64), Code>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match result {
        Ok((appended, start)) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time)
            .with_log_start_offset(start),
        Err(code) => response.with_error_code(code.code()).with_base_offset(-1),
    }
}

fn store(
    context: &Context<'_>,
    name: &str,
    part: PartitionRecords,
    owner: Option<&Owner<'_>>,
) -> Result<(Appended, i64), Code> {
    let node = context.node;
    let (topic, partition) = node.topics.partition(name, part.index)?;
    let settings = topic.settings();
    let max = settings.max_message_bytes.unwrap_or(node.config.message_max_bytes);
    let size = part.records.len() as u64;
    let batches = split(part.records, max)?;
    check_owner(&batches, owner, name, part.index)?;
    let options = settings.append_options(now_ms(), node.sync_always());
    let mut log = partition.log.lock();
    let appended = log.append(&batches, &options)?;
    let start = log.log_start;
    drop(log);
    partition.changed();
    Counters::add(&node.counters.bytes_in, size);
    Ok((appended, start))
}

/// Transactional batches belong to the open transaction of their owner, and to a partition that was
/// added to it; anything else would be left open for ever.
fn check_owner(batches: &[Incoming], owner: Option<&Owner<'_>>, topic: &str, index: i32) -> Result<(), Code> {
    for batch in batches.iter().filter(|b| b.header.is_transactional()) {
        let Some(Owner { txn }) = owner else { return Err(Code::InvalidTxnState) };
        if batch.header.producer_id != txn.producer_id {
            return Err(Code::InvalidProducerIdMapping);
        }
        if batch.header.producer_epoch != txn.epoch {
            return Err(Code::InvalidProducerEpoch);
        }
        if txn.status != Status::Ongoing || !txn.partitions.contains(&(topic.to_owned(), index)) {
            return Err(Code::InvalidTxnState);
        }
    }
    Ok(())
}
