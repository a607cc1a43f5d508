//! Topics: which there are, how far they reach, and making one that is missing.

use std::time::{Duration, Instant};

use affluent_core::suggest;
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer};

use crate::error::Cause;
use crate::{Error, KafkaArgs, LogContext, classify_kafka, client_config};

/// How long a broker has for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a new topic has to get its leaders.
const CREATION: Duration = Duration::from_secs(10);

/// What [`ensure_topic`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    Created,
    Existed { partitions: usize },
}

/// The ends of a partition: `low` is its first record's offset, `high` the next to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    pub partition: i32,
    pub low: i64,
    pub high: i64,
}

/// Creates the topic unless it exists; the broker's default replication.
pub fn ensure_topic(args: &KafkaArgs, topic: &str, partitions: usize) -> Result<Ensured, Error> {
    Admin::open(args)?.ensure_topic(topic, partitions)
}

/// A connection for questions about topics. Every call is bounded in time.
pub struct Admin {
    args: KafkaArgs,
    /// A producer that sends nothing: unlike rdkafka's admin client it hands us the reasons of failures.
    client: BaseProducer<LogContext>,
    timeout: Duration,
}

impl Admin {
    /// Makes the client; connects on the first question.
    pub fn open(args: &KafkaArgs) -> Result<Self, Error> {
        let config = client_config(args, &[]);
        let client = BaseProducer::from_config_and_context(&config, LogContext::new(args));
        Ok(Self { args: args.clone(), client: client.map_err(classify_kafka)?, timeout: TIMEOUT })
    }

    /// Waits this long for each answer instead of five seconds.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The names of all topics but Kafka's internal ones, sorted.
    pub fn topics(&self) -> Result<Vec<String>, Error> {
        let metadata = self.metadata()?;
        let names = metadata.topics().iter().map(|topic| topic.name());
        let mut names: Vec<String> =
            names.filter(|name| !name.starts_with("__")).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// How many partitions a topic has; `None` where it does not exist.
    pub fn partitions(&self, topic: &str) -> Result<Option<usize>, Error> {
        // All topics are asked for: a question about one may create it on some brokers.
        let metadata = self.metadata()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        Ok(found.map(|found| found.partitions().len()).filter(|&count| count > 0))
    }

    /// The ends of every partition, in order of partition.
    pub fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>, Error> {
        let Some(count) = self.partitions(topic)? else { return Err(self.unknown(topic)?) };
        let mut ends = Vec::with_capacity(count);
        for partition in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            let fetched = self.client.client().fetch_watermarks(topic, partition, self.timeout);
            let (low, high) = fetched.map_err(|source| self.failed("read the offsets of", topic, source))?;
            ends.push(Watermarks { partition, low, high });
        }
        Ok(ends)
    }

    /// The error for a topic that does not exist, with near names.
    pub fn unknown(&self, topic: &str) -> Result<Error, Error> {
        let topics = self.topics()?;
        let hint = suggest::hint(topic, topics.iter().map(String::as_str));
        Ok(Error::UnknownTopic { topic: topic.to_owned(), hint })
    }

    /// Creates the topic unless it exists, and waits until its partitions have leaders.
    pub fn ensure_topic(&self, topic: &str, partitions: usize) -> Result<Ensured, Error> {
        if let Some(partitions) = self.partitions(topic)? {
            return Ok(Ensured::Existed { partitions });
        }
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        // -1: the broker's default.replication.factor.
        let wanted = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
        let options =
            AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout));
        let admin: AdminClient<LogContext> = AdminClient::from_config_and_context(
            &client_config(&self.args, &[]),
            LogContext::new(&self.args),
        )
        .map_err(classify_kafka)?;
        let results = block_on(admin.create_topics([&wanted], &options))
            .map_err(|source| self.failed("create", topic, source))?;
        for result in results {
            match result {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {
                    return Ok(Ensured::Existed { partitions: self.led(topic)? });
                }
                Err((_, code)) => return Err(self.failed("create", topic, KafkaError::AdminOp(code))),
            }
        }
        self.led(topic)?;
        tracing::info!(topic, partitions, "topic created");
        Ok(Ensured::Created)
    }

    /// Waits until every partition of a topic has a leader, and counts them.
    fn led(&self, topic: &str) -> Result<usize, Error> {
        let start = Instant::now();
        loop {
            let metadata = self.metadata()?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let partitions = found.map_or(&[][..], |found| found.partitions());
            if !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0) {
                return Ok(partitions.len());
            }
            if start.elapsed() > CREATION {
                let source = KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable);
                return Err(self.failed("create", topic, source));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn metadata(&self) -> Result<Metadata, Error> {
        let fetched = self.client.client().fetch_metadata(None, self.timeout);
        fetched.map_err(|source| self.failed("list", "", source))
    }

    /// Tells a broker that is not there from one that says no, with librdkafka's own reason.
    fn failed(&self, action: &'static str, topic: &str, source: KafkaError) -> Error {
        // Each call hands over the next event: logs come before the error that they belong to.
        self.client.poll(Duration::from_millis(20));
        let last = self.client.context().last();
        let servers = self.args.servers().to_owned();
        let cause = Cause::of(source.rdkafka_error_code());
        let known = last.as_ref().map(|last| Cause::of(last.code));
        match (cause, known) {
            (Cause::Login, _) | (Cause::Unreachable, Some(Cause::Login)) => {
                let reason = last.map_or_else(|| source.to_string(), |last| last.reason);
                Error::Login { servers, reason }
            }
            (Cause::Unreachable, _) => {
                let code = source.rdkafka_error_code();
                let plain = code.map_or_else(|| source.to_string(), |code| code.to_string());
                Error::Unreachable { servers, reason: last.map_or(plain, |last| last.reason) }
            }
            (Cause::Refused, _) => Error::Refused { action, topic: topic.to_owned(), source },
        }
    }
}

#[cfg(test)]
mod tests {
    use affluent_core::exit;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        kafka: KafkaArgs,
    }

    #[test]
    fn a_broker_that_is_not_there_is_told_in_bounded_time() {
        // Port 1 of loopback: refused at once on any machine that runs no tcpmux.
        let args = Command::parse_from(["test", "--bootstrap-servers", "127.0.0.1:1"]).kafka;
        let start = Instant::now();
        let admin = Admin::open(&args).unwrap().with_timeout(Duration::from_secs(1));
        let error = admin.ensure_topic("t", 1).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1") && text.contains("--bootstrap-servers"), "{text}");
        assert!(text.contains("refused"), "the reason of the system is told: {text}");
        assert_eq!(exit::code_of(&error.into_exit()), 75);
    }

    #[test]
    fn a_bad_property_is_a_wrong_setting() {
        let args = Command::parse_from(["test", "-X", "no.such.property=1"]).kafka;
        let error = Admin::open(&args).err().unwrap();
        assert!(error.to_string().contains("no.such.property"), "{error}");
        assert_eq!(exit::code_of(&error.into_exit()), 2);
    }
}
