//! The floor of any consumer: polls a topic from its start to its end and counts bytes.
//!
//! `count --topic T [--bootstrap-servers S]` prints the records and bytes that it saw.

use std::io::{Write, stdout};
use std::time::Duration;

use affluent_kafka::consumer::member_config;
use affluent_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use affluent_kafka::rdkafka::{Message, Offset, TopicPartitionList};
use affluent_kafka::{Admin, KafkaArgs};
use clap::Parser;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    topic: String,
    #[command(flatten)]
    kafka: KafkaArgs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let watermarks = Admin::open(&args.kafka)?.watermarks(&args.topic)?;
    let expected: i64 = watermarks.iter().map(|watermarks| watermarks.high - watermarks.low).sum();
    let mut partitions = TopicPartitionList::new();
    for watermarks in &watermarks {
        partitions.add_partition_offset(&args.topic, watermarks.partition, Offset::Beginning)?;
    }
    // The settings of the real consumer, so that only its own work differs.
    let consumer: BaseConsumer = member_config(&args.kafka, "affluent-count", 32 << 10).create()?;
    consumer.assign(&partitions)?;
    let (mut records, mut bytes) = (0i64, 0usize);
    while records < expected {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            records += 1;
            bytes += message.payload().map_or(0, <[u8]>::len);
        }
    }
    writeln!(stdout(), "{records} records, {bytes} bytes")?;
    Ok(())
}
