//! A member of a consumer group that writes down each message it takes, for the crash tests: they
//! kill it and compare what was written.

use std::io::{BufWriter, Write};
use std::time::Duration;

use clap::Parser;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;

/// Consumes a topic for ever; one line of partition and offset per message.
#[derive(Debug, Parser)]
struct Args {
    /// The broker.
    #[arg(long)]
    broker: String,
    /// The group to join.
    #[arg(long)]
    group: String,
    /// The topic to consume.
    #[arg(long)]
    topic: String,
    /// The group's way of sharing partitions: range or cooperative-sticky.
    #[arg(long)]
    assignor: String,
}

/// Messages between two commits, each with a moment of rest, which makes the work last long enough to be disturbed.
const BURST: u32 = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &args.broker)
        .set("group.id", &args.group)
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", &args.assignor)
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .create()?;
    consumer.subscribe(&[&args.topic])?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut taken = 0;
    loop {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let Ok(message) = message else { continue };
        // Written down before its offset may be committed.
        writeln!(out, "{} {}", message.partition(), message.offset())?;
        out.flush()?;
        // Refused when the partition has just been taken away; then another member has it again.
        let _ = consumer.store_offset(message.topic(), message.partition(), message.offset());
        taken += 1;
        if taken % BURST == 0 {
            let _ = consumer.commit_consumer_state(CommitMode::Async);
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}
