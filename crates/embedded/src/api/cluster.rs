//! ApiVersions, FindCoordinator and DescribeCluster: what there is, and that it is all here.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeClusterRequest,
    DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse,
};

use super::{Context, text};
use crate::node::NODE_ID;
use crate::wire::errors::NONE;
use crate::wire::versions::{SUPPORTED, advertised_minimum, supported};
use crate::wire::{Code, Frame, WireError, decode};

/// A version this broker does not know is answered in the form of version 0, which every client
/// can read, with the versions of ApiVersions itself.
pub(crate) fn api_versions(context: &Context<'_>, mut body: Bytes) -> Result<Frame, WireError> {
    let header = context.header;
    let listed = |(key, low, high): &(ApiKey, i16, i16)| {
        ApiVersion::default()
            .with_api_key(*key as i16)
            .with_min_version(advertised_minimum(*key, *low))
            .with_max_version(*high)
    };
    if supported(ApiKey::ApiVersions as i16, header.version).is_none() {
        let own = SUPPORTED.iter().filter(|s| s.0 == ApiKey::ApiVersions).map(listed).collect();
        let response = ApiVersionsResponse::default()
            .with_error_code(Code::UnsupportedVersion.code())
            .with_api_keys(own);
        return Frame::encode_as(header, 0, &response);
    }
    let _: ApiVersionsRequest = decode(&mut body, header.version)?;
    let response = ApiVersionsResponse::default().with_api_keys(SUPPORTED.iter().map(listed).collect());
    Frame::encode(header, &response)
}

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn find_coordinator(
    context: &Context<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let known = matches!(request.key_type, GROUP | TRANSACTION);
    let code = if known { NONE } else { Code::InvalidRequest.code() };
    let (host, port) = context.endpoint();
    let node = BrokerId(if known { NODE_ID } else { -1 });
    if context.header.version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_node_id(node)
            .with_host(host)
            .with_port(port);
    }
    let coordinator = |key| {
        let here = Coordinator::default().with_key(key).with_error_code(code).with_node_id(node);
        here.with_host(host.clone()).with_port(port)
    };
    FindCoordinatorResponse::default()
        .with_coordinators(request.coordinator_keys.into_iter().map(coordinator).collect())
}

pub(crate) fn describe(context: &Context<'_>, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let (host, port) = context.endpoint();
    let broker =
        DescribeClusterBroker::default().with_broker_id(BrokerId(NODE_ID)).with_host(host).with_port(port);
    let response = DescribeClusterResponse::default()
        .with_cluster_id(text(context.node.cluster_id.clone()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker]);
    if context.header.version == 0 {
        return response;
    }
    // 1 asks for brokers, 2 for controllers, which here listen nowhere.
    if request.endpoint_type == 1 {
        response.with_endpoint_type(1)
    } else {
        DescribeClusterResponse::default()
            .with_error_code(Code::UnsupportedEndpointType.code())
            .with_endpoint_type(request.endpoint_type)
    }
}
