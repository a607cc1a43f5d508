//! A member of a consumer group, and what it waits for.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::wire::Code;

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) error: Option<Code>,
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    /// For the leader: id, instance id and metadata of everyone.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
    /// The leader of a group whose assignment stands: it is not to assign anew.
    pub(crate) skip_assignment: bool,
}

impl Joined {
    pub(crate) fn refused(error: Code, member_id: &str) -> Self {
        Self {
            error: Some(error),
            member_id: member_id.to_owned(),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            members: Vec::new(),
            skip_assignment: false,
        }
    }
}

/// The answer to a sync.
pub(crate) type Synced = Result<Bytes, Code>;

/// A request to join.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: i64,
    pub(crate) rebalance_timeout: i64,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The client knows to come back with the id it is given.
    pub(crate) id_required: bool,
}

/// A member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: i64,
    pub(crate) rebalance_timeout: i64,
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(crate) last_seen: i64,
    pub(crate) joining: Option<oneshot::Sender<Joined>>,
    pub(crate) syncing: Option<oneshot::Sender<Synced>>,
}

impl Member {
    pub(crate) fn new(join: &Join, now: i64) -> Self {
        Self {
            instance: join.instance.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            last_seen: now,
            joining: None,
            syncing: None,
        }
    }

    /// Takes over what a member that joins again says of itself.
    pub(crate) fn update(&mut self, join: &Join) {
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        self.protocols = join.protocols.clone();
        self.client_id = join.client_id.clone();
        self.client_host = join.client_host.clone();
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, m)| m.clone()).unwrap_or_default()
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// True when it has been silent for longer than its session allows. One that waits for an
    /// answer of ours is not silent.
    pub(crate) fn is_lost(&self, now: i64) -> bool {
        self.joining.is_none() && self.syncing.is_none() && now - self.last_seen > self.session_timeout
    }

    /// Answers whatever it waits for with an error.
    pub(crate) fn turn_away(&mut self, id: &str, error: Code) {
        if let Some(waiting) = self.joining.take() {
            let _ = waiting.send(Joined::refused(error, id));
        }
        if let Some(waiting) = self.syncing.take() {
            let _ = waiting.send(Err(error));
        }
    }
}

/// A member as it is stored, so that a restart of the broker goes unnoticed by its group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredMember {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: i64,
    pub(crate) rebalance_timeout: i64,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    pub(crate) assignment: Vec<u8>,
}

impl StoredMember {
    pub(crate) fn of(id: &str, member: &Member) -> Self {
        Self {
            id: id.to_owned(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout: member.session_timeout,
            rebalance_timeout: member.rebalance_timeout,
            protocols: member.protocols.iter().map(|(n, m)| (n.clone(), m.to_vec())).collect(),
            assignment: member.assignment.to_vec(),
        }
    }

    pub(crate) fn into_member(self, now: i64) -> (String, Member) {
        let member = Member {
            instance: self.instance,
            client_id: self.client_id,
            client_host: self.client_host,
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            protocols: self.protocols.into_iter().map(|(n, m)| (n, Bytes::from(m))).collect(),
            assignment: Bytes::from(self.assignment),
            last_seen: now,
            joining: None,
            syncing: None,
        };
        (self.id, member)
    }
}
