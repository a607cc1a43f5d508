//! Delivery reports: what was acknowledged, how late, and why the rest was not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use affluent_kafka::LogContext;
use affluent_kafka::rdkafka::client::ClientContext;
use affluent_kafka::rdkafka::config::RDKafkaLogLevel;
use affluent_kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use affluent_kafka::rdkafka::producer::{DeliveryResult, ProducerContext};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Why a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No broker took it in time.
    TimedOut,
    TooLarge,
    /// The topic or partition went away.
    UnknownTopic,
    NotAllowed,
    /// Given up after a failure of the client.
    Abandoned,
    Other,
}

impl Failure {
    pub(crate) fn of(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as C;
        match error.rdkafka_error_code() {
            Some(C::MessageTimedOut | C::TimedOutQueue | C::RequestTimedOut | C::OperationTimedOut) => {
                Self::TimedOut
            }
            Some(C::MessageSizeTooLarge | C::MessageBatchTooLarge | C::InvalidMessageSize) => Self::TooLarge,
            Some(C::UnknownTopic | C::UnknownTopicOrPartition | C::UnknownPartition | C::InvalidTopic) => {
                Self::UnknownTopic
            }
            Some(C::TopicAuthorizationFailed | C::ClusterAuthorizationFailed) => Self::NotAllowed,
            Some(C::PurgeQueue | C::PurgeInflight) => Self::Abandoned,
            _ => Self::Other,
        }
    }

    /// What it is and what to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::TimedOut => "timed out: is the broker up, and are enough replicas in sync?",
            Self::TooLarge => "too large: raise the topic's max.message.bytes, and -X message.max.bytes here",
            Self::UnknownTopic => "without a topic or partition: was the topic deleted?",
            Self::NotAllowed => "not allowed: the user needs WRITE on the topic",
            Self::Abandoned => "given up after a failure of the client",
            Self::Other => "refused: see the log",
        }
    }
}

/// The count of one sending thread.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) acked: u64,
    pub(crate) bytes: u64,
    pub(crate) failures: BTreeMap<Failure, u64>,
    /// Microseconds from when a message was due to its acknowledgement.
    pub(crate) latency: Histogram<u64>,
    /// When the last report came, after the start.
    pub(crate) last: Duration,
}

const HOUR_MICROS: u64 = 3_600_000_000;

impl Tally {
    pub(crate) fn new() -> Self {
        #[allow(clippy::expect_used, reason = "constant bounds that the type allows")]
        let latency = Histogram::new_with_bounds(1, HOUR_MICROS, 3).expect("valid bounds");
        Self { acked: 0, bytes: 0, failures: BTreeMap::new(), latency, last: Duration::ZERO }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(crate) fn fail(&mut self, failure: Failure, count: u64) {
        *self.failures.entry(failure).or_default() += count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.acked += other.acked;
        self.bytes += other.bytes;
        for (&failure, &count) in &other.failures {
            self.fail(failure, count);
        }
        // Histograms of the same bounds always add up.
        let _ = self.latency.add(&other.latency);
        self.last = self.last.max(other.last);
    }
}

/// Counts the reports of one client. The opaque of a message is its due time in microseconds.
pub(crate) struct Deliveries {
    log: LogContext,
    start: OnceLock<Instant>,
    tally: Mutex<Tally>,
}

impl Deliveries {
    pub(crate) fn new(log: LogContext) -> Self {
        Self { log, start: OnceLock::new(), tally: Mutex::new(Tally::new()) }
    }

    /// Times count from here; said once, before the first message.
    pub(crate) fn begin(&self, start: Instant) {
        let _ = self.start.set(start);
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due_micros: usize) {
        let mut tally = self.tally();
        tally.last = self.start.get().map(Instant::elapsed).unwrap_or_default();
        match result {
            Ok(message) => {
                let late = (tally.last.as_micros() as u64).saturating_sub(due_micros as u64);
                tally.acked += 1;
                tally.bytes += (message.payload_len() + message.key_len()) as u64;
                tally.latency.saturating_record(late);
            }
            Err((error, _)) => {
                let failure = Failure::of(error);
                if failure == Failure::Other && !tally.failures.contains_key(&failure) {
                    tracing::warn!(%error, "a message was refused");
                }
                tally.fail(failure, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let of = |code| Failure::of(&KafkaError::MessageProduction(code));
        assert_eq!(of(RDKafkaErrorCode::MessageTimedOut), Failure::TimedOut);
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge), Failure::TooLarge);
        assert_eq!(of(RDKafkaErrorCode::UnknownTopicOrPartition), Failure::UnknownTopic);
        assert_eq!(of(RDKafkaErrorCode::Unknown), Failure::Other);
    }

    #[test]
    fn tallies_add_up() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        a.acked = 2;
        a.latency.saturating_record(10);
        b.fail(Failure::TooLarge, 3);
        b.latency.saturating_record(2 * HOUR_MICROS);
        a.add(&b);
        assert_eq!((a.acked, a.failed(), a.latency.len()), (2, 3, 2));
        assert!(a.latency.max() >= HOUR_MICROS);
    }
}
