//! From a decoded header to the answer: one file per family of requests.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod fetch;
pub(crate) mod groups;
pub(crate) mod list_offsets;
pub(crate) mod log_dirs;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod records;
#[cfg(test)]
mod tests;
pub(crate) mod topics;
pub(crate) mod transactions;

use std::net::SocketAddr;

use bytes::Bytes;
use kafka_protocol::messages::{self as m, ApiKey};
use kafka_protocol::protocol::StrBytes;

use crate::node::Node;
use crate::wire::produce::Produce;
use crate::wire::{Frame, Header, WireError, decode};

/// Who asks, and where it reached us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// What handlers work with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) node: &'a Node,
    pub(crate) peer: &'a Peer,
    pub(crate) header: &'a Header,
}

impl Context<'_> {
    /// The host and port that this client is told.
    pub(crate) fn endpoint(&self) -> (StrBytes, i32) {
        let host = match &self.node.config.advertised_host {
            Some(host) => host.clone(),
            None => self.peer.local.ip().to_canonical().to_string(),
        };
        (StrBytes::from_string(host), i32::from(self.peer.local.port()))
    }
}

/// Text for the wire.
pub(crate) fn text(value: impl Into<String>) -> StrBytes {
    StrBytes::from_string(value.into())
}

/// Calls a handler that answers at once: decode, handle, encode.
macro_rules! at_once {
    ($context:expr, $body:expr, $($key:ident: $request:ident => $handler:path,)*) => {
        match $context.header.key {
            $(ApiKey::$key => {
                let request: m::$request = decode(&mut $body, $context.header.version)?;
                Some(Frame::encode($context.header, &$handler(&$context, request))?)
            })*
            _ => None,
        }
    };
}

/// Answers one request. `None` for a produce request that wants no answer.
pub(crate) async fn handle(
    node: &Node,
    peer: &Peer,
    header: &Header,
    mut body: Bytes,
) -> Result<Option<Frame>, WireError> {
    let context = Context { node, peer, header };
    let version = header.version;
    match header.key {
        ApiKey::Produce => return produce::handle(&context, Produce::decode(body, version)?),
        ApiKey::Fetch => {
            let request = decode(&mut body, version)?;
            return Ok(Some(fetch::handle(&context, request).await));
        }
        ApiKey::JoinGroup => {
            let response = groups::join(&context, decode(&mut body, version)?).await;
            return Frame::encode(header, &response).map(Some);
        }
        ApiKey::SyncGroup => {
            let response = groups::sync(&context, decode(&mut body, version)?).await;
            return Frame::encode(header, &response).map(Some);
        }
        ApiKey::ApiVersions => return cluster::api_versions(&context, body).map(Some),
        _ => {}
    }
    let frame = at_once!(context, body,
        ListOffsets: ListOffsetsRequest => list_offsets::handle,
        Metadata: MetadataRequest => metadata::handle,
        OffsetCommit: OffsetCommitRequest => offsets::commit,
        OffsetFetch: OffsetFetchRequest => offsets::fetch,
        OffsetDelete: OffsetDeleteRequest => offsets::delete,
        FindCoordinator: FindCoordinatorRequest => cluster::find_coordinator,
        DescribeCluster: DescribeClusterRequest => cluster::describe,
        Heartbeat: HeartbeatRequest => groups::heartbeat,
        LeaveGroup: LeaveGroupRequest => groups::leave,
        DescribeGroups: DescribeGroupsRequest => admin::describe_groups,
        ListGroups: ListGroupsRequest => admin::list_groups,
        DeleteGroups: DeleteGroupsRequest => admin::delete_groups,
        DescribeProducers: DescribeProducersRequest => admin::describe_producers,
        DescribeTransactions: DescribeTransactionsRequest => admin::describe_transactions,
        ListTransactions: ListTransactionsRequest => admin::list_transactions,
        CreateTopics: CreateTopicsRequest => topics::create,
        DeleteTopics: DeleteTopicsRequest => topics::delete,
        CreatePartitions: CreatePartitionsRequest => topics::create_partitions,
        DeleteRecords: DeleteRecordsRequest => records::delete,
        OffsetForLeaderEpoch: OffsetForLeaderEpochRequest => records::epoch_ends,
        DescribeConfigs: DescribeConfigsRequest => configs::describe,
        DescribeLogDirs: DescribeLogDirsRequest => log_dirs::describe,
        AlterConfigs: AlterConfigsRequest => configs::replace,
        IncrementalAlterConfigs: IncrementalAlterConfigsRequest => configs::change,
        InitProducerId: InitProducerIdRequest => transactions::init_producer,
        AddPartitionsToTxn: AddPartitionsToTxnRequest => transactions::add_partitions,
        AddOffsetsToTxn: AddOffsetsToTxnRequest => transactions::add_offsets,
        TxnOffsetCommit: TxnOffsetCommitRequest => transactions::commit_offsets,
        EndTxn: EndTxnRequest => transactions::end,
    );
    frame.map(Some).ok_or(WireError::Unsupported { key: header.key as i16, version })
}

/// Decodes a body without handling it.
pub(crate) fn check_body(header: &Header, mut body: Bytes) -> Result<(), WireError> {
    macro_rules! check {
        ($($key:ident: $request:ident,)*) => {
            match header.key {
                ApiKey::Produce => Produce::decode(body, header.version).map(drop),
                $(ApiKey::$key => decode::<m::$request>(&mut body, header.version).map(drop),)*
                key => Err(WireError::Unsupported { key: key as i16, version: header.version }),
            }
        };
    }
    check!(
        Fetch: FetchRequest, ListOffsets: ListOffsetsRequest, Metadata: MetadataRequest,
        OffsetCommit: OffsetCommitRequest, OffsetFetch: OffsetFetchRequest, OffsetDelete: OffsetDeleteRequest,
        FindCoordinator: FindCoordinatorRequest, DescribeCluster: DescribeClusterRequest,
        ApiVersions: ApiVersionsRequest, JoinGroup: JoinGroupRequest, SyncGroup: SyncGroupRequest,
        Heartbeat: HeartbeatRequest, LeaveGroup: LeaveGroupRequest, DescribeGroups: DescribeGroupsRequest,
        ListGroups: ListGroupsRequest, DeleteGroups: DeleteGroupsRequest, CreateTopics: CreateTopicsRequest,
        DeleteTopics: DeleteTopicsRequest, CreatePartitions: CreatePartitionsRequest,
        DeleteRecords: DeleteRecordsRequest, OffsetForLeaderEpoch: OffsetForLeaderEpochRequest,
        DescribeConfigs: DescribeConfigsRequest, AlterConfigs: AlterConfigsRequest,
        IncrementalAlterConfigs: IncrementalAlterConfigsRequest, InitProducerId: InitProducerIdRequest,
        AddPartitionsToTxn: AddPartitionsToTxnRequest, AddOffsetsToTxn: AddOffsetsToTxnRequest,
        TxnOffsetCommit: TxnOffsetCommitRequest, EndTxn: EndTxnRequest,
        DescribeLogDirs: DescribeLogDirsRequest,
        DescribeProducers: DescribeProducersRequest, DescribeTransactions: DescribeTransactionsRequest,
        ListTransactions: ListTransactionsRequest,
    )
}
