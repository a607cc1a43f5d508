//! OffsetCommit, OffsetFetch and OffsetDelete.

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use super::{Context, text};
use crate::clock::now_ms;
use crate::groups::group::{Group, Phase};
use crate::groups::offsets::{Committed, METADATA_MAX, OffsetOf, is_valid_group};
use crate::wire::{Code, decode};

/// Whether a member may commit: a consumer outside of the group protocol may while nobody is in it.
pub(crate) fn may_commit(
    group: &Group,
    member: &str,
    instance: Option<&str>,
    generation: i32,
) -> Result<(), Code> {
    if generation < 0 && group.is_vacant() {
        return Ok(());
    }
    if generation >= 0 || !member.is_empty() || instance.is_some() {
        group.check(member, instance, generation)?;
        return match group.phase {
            Phase::Completing { .. } => Err(Code::RebalanceInProgress),
            _ => Ok(()),
        };
    }
    Err(Code::UnknownMemberId)
}

pub(crate) fn commit(context: &Context<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let allowed = check_commit(context, &request);
    let mut good = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for p in &topic.partitions {
            let known = context.node.topics.partition(&topic.name, p.partition_index).map(|_| ());
            let metadata = p.committed_metadata.as_deref().unwrap_or_default();
            let fits = if metadata.len() > METADATA_MAX { Err(Code::OffsetMetadataTooLarge) } else { Ok(()) };
            let result = allowed.and(known).and(fits);
            if result.is_ok() {
                good.push(OffsetOf {
                    topic: topic.name.to_string(),
                    partition: p.partition_index,
                    committed: Committed {
                        offset: p.committed_offset,
                        leader_epoch: p.committed_leader_epoch,
                        metadata: metadata.to_owned(),
                        at: now_ms(),
                    },
                });
            }
            partitions.push((p.partition_index, result));
        }
        topics.push((topic.name.clone(), partitions));
    }
    let stored = if good.is_empty() { Ok(()) } else { context.node.groups.commit(&request.group_id, &good) };
    let topics = topics.into_iter().map(|(name, partitions)| {
        let answer = |(index, result): (i32, Result<(), Code>)| {
            let code = result.and(stored).err().map_or(0, |c| c.code());
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        let partitions = partitions.into_iter().map(answer).collect();
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn check_commit(context: &Context<'_>, request: &OffsetCommitRequest) -> Result<(), Code> {
    if !is_valid_group(&request.group_id) {
        return Err(Code::InvalidGroupId);
    }
    let shared = context.node.groups.get_or_create(&request.group_id);
    let mut group = shared.lock();
    let (member, generation) = (request.member_id.as_str(), request.generation_id_or_member_epoch);
    may_commit(&group, member, request.group_instance_id.as_deref(), generation)?;
    if let Some(member) = group.members.get_mut(member) {
        member.last_seen = now_ms();
    }
    Ok(())
}

/// One partition's answer before it takes the form of a version.
struct Fetched {
    index: i32,
    committed: Option<Committed>,
    error: Option<Code>,
}

type FetchedTopic = (TopicName, Vec<Fetched>);

pub(crate) fn fetch(context: &Context<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if context.header.version >= 8 {
        let groups = request.groups.into_iter().map(|group| {
            let asked = group.topics.map(|t| t.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
            let topics =
                look_up(context, &group.group_id, asked, stable).into_iter().map(|(name, partitions)| {
                    let partitions = partitions.into_iter().map(|f| {
                        let (offset, epoch, metadata, code) = f.parts();
                        OffsetFetchResponsePartitions::default()
                            .with_partition_index(f.index)
                            .with_committed_offset(offset)
                            .with_committed_leader_epoch(epoch)
                            .with_metadata(Some(text(metadata)))
                            .with_error_code(code)
                    });
                    OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
                });
            let topics = topics.collect();
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let keeps_epoch = context.header.version >= 5;
    let asked = request.topics.map(|t| t.into_iter().map(|t| (t.name, t.partition_indexes)).collect());
    let topics = look_up(context, &request.group_id, asked, stable).into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|f| {
            let (offset, epoch, metadata, code) = f.parts();
            OffsetFetchResponsePartition::default()
                .with_partition_index(f.index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(if keeps_epoch { epoch } else { -1 })
                .with_metadata(Some(text(metadata)))
                .with_error_code(code)
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

impl Fetched {
    fn parts(&self) -> (i64, i32, String, i16) {
        let code = self.error.map_or(0, |c| c.code());
        match &self.committed {
            Some(c) => (c.offset, c.leader_epoch, c.metadata.clone(), code),
            None => (-1, -1, String::new(), code),
        }
    }
}

/// Offsets of the topics asked for, or of all that have any.
fn look_up(
    context: &Context<'_>,
    group: &str,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
    stable: bool,
) -> Vec<FetchedTopic> {
    let node = context.node;
    let held = |topic: &str, index| stable && node.transactions.hold_offset(group, topic, index);
    let one = |topic: &str, index: i32, committed: Option<Committed>| match held(topic, index) {
        true => Fetched { index, committed: None, error: Some(Code::UnstableOffsetCommit) },
        false => Fetched { index, committed, error: None },
    };
    if let Some(asked) = asked {
        let topics = asked.into_iter().map(|(name, indexes)| {
            let found = |index| one(&name, index, node.groups.committed(group, &name, index));
            let partitions = indexes.into_iter().map(found).collect();
            (name, partitions)
        });
        return topics.collect();
    }
    let mut topics: Vec<FetchedTopic> = Vec::new();
    for offset in node.groups.all_committed(group) {
        let fetched = one(&offset.topic, offset.partition, Some(offset.committed));
        match topics.last_mut() {
            Some((name, partitions)) if name.as_str() == offset.topic => partitions.push(fetched),
            _ => topics.push((TopicName(text(offset.topic)), vec![fetched])),
        }
    }
    topics
}

pub(crate) fn delete(context: &Context<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let groups = &context.node.groups;
    let Some(shared) = groups.get(&request.group_id) else {
        return OffsetDeleteResponse::default().with_error_code(Code::GroupIdNotFound.code());
    };
    let subscribed = subscriptions(&shared.lock());
    let Ok(subscribed) = subscribed else {
        return OffsetDeleteResponse::default().with_error_code(Code::NonEmptyGroup.code());
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let indexes: Vec<i32> = topic.partitions.iter().map(|p| p.partition_index).collect();
        let result = if subscribed.iter().any(|t| t == topic.name.as_str()) {
            Err(Code::GroupSubscribedToTopic)
        } else {
            let gone = |o: &OffsetOf| *o.topic == **topic.name && indexes.contains(&o.partition);
            let removals = groups.offset_removals(&request.group_id, gone);
            groups.store.apply(removals).map_err(|e| crate::groups::storage_error(&request.group_id, &e))
        };
        let code = result.err().map_or(0, |c| c.code());
        let answer = |index| {
            OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        let partitions = indexes.into_iter().map(answer).collect();
        topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    OffsetDeleteResponse::default().with_topics(topics)
}

/// Topics that the members read; an error for a group of members that are no consumers.
fn subscriptions(group: &Group) -> Result<Vec<String>, ()> {
    if group.is_vacant() {
        return Ok(Vec::new());
    }
    if group.protocol_type != "consumer" {
        return Err(());
    }
    let mut topics = Vec::new();
    for member in group.members.values() {
        for (_, metadata) in &member.protocols {
            topics.extend(subscription(metadata.clone()).into_iter().flatten());
        }
    }
    Ok(topics)
}

/// The topics in a consumer's metadata: a version, then the subscription in it.
fn subscription(mut metadata: Bytes) -> Option<Vec<String>> {
    let version = bytes::Buf::try_get_i16(&mut metadata).ok()?.clamp(0, 3);
    let parsed: ConsumerProtocolSubscription = decode(&mut metadata, version).ok()?;
    Some(parsed.topics.iter().map(ToString::to_string).collect())
}
