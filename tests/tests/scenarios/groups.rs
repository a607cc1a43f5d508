//! Members that come, go and fall asleep while the group lands a topic.

use std::thread;
use std::time::{Duration, Instant};

use affluent_core::feeds::Kind;
use affluent_testkit::{TestLake, number, require_kafka, unique, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::{Group, PATIENCE, consumer, land};
use crate::transactions::{FEED, Transactions};

const PARTITIONS: usize = 6;

/// How many records of a topic the lake holds.
fn landed(lake: &TestLake, topic: &str) -> i64 {
    let next = |partition| lake.next_offset(Kind::Stream, FEED, topic, partition).unwrap_or(0);
    (0..PARTITIONS as i32).map(next).sum()
}

/// One consumer is paused for longer than its session, with records in its buffers and again amid a
/// commit; the other takes over and lands everything. What the first does when it wakes up must
/// neither double nor lose a record.
#[test]
fn a_consumer_that_sleeps_through_its_session_does_no_harm() {
    let Some(kafka) = require_kafka() else { return };
    let start = Instant::now();
    let topic = kafka.topic("zombie", PARTITIONS as i32);
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let group_name = unique("zombie");
    let program = consumer(&kafka, &lake, &topic.name, &group_name);
    let mut group =
        Group { program: program.args(["--max-latency", "1s"]), lake: &lake, members: Vec::new() };
    group.join();
    let producer = kafka.producer();
    let mut sent = Transactions::new(&topic.name, PARTITIONS);

    for amid_commit in [false, true, true] {
        // The sleeper has all partitions and has landed some of them.
        let before = landed(&lake, &topic.name);
        sent.send(&producer, 3_000);
        producer.flush();
        wait_until("the first records", PATIENCE, || landed(&lake, &topic.name) > before);
        sent.send(&producer, 30_000);
        if amid_commit {
            // Not every try meets it: the moment is short.
            let end = Instant::now() + Duration::from_secs(3);
            while !lake.is_amid_commit() && Instant::now() < end {
                thread::sleep(Duration::from_micros(100));
            }
            println!("amid a commit: {}", lake.is_amid_commit());
        } else {
            thread::sleep(Duration::from_millis(400));
        }
        group.members[0].pause();
        producer.flush();
        let held = sent.total() - landed(&lake, &topic.name);
        println!("asleep while {held} records are not landed");
        sent.send(&producer, 10_000);
        producer.flush();

        // The other waits for the session to end, lands all, and stays.
        group.join();
        wait_until("the successor", PATIENCE, || landed(&lake, &topic.name) == sent.total());
        assert!(group.members[1].is_running());
        group.members[0].wake();
        // It goes on with what is given to it, or ends in order; it does not fail.
        sent.send(&producer, 10_000);
        producer.flush();
        wait_until("all of it", PATIENCE, || landed(&lake, &topic.name) == sent.total());
        thread::sleep(Duration::from_secs(1));
        assert!(group.members[0].is_running(), "the woken one has ended:\n{}", group.members[0].log());
        // The next round's sleeper is the one who took over.
        let mut woken = group.members.remove(0);
        woken.terminate();
        woken.wait(Duration::from_secs(60)).assert_code(0);
        sent.assert_landed(&lake);
    }
    println!("{}", group.story());
    group.end();
    land(&kafka, &lake, &topic.name, &group_name);
    lake.assert_nothing_staged();
    sent.assert_landed(&lake);
    println!("done after {:?}", start.elapsed());
}

/// Members join and leave by SIGTERM again and again while records keep coming.
#[test]
fn members_that_join_and_leave_lose_and_double_nothing() {
    let Some(kafka) = require_kafka() else { return };
    let start = Instant::now();
    let rounds = number("AFFLUENT_REBALANCES", 12);
    let seed = number("AFFLUENT_CRASH_SEED", u64::from(std::process::id()));
    println!("{rounds} leaves and joins, AFFLUENT_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let topic = kafka.topic("rebalance", PARTITIONS as i32);
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let group_name = unique("rebalance");
    let program = consumer(&kafka, &lake, &topic.name, &group_name).args(["--max-latency", "300ms"]);
    let mut group = Group::start(program, &lake, 2);
    let producer = kafka.producer();
    let mut sent = Transactions::new(&topic.name, PARTITIONS);

    for _ in 0..rounds {
        if random.random_bool(0.5) || group.members.len() < 2 {
            group.join();
        }
        for _ in 0..random.random_range(10..50) {
            sent.send(&producer, 100);
            thread::sleep(Duration::from_millis(50));
        }
        // The member that leaves is never the last.
        if group.members.len() > 1 {
            let place = random.random_range(0..group.members.len());
            let mut leaver = group.members.remove(place);
            leaver.terminate();
            sent.send(&producer, 500);
            leaver.wait(Duration::from_secs(60)).assert_code(0);
        }
    }
    producer.flush();
    println!("{} records; {}", sent.total(), group.story());
    group.end();
    // Who left in order left nothing behind.
    lake.assert_nothing_staged();
    land(&kafka, &lake, &topic.name, &group_name);
    sent.assert_landed(&lake);
    println!("done after {:?}", start.elapsed());
}
