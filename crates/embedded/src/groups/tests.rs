//! The steps of a rebalance, with times handed in.

use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::group::{Group, Phase};
use super::member::{Join, Joined, Synced};
use crate::wire::Code;

fn join(member_id: &str) -> Join {
    Join {
        member_id: member_id.to_owned(),
        instance: None,
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: 1_000,
        rebalance_timeout: 5_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), Bytes::from_static(b"m"))],
        id_required: false,
    }
}

fn answered(mut receiver: Receiver<Joined>) -> Joined {
    receiver.try_recv().expect("answered")
}

/// A group of one stable member.
fn stable() -> (Group, String) {
    let mut group = Group::new(0);
    let first = answered(group.join(join(""), 0));
    assert_eq!((first.generation, first.leader.as_str()), (1, first.member_id.as_str()));
    let mut synced =
        group.sync(&first.member_id, vec![(first.member_id.clone(), Bytes::from_static(b"a"))], 0);
    assert_eq!(synced.try_recv().expect("answered"), Ok(Bytes::from_static(b"a")));
    assert_eq!(group.phase, Phase::Stable);
    (group, first.member_id)
}

#[test]
fn a_second_member_waits_for_the_first_to_rejoin() {
    let (mut group, first) = stable();
    let mut second = group.join(join(""), 10);
    assert!(matches!(second.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(group.heartbeat(&first, 20), Err(Code::RebalanceInProgress));
    let leader = answered(group.join(join(&first), 30));
    let follower = second.try_recv().expect("answered");
    assert_eq!((leader.generation, follower.generation), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    let mut waiting = group.sync(&follower.member_id, Vec::new(), 40);
    assert!(matches!(waiting.try_recv(), Err(TryRecvError::Empty)));
    let shares =
        vec![(first.clone(), Bytes::from_static(b"1")), (follower.member_id, Bytes::from_static(b"2"))];
    let mut synced = group.sync(&first, shares, 50);
    assert_eq!(synced.try_recv(), Ok(Synced::Ok(Bytes::from_static(b"1"))));
    assert_eq!(waiting.try_recv(), Ok(Synced::Ok(Bytes::from_static(b"2"))));
}

#[test]
fn the_rebalance_goes_on_without_members_that_do_not_return() {
    let (mut group, first) = stable();
    let mut second = group.join(join(""), 10);
    group.tick(900);
    assert!(second.try_recv().is_err());
    // The first is silent past its session: the second has the group to itself.
    group.tick(1_100);
    let second = second.try_recv().expect("answered");
    assert_eq!((second.error, second.members.len()), (None, 1));
    assert_eq!(group.check(&first, None, 2), Err(Code::UnknownMemberId));
}

#[test]
fn a_leader_that_never_assigns_is_dropped() {
    let mut group = Group::new(0);
    let first = answered(group.join(join(""), 0));
    for now in [500, 1_000, 4_000] {
        group.heartbeat(&first.member_id, now).expect("alive");
        group.tick(now);
    }
    group.heartbeat(&first.member_id, 4_900).expect("alive");
    group.tick(5_000);
    assert_eq!(group.phase, Phase::Empty);
}

#[test]
fn an_id_must_come_back_before_it_counts_and_lapses_if_not() {
    let mut group = Group::new(0);
    let asked = Join { id_required: true, ..join("") };
    let given = answered(group.join(asked, 0));
    assert_eq!(given.error, Some(Code::MemberIdRequired));
    assert!(!group.is_vacant());
    group.tick(2_000);
    assert!(group.is_vacant());
    assert_eq!(answered(group.join(join(&given.member_id), 2_001)).error, Some(Code::UnknownMemberId));
}

#[test]
fn a_static_member_returns_to_its_assignment_and_fences_its_former_self() {
    let mut group = Group::new(0);
    let fixed = |id: &str| Join { instance: Some("i1".to_owned()), ..join(id) };
    let before = answered(group.join(fixed(""), 0));
    drop(group.sync(&before.member_id, vec![(before.member_id.clone(), Bytes::from_static(b"a"))], 0));
    let after = answered(group.join(fixed(""), 100));
    assert_eq!((after.error, after.generation), (None, 1));
    assert!(after.skip_assignment);
    assert_ne!(after.member_id, before.member_id);
    assert_eq!(group.check(&before.member_id, Some("i1"), 1), Err(Code::FencedInstanceId));
    let mut synced = group.sync(&after.member_id, Vec::new(), 100);
    assert_eq!(synced.try_recv(), Ok(Ok(Bytes::from_static(b"a"))));
}

#[test]
fn strangers_and_other_protocols_are_refused() {
    let (mut group, first) = stable();
    assert_eq!(answered(group.join(join("nobody"), 0)).error, Some(Code::UnknownMemberId));
    let other = Join { protocols: vec![("sticky".to_owned(), Bytes::new())], ..join("") };
    assert_eq!(answered(group.join(other, 0)).error, Some(Code::InconsistentGroupProtocol));
    assert_eq!(group.check(&first, None, 7), Err(Code::IllegalGeneration));
    assert_eq!(group.leave("nobody", None, 0), Err(Code::UnknownMemberId));
    assert_eq!(group.leave(&first, None, 0), Ok(first));
    assert_eq!(group.phase, Phase::Empty);
}

#[test]
fn a_stored_group_goes_on_where_it_was() {
    let (group, first) = stable();
    let mut group = Group::restore(group.stored(), 0, 50);
    assert_eq!(group.check(&first, None, 1), Ok(()));
    assert_eq!(group.heartbeat(&first, 60), Ok(()));
    let mut synced = group.sync(&first, Vec::new(), 60);
    assert_eq!(synced.try_recv(), Ok(Ok(Bytes::from_static(b"a"))));
}

#[test]
fn a_group_stored_in_the_middle_of_a_rebalance_goes_through_it_again() {
    let (mut group, first) = stable();
    let second = group.join(join(""), 10);
    let leader = answered(group.join(join(&first), 20));
    assert_eq!(leader.generation, 2);
    drop(second);
    let mut group = Group::restore(group.stored(), 0, 50);
    assert_eq!(group.heartbeat(&first, 60), Err(Code::RebalanceInProgress));
    let mut synced = group.sync(&first, vec![(first.clone(), Bytes::from_static(b"x"))], 60);
    assert_eq!(synced.try_recv(), Ok(Err(Code::RebalanceInProgress)), "no assignment of another generation");
    let mut again = group.join(join(&first), 70);
    assert!(again.try_recv().is_err(), "the other one may still come");
    group.tick(1_200);
    assert_eq!(again.try_recv().map(|j| (j.error, j.generation)), Ok((None, 3)));
}

proptest! {
    /// Whatever members do and however time goes, the group's facts hold together, and once
    /// everyone is silent the group ends up empty.
    #[test]
    fn the_group_never_loses_its_head(steps in prop::collection::vec((0usize..4, 0u8..6, 0i64..1_500), 1..80)) {
        let mut group = Group::new(0);
        let mut now = 0;
        let mut ids: [Option<String>; 4] = Default::default();
        let mut waiting: Vec<(usize, Receiver<Joined>)> = Vec::new();
        let mut generation = 0;
        for (who, what, passes) in steps {
            now += passes;
            group.tick(now);
            match (what, ids[who].clone()) {
                (0 | 1, id) => waiting.push((who, group.join(join(&id.unwrap_or_default()), now))),
                (2, Some(id)) => { drop(group.sync(&id, Vec::new(), now)); }
                (3, Some(id)) => { let _ = group.heartbeat(&id, now); }
                (4, Some(id)) => { let _ = group.leave(&id, None, now); ids[who] = None; }
                _ => {}
            }
            for (who, receiver) in &mut waiting {
                if let Ok(joined) = receiver.try_recv() {
                    ids[*who] = joined.error.is_none().then_some(joined.member_id);
                }
            }
            prop_assert!(group.generation >= generation, "generations never go back");
            generation = group.generation;
            if group.phase == Phase::Stable {
                prop_assert!(group.leader.as_ref().is_some_and(|l| group.members.contains_key(l)));
            }
            prop_assert_eq!(group.members.is_empty(), group.phase == Phase::Empty);
        }
        for _ in 0..20 {
            now += 6_000;
            group.tick(now);
        }
        prop_assert_eq!(group.phase, Phase::Empty);
    }
}
