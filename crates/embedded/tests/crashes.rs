//! Processes that are killed: members of a group, and the broker itself under load.
//!
//! `EMBEDDED_GROUP_MESSAGES` and `EMBEDDED_RESTART_MESSAGES` set how much is sent.

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{BrokerProcess, client, example, free_addr, number_of, parameter, read_all, send};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseRecord, DefaultProducerContext, DeliveryResult, Producer, ProducerContext, ThreadedProducer,
};

const LONG: Duration = Duration::from_secs(30);

/// A group member in a process of its own.
struct Member(Child);

impl Member {
    fn start(addr: SocketAddr, assignor: &str, out: &Path) -> Self {
        let child = Command::new(example("member"))
            .args(["--broker", &addr.to_string(), "--group", "g", "--topic", "t", "--assignor", assignor])
            .stdout(File::create(out).expect("file"))
            .spawn()
            .expect("member");
        Self(child)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How often each message was taken, by all members. A line cut off by a kill was never finished.
fn taken(files: &[&Path]) -> HashMap<(i32, i64), u32> {
    let mut taken = HashMap::new();
    for file in files {
        let text = fs::read_to_string(file).expect("lines");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let (partition, offset) = line.split_once(' ').expect("two numbers");
            *taken
                .entry((partition.parse().expect("number"), offset.parse().expect("number")))
                .or_default() += 1;
        }
    }
    taken
}

fn group_survives_a_killed_member(assignor: &str) {
    let count = parameter("EMBEDDED_GROUP_MESSAGES", 200_000);
    let dir = tempfile::tempdir().expect("dir");
    let broker = BrokerProcess::start(&dir.path().join("data"), free_addr());
    send(broker.addr, "t", count, &[("compression.type", "lz4"), ("enable.idempotence", "true")]);
    let files = ["1", "2", "3"].map(|n| dir.path().join(n));
    let [one, two, three] = files.each_ref().map(|f| f.as_path());
    let mut first = Some(Member::start(broker.addr, assignor, one));
    let _second = Member::start(broker.addr, assignor, two);
    let deadline = Instant::now() + Duration::from_secs(180);
    let seen = |files: &[&Path]| taken(files).len() as u64;
    while seen(&[one, two]) < count / 4 {
        assert!(Instant::now() < deadline, "the members get nowhere");
        thread::sleep(Duration::from_millis(100));
    }
    drop(first.take());
    let _third = Member::start(broker.addr, assignor, three);
    while seen(&[one, two, three]) < count {
        assert!(Instant::now() < deadline, "{} of {count} messages came", seen(&[one, two, three]));
        thread::sleep(Duration::from_millis(200));
    }
    let taken = taken(&[one, two, three]);
    let again: u32 = taken.values().map(|times| times - 1).sum();
    let shares = files.each_ref().map(|f| fs::read_to_string(f).expect("lines").lines().count());
    eprintln!("{assignor}: {count} messages, shares {shares:?}, {again} taken again");
    assert_eq!(taken.len() as u64, count, "nothing is lost");
    assert!(u64::from(again) * 100 < count, "{again} of {count} messages were taken again");
    assert!(shares.iter().all(|share| *share > 0), "everyone had a share: {shares:?}");
}

#[test]
fn an_eager_group_survives_a_killed_member() {
    group_survives_a_killed_member("range");
}

#[test]
fn a_cooperative_group_survives_a_killed_member() {
    group_survives_a_killed_member("cooperative-sticky");
}

/// Counts acknowledgements and failures.
#[derive(Clone, Default)]
struct Tally {
    acked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Tally {
    // Lost connections are the point here, and not worth a line each.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.acked } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Consumes in a group and marks each number, until told to stop; numbers that came again.
fn consume(addr: SocketAddr, count: u64, unique: &AtomicU64, stop: &AtomicBool) -> u64 {
    let settings = [
        ("group.id", "g"),
        ("auto.offset.reset", "earliest"),
        ("auto.commit.interval.ms", "200"),
        ("topic.metadata.refresh.interval.ms", "500"),
    ];
    let consumer: BaseConsumer = client(addr, &settings);
    consumer.subscribe(&["load"]).expect("subscribe");
    let mut seen = vec![false; count as usize];
    let mut again = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            let number = number_of(message.payload()) as usize;
            if std::mem::replace(&mut seen[number], true) {
                again += 1;
            } else {
                unique.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let _ = consumer.commit_consumer_state(CommitMode::Sync);
    again
}

fn load_producer(addr: SocketAddr, tally: &Tally) -> ThreadedProducer<Tally> {
    ClientConfig::new()
        .set("bootstrap.servers", addr.to_string())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("message.timeout.ms", "120000")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("topic.metadata.refresh.interval.ms", "1000")
        .create_with_context(tally.clone())
        .expect("producer")
}

const KILLS: u64 = 20;

#[test]
fn a_broker_killed_twenty_times_loses_and_repeats_nothing() {
    let count = parameter("EMBEDDED_RESTART_MESSAGES", 300_000);
    let dir = tempfile::tempdir().expect("dir");
    let mut broker = BrokerProcess::start(dir.path(), free_addr());
    let addr = broker.addr;
    let tally = Tally::default();
    let (unique, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let consumer = {
        let (unique, stop) = (Arc::clone(&unique), Arc::clone(&stop));
        thread::spawn(move || consume(addr, count, &unique, &stop))
    };
    let producer = load_producer(addr, &tally);
    let sender = thread::spawn(move || {
        for number in 0..count {
            let (key, payload) = (number.to_string(), format!("{number:0>40}"));
            let mut record = BaseRecord::to("load").key(&key).payload(&payload);
            while let Err((_, back)) = producer.send(record) {
                thread::sleep(Duration::from_millis(5));
                record = back;
            }
            // A pace that leaves time for the kills.
            if number % (count / 200) == 0 {
                thread::sleep(Duration::from_millis(50));
            }
        }
        producer.flush(Duration::from_secs(120)).expect("all acknowledged");
    });
    let mut slowest = Duration::ZERO;
    for kill in 1..=KILLS {
        let due = count * kill / (KILLS + 1);
        let deadline = Instant::now() + Duration::from_secs(120);
        while tally.acked.load(Ordering::Relaxed) < due {
            assert!(Instant::now() < deadline, "the producer gets nowhere after kill {}", kill - 1);
            thread::sleep(Duration::from_millis(5));
        }
        slowest = slowest.max(broker.kill_and_restart());
    }
    sender.join().expect("sender");
    let (acked, failed) = (tally.acked.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    assert_eq!((acked, failed), (count, 0));
    let deadline = Instant::now() + Duration::from_secs(120);
    while unique.load(Ordering::Relaxed) < count && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    let again = consumer.join().expect("consumer");
    eprintln!(
        "{count} sent, {} unique consumed, {again} taken again, slowest start {slowest:?}",
        unique.load(Ordering::Relaxed)
    );
    assert_eq!(unique.load(Ordering::Relaxed), count, "nothing is lost");
    broker.kill_and_restart();
    let mut log = read_all(addr, "load", count as usize, &[]);
    assert_eq!(log.len() as u64, count, "the log holds nothing twice");
    log.sort_unstable();
    log.dedup();
    assert_eq!(log.len() as u64, count);
    assert_eq!(committed(addr), count, "offsets are kept");
}

/// Sum of the group's committed offsets, after the kills.
fn committed(addr: SocketAddr) -> u64 {
    let consumer: BaseConsumer = client(addr, &[("group.id", "g")]);
    let mut asked = rdkafka::TopicPartitionList::new();
    (0..6).for_each(|p| {
        asked.add_partition("load", p);
    });
    let offsets = consumer.committed_offsets(asked, LONG).expect("offsets");
    offsets.elements().iter().map(|e| e.offset().to_raw().expect("an offset") as u64).sum()
}

/// Runs a step of a transaction again for as long as the client says it may be.
fn persist(mut step: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let deadline = Instant::now() + LONG;
    loop {
        match step() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {}
            other => return other,
        }
    }
}

#[test]
fn transactions_under_kills_are_all_or_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let mut broker = BrokerProcess::start(dir.path(), free_addr());
    let addr = broker.addr;
    let done = Arc::new(AtomicU64::new(0));
    let worker = {
        let done = Arc::clone(&done);
        thread::spawn(move || write_transactions(addr, &done))
    };
    for kill in 1..=8 {
        while done.load(Ordering::Relaxed) < kill * TRANSACTIONS / 10 && !worker.is_finished() {
            thread::sleep(Duration::from_millis(2));
        }
        broker.kill_and_restart();
    }
    let aborted = worker.join().expect("worker");
    broker.kill_and_restart();
    let mut committed =
        read_all(addr, "txn", (TRANSACTIONS * 10) as usize, &[("isolation.level", "read_committed")]);
    committed.sort_unstable();
    eprintln!("{TRANSACTIONS} transactions committed, {aborted} aborted on the way");
    assert_eq!(committed, (0..TRANSACTIONS * 10).collect::<Vec<_>>());
}

const TRANSACTIONS: u64 = 200;

/// Commits transactions of ten messages one after the other; one that must be aborted is done anew.
fn write_transactions(addr: SocketAddr, done: &AtomicU64) -> u64 {
    let settings = [("transactional.id", "x"), ("message.timeout.ms", "30000")];
    let producer: ThreadedProducer<DefaultProducerContext> = client(addr, &settings);
    persist(|| producer.init_transactions(LONG)).expect("init");
    let (mut next, mut aborted) = (0, 0);
    while next < TRANSACTIONS {
        producer.begin_transaction().expect("begin");
        for i in 0..10 {
            let (key, payload) = (i.to_string(), (next * 10 + i).to_string());
            producer
                .send(BaseRecord::to("txn").key(&key).payload(&payload))
                .map_err(|(e, _)| e)
                .expect("queued");
        }
        // Every fifth is thrown away on purpose.
        let on_purpose = aborted < next / 5;
        let committed = if on_purpose { Ok(()) } else { persist(|| producer.commit_transaction(LONG)) };
        match committed {
            Ok(()) if !on_purpose => {
                next += 1;
                done.store(next, Ordering::Relaxed);
            }
            Ok(()) => {
                aborted += 1;
                persist(|| producer.abort_transaction(LONG)).expect("abort");
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                aborted += 1;
                persist(|| producer.abort_transaction(LONG)).expect("abort");
            }
            Err(error) => panic!("{error}"),
        }
    }
    aborted
}
