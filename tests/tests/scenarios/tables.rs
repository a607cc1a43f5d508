//! Tables from changelog topics: the newest version is the state of the topic, each version is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::Duration;

use affluent_testkit::{Kafka, Message, Producer, TestLake, Topic, number, require_kafka, unique};
use flate2::read::GzDecoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::changelog::{Change, Changelog};
use crate::common::{Group, consumer, fixtures, land_with};

const OFTEN: [&str; 2] = ["--snapshot-interval", "200ms"];

/// Compares what is in the lake with what was sent, for a table that has no topic of its own name.
struct Run<'a> {
    kafka: &'a Kafka,
    producer: Producer,
    topic: Topic,
    lake: TestLake,
    group: String,
    log: Changelog,
}

impl<'a> Run<'a> {
    fn new(kafka: &'a Kafka, feed: &str, partitions: usize) -> Self {
        let topic = kafka.topic(feed, partitions as i32);
        let lake = TestLake::new();
        lake.source(feed, &topic.name);
        let feed = lake.feeds().get(feed).unwrap().clone();
        let log = Changelog::new(feed, partitions);
        Self { kafka, producer: kafka.producer(), topic, lake, group: unique("tables"), log }
    }

    fn send(&mut self, partition: usize, change: Change) {
        let message = Message {
            key: Some(change.key.as_bytes()),
            value: change.value.as_deref().map(str::as_bytes),
            ..Message::default()
        };
        self.producer.send(&self.topic.name, partition as i32, message);
        self.log.partitions[partition].push(change);
    }

    /// Lands what was sent, and asserts that the newest version is the state of the topic.
    fn land(&self) {
        self.producer.flush();
        land_with(self.kafka, &self.lake, &self.topic.name, &self.group, &OFTEN);
        self.lake.assert_nothing_staged();
        self.log.assert_landed(&self.lake, &self.topic.name);
    }
}

#[test]
fn recorded_changelogs_of_a_ksqldb_server_become_its_tables() {
    let Some(kafka) = require_kafka() else { return };
    let Some(folder) = fixtures("AFFLUENT_KSQLDB_FIXTURES", "ksqldb") else { return };
    let tables = [
        "user_transaction_summary",
        "user_transaction_summary_eur",
        "payment_method_totals",
        "product_purchase_counts",
    ];
    for table in tables {
        let mut text = String::new();
        let file = File::open(folder.join(format!("pipeline/topics/{table}.tsv.gz"))).unwrap();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut records: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        records.sort_by_key(|record| record[1].parse::<i64>().unwrap());
        let mut run = Run::new(&kafka, table, 6);
        // In three parts, so that the later versions build on the first.
        for part in records.chunks(records.len().div_ceil(3)) {
            for record in part {
                let (key, value) = (record[3].to_owned(), Some(record[4].to_owned()));
                run.send(record[0].parse().unwrap(), Change { key, value });
            }
            run.land();
        }
    }
}

/// A change of one of a hundred keys in the keys' partition; a fifth are tombstones.
fn change(random: &mut StdRng, table: &str, turn: i64, partitions: usize) -> (usize, Change) {
    let user = random.random_range(0..100);
    let value = match table {
        _ if random.random_bool(0.2) => None,
        "payment_method_totals" => Some(format!(
            r#"{{"TOTAL_AMOUNT":{turn}.{:02},"TRANSACTION_COUNT":{turn},"AVG_AMOUNT":{}.5}}"#,
            turn % 100,
            turn % 7
        )),
        _ => Some(format!(
            r#"{{"USER_NAME":"Zoë {user}","USER_CITY":null,"TOTAL_AMOUNT":{turn}.50,"TRANSACTION_COUNT":{turn}}}"#
        )),
    };
    let key = match table {
        "payment_method_totals" => format!("method {user}"),
        _ => format!(r#"{{"USER_ID":"USER-{user}","TRANSACTION_TYPE":"refund"}}"#),
    };
    (user % partitions, Change { key, value })
}

#[test]
fn updates_and_deletions_carry_from_version_to_version() {
    let Some(kafka) = require_kafka() else { return };
    for table in ["user_transaction_summary", "payment_method_totals"] {
        let mut random = StdRng::seed_from_u64(7);
        let mut run = Run::new(&kafka, table, 3);
        for round in [400, 1, 50] {
            for turn in 0..round {
                let (partition, change) = change(&mut random, table, round * 1000 + turn, 3);
                run.send(partition, change);
            }
            run.land();
        }
        // Nothing is left of the table: that is a version too. Then it comes back.
        for (partition, key) in run.log.keys() {
            run.send(partition, Change { key, value: None });
        }
        run.land();
        let (partition, change) = (1, change(&mut StdRng::seed_from_u64(3), table, 9, 1).1);
        run.send(partition, change);
        run.land();
    }
}

#[test]
fn killed_consumers_leave_whole_versions_and_the_right_state() {
    let Some(kafka) = require_kafka() else { return };
    let kills = number("AFFLUENT_CRASH_TABLE_KILLS", 8);
    let seed = number("AFFLUENT_CRASH_SEED", u64::from(std::process::id()));
    println!("{kills} kills, AFFLUENT_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut run = Run::new(&kafka, "user_transaction_summary", 4);
    let lake = std::mem::take(&mut run.lake);
    lake.source("user_transaction_summary", &run.topic.name);
    let program = consumer(&kafka, &lake, &run.topic.name, &run.group).args(OFTEN);
    let mut group = Group::start(program, &lake, 2);
    let mut turn = 0;
    for _ in 0..kills {
        let turns =
            if random.random_bool(0.3) { random.random_range(1..8) } else { random.random_range(60..110) };
        for _ in 0..turns {
            for _ in 0..20 {
                let (partition, change) = change(&mut random, "user_transaction_summary", turn, 4);
                run.send(partition, change);
                turn += 1;
            }
            thread::sleep(Duration::from_millis(100));
        }
        group.replace(random.random_range(0..2));
    }
    group.end();
    println!("{turn} changes; {}", group.story());
    drop(group);
    run.lake = lake;
    run.land();
    let versions: BTreeMap<u64, u64> = run.log.versions(&run.lake);
    println!("{} versions", versions.len());
    assert!(versions.len() > 2, "{versions:?}");
}
