//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup.

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{Context, text};
use crate::clock::now_ms;
use crate::groups::member::{Join, Joined};
use crate::groups::offsets::is_valid_group;
use crate::wire::Code;
use crate::wire::errors::code_of;

/// Shortest and longest session a member may ask for.
const SESSION_MS: std::ops::RangeInclusive<i32> = 1_000..=1_800_000;

pub(crate) async fn join(context: &Context<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let joined = wait_to_join(context, &request).await;
    let version = context.header.version;
    let member = |(id, instance, metadata): (String, Option<String>, Bytes)| {
        let member = JoinGroupResponseMember::default().with_member_id(text(id)).with_metadata(metadata);
        if version >= 5 { member.with_group_instance_id(instance.map(text)) } else { member }
    };
    // A null protocol name is only known from version 7 on.
    let protocol = joined.protocol.or_else(|| (version < 7).then(String::new));
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.map_or(0, |c| c.code()))
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.filter(|_| version >= 7).map(text))
        .with_protocol_name(protocol.map(text))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(joined.members.into_iter().map(member).collect());
    if version >= 9 { response.with_skip_assignment(joined.skip_assignment) } else { response }
}

async fn wait_to_join(context: &Context<'_>, request: &JoinGroupRequest) -> Joined {
    let refused = |code| Joined::refused(code, &request.member_id);
    if !is_valid_group(&request.group_id) {
        return refused(Code::InvalidGroupId);
    }
    if !SESSION_MS.contains(&request.session_timeout_ms) {
        return refused(Code::InvalidSessionTimeout);
    }
    let version = context.header.version;
    let rebalance_ms = if version >= 1 { request.rebalance_timeout_ms } else { request.session_timeout_ms };
    let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
    let join = Join {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(ToString::to_string),
        client_id: context.header.client_id.to_string(),
        client_host: format!("/{}", context.peer.remote.ip().to_canonical()),
        session_timeout: i64::from(request.session_timeout_ms),
        rebalance_timeout: i64::from(rebalance_ms.max(0)),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(|p| (p.name.to_string(), copy(&p.metadata))).collect(),
        id_required: version >= 4,
    };
    let groups = &context.node.groups;
    let shared = groups.get_or_create(&request.group_id);
    let answer = {
        let mut group = shared.lock();
        let answer = group.join(join, now_ms());
        groups.keep(&request.group_id, &mut group);
        answer
    };
    answer.await.unwrap_or_else(|_| refused(Code::UnknownMemberId))
}

pub(crate) async fn sync(context: &Context<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let (result, kind, protocol) = wait_to_sync(context, request).await;
    let response = SyncGroupResponse::default()
        .with_error_code(code_of(&result))
        .with_assignment(result.unwrap_or_default());
    if context.header.version >= 5 {
        response.with_protocol_type(kind.map(text)).with_protocol_name(protocol.map(text))
    } else {
        response
    }
}

type SyncAnswer = (Result<Bytes, Code>, Option<String>, Option<String>);

async fn wait_to_sync(context: &Context<'_>, request: SyncGroupRequest) -> SyncAnswer {
    let groups = &context.node.groups;
    let Some(shared) = groups.get(&request.group_id) else { return (Err(Code::UnknownMemberId), None, None) };
    let (answer, kind, protocol) = {
        let mut group = shared.lock();
        let instance = request.group_instance_id.as_deref();
        if let Err(code) = group.check(&request.member_id, instance, request.generation_id) {
            return (Err(code), None, None);
        }
        let differs =
            |asked: &Option<StrBytes>, own: Option<&str>| asked.as_deref().is_some_and(|a| Some(a) != own);
        if differs(&request.protocol_type, Some(&group.protocol_type))
            || differs(&request.protocol_name, group.protocol.as_deref())
        {
            return (Err(Code::InconsistentGroupProtocol), None, None);
        }
        let assignments = request.assignments.into_iter().map(|a| (a.member_id.to_string(), a.assignment));
        let answer = group.sync(&request.member_id, assignments.collect(), now_ms());
        groups.keep(&request.group_id, &mut group);
        (answer, Some(group.protocol_type.clone()), group.protocol.clone())
    };
    (answer.await.unwrap_or(Err(Code::UnknownMemberId)), kind, protocol)
}

pub(crate) fn heartbeat(context: &Context<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let result = context.node.groups.get(&request.group_id).ok_or(Code::UnknownMemberId).and_then(|shared| {
        let mut group = shared.lock();
        group.check(&request.member_id, request.group_instance_id.as_deref(), request.generation_id)?;
        group.heartbeat(&request.member_id, now_ms())
    });
    HeartbeatResponse::default().with_error_code(code_of(&result))
}

pub(crate) fn leave(context: &Context<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let groups = &context.node.groups;
    let Some(shared) = groups.get(&request.group_id) else {
        return LeaveGroupResponse::default().with_error_code(Code::UnknownMemberId.code());
    };
    let mut group = shared.lock();
    let response = if context.header.version < 3 {
        let result = group.leave(&request.member_id, None, now_ms());
        LeaveGroupResponse::default().with_error_code(code_of(&result))
    } else {
        let answers = request.members.into_iter().map(|member| {
            let result = group.leave(&member.member_id, member.group_instance_id.as_deref(), now_ms());
            MemberResponse::default()
                .with_error_code(code_of(&result))
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
        });
        LeaveGroupResponse::default().with_members(answers.collect())
    };
    groups.keep(&request.group_id, &mut group);
    response
}
