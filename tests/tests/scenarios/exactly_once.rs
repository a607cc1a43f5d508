//! Consumers that are killed: every record is in the lake once, whatever the moment.
//!
//! `AFFLUENT_CRASH_MESSAGES`, `AFFLUENT_CRASH_KILLS` and `AFFLUENT_CRASH_SEED` make it longer,
//! or the same again.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use affluent_testkit::{Kafka, TestLake, number, require_kafka, unique};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::{Group, alone, consumer, land};
use crate::transactions::{FEED, Transactions};

const PARTITIONS: usize = 6;

#[test]
fn killed_consumers_land_every_record_once() {
    let Some(kafka) = require_kafka() else { return };
    let _alone = alone();
    let messages = number("AFFLUENT_CRASH_MESSAGES", 200_000) as i64;
    let kills = number("AFFLUENT_CRASH_KILLS", 30);
    let seed = number("AFFLUENT_CRASH_SEED", u64::from(std::process::id()));
    println!("{messages} messages, {kills} kills, AFFLUENT_CRASH_SEED={seed}");
    let start = Instant::now();

    let topic = kafka.topic("crash", PARTITIONS as i32);
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let group_name = unique("crash");
    let program = consumer(&kafka, &lake, &topic.name, &group_name).args(["--max-latency", "300ms"]);
    let mut group = Group::start(program, &lake, 2);

    let (end, ended) = channel::<()>();
    let producer = {
        let (kafka, topic) = (kafka.clone(), topic.name.clone());
        thread::spawn(move || produce(&kafka, &topic, messages, kills, &ended))
    };
    let amid = kill_at_random(&mut group, kills, seed);
    drop(end);
    let sent = producer.join().unwrap();
    println!("killed {kills} times, {amid} of them amid a commit, after {:?}", start.elapsed());

    group.end();
    println!("{}", group.story());
    land(&kafka, &lake, &topic.name, &group_name);
    lake.assert_nothing_staged();
    assert_eq!(sent.total(), messages);
    sent.assert_landed(&lake);
    println!("checked after {:?}", start.elapsed());
}

/// Sends while the consumers are killed, at a pace that lasts about as long as that; the rest at once
/// when they are through.
fn produce(
    kafka: &Kafka,
    topic: &str,
    messages: i64,
    kills: u64,
    ended: &std::sync::mpsc::Receiver<()>,
) -> Transactions {
    let producer = kafka.producer();
    let mut sent = Transactions::new(topic, PARTITIONS);
    // A kill and what follows takes about four seconds, eighty turns.
    let turn = messages / (kills as i64 * 80 + 1) + 1;
    while sent.total() < messages {
        match ended.recv_timeout(Duration::from_millis(50)) {
            Err(RecvTimeoutError::Timeout) => sent.send(&producer, turn.min(messages - sent.total())),
            _ => sent.send(&producer, messages - sent.total()),
        }
    }
    producer.flush();
    sent
}

/// Kills one or the other, now and then both, and starts them again at once. Every fourth time the
/// moment is one in which files are published and not committed; returns how often that was met.
fn kill_at_random(group: &mut Group<'_>, kills: u64, seed: u64) -> u32 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut amid = 0;
    let mut killed = 0;
    while killed < kills {
        // Some die while they join or take over, most while they land.
        let pause = if random.random_bool(0.3) { 20..900 } else { 2_500..8_500 };
        thread::sleep(Duration::from_millis(random.random_range(pause)));
        let deadline = Instant::now() + Duration::from_secs(10);
        let wanted = random.random_bool(0.25);
        while wanted && Instant::now() < deadline && !group.lake.is_amid_commit() {
            thread::sleep(Duration::from_micros(200));
        }
        let one = random.random_range(0..2);
        let both = (wanted || random.random_bool(0.15)) && killed + 1 < kills;
        amid += u32::from(wanted && Instant::now() < deadline);
        if both {
            // Both are dead before the first starts again.
            group.members[1 - one].kill();
            group.members[one].kill();
            killed += 2;
            for place in 0..2 {
                group.restart(place);
            }
        } else {
            group.replace(one);
            killed += 1;
        }
    }
    amid
}
