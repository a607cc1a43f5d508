//! Metadata: the topics asked for, made on first use, and the one broker.

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};

use super::{Context, text};
use crate::node::NODE_ID;
use crate::topics::{Topic, is_valid_name};
use crate::wire::Code;

pub(crate) fn handle(context: &Context<'_>, request: MetadataRequest) -> MetadataResponse {
    let version = context.header.version;
    let node = context.node;
    let may_create = node.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
    // Version 0 asks for everything with an empty list, later ones with no list.
    let topics = match request.topics {
        Some(list) if version > 0 || !list.is_empty() => {
            list.into_iter().map(|wanted| one(context, wanted, may_create)).collect()
        }
        _ => node.topics.all().iter().map(|t| describe(t, version)).collect(),
    };
    let (host, port) = context.endpoint();
    let broker =
        MetadataResponseBroker::default().with_node_id(BrokerId(NODE_ID)).with_host(host).with_port(port);
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(node.cluster_id.clone())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics)
}

fn one(context: &Context<'_>, wanted: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
    let (node, version) = (context.node, context.header.version);
    let Some(name) = wanted.name else {
        return match node.topics.by_id(wanted.topic_id) {
            Some(topic) => describe(&topic, version),
            None => MetadataResponseTopic::default()
                .with_name((version < 12).then(TopicName::default))
                .with_topic_id(wanted.topic_id)
                .with_error_code(Code::UnknownTopicId.code()),
        };
    };
    match find_or_create(context, &name, may_create) {
        Ok(topic) => describe(&topic, version),
        Err(code) => MetadataResponseTopic::default().with_name(Some(name)).with_error_code(code.code()),
    }
}

fn find_or_create(
    context: &Context<'_>,
    name: &str,
    may_create: bool,
) -> Result<std::sync::Arc<Topic>, Code> {
    let topics = &context.node.topics;
    if let Some(topic) = topics.get(name) {
        return Ok(topic);
    }
    if !is_valid_name(name) {
        return Err(Code::InvalidTopicException);
    }
    if !may_create {
        return Err(Code::UnknownTopicOrPartition);
    }
    match topics.create(name, context.node.config.default_partitions, BTreeMap::new()) {
        Err(Code::TopicAlreadyExists) => topics.get(name).ok_or(Code::UnknownTopicOrPartition),
        other => other,
    }
}

fn describe(topic: &Topic, version: i16) -> MetadataResponseTopic {
    let here = || vec![BrokerId(NODE_ID)];
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(if version >= 7 { 0 } else { -1 })
            .with_replica_nodes(here())
            .with_isr_nodes(here())
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_partitions((0..topic.partition_count()).map(partition).collect())
}
