//! Topics of a test's own on a real broker, raw records into them and out of them.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use affluent_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use affluent_kafka::rdkafka::client::{ClientContext, DefaultClientContext};
use affluent_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use affluent_kafka::rdkafka::error::RDKafkaErrorCode;
use affluent_kafka::rdkafka::message::{Header as KafkaHeader, Headers, OwnedHeaders};
use affluent_kafka::rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use affluent_kafka::rdkafka::{Message as _, Offset, TopicPartitionList};
use affluent_kafka::{Admin, KafkaArgs, Watermarks, client_config};
use futures::executor::block_on;

use crate::env::{setting, skip, unique};

/// How long the broker has for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker that answers.
#[derive(Clone)]
pub struct Kafka {
    args: KafkaArgs,
}

/// The broker of `KAFKA_BOOTSTRAP_SERVERS`, else that of this machine.
pub fn require_kafka() -> Option<Kafka> {
    let servers = setting("KAFKA_BOOTSTRAP_SERVERS").unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let answers = servers.split(',').any(|server| {
        let addresses = server.to_socket_addrs().into_iter().flatten();
        addresses
            .into_iter()
            .any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
    });
    if !answers {
        skip("a test with Kafka", &format!("no broker answers at {servers}; run scripts/services up kafka"));
        return None;
    }
    Some(Kafka { args: KafkaArgs { bootstrap_servers: servers, properties: Vec::new() } })
}

/// A header of a record: name and value.
pub type Header = (String, Vec<u8>);

/// A record to send.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    pub key: Option<&'a [u8]>,
    /// None is a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, &'a [u8])],
    pub timestamp_ms: Option<i64>,
}

/// A record read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

impl Received {
    /// The value of a header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }
}

/// A topic that goes away with its test.
pub struct Topic {
    pub name: String,
    kafka: Kafka,
}

impl Drop for Topic {
    fn drop(&mut self) {
        let names = [self.name.as_str(), &format!("{}.dlq", self.name)];
        // A topic that is left over harms no other test.
        let _ = block_on(self.kafka.admin().delete_topics(&names, &AdminOptions::new()));
    }
}

impl Kafka {
    pub fn servers(&self) -> &str {
        self.args.servers()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        client_config(&self.args, &[]).create().unwrap()
    }

    /// Makes a topic that no other test has.
    pub fn topic(&self, prefix: &str, partitions: i32) -> Topic {
        self.topic_named(&unique(prefix), partitions)
    }

    /// Makes a topic of this name.
    pub fn topic_named(&self, name: &str, partitions: i32) -> Topic {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = block_on(self.admin().create_topics([&new], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "cannot create {name}: {made:?}");
        let topic = Topic { name: name.to_owned(), kafka: self.clone() };
        crate::wait_until("the leaders of a new topic", PATIENCE, || {
            self.watermarks(&topic.name).is_some_and(|ends| ends.len() == partitions as usize)
        });
        topic
    }

    /// The ends of a topic's partitions; none while it does not exist.
    pub fn watermarks(&self, topic: &str) -> Option<Vec<Watermarks>> {
        Admin::open(&self.args).unwrap().watermarks(topic).ok()
    }

    /// Deletes the records before `offset`, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        block_on(self.admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }

    pub fn producer(&self) -> Producer {
        let settings =
            [("enable.idempotence", "true"), ("linger.ms", "5"), ("message.max.bytes", "50000000")];
        let inner = client_config(&self.args, &settings).create_with_context(Deliveries::default()).unwrap();
        Producer { inner }
    }

    /// Everything that is in a topic now, in order of partition and offset.
    pub fn read_all(&self, topic: &str) -> Vec<Received> {
        let group = unique("testkit_read");
        let settings = [("group.id", group.as_str()), ("enable.auto.commit", "false")];
        let consumer: BaseConsumer = client_config(&self.args, &settings).create().unwrap();
        let ends = self.watermarks(topic).unwrap_or_else(|| panic!("there is no topic {topic}"));
        let mut list = TopicPartitionList::new();
        let mut missing: i64 = 0;
        for end in &ends {
            list.add_partition_offset(topic, end.partition, Offset::Beginning).unwrap();
            missing += end.high - end.low;
        }
        consumer.assign(&list).unwrap();
        let (start, mut found) = (Instant::now(), Vec::new());
        while missing > 0 {
            assert!(start.elapsed() < PATIENCE, "{missing} records of {topic} do not come");
            let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) else { continue };
            missing -= 1;
            let headers = record.headers().map_or(Vec::new(), |headers| {
                let header = |header: KafkaHeader<'_, &[u8]>| {
                    (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
                };
                headers.iter().map(header).collect()
            });
            found.push(Received {
                partition: record.partition(),
                offset: record.offset(),
                timestamp_ms: record.timestamp().to_millis(),
                key: record.key().map(<[u8]>::to_vec),
                value: record.payload().map(<[u8]>::to_vec),
                headers,
            });
        }
        found.sort_by_key(|record| (record.partition, record.offset));
        found
    }
}

#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends raw records in order.
pub struct Producer {
    inner: ThreadedProducer<Deliveries>,
}

impl Producer {
    /// Hands a record over; [`Producer::flush`] waits for it.
    pub fn send(&self, topic: &str, partition: i32, message: Message<'_>) {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        record.key = message.key;
        record.payload = message.value;
        record.timestamp = message.timestamp_ms;
        if !message.headers.is_empty() {
            let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(KafkaHeader { key, value: Some(*value) })
            });
            record.headers = Some(headers);
        }
        let start = Instant::now();
        while let Err((error, back)) = self.inner.send(record) {
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            assert!(full && start.elapsed() < PATIENCE, "cannot send to {topic}: {error}");
            std::thread::sleep(Duration::from_millis(5));
            record = back;
        }
    }

    /// Waits until the broker has everything.
    pub fn flush(&self) {
        self.inner.flush(PATIENCE).unwrap();
        assert_eq!(self.inner.context().failed.load(Ordering::Relaxed), 0, "records were not delivered");
    }
}
