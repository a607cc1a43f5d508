//! A group member that is told of rebalances as events, between two records.
//!
//! librdkafka waits for the answer to a rebalance: the owner of the consumer first commits what it
//! has buffered of the revoked partitions, then gives them up; and it looks up in its own store where
//! to start before it takes partitions over. Offsets committed to Kafka are for lag tools only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset};

use crate::{Error, KafkaArgs, LogContext, classify_kafka, client_config};

/// A partition of a topic.
pub type TopicPartition = (String, i32);

/// What a poll brings.
pub enum Polled<'a> {
    Record(BorrowedMessage<'a>),
    /// The end of a partition of this number was reached, for now.
    End(i32),
    /// Partitions to take over, to be answered by [`Member::assign`].
    Assigned(Vec<TopicPartition>),
    /// Partitions to give up, to be answered by [`Member::unassign`].
    Revoked(Vec<TopicPartition>),
    /// The offset to start from does not exist (any more).
    OffsetOutOfRange,
}

/// A member of a consumer group.
pub struct Member {
    consumer: BaseConsumer<MemberContext>,
    servers: String,
}

struct MemberContext {
    log: LogContext,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

enum Rebalance {
    Assign(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no error, and comes as an event of its own.
        if !matches!(error, KafkaError::PartitionEOF(_))
            && error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF)
        {
            self.log.error(error, reason);
        }
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Acquire) {
            // Everything was committed before: the partitions are given up without asking anyone.
            let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
            let answer = match (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, cooperative) {
                (true, true) => consumer.incremental_assign(partitions),
                (true, false) => consumer.assign(partitions),
                (false, true) => consumer.incremental_unassign(partitions),
                (false, false) => consumer.unassign(),
            };
            if let Err(error) = answer {
                tracing::debug!(%error, "cannot give up the partitions while leaving");
            }
            return;
        }
        let named = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let rebalance = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Rebalance::Assign(named)
        } else {
            Rebalance::Revoke(named)
        };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "the group's offsets were not committed; only lag tools read them");
        }
    }
}

/// The member's settings, to change before it joins.
pub fn member_config(args: &KafkaArgs, group: &str, queue_kib: u64) -> ClientConfig {
    let queue = queue_kib.to_string();
    client_config(
        args,
        &[
            ("group.id", group),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            // A start that does not exist must be seen, not silently replaced.
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("queued.max.messages.kbytes", &queue),
            // A full queue is emptied in milliseconds: the default second of rest would be most of the time.
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "1048576"),
            ("fetch.min.bytes", "1"),
            ("fetch.wait.max.ms", "100"),
        ],
    )
}

impl Member {
    pub fn join(args: &KafkaArgs, config: &ClientConfig, topics: &[&str]) -> Result<Self, Error> {
        let context = MemberContext {
            log: LogContext::new(args),
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<MemberContext> =
            config.create_with_context(context).map_err(classify_kafka)?;
        consumer.subscribe(topics).map_err(Error::Client)?;
        Ok(Self { consumer, servers: args.servers().to_owned() })
    }

    /// Waits for the next record or event. Errors that librdkafka retries by itself are not told.
    #[inline]
    pub fn poll(&self, timeout: Duration) -> Result<Option<Polled<'_>>, Error> {
        let polled = self.consumer.poll(timeout);
        match polled {
            Some(Ok(record)) => Ok(Some(Polled::Record(record))),
            None => Ok(self.rebalanced()),
            Some(Err(error)) => self.failed(error),
        }
    }

    #[cold]
    fn failed(&self, error: KafkaError) -> Result<Option<Polled<'_>>, Error> {
        match &error {
            KafkaError::PartitionEOF(partition) => return Ok(Some(Polled::End(*partition))),
            KafkaError::MessageConsumptionFatal(_) => return Err(Error::Client(error)),
            _ => {}
        }
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Ok(Some(Polled::OffsetOutOfRange)),
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => {
                Err(Error::Client(error))
            }
            Some(Code::SaslAuthenticationFailed | Code::Authentication) => {
                Err(Error::Login { servers: self.servers.clone(), reason: error.to_string() })
            }
            _ => {
                tracing::debug!(%error, "librdkafka reports and retries");
                Ok(self.rebalanced())
            }
        }
    }

    fn rebalanced(&self) -> Option<Polled<'_>> {
        let mut waiting = self.consumer.context().rebalances.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match waiting.pop_front()? {
            Rebalance::Assign(partitions) => Polled::Assigned(partitions),
            Rebalance::Revoke(partitions) => Polled::Revoked(partitions),
        })
    }

    /// Is the consumer told to stop within a rebalance that it was thrown out of?
    pub fn is_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Starts reading partitions, each at its offset, or at the topic's start.
    pub fn assign(&self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in partitions {
            let offset = offset.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(topic, *partition, offset).map_err(Error::Client)?;
        }
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
            _ => self.consumer.assign(&list),
        }
        .map_err(Error::Client)
    }

    /// Gives partitions up.
    pub fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_unassign(&list),
            _ => self.consumer.unassign(),
        }
        .map_err(Error::Client)
    }

    /// Reads an assigned partition from another offset on.
    pub fn seek(&self, topic: &str, partition: i32, offset: Option<i64>) -> Result<(), Error> {
        let to = offset.map_or(Offset::Beginning, Offset::Offset);
        self.consumer.seek(topic, partition, to, Duration::from_secs(10)).map_err(|source| Error::Record {
            action: "go back to",
            topic: topic.to_owned(),
            partition,
            offset: offset.unwrap_or(0),
            source: Box::new(source),
        })
    }

    /// The first and the next offset of a partition, asked of the broker.
    pub fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        let found = self.consumer.fetch_watermarks(topic, partition, Duration::from_secs(20));
        found.map_err(|source| Error::Record {
            action: "ask for the offsets of",
            topic: topic.to_owned(),
            partition,
            offset: 0,
            source: Box::new(source),
        })
    }

    /// Tells the group how far we are, for lag tools. Nothing depends on it.
    pub fn publish_progress<'t>(&self, offsets: impl IntoIterator<Item = (&'t str, i32, i64)>) {
        let mut list = TopicPartitionList::new();
        for (topic, partition, next) in offsets {
            let _ = list.add_partition_offset(topic, partition, Offset::Offset(next));
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "the group's offsets were not committed; only lag tools read them");
        }
    }
}

impl Drop for Member {
    /// Leaves the group. What was buffered must have been committed before.
    fn drop(&mut self) {
        // A rebalance that was not answered yet would hold up the end.
        while let Some(rebalance) = self.rebalanced() {
            let answered = match rebalance {
                Polled::Revoked(partitions) => self.unassign(&partitions),
                Polled::Assigned(partitions) => {
                    let starts: Vec<_> = partitions.into_iter().map(|partition| (partition, None)).collect();
                    self.assign(&starts)
                }
                _ => Ok(()),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "cannot answer a rebalance while leaving");
            }
        }
        self.consumer.context().closing.store(true, Ordering::Release);
    }
}
