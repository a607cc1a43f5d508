//! What tools ask: groups, producers and transactions, listed, described, deleted.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
    DescribeTransactionsResponse, GroupId, ListGroupsRequest, ListGroupsResponse, ListTransactionsRequest,
    ListTransactionsResponse, ProducerId, TopicName, TransactionalId,
};

use super::{Context, text};
use crate::clock::now_ms;
use crate::groups::group::{Group, Phase};
use crate::transactions::state::{Status, Txn};
use crate::wire::Code;
use crate::wire::errors::code_of;

fn phase_name(group: &Group) -> &'static str {
    match group.phase {
        Phase::Empty => "Empty",
        Phase::Preparing { .. } => "PreparingRebalance",
        Phase::Completing { .. } => "CompletingRebalance",
        Phase::Stable => "Stable",
    }
}

pub(crate) fn describe_groups(
    context: &Context<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let version = context.header.version;
    let groups = request.groups.into_iter().map(|id| {
        let described = DescribedGroup::default().with_group_id(id.clone());
        let Some(shared) = context.node.groups.get(&id) else {
            // Version 6 names the error; before, a group that is not there is a dead one.
            return if version >= 6 {
                let reason = format!("Group {} not found.", id.as_str());
                described
                    .with_group_state(text("Dead"))
                    .with_error_code(Code::GroupIdNotFound.code())
                    .with_error_message(Some(text(reason)))
            } else {
                described.with_group_state(text("Dead"))
            };
        };
        let group = shared.lock();
        let protocol = group.protocol.clone().unwrap_or_default();
        let member = |(id, m): (&String, &crate::groups::member::Member)| {
            let member = DescribedGroupMember::default()
                .with_member_id(text(id.clone()))
                .with_client_id(text(m.client_id.clone()))
                .with_client_host(text(m.client_host.clone()))
                .with_member_metadata(m.metadata(&protocol))
                .with_member_assignment(m.assignment.clone());
            if version >= 4 { member.with_group_instance_id(m.instance.clone().map(text)) } else { member }
        };
        described
            .with_group_state(text(phase_name(&group)))
            .with_protocol_type(text(group.protocol_type.clone()))
            .with_protocol_data(text(protocol.clone()))
            .with_members(group.members.iter().map(member).collect())
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

pub(crate) fn list_groups(context: &Context<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let version = context.header.version;
    let wanted = |filter: &[kafka_protocol::protocol::StrBytes], word: &str| {
        filter.is_empty() || filter.iter().any(|f| f.eq_ignore_ascii_case(word))
    };
    let mut groups = Vec::new();
    for (id, shared) in context.node.groups.all() {
        let group = shared.lock();
        let state = phase_name(&group);
        if !wanted(&request.states_filter, state) || !wanted(&request.types_filter, "classic") {
            continue;
        }
        let mut listed = ListedGroup::default()
            .with_group_id(GroupId(text(id)))
            .with_protocol_type(text(group.protocol_type.clone()));
        if version >= 4 {
            listed = listed.with_group_state(text(state));
        }
        if version >= 5 {
            listed = listed.with_group_type(text("classic"));
        }
        groups.push(listed);
    }
    ListGroupsResponse::default().with_groups(groups)
}

pub(crate) fn delete_groups(context: &Context<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let code = code_of(&context.node.groups.delete(&id));
        DeletableGroupResult::default().with_group_id(id).with_error_code(code)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

pub(crate) fn describe_producers(
    context: &Context<'_>,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let response = PartitionResponse::default().with_partition_index(*index);
            match context.node.topics.partition(&topic.name, *index) {
                Err(code) => response.with_error_code(code.code()),
                Ok((_, partition)) => {
                    let log = partition.log.lock();
                    let active = log.producers.iter().map(|(id, p)| {
                        ProducerState::default()
                            .with_producer_id(ProducerId(*id))
                            .with_producer_epoch(i32::from(p.epoch))
                            .with_last_sequence(p.batches.back().map_or(-1, |b| b.last_sequence))
                            .with_last_timestamp(p.batches.back().map_or(-1, |b| b.timestamp))
                            .with_coordinator_epoch(0)
                            .with_current_txn_start_offset(p.txn_start.unwrap_or(-1))
                    });
                    response.with_active_producers(active.collect())
                }
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

pub(crate) fn describe_transactions(
    context: &Context<'_>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let states = request.transactional_ids.into_iter().map(|id| {
        let state = TransactionState::default().with_transactional_id(id.clone());
        match context.node.transactions.get(&id) {
            None => state.with_error_code(Code::TransactionalIdNotFound.code()),
            Some(shared) => {
                let txn = shared.lock();
                state
                    .with_transaction_state(text(txn.status.name()))
                    .with_transaction_timeout_ms(i32::try_from(txn.timeout_ms).unwrap_or(i32::MAX))
                    .with_transaction_start_time_ms(txn.started)
                    .with_producer_id(ProducerId(txn.producer_id))
                    .with_producer_epoch(txn.epoch)
                    .with_topics(partitions_by_topic(&txn))
            }
        }
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn partitions_by_topic(txn: &Txn) -> Vec<TopicData> {
    let mut topics: Vec<TopicData> = Vec::new();
    for (topic, index) in &txn.partitions {
        match topics.last_mut() {
            Some(last) if *last.topic.as_str() == **topic => last.partitions.push(*index),
            _ => topics.push(
                TopicData::default().with_topic(TopicName(text(topic.clone()))).with_partitions(vec![*index]),
            ),
        }
    }
    topics
}

pub(crate) fn list_transactions(
    context: &Context<'_>,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    const NAMES: [Status; 6] = [
        Status::Empty,
        Status::Ongoing,
        Status::PrepareCommit,
        Status::PrepareAbort,
        Status::CompleteCommit,
        Status::CompleteAbort,
    ];
    let known = |name: &str| NAMES.iter().any(|s| s.name() == name);
    let unknown = request.state_filters.iter().filter(|f| !known(f)).cloned().collect();
    let now = now_ms();
    let mut listed = Vec::new();
    for (id, shared) in context.node.transactions.all() {
        let txn = shared.lock();
        let by_state = request.state_filters.is_empty()
            || request.state_filters.iter().any(|f| **f == *txn.status.name());
        let ids = &request.producer_id_filters;
        let by_id = ids.is_empty() || ids.iter().any(|p| p.0 == txn.producer_id);
        let age = if txn.status == Status::Ongoing { now - txn.started } else { 0 };
        let by_age = request.duration_filter < 0 || age > request.duration_filter;
        if by_state && by_id && by_age {
            listed.push(
                ListedTransaction::default()
                    .with_transactional_id(TransactionalId(text(id)))
                    .with_producer_id(ProducerId(txn.producer_id))
                    .with_transaction_state(text(txn.status.name())),
            );
        }
    }
    ListTransactionsResponse::default().with_unknown_state_filters(unknown).with_transaction_states(listed)
}
