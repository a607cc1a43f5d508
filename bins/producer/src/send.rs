//! Sending: each thread has a client of its own, makes its share of the messages and counts reports.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use affluent_core::stop::Stop;
use affluent_kafka::rdkafka::ClientConfig;
use affluent_kafka::rdkafka::config::FromClientConfigAndContext;
use affluent_kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use affluent_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use affluent_kafka::{KafkaArgs, LogContext, classify_kafka, client_config};

use crate::args::DeliveryArgs;
use crate::deliveries::{Deliveries, Failure, Tally};
use crate::message::{Plan, Record, Source};
use crate::pace::{Next, Schedule};

/// Messages between two looks at the reports and the stop flag, at full speed.
const GROUP: u32 = 128;

/// How long a full queue is given to drain before the next try.
const FULL: Duration = Duration::from_millis(5);

/// Memory of queued messages, over all threads.
const QUEUE_KIB: u32 = 64 * 1024;

/// What all sending threads share.
pub(crate) struct Job<'a> {
    pub(crate) topic: &'a str,
    pub(crate) plan: &'a Plan,
    /// `None`: to the end of the source.
    pub(crate) messages: Option<u64>,
    pub(crate) schedule: Schedule,
    pub(crate) threads: u32,
    pub(crate) start: Instant,
    pub(crate) stop: &'a Stop,
    /// Reports so far, of all threads.
    pub(crate) reported: AtomicU64,
}

/// The settings of a sending client: few large batches, every message once and in order.
fn config(kafka: &KafkaArgs, delivery: &DeliveryArgs) -> ClientConfig {
    let queue = (QUEUE_KIB / delivery.threads).max(1024).to_string();
    let mut defaults = vec![
        ("acks", delivery.acks.property()),
        ("compression.type", delivery.compression.property()),
        // The partition of a key is that of Kafka's own clients, so that tables join.
        ("partitioner", "murmur2_random"),
        ("linger.ms", "5"),
        ("batch.size", "1000000"),
        ("batch.num.messages", "100000"),
        ("queue.buffering.max.kbytes", &queue),
        ("queue.buffering.max.messages", "1000000"),
        ("delivery.timeout.ms", "120000"),
    ];
    // Only with all replicas' acknowledgement can repeats be told from new messages.
    let asked = kafka
        .properties()
        .filter(|property| matches!(property.key.as_str(), "acks" | "request.required.acks"));
    let acks = asked.last().map_or(delivery.acks.property(), |property| &property.value);
    if matches!(acks, "all" | "-1") {
        defaults.push(("enable.idempotence", "true"));
    }
    client_config(kafka, &defaults)
}

/// A client for each thread, connected, so that the first messages need not wait for that.
pub(crate) fn clients(
    kafka: &KafkaArgs,
    delivery: &DeliveryArgs,
    topic: &str,
) -> anyhow::Result<Vec<BaseProducer<Deliveries>>> {
    let config = config(kafka, delivery);
    let connected = |_| {
        let context = Deliveries::new(LogContext::new(kafka));
        let client = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| classify_kafka(error).into_exit())?;
        // The topic was seen a moment ago: a failure here is dealt with by sending.
        let _ = client.client().fetch_metadata(Some(topic), Duration::from_secs(5));
        Ok(client)
    };
    (0..delivery.threads).map(connected).collect()
}

impl Job<'_> {
    /// Sends the messages of one thread and waits for their reports. What was reported counts even
    /// where sending failed.
    pub(crate) fn run(
        &self,
        thread: u32,
        client: BaseProducer<Deliveries>,
        source: &mut Source,
    ) -> (Tally, anyhow::Result<()>) {
        client.context().begin(self.start);
        let mut worker = Worker { job: self, client, reported: 0 };
        let sent = worker.send_all(thread, source);
        if sent.is_err() {
            // The other threads need not go on.
            self.stop.request();
        }
        worker.drain();
        let tally = std::mem::replace(&mut *worker.client.context().tally(), Tally::new());
        (tally, sent)
    }
}

struct Worker<'a> {
    job: &'a Job<'a>,
    client: BaseProducer<Deliveries>,
    reported: u64,
}

impl Worker<'_> {
    fn send_all(&mut self, thread: u32, source: &mut Source) -> anyhow::Result<()> {
        let job = self.job;
        let mut record = Record::default();
        let mut index = u64::from(thread);
        let mut group = 0;
        let mut now = job.start.elapsed();
        while job.messages.is_none_or(|messages| index < messages) {
            match job.schedule.next(index, now) {
                Next::Wait(nap) => {
                    self.wait(nap);
                    now = job.start.elapsed();
                    group = 0;
                    if job.stop.is_requested() {
                        return Ok(());
                    }
                }
                Next::Send(due) => {
                    if !source.write(job.plan, index, &mut record)? || !self.send(&record, due)? {
                        return Ok(());
                    }
                    index += u64::from(job.threads);
                    group += 1;
                    if group == GROUP {
                        group = 0;
                        self.poll(Duration::ZERO);
                        now = job.start.elapsed();
                        if job.stop.is_requested() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Queues one message, waiting for room; false when asked to stop meanwhile.
    fn send(&mut self, record: &Record, due: Duration) -> anyhow::Result<bool> {
        let mut message: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(self.job.topic, due.as_micros() as usize);
        message.key = record.key_bytes();
        message.payload = record.value_bytes();
        loop {
            let Err((error, back)) = self.client.send(message) else { return Ok(true) };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => self.poll(FULL),
                Some(RDKafkaErrorCode::Fatal) => return Err(self.fatal(error)),
                _ => {
                    self.client.context().tally().fail(Failure::of(&error), 1);
                    return Ok(true);
                }
            }
            if self.job.stop.is_requested() {
                return Ok(false);
            }
            message = back;
        }
    }

    /// The client ended for good; librdkafka's own reason tells why.
    fn fatal(&self, error: KafkaError) -> anyhow::Error {
        let reason = self.client.client().fatal_error().map(|(_, reason)| reason);
        let error = classify_kafka(error).into_exit();
        match reason {
            Some(reason) => error.context(format!("sending ended: {reason}")),
            None => error.context("sending ended"),
        }
    }

    /// Spends a nap on the reports; what is shorter than librdkafka's milliseconds is slept.
    fn wait(&mut self, nap: Duration) {
        // Not too long at a time: a stop is noticed between two waits.
        let nap = nap.min(Duration::from_millis(100));
        let start = Instant::now();
        self.poll(Duration::from_millis(nap.as_millis().saturating_sub(1) as u64));
        std::thread::sleep(nap.saturating_sub(start.elapsed()));
    }

    fn poll(&mut self, timeout: Duration) {
        self.client.poll(timeout);
        let tally = self.client.context().tally();
        let reported = tally.acked + tally.failed();
        self.job.reported.fetch_add(reported - self.reported, Ordering::Relaxed);
        self.reported = reported;
    }

    /// Waits for the reports of all that is queued; each message has its delivery timeout.
    fn drain(&mut self) {
        let waiting = self.client.in_flight_count();
        if waiting > 0 && self.job.stop.is_requested() {
            tracing::info!(waiting, "stopping: waiting for what is queued; Ctrl-C again leaves at once");
        }
        // Asks librdkafka to send what lingers for company.
        while self.client.in_flight_count() > 0 {
            let _ = self.client.flush(Duration::ZERO);
            self.poll(Duration::from_millis(2));
        }
        self.poll(Duration::ZERO);
    }
}
