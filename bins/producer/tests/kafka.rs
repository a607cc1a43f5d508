//! The producer on a real broker: what it says was sent is there, at the rate that was asked for.
//!
//! The broker is that of `KAFKA_BOOTSTRAP_SERVERS`, else of this machine. Where none answers, the
//! tests say that they are skipped, and fail with `CI=true`.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::Duration;

use affluent_core::cli::Context;
use affluent_core::clock::Clock;
use affluent_core::exit;
use affluent_core::stop::Stop;
use affluent_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use affluent_kafka::rdkafka::client::DefaultClientContext;
use affluent_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use affluent_kafka::rdkafka::{Message, Offset, TopicPartitionList};
use affluent_kafka::{Admin, client_config};
use clap::Parser;
use futures::executor::block_on;
use producer::message::Record;
use producer::{Args, Failure, Summary};

#[allow(clippy::disallowed_methods, reason = "tests have no other settings than the environment")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The servers of a broker that answers.
fn require_kafka() -> Option<String> {
    let servers = setting("KAFKA_BOOTSTRAP_SERVERS").unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let mut addresses = servers.split(',').flat_map(|server| server.to_socket_addrs().into_iter().flatten());
    if addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()) {
        return Some(servers);
    }
    assert!(setting("CI").as_deref() != Some("true"), "no broker answers at {servers}");
    // Not through `eprintln!`, which the test harness swallows.
    let _ = writeln!(std::io::stderr(), "SKIPPED a test with Kafka: no broker answers at {servers}");
    None
}

fn args(servers: &str, topic: &str, words: &[&str]) -> Args {
    Args::parse_from([&["producer", "--bootstrap-servers", servers, "--topic", topic], words].concat())
}

type KeyAndValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A topic that no other test has, and that goes away with its test.
struct Topic {
    name: String,
    servers: String,
}

impl Topic {
    fn new(servers: &str, test: &str) -> Self {
        let time = Clock::System.now_micros() / 1000 % 100_000_000;
        Self { name: format!("producer_{test}_{}_{time}", std::process::id()), servers: servers.to_owned() }
    }

    fn args(&self, words: &[&str]) -> Args {
        args(&self.servers, &self.name, words)
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        client_config(&self.args(&[]).kafka, &[]).create().unwrap()
    }

    /// What the broker has, by the ends of each partition.
    fn count(&self) -> Vec<i64> {
        let ends = Admin::open(&self.args(&[]).kafka).unwrap().watermarks(&self.name).unwrap();
        ends.iter().map(|end| end.high - end.low).collect()
    }

    fn total(&self) -> u64 {
        self.count().iter().sum::<i64>() as u64
    }

    fn read(&self) -> Vec<KeyAndValue> {
        let settings = [("group.id", self.name.as_str()), ("enable.auto.commit", "false")];
        let consumer: BaseConsumer = client_config(&self.args(&[]).kafka, &settings).create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..self.count().len() {
            list.add_partition_offset(&self.name, partition as i32, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut found = Vec::new();
        for _ in 0..self.total() {
            let record = consumer.poll(Duration::from_secs(30)).expect("a record that is there").unwrap();
            found.push((record.key().map(<[u8]>::to_vec), record.payload().map(<[u8]>::to_vec)));
        }
        found
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // A topic that is left over harms no other test.
        let _ = block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new()));
    }
}

fn produce(args: &Args) -> Summary {
    let plan = producer::plan(args, Clock::System.now());
    let (summary, sent) =
        producer::produce(args, &plan, &Context::silent("producer"), &Stop::default()).unwrap();
    sent.unwrap();
    summary
}

#[test]
fn what_was_sent_is_there_once_and_as_the_seed_says() {
    let Some(servers) = require_kafka() else { return };
    let topic = Topic::new(&servers, "content");
    let words = ["--messages", "20000", "--seed", "7", "--threads", "2", "--partitions", "3"];
    let args =
        topic.args(&[&words[..], &["--template", "@transaction_stream", "--tombstones", "0.01"]].concat());
    let summary = produce(&args);
    assert_eq!((summary.sent, summary.failed, summary.created), (20_000, 0, true));
    assert!(
        summary.p50_ms > 0.0 && summary.p50_ms <= summary.p99_ms && summary.p99_9_ms <= summary.max_ms * 1.01
    );
    let counts = topic.count();
    assert_eq!(counts.len(), 3);
    assert!(counts.iter().all(|&count| count > 1_000), "{counts:?}");
    // Made again by one thread, without Kafka and on another day.
    let plan = producer::plan(&args, chrono::DateTime::UNIX_EPOCH);
    let (mut source, mut record) = (producer::source(&args, &plan).unwrap(), Record::default());
    let mut wanted = Vec::new();
    for index in 0..20_000 {
        assert!(source.write(&plan, index, &mut record).unwrap());
        wanted.push((record.key_bytes().map(<[u8]>::to_vec), record.value_bytes().map(<[u8]>::to_vec)));
    }
    let mut found = topic.read();
    wanted.sort();
    found.sort();
    assert!(found == wanted, "the records differ from the messages of the seed");
    assert_eq!(summary.bytes as usize, found.iter().map(size).sum::<usize>());
    // A second run finds the topic.
    let again = produce(&topic.args(&["--messages", "10", "--acks", "1", "--compression", "zstd"]));
    assert_eq!((again.sent, again.created, topic.total()), (10, false, 20_010));
}

fn size(record: &KeyAndValue) -> usize {
    record.0.as_ref().map_or(0, Vec::len) + record.1.as_ref().map_or(0, Vec::len)
}

#[test]
fn the_rate_is_kept_within_one_percent() {
    let Some(servers) = require_kafka() else { return };
    let topic = Topic::new(&servers, "rate");
    // The rate counts to the last report, so a machine that is busy at that moment may need more tries.
    let mut seen = Vec::new();
    for _ in 0..3 {
        let summary = produce(&topic.args(&["--messages", "15000", "--rate", "3000"]));
        assert_eq!(summary.sent, 15_000);
        seen.push(summary.messages_per_s);
        if (summary.messages_per_s / 3_000.0 - 1.0).abs() < 0.01 {
            return;
        }
    }
    panic!("3000 a second were asked for: {seen:?}");
}

#[test]
fn lines_keep_their_bytes_and_their_order() {
    let Some(servers) = require_kafka() else { return };
    let topic = Topic::new(&servers, "lines");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    std::fs::write(&path, b"{\"id\":\"a\", \"n\": 1}\nno json \xff\n\n{\"id\":\"a\"}\n").unwrap();
    let summary =
        produce(&topic.args(&["--from", path.to_str().unwrap(), "--key-field", "id", "--partitions", "1"]));
    assert_eq!(summary.sent, 3);
    let values: Vec<_> = topic.read().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    let key = Some(b"a".to_vec());
    let first = (key.clone(), b"{\"id\":\"a\", \"n\": 1}".to_vec());
    assert_eq!(values, [first, (None, b"no json \xff".to_vec()), (key, b"{\"id\":\"a\"}".to_vec())]);
}

#[test]
fn messages_that_the_topic_refuses_are_counted_and_fail_the_run() {
    let Some(servers) = require_kafka() else { return };
    let topic = Topic::new(&servers, "large");
    let new = NewTopic::new(&topic.name, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "2000");
    assert!(block_on(topic.admin().create_topics([&new], &AdminOptions::new())).unwrap()[0].is_ok());
    // 3,000 random letters do not shrink below 2,000 bytes; librdkafka itself refuses two megabytes.
    for (bytes, failed) in [("3000", 20), ("2MB", 5)] {
        let count = failed.to_string();
        let args = topic.args(&["--messages", &count, "--bytes", bytes]);
        let summary = produce(&args);
        assert_eq!((summary.sent, summary.failed), (0, failed), "{bytes}");
        assert_eq!(summary.failures.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&Failure::TooLarge]));
        let error = producer::run(args, &Context::silent("producer")).unwrap_err();
        assert_eq!(exit::code_of(&error), 1);
        assert!(error.to_string().contains("max.message.bytes"), "{error}");
    }
    assert_eq!(topic.total(), 0);
}

#[test]
fn sigterm_delivers_what_is_queued_and_tells_how_far_it_came() {
    let Some(servers) = require_kafka() else { return };
    let topic = Topic::new(&servers, "sigterm");
    let process = Command::new(env!("CARGO_BIN_EXE_producer"))
        .args(["--topic", &topic.name, "--messages", "1000000", "--rate", "2000", "--output", "json"])
        .args(["--bootstrap-servers", &servers, "--log", "error"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let admin = Admin::open(&topic.args(&[]).kafka).unwrap();
    let mut waited = 0;
    while admin.watermarks(&topic.name).map_or(0, |ends| ends.iter().map(|end| end.high).sum()) < 1_000 {
        waited += 1;
        assert!(waited < 600, "nothing arrives");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let ended = process.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&summary["interrupted"], &summary["failed"]), (&true.into(), &0.into()));
    assert_eq!(summary["sent"].as_u64().unwrap(), topic.total());
    assert!(String::from_utf8_lossy(&ended.stderr).contains("stopped after"));
}

#[test]
fn no_broker_is_a_passing_fault() {
    let error = producer::run(args("127.0.0.1:1", "t", &[]), &Context::silent("producer")).unwrap_err();
    assert_eq!(exit::code_of(&error), 75);
    assert!(error.to_string().contains("--bootstrap-servers"), "{error}");
}
