//! What the integration tests share: brokers in this process and in their own, and clients.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use affluent_embedded::{Broker, Config, Storage};
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::runtime::Runtime;

/// A broker in this process, on a runtime of its own.
pub(crate) struct Local {
    runtime: Runtime,
    broker: Option<Broker>,
    pub(crate) addr: SocketAddr,
}

impl Local {
    pub(crate) fn start(storage: Storage, listen: SocketAddr) -> Self {
        Self::with(Config { listen, storage, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("runtime");
        let broker = runtime.block_on(Broker::start(config)).expect("broker starts");
        let addr = broker.addr();
        Self { runtime, broker: Some(broker), addr }
    }

    pub(crate) fn in_memory() -> Self {
        Self::start(Storage::Memory, any_port())
    }

    pub(crate) fn on_disk(dir: &Path) -> Self {
        Self::start(Storage::Disk(dir.to_owned()), any_port())
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("running")
    }

    /// Stops in an orderly way and starts again on the same address.
    pub(crate) fn restart(mut self, dir: &Path) -> Self {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
        let addr = self.addr;
        drop(self);
        Self::start(Storage::Disk(dir.to_owned()), addr)
    }
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address that was free a moment ago.
pub(crate) fn free_addr() -> SocketAddr {
    TcpListener::bind(any_port()).and_then(|l| l.local_addr()).expect("a free port")
}

/// The path of an example, which `cargo test` builds beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    let path = test.parent().and_then(Path::parent).expect("target folder").join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p affluent-embedded --examples`",
        path.display()
    );
    path
}

/// A number that whoever runs the tests may set.
#[allow(clippy::disallowed_methods, reason = "tests have no settings layers")]
pub(crate) fn parameter(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().expect("a number"))
}

/// A broker in a process of its own, to be killed.
pub(crate) struct BrokerProcess {
    child: Child,
    pub(crate) addr: SocketAddr,
    dir: PathBuf,
}

impl BrokerProcess {
    pub(crate) fn start(dir: &Path, addr: SocketAddr) -> Self {
        let child = Command::new(example("broker"))
            .args(["--listen", &addr.to_string(), "--data-dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("broker process");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !answers(addr) {
            assert!(Instant::now() < deadline, "the broker does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, addr, dir: dir.to_owned() }
    }

    /// SIGKILL, then a new process on the same data and address; how long until it answered.
    pub(crate) fn kill_and_restart(&mut self) -> Duration {
        self.kill();
        let started = Instant::now();
        *self = Self::start(&self.dir.clone(), self.addr);
        started.elapsed()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("reap");
    }
}

/// Whether an ApiVersions request of version 0 is answered there.
fn answers(addr: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
        stream.read_exact(&mut [0; 8])
    };
    ask().is_ok()
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client<T: FromClientConfig>(addr: SocketAddr, settings: &[(&str, &str)]) -> T {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", addr.to_string());
    config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create().expect("client")
}

/// Sends numbered messages and waits until all are acknowledged.
pub(crate) fn send(addr: SocketAddr, topic: &str, count: u64, settings: &[(&str, &str)]) {
    let producer: BaseProducer = client(addr, settings);
    for i in 0..count {
        send_one(&producer, topic, i);
    }
    producer.flush(Duration::from_secs(60)).expect("flushed");
}

pub(crate) fn send_one(producer: &BaseProducer, topic: &str, number: u64) {
    let (key, payload) = (number.to_string(), format!("{number:0>40}"));
    let mut record = BaseRecord::to(topic).key(&key).payload(&payload);
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
        producer.poll(Duration::from_millis(20));
        record = back;
    }
    producer.poll(Duration::ZERO);
}

/// Reads from the start until `count` messages came and nothing more does; their numbers.
pub(crate) fn read_all(addr: SocketAddr, topic: &str, count: usize, settings: &[(&str, &str)]) -> Vec<u64> {
    let group = format!("read-{}", std::process::id());
    let mut all = vec![
        ("auto.offset.reset", "earliest"),
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
    ];
    all.extend(settings);
    let consumer: BaseConsumer = client(addr, &all);
    assign_all(&consumer, topic);
    let mut numbers = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut quiet_since = Instant::now();
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                numbers.push(number_of(message.payload()));
                quiet_since = Instant::now();
            }
            Some(Err(error)) => panic!("{error}"),
            None if numbers.len() >= count && quiet_since.elapsed() > Duration::from_millis(700) => break,
            None if quiet_since.elapsed() > Duration::from_secs(10) => break,
            None => {}
        }
    }
    numbers
}

fn assign_all(consumer: &BaseConsumer, topic: &str) {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("metadata");
    let mut assignment = rdkafka::TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        assignment.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning).expect("offset");
    }
    consumer.assign(&assignment).expect("assigned");
}

pub(crate) fn number_of(payload: Option<&[u8]>) -> u64 {
    std::str::from_utf8(payload.expect("payload")).expect("text").parse().expect("number")
}
