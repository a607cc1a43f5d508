//! One consumer group of the classic protocol: who is in it, and the steps of a rebalance.
//!
//! The group never looks at a clock or a socket: times come in, and answers leave through channels
//! that the connections wait on.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::member::{Join, Joined, Member, StoredMember, Synced};
use crate::wire::Code;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No members; there may be offsets.
    Empty,
    /// Waiting for members to join, until a deadline. `hold` waits it out for a new group.
    Preparing { deadline: i64, hold: bool },
    /// Waiting for the leader's assignment, until a deadline.
    Completing { deadline: i64 },
    /// Everyone has an assignment.
    Stable,
}

/// A group as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredGroup {
    generation: i32,
    protocol_type: String,
    protocol: Option<String>,
    leader: Option<String>,
    /// False in the middle of a rebalance, when assignments are not those of the generation.
    stable: bool,
    members: Vec<StoredMember>,
}

/// What becomes of a join.
enum Admission {
    Answer(Joined),
    /// It takes part in a rebalance, maybe under another id.
    TakePart(Join),
}

fn new_id(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) phase: Phase,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) members: BTreeMap<String, Member>,
    /// Ids that were given out and have not come back yet, with when they lapse.
    pending: HashMap<String, i64>,
    /// How long a group that was empty waits for more members.
    initial_delay: i64,
    /// Set by every change that a restart must know of.
    pub(crate) changed: bool,
}

impl Group {
    pub(crate) fn new(initial_delay: i64) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: HashMap::new(),
            initial_delay,
            changed: false,
        }
    }

    pub(crate) fn restore(stored: StoredGroup, initial_delay: i64, now: i64) -> Self {
        let members: BTreeMap<_, _> = stored.members.into_iter().map(|m| m.into_member(now)).collect();
        let longest = members.values().map(|m| m.rebalance_timeout).max().unwrap_or(0);
        let phase = match stored.stable {
            _ if members.is_empty() => Phase::Empty,
            true => Phase::Stable,
            // Everyone is asked to join again.
            false => Phase::Preparing { deadline: now + longest, hold: false },
        };
        Self {
            phase,
            generation: stored.generation,
            protocol_type: stored.protocol_type,
            protocol: stored.protocol,
            leader: stored.leader,
            members,
            ..Self::new(initial_delay)
        }
    }

    pub(crate) fn stored(&self) -> StoredGroup {
        StoredGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            stable: self.phase == Phase::Stable,
            members: self.members.iter().map(|(id, m)| StoredMember::of(id, m)).collect(),
        }
    }

    /// A member joins or joins again. The answer may come at once or at the end of the rebalance.
    pub(crate) fn join(&mut self, join: Join, now: i64) -> oneshot::Receiver<Joined> {
        let (answer, receiver) = oneshot::channel();
        match self.admit(join, now) {
            Admission::Answer(at_once) => {
                let _ = answer.send(at_once);
            }
            Admission::TakePart(join) => self.rejoin(&join, answer, now),
        }
        receiver
    }

    fn admit(&mut self, join: Join, now: i64) -> Admission {
        let refuse = |error| Admission::Answer(Joined::refused(error, &join.member_id));
        if !self.is_compatible(&join) {
            return refuse(Code::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() {
            return self.admit_new(join, now);
        }
        if self.pending.contains_key(&join.member_id) {
            return Admission::TakePart(join);
        }
        let Some(member) = self.members.get(&join.member_id) else {
            let fenced = join.instance.as_ref().is_some_and(|i| self.member_of(i).is_some());
            return refuse(if fenced { Code::FencedInstanceId } else { Code::UnknownMemberId });
        };
        if join.instance.is_some() && member.instance != join.instance {
            return refuse(Code::FencedInstanceId);
        }
        let same = member.protocols == join.protocols;
        let leads = self.leader.as_deref() == Some(join.member_id.as_str());
        match self.phase {
            Phase::Completing { .. } if same => Admission::Answer(self.current(&join.member_id, false)),
            Phase::Stable if same && !leads => Admission::Answer(self.current(&join.member_id, false)),
            _ => Admission::TakePart(join),
        }
    }

    fn admit_new(&mut self, join: Join, now: i64) -> Admission {
        let Some(instance) = &join.instance else {
            if join.id_required {
                let id = new_id(&join.client_id);
                self.pending.insert(id.clone(), now + join.session_timeout);
                return Admission::Answer(Joined::refused(Code::MemberIdRequired, &id));
            }
            return Admission::TakePart(join);
        };
        let Some(old) = self.member_of(instance) else { return Admission::TakePart(join) };
        // A static member came back: its new id takes the old one's place and assignment.
        let Some(mut member) = self.members.remove(&old) else { return Admission::TakePart(join) };
        member.turn_away(&old, Code::FencedInstanceId);
        let new = new_id(instance);
        let same = member.protocols == join.protocols;
        member.update(&join);
        member.last_seen = now;
        self.members.insert(new.clone(), member);
        let led = self.leader.as_deref() == Some(old.as_str());
        if led {
            self.leader = Some(new.clone());
        }
        self.changed = true;
        if self.phase == Phase::Stable && same {
            return Admission::Answer(self.current(&new, led));
        }
        Admission::TakePart(Join { member_id: new, ..join })
    }

    /// Puts a member among those that wait for the rebalance to complete.
    fn rejoin(&mut self, join: &Join, answer: oneshot::Sender<Joined>, now: i64) {
        let id = match join.member_id.as_str() {
            "" => new_id(join.instance.as_ref().unwrap_or(&join.client_id)),
            known => known.to_owned(),
        };
        self.pending.remove(&id);
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type.clone();
        }
        let member = self.members.entry(id.clone()).or_insert_with(|| Member::new(join, now));
        member.update(join);
        member.last_seen = now;
        if let Some(earlier) = member.joining.replace(answer) {
            let _ = earlier.send(Joined::refused(Code::UnknownMemberId, &id));
        }
        self.leader.get_or_insert(id);
        self.prepare(now);
    }

    fn member_of(&self, instance: &str) -> Option<String> {
        let found = self.members.iter().find(|(_, m)| m.instance.as_deref() == Some(instance));
        found.map(|(id, _)| id.clone())
    }

    fn is_compatible(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        let other = |(id, m): &(&String, &Member)| {
            **id != join.member_id && (join.instance.is_none() || m.instance != join.instance)
        };
        let others: Vec<&Member> = self.members.iter().filter(other).map(|(_, m)| m).collect();
        let shared = |name: &str| others.iter().all(|m| m.supports(name));
        let same_type = self.protocol_type == join.protocol_type;
        others.is_empty() || (same_type && join.protocols.iter().any(|(name, _)| shared(name)))
    }

    /// The answer that describes the group as it is.
    fn current(&self, id: &str, skip_assignment: bool) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.clone().unwrap_or_default();
        let everyone =
            || self.members.iter().map(|(i, m)| (i.clone(), m.instance.clone(), m.metadata(&protocol)));
        Joined {
            error: None,
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: Some(self.protocol_type.clone()),
            members: if leader == id { everyone().collect() } else { Vec::new() },
            protocol: Some(protocol.clone()),
            leader,
            skip_assignment,
        }
    }

    /// Starts a rebalance, or lets one that is under way go on.
    fn prepare(&mut self, now: i64) {
        if matches!(self.phase, Phase::Completing { .. }) {
            for member in self.members.values_mut() {
                if let Some(waiting) = member.syncing.take() {
                    let _ = waiting.send(Err(Code::RebalanceInProgress));
                }
            }
        }
        let longest = self.members.values().map(|m| m.rebalance_timeout).max().unwrap_or(0);
        self.phase = match self.phase {
            Phase::Preparing { .. } => self.phase,
            Phase::Empty if self.initial_delay > 0 => {
                Phase::Preparing { deadline: now + self.initial_delay, hold: true }
            }
            _ => Phase::Preparing { deadline: now + longest, hold: false },
        };
        self.try_complete(now);
    }

    /// Completes the join phase once everyone is there, or its time is up.
    fn try_complete(&mut self, now: i64) {
        let Phase::Preparing { deadline, hold } = self.phase else { return };
        let all = self.pending.is_empty() && self.members.values().all(|m| m.joining.is_some());
        if now < deadline && (hold || !all) {
            return;
        }
        // Static members may be away for as long as their session lasts.
        self.members.retain(|_, m| m.joining.is_some() || m.instance.is_some());
        self.generation += 1;
        self.changed = true;
        let Some(protocol) = self.vote() else {
            self.members.clear();
            self.become_empty();
            return;
        };
        self.protocol = Some(protocol);
        let present = |leader: &String| self.members.get(leader).is_some_and(|m| m.joining.is_some());
        if !self.leader.as_ref().is_some_and(present) {
            let first = self.members.iter().find(|(_, m)| m.joining.is_some()).map(|(id, _)| id.clone());
            self.leader = first;
        }
        let longest = self.members.values().map(|m| m.rebalance_timeout).max().unwrap_or(0);
        self.phase = Phase::Completing { deadline: now + longest };
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.current(&id, false);
            if let Some(member) = self.members.get_mut(&id) {
                member.last_seen = now;
                if let Some(waiting) = member.joining.take() {
                    let _ = waiting.send(answer);
                }
            }
        }
    }

    /// The protocol most members put first among those all support.
    fn vote(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let common = |name: &&str| self.members.values().all(|m| m.supports(name));
            let choice = member.protocols.iter().map(|(name, _)| name.as_str()).find(common)?;
            *votes.entry(choice).or_default() += 1;
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
    }

    fn become_empty(&mut self) {
        self.phase = Phase::Empty;
        self.protocol = None;
        self.leader = None;
        self.changed = true;
    }

    /// Checks that a request comes from a member of this generation.
    pub(crate) fn check(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), Code> {
        if let Some(instance) = instance {
            match self.member_of(instance) {
                None => return Err(Code::UnknownMemberId),
                Some(current) if current != id => return Err(Code::FencedInstanceId),
                Some(_) => {}
            }
        }
        if !self.members.contains_key(id) {
            return Err(Code::UnknownMemberId);
        }
        if generation == self.generation { Ok(()) } else { Err(Code::IllegalGeneration) }
    }

    /// A member asks for its assignment; the leader brings everyone's.
    pub(crate) fn sync(
        &mut self,
        id: &str,
        assignments: Vec<(String, Bytes)>,
        now: i64,
    ) -> oneshot::Receiver<Synced> {
        let (answer, receiver) = oneshot::channel();
        let leads = self.leader.as_deref() == Some(id);
        let Some(member) = self.members.get_mut(id) else {
            let _ = answer.send(Err(Code::UnknownMemberId));
            return receiver;
        };
        member.last_seen = now;
        match self.phase {
            Phase::Stable => {
                let _ = answer.send(Ok(member.assignment.clone()));
            }
            Phase::Completing { .. } => {
                member.syncing = Some(answer);
                if leads {
                    self.assign(assignments, now);
                }
            }
            Phase::Preparing { .. } => {
                let _ = answer.send(Err(Code::RebalanceInProgress));
            }
            Phase::Empty => {
                let _ = answer.send(Err(Code::UnknownMemberId));
            }
        }
        receiver
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: i64) {
        let mut assignments: HashMap<_, _> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            // Copied, so that a small part of a frame does not keep the whole frame alive.
            member.assignment =
                assignments.remove(id).map(|a| Bytes::copy_from_slice(&a)).unwrap_or_default();
            member.last_seen = now;
            if let Some(waiting) = member.syncing.take() {
                let _ = waiting.send(Ok(member.assignment.clone()));
            }
        }
        self.phase = Phase::Stable;
        self.changed = true;
    }

    pub(crate) fn heartbeat(&mut self, id: &str, now: i64) -> Result<(), Code> {
        let member = self.members.get_mut(id).ok_or(Code::UnknownMemberId)?;
        member.last_seen = now;
        if matches!(self.phase, Phase::Preparing { .. }) { Err(Code::RebalanceInProgress) } else { Ok(()) }
    }

    /// A member goes. By instance id when it is static, which a tool may do for it.
    pub(crate) fn leave(&mut self, id: &str, instance: Option<&str>, now: i64) -> Result<String, Code> {
        let id = match instance.map(|i| self.member_of(i)) {
            None => id.to_owned(),
            Some(None) => return Err(Code::UnknownMemberId),
            Some(Some(current)) if !id.is_empty() && current != id => return Err(Code::FencedInstanceId),
            Some(Some(current)) => current,
        };
        if self.pending.remove(&id).is_some() {
            self.try_complete(now);
            return Ok(id);
        }
        let Some(mut member) = self.members.remove(&id) else { return Err(Code::UnknownMemberId) };
        member.turn_away(&id, Code::UnknownMemberId);
        self.after_removal(std::slice::from_ref(&id), now);
        Ok(id)
    }

    fn after_removal(&mut self, gone: &[String], now: i64) {
        self.changed = true;
        if self.leader.as_ref().is_some_and(|l| gone.contains(l)) {
            self.leader = self.members.keys().next().cloned();
        }
        if self.members.is_empty() && self.pending.is_empty() {
            self.generation += 1;
            self.become_empty();
        } else if self.phase != Phase::Empty {
            self.prepare(now);
        }
    }

    /// What the passing of time brings: lost members, lapsed ids, deadlines.
    pub(crate) fn tick(&mut self, now: i64) {
        let waiting = self.pending.len();
        self.pending.retain(|_, lapses| *lapses > now);
        let lost: Vec<String> =
            self.members.iter().filter(|(_, m)| m.is_lost(now)).map(|(id, _)| id.clone()).collect();
        if let Phase::Completing { deadline } = self.phase
            && now >= deadline
        {
            self.members.retain(|_, m| m.syncing.is_some());
            self.after_removal(&[self.leader.clone().unwrap_or_default()], now);
        }
        if !lost.is_empty() {
            self.members.retain(|id, _| !lost.contains(id));
            self.after_removal(&lost, now);
        } else if waiting != self.pending.len() || matches!(self.phase, Phase::Preparing { .. }) {
            self.try_complete(now);
        }
    }

    /// True when there is nothing to remember but offsets.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }
}
