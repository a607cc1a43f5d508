//! What goes wrong around a consumer: told clearly, with the right exit code, and nothing lost.

use std::fs;
use std::time::{Duration, Instant};

use affluent_core::feeds::Kind;
use affluent_testkit::{
    Ended, Kafka, Program, SmallDisk, TestLake, Topic, require_kafka, unique, wait_until,
};

use crate::common::{PATIENCE, UNDER_TEST, consumer, land, land_with};
use crate::transactions::{FEED, Transactions};

/// A run to the end that must fail with this code and say these things.
#[track_caller]
fn fails(kafka: &Kafka, lake: &TestLake, topics: &[&str], code: i32, says: &[&str]) {
    let mut program = consumer(kafka, lake, topics[0], &unique("errors")).args(["--until-end"]);
    if topics.len() > 1 {
        program = program.args(["--topics"]).args(topics[1..].iter().copied());
    }
    let ended = program.run(lake.logs(), &unique("failing"), PATIENCE);
    assert_says(&ended, code, says);
}

#[track_caller]
fn assert_says(ended: &Ended, code: i32, says: &[&str]) {
    ended.assert_code(code);
    for text in says {
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(text), "{text:?} is not in the last line: {last}");
    }
}

/// A topic of a stream of its own, with so many messages in its one partition.
fn filled(kafka: &Kafka, lake: &TestLake, count: i64) -> (Topic, Transactions) {
    let topic = kafka.topic("errors", 1);
    lake.source(FEED, &topic.name);
    let mut sent = Transactions::new(&topic.name, 1);
    let producer = kafka.producer();
    sent.send(&producer, count);
    producer.flush();
    (topic, sent)
}

#[test]
fn an_unknown_topic_is_answered_with_near_names() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.topic("near_names", 1);
    let lake = TestLake::new();
    let wrong = topic.name.replace("near_names", "nera_names");
    fails(&kafka, &lake, &[&wrong], 1, &[&wrong, "did you mean", &topic.name]);
}

#[test]
fn a_folder_that_is_no_lake_is_told_how_to_become_one() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.topic("no_lake", 1);
    let folder = TestLake::new();
    for root in [folder.logs().join("missing"), folder.logs().to_owned()] {
        let root = root.to_str().unwrap();
        let ended = Program::new("consumer-datalake", UNDER_TEST)
            .args(["--bootstrap-servers", kafka.servers(), "--topics", &topic.name, "--lake-root", root])
            .run(folder.logs(), &unique("no_lake"), PATIENCE);
        assert_says(&ended, 1, &["init-datalake", root]);
    }
}

#[test]
fn init_makes_the_lake_that_a_consumer_needs() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.topic("fresh", 1);
    let folder = TestLake::new();
    let root = folder.logs().join("fresh");
    let root = root.to_str().unwrap();
    let init = Program::new("init-datalake", UNDER_TEST).args(["--lake-root", root]);
    init.run(folder.logs(), "init", PATIENCE).assert_code(0);
    Program::new("consumer-datalake", UNDER_TEST)
        .args([
            "--bootstrap-servers",
            kafka.servers(),
            "--topics",
            &topic.name,
            "--lake-root",
            root,
            "--until-end",
        ])
        .run(folder.logs(), "fresh", PATIENCE)
        .assert_code(0);
}

#[test]
fn a_broker_that_is_not_there_is_worth_another_try() {
    let lake = TestLake::new();
    let start = Instant::now();
    // Port 1 of loopback: refused on any machine.
    let ended = Program::new("consumer-datalake", UNDER_TEST)
        .args(["--bootstrap-servers", "127.0.0.1:1", "--topics", "t", "--lake-root", &lake.root()])
        .run(lake.logs(), "unreachable", PATIENCE);
    assert_says(&ended, 75, &["127.0.0.1:1", "--bootstrap-servers"]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn two_topics_for_one_feed_are_wrong_usage() {
    let Some(kafka) = require_kafka() else { return };
    let first = kafka.topic("one-feed", 1);
    let second = kafka.topic("one-feed", 1);
    // The same name once it is made fit for a feed.
    let twin = first.name.replace("one-feed", "one_feed");
    let made = kafka.topic_named(&twin, 1);
    let lake = TestLake::new();
    fails(&kafka, &lake, &[&first.name, &made.name], 2, &["one_feed", &made.name, "--source"]);
    land(&kafka, &lake, &second.name, &unique("errors"));
}

#[test]
fn records_that_kafka_deleted_are_told_and_skipped_only_when_asked() {
    let Some(kafka) = require_kafka() else { return };
    let lake = TestLake::new();
    let (topic, mut sent) = filled(&kafka, &lake, 10);
    land(&kafka, &lake, &topic.name, &unique("errors"));
    let producer = kafka.producer();
    sent.send(&producer, 20);
    producer.flush();
    kafka.delete_records(&topic.name, 0, 25);
    let says = ["15 records", &topic.name, "10", "25", "--on-gap skip"];
    fails(&kafka, &lake, &[&topic.name], 1, &says);
    assert_eq!(lake.next_offset(Kind::Stream, FEED, &topic.name, 0), Some(10), "nothing was passed over");
    land_with(&kafka, &lake, &topic.name, &unique("errors"), &["--on-gap", "skip"]);
    let offsets: Vec<i64> = lake.rows(Kind::Stream, FEED).iter().map(|row| row.offset).collect();
    assert_eq!(offsets, (0..10).chain(25..30).collect::<Vec<_>>());
    assert_eq!(lake.next_offset(Kind::Stream, FEED, &topic.name, 0), Some(30));
}

#[test]
fn a_topic_whose_start_is_gone_is_landed_from_what_there_is() {
    let Some(kafka) = require_kafka() else { return };
    let lake = TestLake::new();
    let (topic, _sent) = filled(&kafka, &lake, 10);
    kafka.delete_records(&topic.name, 0, 4);
    land(&kafka, &lake, &topic.name, &unique("errors"));
    let offsets: Vec<i64> = lake.rows(Kind::Stream, FEED).iter().map(|row| row.offset).collect();
    assert_eq!(offsets, (4..10).collect::<Vec<_>>());
}

/// The records are deleted under a consumer that is at work, between two of its fetches.
#[test]
fn records_that_kafka_deletes_ahead_of_a_running_consumer_are_told() {
    let Some(kafka) = require_kafka() else { return };
    let lake = TestLake::new();
    let (topic, mut sent) = filled(&kafka, &lake, 10);
    let program = consumer(&kafka, &lake, &topic.name, &unique("errors")).args(["--max-latency", "200ms"]);
    let mut running = program.start(lake.logs(), "overtaken");
    wait_until("the first records", PATIENCE, || {
        lake.next_offset(Kind::Stream, FEED, &topic.name, 0) == Some(10)
    });
    running.pause();
    // A fetch that was under way brings what comes now; it is read before the deletion is seen.
    std::thread::sleep(Duration::from_millis(300));
    let producer = kafka.producer();
    sent.send(&producer, 5);
    producer.flush();
    std::thread::sleep(Duration::from_millis(300));
    sent.send(&producer, 25);
    producer.flush();
    kafka.delete_records(&topic.name, 0, 30);
    running.wake();
    let ended = running.wait(PATIENCE);
    assert_says(&ended, 1, &["Kafka has deleted", &topic.name, "30"]);
    let next = lake.next_offset(Kind::Stream, FEED, &topic.name, 0).unwrap();
    let offsets: Vec<i64> = lake.rows(Kind::Stream, FEED).iter().map(|row| row.offset).collect();
    assert_eq!(offsets, (0..next).collect::<Vec<_>>(), "the log and the rows agree");
    land_with(&kafka, &lake, &topic.name, &unique("errors"), &["--on-gap", "skip"]);
    let offsets: Vec<i64> = lake.rows(Kind::Stream, FEED).iter().map(|row| row.offset).collect();
    assert_eq!(offsets, (0..next).chain(30..40).collect::<Vec<_>>());
}

#[test]
fn a_table_whose_maker_died_at_its_first_commit_is_made_all_the_same() {
    let Some(kafka) = require_kafka() else { return };
    let lake = TestLake::new();
    let (topic, sent) = filled(&kafka, &lake, 10);
    let log = lake.path().join("streams").join(FEED).join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("00000000000000000000.json#1"), "{").unwrap();
    land(&kafka, &lake, &topic.name, &unique("errors"));
    sent.assert_landed(&lake);
}

/// The disk is full at another point each time: at the first write, within a file, between the files,
/// at the commit.
#[test]
fn a_full_disk_is_told_and_the_next_run_lands_all() {
    let Some(kafka) = require_kafka() else { return };
    let Some(disk) = SmallDisk::mount(16 << 20) else { return };
    let lake = TestLake::at(&disk.path().join("lake"));
    let (topic, sent) = filled(&kafka, &lake, 60_000);
    let group = unique("errors");
    land_with(&kafka, &lake, &topic.name, &group, &["--max-messages", "5000"]);
    let before = lake.files(Kind::Stream, FEED);
    let mut failures = 0;
    for room in [0, 12, 60, 110, 132, 144, 152] {
        let filler = disk.path().join("filler");
        disk.fill(&filler, room << 10);
        let program = consumer(&kafka, &lake, &topic.name, &group).args(["--until-end"]);
        let ended = program.run(lake.logs(), &unique("full"), PATIENCE);
        disk.free(&filler);
        if ended.code == Some(0) {
            break;
        }
        failures += 1;
        assert_says(&ended, 1, &["No space left on device"]);
        assert_eq!(
            lake.files(Kind::Stream, FEED),
            before,
            "something of a failed commit is seen ({room} KiB)"
        );
    }
    println!("the disk was full {failures} times");
    assert!(failures > 2, "{failures}");
    land(&kafka, &lake, &topic.name, &group);
    lake.assert_nothing_staged();
    sent.assert_landed(&lake);
}

#[test]
fn a_read_only_lake_is_told_and_the_next_run_lands_all() {
    let Some(kafka) = require_kafka() else { return };
    let Some(disk) = SmallDisk::mount(64 << 20) else { return };
    let lake = TestLake::at(&disk.path().join("lake"));
    let (topic, sent) = filled(&kafka, &lake, 100);
    disk.remount("ro");
    fails(&kafka, &lake, &[&topic.name], 1, &["Read-only file system", &lake.root()]);
    disk.remount("rw");
    land(&kafka, &lake, &topic.name, &unique("errors"));
    lake.assert_nothing_staged();
    sent.assert_landed(&lake);
}
