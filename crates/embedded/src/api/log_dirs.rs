//! DescribeLogDirs: how much each partition takes.

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use super::{Context, text};
use crate::Storage;
use crate::topics::Topic;

pub(crate) fn describe(context: &Context<'_>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let asked = |topic: &Topic, index: i32| match &request.topics {
        None => true,
        Some(topics) => {
            topics.iter().any(|t| *t.topic.as_str() == *topic.name && t.partitions.contains(&index))
        }
    };
    let mut topics = Vec::new();
    for topic in context.node.topics.all() {
        let sizes = topic.partitions().into_iter().zip(0..).filter(|(_, index)| asked(&topic, *index));
        let partitions: Vec<_> = sizes
            .map(|(partition, index)| {
                DescribeLogDirsPartition::default()
                    .with_partition_index(index)
                    .with_partition_size(i64::try_from(partition.log.lock().size()).unwrap_or(i64::MAX))
            })
            .collect();
        if !partitions.is_empty() {
            let name = TopicName(text(topic.name.clone()));
            topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions));
        }
    }
    let dir = match &context.node.config.storage {
        Storage::Disk(dir) => dir.display().to_string(),
        Storage::Memory => "memory".to_owned(),
    };
    let result = DescribeLogDirsResult::default().with_log_dir(text(dir)).with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
