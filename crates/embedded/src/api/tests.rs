//! Requests through the front door: every version of every request, and what readers may see.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{self as m, *};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::{Peer, handle};
use crate::Config;
use crate::clock::now_ms;
use crate::log::batch::tests::from_producer;
use crate::node::Node;
use crate::wire::versions::SUPPORTED;
use crate::wire::{Header, check_frame};

fn node() -> Node {
    Node::open(Config::default()).expect("node")
}

fn peer() -> Peer {
    let addr: SocketAddr = "127.0.0.1:9092".parse().expect("address");
    Peer { local: addr, remote: addr }
}

/// A whole frame without its length.
fn frame<R: Request>(request: &R, version: i16) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut buffer = BytesMut::new();
    header.encode(&mut buffer, R::header_version(version)).expect("header");
    request.encode(&mut buffer, version).expect("body");
    buffer.freeze()
}

async fn call<R: Request>(node: &Node, request: &R, version: i16) -> R::Response {
    let mut bytes = frame(request, version);
    assert!(check_frame(&bytes), "key {} version {version}", R::KEY);
    let header = Header::take(&mut bytes).expect("header");
    let peer = peer();
    let answered = tokio::time::timeout(Duration::from_secs(5), handle(node, &peer, &header, bytes));
    let answer = answered.await.expect("in time").expect("answered").expect("an answer");
    let mut bytes = Bytes::from(answer.chunks.concat());
    let length = bytes::Buf::get_i32(&mut bytes) as usize;
    assert_eq!(length, bytes.len());
    let header = ResponseHeader::decode(&mut bytes, R::Response::header_version(version)).expect("header");
    assert_eq!(header.correlation_id, 7);
    let response = R::Response::decode(&mut bytes, version).expect("response");
    assert!(bytes.is_empty(), "key {} version {version} leaves bytes", R::KEY);
    response
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn fetch_of(version: i16, id: uuid::Uuid) -> FetchRequest {
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(10);
    let of = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
    let of = if version >= 13 { of.with_topic_id(id) } else { of.with_topic(topic()) };
    FetchRequest::default().with_topics(vec![of]).with_replica_id(BrokerId(-1))
}

fn latest() -> ListOffsetsRequest {
    let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
    let of =
        list_offsets_request::ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![of])
}

/// Every version that is listed is decoded, handled and answered in its own form.
#[tokio::test]
async fn every_listed_version_is_served() {
    let node = node();
    let mut served = 0;
    macro_rules! all {
        ($($key:ident: $request:expr,)*) => {
            for (key, low, high) in SUPPORTED {
                for version in *low..=*high {
                    match key {
                        $(ApiKey::$key => { call(&node, &$request(version), version).await; })*
                        other => panic!("{other:?} is listed but not tried here"),
                    }
                    served += 1;
                }
            }
        };
    }
    call(
        &node,
        &m::MetadataRequest::default().with_topics(Some(vec![
            metadata_request::MetadataRequestTopic::default().with_name(Some(topic())),
        ])),
        9,
    )
    .await;
    let id = node.topics.get("t").expect("created").id;
    all!(
        Produce: |_| ProduceRequest::default().with_acks(-1),
        Fetch: |version| fetch_of(version, id),
        ListOffsets: |_| latest(),
        Metadata: |_| MetadataRequest::default().with_topics(Some(Vec::new())),
        OffsetCommit: |_| OffsetCommitRequest::default(),
        OffsetFetch: |_| OffsetFetchRequest::default().with_topics(Some(Vec::new())),
        FindCoordinator: |_| FindCoordinatorRequest::default(),
        JoinGroup: |_| JoinGroupRequest::default(),
        Heartbeat: |_| HeartbeatRequest::default(),
        LeaveGroup: |_| LeaveGroupRequest::default(),
        SyncGroup: |_| SyncGroupRequest::default(),
        DescribeGroups: |_| DescribeGroupsRequest::default().with_groups(vec![GroupId::default()]),
        ListGroups: |_| ListGroupsRequest::default(),
        ApiVersions: |_| ApiVersionsRequest::default(),
        CreateTopics: |_| CreateTopicsRequest::default().with_topics(vec![
            create_topics_request::CreatableTopic::default().with_name(topic()).with_num_partitions(1),
        ]),
        DeleteTopics: |_| DeleteTopicsRequest::default(),
        DeleteRecords: |_| DeleteRecordsRequest::default(),
        InitProducerId: |_| InitProducerIdRequest::default(),
        OffsetForLeaderEpoch: |_| OffsetForLeaderEpochRequest::default(),
        AddPartitionsToTxn: |_| AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![
            add_partitions_to_txn_request::AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![0]),
        ]),
        AddOffsetsToTxn: |_| AddOffsetsToTxnRequest::default(),
        EndTxn: |_| EndTxnRequest::default(),
        TxnOffsetCommit: |_| TxnOffsetCommitRequest::default(),
        DescribeConfigs: |_| DescribeConfigsRequest::default().with_resources(vec![
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(2).with_resource_name(StrBytes::from_static_str("t")),
        ]),
        AlterConfigs: |_| AlterConfigsRequest::default(),
        CreatePartitions: |_| CreatePartitionsRequest::default(),
        DeleteGroups: |_| DeleteGroupsRequest::default(),
        IncrementalAlterConfigs: |_| IncrementalAlterConfigsRequest::default(),
        OffsetDelete: |_| OffsetDeleteRequest::default(),
        DescribeCluster: |_| DescribeClusterRequest::default(),
        DescribeProducers: |_| DescribeProducersRequest::default(),
        DescribeTransactions: |_| DescribeTransactionsRequest::default(),
        DescribeLogDirs: |_| DescribeLogDirsRequest::default().with_topics(None),
        ListTransactions: |_| ListTransactionsRequest::default(),
    );
    assert!(served > 120, "{served} versions");
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_the_form_of_version_0() {
    let mut bytes = BytesMut::from(&frame(&ApiVersionsRequest::default(), 4)[..]);
    bytes[2..4].copy_from_slice(&99i16.to_be_bytes());
    let mut bytes = bytes.freeze();
    let header = Header::take(&mut bytes).expect("header");
    let answer = handle(&node(), &peer(), &header, bytes).await.expect("answered").expect("an answer");
    let mut bytes = Bytes::from(answer.chunks.concat()).slice(4..);
    assert_eq!(ResponseHeader::decode(&mut bytes, 0).expect("header").correlation_id, 7);
    let response = ApiVersionsResponse::decode(&mut bytes, 0).expect("version 0");
    assert_eq!((response.error_code, response.api_keys.len()), (35, 1));
}

/// The records that a reader of committed data gets from partition 0, as base offsets, without
/// those of aborted transactions.
async fn committed(node: &Node) -> (Vec<i64>, i64) {
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = fetch_request::FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_isolation_level(1)
        .with_topics(vec![topic]);
    let response = call(node, &request, 11).await;
    let data = &response.responses[0].partitions[0];
    let aborted = data.aborted_transactions.clone().unwrap_or_default();
    let mut records = data.records.clone().unwrap_or_default();
    let mut visible = Vec::new();
    let mut hidden: Vec<i64> = Vec::new();
    while let Some(header) = crate::log::batch::BatchHeader::parse(&records) {
        let batch = records.split_to(header.size);
        hidden
            .extend(aborted.iter().filter(|a| a.first_offset == header.base_offset).map(|a| a.producer_id.0));
        if header.is_control() {
            if crate::log::batch::marker_commits(&batch) == Some(false) {
                hidden.retain(|id| *id != header.producer_id);
            }
        } else if !(header.is_transactional() && hidden.contains(&header.producer_id)) {
            visible.push(header.base_offset);
        }
    }
    (visible, data.last_stable_offset)
}

fn produce(node: &Node, producer: (i64, i16), sequence: i32, txn: bool) {
    let (topic, partition) = node.topics.partition("t", 0).expect("partition");
    let batch = from_producer(1, now_ms(), producer.0, producer.1, sequence, txn);
    let options = topic.settings().append_options(now_ms(), false);
    partition.log.lock().append(&[batch], &options).expect("append");
}

fn begin(node: &Node, id: &str) -> (i64, i16) {
    let producer = node.init_producer(Some(id), 1_000, (-1, -1), now_ms()).expect("init");
    open(node, id);
    producer
}

fn open(node: &Node, id: &str) {
    let shared = node.transactions.get(id).expect("known");
    let mut txn = shared.lock();
    node.transactions
        .update(id, &mut txn, |t| {
            t.begin(now_ms());
            t.partitions.insert(("t".to_owned(), 0));
            Ok(())
        })
        .expect("begun");
}

#[tokio::test]
async fn readers_of_committed_data_see_it_whole_and_nothing_else() {
    let node = node();
    node.topics.create("t", 1, Default::default()).expect("topic");
    let a = begin(&node, "a");
    let b = begin(&node, "b");
    produce(&node, a, 0, true);
    produce(&node, b, 0, true);
    produce(&node, (-1, -1), -1, false);
    assert_eq!(committed(&node).await, (vec![], 0), "nothing past the first open transaction");
    node.end_transaction("b", b, true, now_ms()).expect("commit");
    assert_eq!(committed(&node).await, (vec![], 0));
    node.end_transaction("a", a, false, now_ms()).expect("abort");
    assert_eq!(committed(&node).await, (vec![1, 2], 5), "b's and the plain record; a's was aborted");
    open(&node, "a");
    produce(&node, a, 1, true);
    assert_eq!(committed(&node).await, (vec![1, 2], 5));
    node.end_transaction("a", a, true, now_ms()).expect("commit");
    assert_eq!(committed(&node).await, (vec![1, 2, 5], 7));
}

#[tokio::test]
async fn abandoned_and_fenced_transactions_are_aborted() {
    let node = node();
    node.topics.create("t", 1, Default::default()).expect("topic");
    let a = begin(&node, "a");
    produce(&node, a, 0, true);
    node.expire_transactions(now_ms() + 500);
    assert_eq!(committed(&node).await.1, 0);
    node.expire_transactions(now_ms() + 5_000);
    assert_eq!(committed(&node).await, (vec![], 2));
    assert!(node.end_transaction("a", a, true, now_ms()).is_err(), "its owner is fenced");
    let again = begin(&node, "a");
    produce(&node, again, 0, true);
    let newer = node.init_producer(Some("a"), 1_000, (-1, -1), now_ms()).expect("init");
    assert!(newer.1 > again.1);
    assert_eq!(committed(&node).await, (vec![], 4), "a new owner ended what the old one left");
}
