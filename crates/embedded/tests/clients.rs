//! librdkafka against a broker in this process: producing, consuming, groups, transactions, topics,
//! restarts, and a client that sends nonsense.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use affluent_embedded::{Broker, Config, Error, Storage, SyncMode};
use common::{Local, client, number_of, read_all, send, send_one};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);

fn numbers(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn what_is_produced_is_consumed_in_every_compression_on_disk_and_in_memory() {
    let dir = tempfile::tempdir().expect("dir");
    for broker in [Local::in_memory(), Local::on_disk(dir.path())] {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let settings = [("compression.type", codec), ("enable.idempotence", "true"), ("linger.ms", "5")];
            send(broker.addr, codec, 5_000, &settings);
            assert_eq!(sorted(read_all(broker.addr, codec, 5_000, &[])), numbers(5_000), "{codec}");
        }
        let stats = broker.broker().stats();
        assert_eq!((stats.topics, stats.partitions, stats.refused), (5, 30, 0));
    }
}

#[test]
fn records_topics_and_offsets_outlive_the_broker() {
    let dir = tempfile::tempdir().expect("dir");
    let broker = Local::on_disk(dir.path());
    send(broker.addr, "kept", 1_000, &[]);
    let group = [("group.id", "g"), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")];
    {
        let consumer: BaseConsumer = client(broker.addr, &group);
        consumer.subscribe(&["kept"]).expect("subscribe");
        let seen = poll_some(&consumer, 400);
        assert_eq!(seen.len(), 400);
        consumer.commit_consumer_state(CommitMode::Sync).expect("commit");
    }
    let broker = broker.restart(dir.path());
    let consumer: BaseConsumer = client(broker.addr, &group);
    consumer.subscribe(&["kept"]).expect("subscribe");
    assert_eq!(poll_some(&consumer, 600).len(), 600, "goes on at the committed offsets");
    assert!(consumer.poll(SECOND).is_none());
    drop(consumer);
    send(broker.addr, "kept", 10, &[]);
    assert_eq!(read_all(broker.addr, "kept", 1_010, &[]).len(), 1_010);
}

fn poll_some(consumer: &BaseConsumer, count: usize) -> Vec<u64> {
    let deadline = Instant::now() + LONG;
    let mut seen = Vec::new();
    while seen.len() < count && Instant::now() < deadline {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            seen.push(number_of(message.expect("message").payload()));
        }
    }
    seen
}

#[test]
fn a_group_shares_the_partitions_and_takes_over_from_who_leaves() {
    for assignor in ["range", "cooperative-sticky"] {
        let broker = Local::in_memory();
        let group = [
            ("group.id", "shared"),
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", assignor),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "200"),
        ];
        send(broker.addr, "t", 600, &[]);
        let members: Vec<BaseConsumer> = (0..2).map(|_| client(broker.addr, &group)).collect();
        members.iter().for_each(|m| m.subscribe(&["t"]).expect("subscribe"));
        let counts = |members: &[BaseConsumer]| -> Vec<usize> {
            members.iter().map(|m| m.assignment().expect("assignment").count()).collect()
        };
        let mut seen = Vec::new();
        let deadline = Instant::now() + LONG;
        while (counts(&members) != [3, 3] || seen.len() < 600) && Instant::now() < deadline {
            for member in &members {
                if let Some(message) = member.poll(Duration::from_millis(5)) {
                    seen.push(number_of(message.expect("message").payload()));
                }
            }
        }
        assert_eq!(counts(&members), [3, 3], "{assignor}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, numbers(600), "{assignor}");
        let [first, second] = <[BaseConsumer; 2]>::try_from(members).ok().expect("two");
        drop(first);
        let deadline = Instant::now() + LONG;
        while second.assignment().expect("assignment").count() != 6 && Instant::now() < deadline {
            let _ = second.poll(Duration::from_millis(20));
        }
        assert_eq!(second.assignment().expect("assignment").count(), 6, "{assignor}");
    }
}

#[test]
fn transactions_are_all_or_nothing_and_survive_restarts() {
    let dir = tempfile::tempdir().expect("dir");
    let mut broker = Local::on_disk(dir.path());
    send(broker.addr, "in", 30, &[]);
    let mut next = 0;
    for round in 0..3 {
        let producer: BaseProducer = client(broker.addr, &[("transactional.id", "x")]);
        producer.init_transactions(LONG).expect("init");
        let consumer: BaseConsumer = client(
            broker.addr,
            &[("group.id", "eos"), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")],
        );
        consumer.subscribe(&["in"]).expect("subscribe");
        let seen = poll_some(&consumer, 10);
        assert_eq!(seen.len(), 10, "round {round}");
        // The first try is aborted: neither records nor offsets may count.
        for commit in [false, true] {
            producer.begin_transaction().expect("begin");
            seen.iter().for_each(|n| send_one(&producer, "out", if commit { *n } else { 999 }));
            let metadata = consumer.group_metadata().expect("metadata");
            producer
                .send_offsets_to_transaction(&consumer.position().expect("position"), &metadata, LONG)
                .expect("offsets");
            if commit {
                producer.commit_transaction(LONG).expect("commit");
                next += 10;
            } else {
                producer.flush(LONG).expect("flush");
                producer.abort_transaction(LONG).expect("abort");
            }
        }
        drop((producer, consumer));
        broker = broker.restart(dir.path());
        let committed = read_all(broker.addr, "out", next, &[("isolation.level", "read_committed")]);
        assert_eq!(committed.len(), next, "round {round}");
    }
    let committed = read_all(broker.addr, "out", 30, &[("isolation.level", "read_committed")]);
    assert_eq!(sorted(committed), numbers(30));
    assert_eq!(read_all(broker.addr, "out", 60, &[("isolation.level", "read_uncommitted")]).len(), 60);
}

#[test]
fn a_second_owner_of_a_transactional_id_fences_the_first() {
    let broker = Local::in_memory();
    let first: BaseProducer = client(broker.addr, &[("transactional.id", "x")]);
    first.init_transactions(LONG).expect("init");
    first.begin_transaction().expect("begin");
    send_one(&first, "t", 1);
    first.flush(LONG).expect("flush");
    let second: BaseProducer = client(broker.addr, &[("transactional.id", "x")]);
    second.init_transactions(LONG).expect("init");
    assert!(first.commit_transaction(LONG).is_err());
    second.begin_transaction().expect("begin");
    send_one(&second, "t", 2);
    second.commit_transaction(LONG).expect("commit");
    assert_eq!(read_all(broker.addr, "t", 1, &[("isolation.level", "read_committed")]), [2]);
}

#[test]
fn topics_are_made_changed_and_deleted_by_an_admin() {
    let broker = Local::in_memory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let admin: AdminClient<DefaultClientContext> = client(broker.addr, &[]);
    let options = AdminOptions::new().operation_timeout(Some(LONG));
    runtime.block_on(async {
        let topic = NewTopic::new("made", 2, TopicReplication::Fixed(1)).set("retention.ms", "5000");
        let bad = NewTopic::new("bad", 2, TopicReplication::Fixed(1)).set("no.such.setting", "1");
        let results = admin.create_topics([&topic, &bad], &options).await.expect("request");
        assert!(results[0].is_ok() && results[1].is_err());
        let again = admin.create_topics([&topic], &options).await.expect("request");
        assert_eq!(
            again[0].as_ref().expect_err("exists").1,
            rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists
        );
        let grown =
            admin.create_partitions([&NewPartitions::new("made", 5)], &options).await.expect("request");
        assert!(grown[0].is_ok());
        let resource = ResourceSpecifier::Topic("made");
        let change = AlterConfig::new(resource).set("cleanup.policy", "compact").set("segment.bytes", "2048");
        assert!(admin.alter_configs([&change], &options).await.expect("request")[0].is_ok());
        let described = admin.describe_configs([&resource], &options).await.expect("request");
        let configs = described[0].as_ref().expect("described");
        let value = |name: &str| configs.get(name).and_then(|e| e.value.clone());
        assert_eq!(value("cleanup.policy").as_deref(), Some("compact"));
        assert_eq!(value("retention.ms").as_deref(), Some("604800000"), "replaced as a whole");
    });
    send(broker.addr, "made", 100, &[]);
    assert_eq!(read_all(broker.addr, "made", 100, &[]).len(), 100);
    runtime.block_on(async {
        assert!(admin.delete_topics(&["made"], &options).await.expect("request")[0].is_ok());
        assert!(admin.delete_topics(&["made"], &options).await.expect("request")[0].is_err());
    });
    assert_eq!(broker.broker().stats().topics, 0);
}

#[test]
fn offsets_are_found_by_time() {
    let broker = Local::in_memory();
    let producer: BaseProducer = client(broker.addr, &[("compression.type", "lz4"), ("linger.ms", "50")]);
    for i in 0..100i64 {
        let payload = format!("{i}");
        let record = rdkafka::producer::BaseRecord::<(), _>::to("t")
            .partition(0)
            .payload(&payload)
            .timestamp(1_000 + i);
        producer.send(record).map_err(|(e, _)| e).expect("send");
    }
    producer.flush(LONG).expect("flush");
    let consumer: BaseConsumer = client(broker.addr, &[("group.id", "g")]);
    for (time, expected) in [
        (0, Offset::Offset(0)),
        (1_042, Offset::Offset(42)),
        (1_099, Offset::Offset(99)),
        (5_000, Offset::End),
    ] {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset("t", 0, Offset::Offset(time)).expect("offset");
        let found = consumer.offsets_for_times(asked, LONG).expect("offsets");
        assert_eq!(found.elements()[0].offset(), expected, "time {time}");
    }
    assert_eq!(consumer.fetch_watermarks("t", 0, LONG).expect("watermarks"), (0, 100));
}

#[test]
fn nonsense_closes_its_own_connection_and_no_other() {
    let broker = Local::in_memory();
    send(broker.addr, "t", 10, &[]);
    let nonsense: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff, 0xff, 0xff, 0xff, 0, 0],
        &[0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        &[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 14, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(broker.addr).expect("connect");
        stream.set_read_timeout(Some(LONG)).expect("timeout");
        stream.write_all(bytes).expect("write");
        let mut rest = Vec::new();
        // A reset is as good an end as a close.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "nothing is answered to {bytes:?}");
    }
    let deadline = Instant::now() + LONG;
    while broker.broker().stats().refused < nonsense.len() as u64 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(broker.broker().stats().refused, nonsense.len() as u64);
    assert_eq!(read_all(broker.addr, "t", 10, &[]).len(), 10);
}

#[test]
fn every_way_of_syncing_keeps_records_and_transactions() {
    for sync in [SyncMode::Never, SyncMode::Commit, SyncMode::Always] {
        let dir = tempfile::tempdir().expect("dir");
        let storage = Storage::Disk(dir.path().to_owned());
        let config = Config { listen: common::any_port(), storage, sync, ..Config::default() };
        let broker = Local::with(config);
        let producer: BaseProducer = client(broker.addr, &[("transactional.id", "x")]);
        producer.init_transactions(LONG).expect("init");
        for round in 0..5 {
            producer.begin_transaction().expect("begin");
            (0..20).for_each(|i| send_one(&producer, "t", round * 20 + i));
            producer.commit_transaction(LONG).expect("commit");
        }
        let broker = broker.restart(dir.path());
        let committed = read_all(broker.addr, "t", 100, &[("isolation.level", "read_committed")]);
        assert_eq!(sorted(committed), numbers(100), "{sync:?}");
    }
}

#[test]
fn a_batch_larger_than_allowed_is_refused_and_the_rest_goes_on() {
    let broker =
        Local::with(Config { listen: common::any_port(), message_max_bytes: 20_000, ..Config::default() });
    let producer: BaseProducer =
        client(broker.addr, &[("message.max.bytes", "1000000"), ("message.timeout.ms", "5000")]);
    let large = vec![7u8; 30_000];
    let refused = rdkafka::producer::BaseRecord::<(), _>::to("t").payload(&large);
    producer.send(refused).map_err(|(e, _)| e).expect("queued");
    producer.flush(LONG).expect("flush");
    send(broker.addr, "t", 10, &[]);
    assert_eq!(sorted(read_all(broker.addr, "t", 10, &[])), numbers(10));
}

#[test]
fn a_data_folder_belongs_to_one_broker() {
    let dir = tempfile::tempdir().expect("dir");
    let _first = Local::on_disk(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let config = Config {
        listen: common::any_port(),
        storage: Storage::Disk(dir.path().to_owned()),
        ..Config::default()
    };
    let second = runtime.block_on(Broker::start(config));
    assert!(matches!(second, Err(Error::InUse { .. })));
}
