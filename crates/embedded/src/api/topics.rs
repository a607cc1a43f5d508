//! CreateTopics, DeleteTopics and CreatePartitions.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use uuid::Uuid;

use super::{Context, text};
use crate::node::NODE_ID;
use crate::topics::settings::{SETTINGS, check};
use crate::topics::{MAX_PARTITIONS, is_valid_name};
use crate::wire::Code;

/// An error with a word on it.
type Refusal = (Code, String);

pub(crate) fn create(context: &Context<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let topics = request.topics.iter().map(|wanted| {
        let result = CreatableTopicResult::default().with_name(wanted.name.clone());
        match create_one(context, wanted, request.validate_only) {
            Ok((id, partitions, overrides)) => result
                .with_topic_id(id)
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(all_settings(&overrides))),
            Err((code, reason)) => result
                .with_error_code(code.code())
                .with_error_message(Some(text(reason)))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(Some(Vec::new())),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

type Created = (Uuid, i32, BTreeMap<String, String>);

fn create_one(context: &Context<'_>, wanted: &CreatableTopic, dry: bool) -> Result<Created, Refusal> {
    let topics = &context.node.topics;
    if !is_valid_name(&wanted.name) {
        let reason = "topic names hold up to 249 letters, digits, '.', '_' and '-'";
        return Err((Code::InvalidTopicException, reason.to_owned()));
    }
    if topics.get(&wanted.name).is_some() {
        return Err((Code::TopicAlreadyExists, format!("Topic '{}' already exists.", wanted.name.as_str())));
    }
    let partitions = match (wanted.num_partitions, wanted.assignments.len()) {
        (-1, 0) => context.node.config.default_partitions,
        (-1, given) => given as i32,
        (count, _) => count,
    };
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        return Err((Code::InvalidPartitions, format!("give 1 to {MAX_PARTITIONS} partitions")));
    }
    if !matches!(wanted.replication_factor, -1 | 1) {
        return Err((Code::InvalidReplicationFactor, "there is one broker, so give 1 or -1".to_owned()));
    }
    if wanted.assignments.iter().any(|a| a.broker_ids.iter().any(|b| b.0 != NODE_ID)) {
        return Err((Code::InvalidReplicaAssignment, format!("the only broker is {NODE_ID}")));
    }
    let overrides: BTreeMap<String, String> = wanted
        .configs
        .iter()
        .filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())))
        .collect();
    check(&overrides).map_err(|reason| (Code::InvalidConfig, reason))?;
    if dry {
        return Ok((Uuid::nil(), partitions, overrides));
    }
    let created = topics.create(&wanted.name, partitions, overrides.clone());
    created.map(|topic| (topic.id, partitions, overrides)).map_err(|code| (code, code.to_string()))
}

fn all_settings(overrides: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let one = |setting: &crate::topics::settings::Setting| {
        let own = overrides.get(setting.name);
        CreatableTopicConfigs::default()
            .with_name(text(setting.name))
            .with_value(Some(text(own.map_or(setting.default, String::as_str))))
            .with_config_source(if own.is_some() { 1 } else { 5 })
    };
    SETTINGS.iter().map(one).collect()
}

pub(crate) fn delete(context: &Context<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil()));
    let by_either = request.topics.into_iter().map(|t| (t.name, t.topic_id));
    let responses = by_name.chain(by_either).map(|(name, id)| {
        let (name, id, result) = delete_one(context, name, id);
        DeletableTopicResult::default()
            .with_name(name)
            .with_topic_id(id)
            .with_error_code(result.err().map_or(0, |c| c.code()))
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn delete_one(
    context: &Context<'_>,
    name: Option<TopicName>,
    id: Uuid,
) -> (Option<TopicName>, Uuid, Result<(), Code>) {
    let node = context.node;
    let found = match &name {
        Some(name) => node.topics.get(name).ok_or(Code::UnknownTopicOrPartition),
        None => node.topics.by_id(id).ok_or(Code::UnknownTopicId),
    };
    match found {
        Err(code) => (name, id, Err(code)),
        Ok(topic) => {
            let result = node.topics.delete(&topic, node.groups.removals_on_topic(&topic.name));
            let id = if context.header.version >= 6 { topic.id } else { Uuid::nil() };
            (Some(TopicName(text(topic.name.clone()))), id, result)
        }
    }
}

pub(crate) fn create_partitions(
    context: &Context<'_>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = request.topics.iter().map(|wanted| {
        let result = CreatePartitionsTopicResult::default().with_name(wanted.name.clone());
        match grow(context, wanted, request.validate_only) {
            Ok(()) => result,
            Err((code, reason)) => result.with_error_code(code.code()).with_error_message(Some(text(reason))),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow(context: &Context<'_>, wanted: &CreatePartitionsTopic, dry: bool) -> Result<(), Refusal> {
    let topics = &context.node.topics;
    let unknown = || (Code::UnknownTopicOrPartition, "there is no such topic".to_owned());
    let topic = topics.get(&wanted.name).ok_or_else(unknown)?;
    let now = topic.partition_count();
    if wanted.count <= now || wanted.count > MAX_PARTITIONS {
        let reason = format!("the topic has {now} partitions; give more, up to {MAX_PARTITIONS}");
        return Err((Code::InvalidPartitions, reason));
    }
    if dry {
        return Ok(());
    }
    topics.grow(&topic, wanted.count).map_err(|code| (code, code.to_string()))
}
