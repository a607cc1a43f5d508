//! The requests this broker answers, with the versions of each.

use kafka_protocol::messages::ApiKey;

/// One supported request: key, lowest and highest version.
pub(crate) type Supported = (ApiKey, i16, i16);

/// Versions that carry a feature this broker lacks stay unlisted: transactions of the second
/// protocol (Produce 12, EndTxn 5, AddPartitionsToTxn 4, ...), share groups, KIP-848 groups.
pub(crate) const SUPPORTED: &[Supported] = &[
    (ApiKey::Produce, 3, 11),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 9),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 5),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 3),
    (ApiKey::EndTxn, 0, 4),
    (ApiKey::TxnOffsetCommit, 0, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::DescribeLogDirs, 1, 4),
    (ApiKey::AlterConfigs, 0, 2),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeProducers, 0, 0),
    (ApiKey::DescribeTransactions, 0, 0),
    (ApiKey::ListTransactions, 0, 1),
];

/// The key of a request whose version is supported.
pub(crate) fn supported(key: i16, version: i16) -> Option<ApiKey> {
    let key = ApiKey::try_from(key).ok()?;
    SUPPORTED.iter().find(|(k, low, high)| *k == key && (*low..=*high).contains(&version)).map(|_| key)
}

/// The lowest version told to clients. librdkafka before 2.8 tests for Produce 0 before it
/// compresses, so Apache Kafka 4 lists it without serving it, and so does this broker.
pub(crate) fn advertised_minimum(key: ApiKey, low: i16) -> i16 {
    if key == ApiKey::Produce { 0 } else { low }
}
