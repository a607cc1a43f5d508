//! A consumer keeps to its memory, however many partitions it has.

use std::time::{Duration, Instant};

use affluent_testkit::{TestLake, note, require_kafka, unique};

use crate::common::{PATIENCE, alone, consumer};
use crate::transactions::{FEED, Transactions};

const PARTITIONS: usize = 200;
const MESSAGES: i64 = 200_000;
/// What `--memory` says.
const BUDGET: u64 = 64 << 20;
/// What a process has before it reads a record, and what allocators and librdkafka keep for 200
/// partitions; the code of a debug build is most of it.
const BASE: u64 = 80 << 20;

#[test]
fn two_hundred_partitions_stay_within_the_memory_budget() {
    let Some(kafka) = require_kafka() else { return };
    let _alone = alone();
    let topic = kafka.topic("memory", PARTITIONS as i32);
    let lake = TestLake::new();
    lake.source(FEED, &topic.name);
    let mut sent = Transactions::new(&topic.name, PARTITIONS);
    let producer = kafka.producer();
    sent.send(&producer, MESSAGES);
    producer.flush();
    let start = Instant::now();
    let mut process = consumer(&kafka, &lake, &topic.name, &unique("memory"))
        .args(["--until-end", "--memory", "64MiB"])
        .start(lake.logs(), "memory");
    let mut peak = 0;
    while process.is_running() {
        assert!(start.elapsed() < PATIENCE, "it takes too long:\n{}", process.log());
        peak = process.peak_memory().unwrap_or(peak).max(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    process.wait(PATIENCE).assert_code(0);
    println!("peak {} MiB, {:?}", peak >> 20, start.elapsed());
    lake.assert_nothing_staged();
    sent.assert_landed(&lake);
    if peak == 0 {
        note("SKIPPED the check of peak memory: this system does not tell it in /proc");
    }
    assert!(peak < BUDGET + BASE, "{} MiB", peak >> 20);
}
