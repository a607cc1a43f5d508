//! Dead letters on their way to `<topic>.dlq`, flushed before the offset moves past them.

use std::collections::HashSet;
use std::time::Duration;

use affluent_kafka::rdkafka::message::{Header, OwnedHeaders};
use affluent_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use affluent_kafka::{Admin, KafkaArgs, LogContext, classify_kafka, client_config};
use affluent_lake::buffer::Record;
use affluent_lake::land::DeadLetter;
use anyhow::Context as _;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How long the dead-letter topic may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends dead letters to their topics; connects at the first one.
pub(crate) struct DeadLetterTopic {
    kafka: KafkaArgs,
    producer: Option<BaseProducer<LogContext>>,
    made: HashSet<String>,
}

impl DeadLetterTopic {
    pub(crate) fn new(kafka: &KafkaArgs) -> Self {
        Self { kafka: kafka.clone(), producer: None, made: HashSet::new() }
    }

    pub(crate) fn send(
        &mut self,
        topic: &str,
        partition: i32,
        record: Record<'_>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let name = format!("{topic}.dlq");
        if self.made.insert(name.clone()) {
            Admin::open(&self.kafka)
                .and_then(|admin| admin.ensure_topic(&name, 1))
                .map_err(affluent_kafka::Error::into_exit)?;
        }
        let producer = match &self.producer {
            Some(producer) => producer,
            None => {
                let config = client_config(
                    &self.kafka,
                    &[
                        ("enable.idempotence", "true"),
                        ("linger.ms", "20"),
                        ("message.max.bytes", "100000000"),
                    ],
                );
                let made = config.create_with_context(LogContext::new(&self.kafka)).map_err(classify_kafka);
                self.producer.insert(made.map_err(affluent_kafka::Error::into_exit)?)
            }
        };
        let (partition, offset) = (partition.to_string(), record.offset.to_string());
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("affluent.topic", topic),
            ("affluent.partition", &partition),
            ("affluent.offset", &offset),
            ("affluent.reason", reason),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut message: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&name).headers(headers).payload(record.value.unwrap_or_default());
        if let Some(key) = record.key {
            message = message.key(key);
        }
        while let Err((error, back)) = producer.send(message) {
            if error.rdkafka_error_code() != Some(affluent_kafka::rdkafka::types::RDKafkaErrorCode::QueueFull)
            {
                return Err(error).with_context(|| format!("cannot send a dead letter to {name}"));
            }
            producer.poll(Duration::from_millis(100));
            message = back;
        }
        Ok(())
    }

    /// Waits until every letter is acknowledged.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        let Some(producer) = &self.producer else { return Ok(()) };
        producer.flush(PATIENCE).context(
            "the dead-letter topic does not acknowledge; nothing was committed past the rejected records, \
             so run again, or use --dead-letters folder",
        )
    }
}

/// The letter as it is kept in the lake.
pub(crate) fn letter(topic: &str, partition: i32, record: Record<'_>, reason: &str) -> DeadLetter {
    DeadLetter {
        topic: topic.to_owned(),
        partition,
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        reason: reason.to_owned(),
        key: record.key.map(|key| BASE64_STANDARD.encode(key)),
        value: record.value.map(|value| BASE64_STANDARD.encode(value)),
    }
}
