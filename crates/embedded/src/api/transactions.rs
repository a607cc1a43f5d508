//! InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and EndTxn.

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use super::Context;
use super::offsets::may_commit;
use crate::clock::now_ms;
use crate::groups::offsets::{Committed, METADATA_MAX, OffsetOf, is_valid_group};
use crate::transactions::state::{Status, Txn};
use crate::wire::Code;
use crate::wire::errors::code_of;

pub(crate) fn init_producer(context: &Context<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let id = request.transactional_id.as_ref().map(|id| id.as_str());
    let held =
        if context.header.version >= 3 { (request.producer_id.0, request.producer_epoch) } else { (-1, -1) };
    let result = context.node.init_producer(id, request.transaction_timeout_ms, held, now_ms());
    // Clients before version 4 know the fenced producer under the older code.
    let result = older_code(result, context.header.version < 4);
    let (producer_id, epoch) = result.unwrap_or((-1, -1));
    InitProducerIdResponse::default()
        .with_error_code(code_of(&result))
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(epoch)
}

fn older_code<T>(result: Result<T, Code>, older: bool) -> Result<T, Code> {
    match result {
        Err(Code::ProducerFenced) if older => Err(Code::InvalidProducerEpoch),
        other => other,
    }
}

/// Runs a change on the transaction that the request names, if it comes from the id's owner.
fn with_txn<T>(
    context: &Context<'_>,
    id: &str,
    producer: (i64, i16),
    change: impl FnOnce(&mut Txn) -> Result<T, Code>,
) -> Result<T, Code> {
    let transactions = &context.node.transactions;
    let shared = transactions.get(id).ok_or(Code::InvalidProducerIdMapping)?;
    let mut txn = shared.lock();
    txn.check(producer.0, producer.1)?;
    txn.check_open()?;
    transactions.update(id, &mut txn, change)
}

pub(crate) fn add_partitions(
    context: &Context<'_>,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let topics = &request.v3_and_below_topics;
    let known = |topic: &str, index| context.node.topics.partition(topic, index).is_ok();
    let all_known = topics.iter().all(|t| t.partitions.iter().all(|p| known(&t.name, *p)));
    let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
    let result = if all_known {
        with_txn(context, &request.v3_and_below_transactional_id, producer, |txn| {
            txn.begin(now_ms());
            for topic in topics {
                txn.partitions.extend(topic.partitions.iter().map(|p| (topic.name.to_string(), *p)));
            }
            Ok(())
        })
    } else {
        Err(Code::OperationNotAttempted)
    };
    let result = older_code(result, context.header.version < 2);
    let results = topics.iter().map(|topic| {
        let answer = |index: &i32| {
            let code = match result {
                Err(Code::OperationNotAttempted) if !known(&topic.name, *index) => {
                    Code::UnknownTopicOrPartition.code()
                }
                _ => code_of(&result),
            };
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code)
        };
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(topic.partitions.iter().map(answer).collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub(crate) fn add_offsets(context: &Context<'_>, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let result = if is_valid_group(&request.group_id) {
        with_txn(context, &request.transactional_id, producer, |txn| {
            txn.begin(now_ms());
            txn.group_mut(&request.group_id);
            Ok(())
        })
    } else {
        Err(Code::InvalidGroupId)
    };
    let result = older_code(result, context.header.version < 2);
    AddOffsetsToTxnResponse::default().with_error_code(code_of(&result))
}

pub(crate) fn commit_offsets(
    context: &Context<'_>,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let allowed = check_member(context, &request).and_then(|()| hold_offsets(context, &request));
    let allowed = older_code(allowed, context.header.version < 3);
    let topics = request.topics.iter().map(|topic| {
        let answer = |index| {
            let known = context.node.topics.partition(&topic.name, index).map(|_| ());
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code_of(&allowed.and(known)))
        };
        let partitions = topic.partitions.iter().map(|p| answer(p.partition_index)).collect();
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// From version 3 on the consumer's place in its group is checked as in a plain commit.
fn check_member(context: &Context<'_>, request: &TxnOffsetCommitRequest) -> Result<(), Code> {
    if !is_valid_group(&request.group_id) {
        return Err(Code::InvalidGroupId);
    }
    if request.generation_id < 0 && request.member_id.is_empty() {
        return Ok(());
    }
    let shared = context.node.groups.get(&request.group_id).ok_or(Code::IllegalGeneration)?;
    let group = shared.lock();
    may_commit(&group, &request.member_id, request.group_instance_id.as_deref(), request.generation_id)
}

fn hold_offsets(context: &Context<'_>, request: &TxnOffsetCommitRequest) -> Result<(), Code> {
    let producer = (request.producer_id.0, request.producer_epoch);
    with_txn(context, &request.transactional_id, producer, |txn| {
        if txn.status != Status::Ongoing || !txn.groups.iter().any(|g| *g.group == **request.group_id) {
            return Err(Code::InvalidTxnState);
        }
        for topic in &request.topics {
            for p in &topic.partitions {
                let metadata = p.committed_metadata.as_deref().unwrap_or_default();
                if metadata.len() > METADATA_MAX {
                    return Err(Code::OffsetMetadataTooLarge);
                }
                if context.node.topics.partition(&topic.name, p.partition_index).is_err() {
                    continue;
                }
                let committed = Committed {
                    offset: p.committed_offset,
                    leader_epoch: p.committed_leader_epoch,
                    metadata: metadata.to_owned(),
                    at: now_ms(),
                };
                let (topic, partition) = (topic.name.to_string(), p.partition_index);
                txn.add_offset(&request.group_id, OffsetOf { topic, partition, committed });
            }
        }
        Ok(())
    })
}

pub(crate) fn end(context: &Context<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let result =
        context.node.end_transaction(&request.transactional_id, producer, request.committed, now_ms());
    let result = older_code(result, context.header.version < 2);
    EndTxnResponse::default().with_error_code(code_of(&result))
}
