//! What a run did, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use affluent_core::units::show_count;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::deliveries::{Failure, Tally};
use crate::message::Plan;

/// The result of `producer`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub topic: String,
    /// Was the topic created?
    pub created: bool,
    /// Messages acknowledged.
    pub sent: u64,
    pub failed: u64,
    pub failures: BTreeMap<Failure, u64>,
    /// Stopped by a signal before the end.
    pub interrupted: bool,
    /// From the start to the last report.
    pub seconds: f64,
    pub messages_per_s: f64,
    /// Keys and values before compression, in millions of bytes.
    pub mb_per_s: f64,
    pub bytes: u64,
    /// From when a message was due to its acknowledgement.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p99_9_ms: f64,
    pub max_ms: f64,
    /// With these, `--seed`, `--start-time` and `--time-step` give the same messages again.
    pub seed: u64,
    pub start_time: String,
    pub time_step: String,
    /// Were the messages made, not read from a file?
    #[serde(skip)]
    made: bool,
}

impl Summary {
    pub(crate) fn new(topic: &str, created: bool, interrupted: bool, plan: &Plan, tally: &Tally) -> Self {
        let seconds = tally.last.as_secs_f64();
        let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        let ms = |quantile: f64| tally.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            topic: topic.to_owned(),
            created,
            sent: tally.acked,
            failed: tally.failed(),
            failures: tally.failures.clone(),
            interrupted,
            seconds,
            messages_per_s: per_second(tally.acked as f64),
            mb_per_s: per_second(tally.bytes as f64 / 1e6),
            bytes: tally.bytes,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p99_9_ms: ms(0.999),
            max_ms: tally.latency.max() as f64 / 1000.0,
            seed: plan.seed,
            start_time: DateTime::<Utc>::from_timestamp_micros(plan.start_micros)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::AutoSi, true),
            time_step: shown_step(plan.step_nanos),
            made: true,
        }
    }

    /// A file is sent again by its name: a seed says nothing about it.
    pub(crate) fn without_seed(mut self) -> Self {
        self.made = false;
        self
    }

    /// Each kind of failure with its count and what to do about it.
    pub(crate) fn reasons(&self) -> String {
        let reason =
            |(failure, count): (&Failure, &u64)| format!("{} {}", show_count(*count), failure.advice());
        self.failures.iter().map(reason).collect::<Vec<_>>().join("; ")
    }
}

/// As `--time-step` reads it, without a fraction.
fn shown_step(nanos: u64) -> String {
    if nanos.is_multiple_of(1_000_000) { format!("{}ms", nanos / 1_000_000) } else { format!("{nanos}ns") }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = if self.interrupted { ", stopped early" } else { "" };
        let created = if self.created { " (created)" } else { "" };
        writeln!(
            f,
            "{} messages to {}{created} in {:.2} s{stopped}",
            show_count(self.sent),
            self.topic,
            self.seconds
        )?;
        if self.failed > 0 {
            writeln!(f, "failed   {}: {}", show_count(self.failed), self.reasons())?;
        }
        writeln!(
            f,
            "rate     {} msg/s, {:.2} MB/s",
            show_count(self.messages_per_s.round() as u64),
            self.mb_per_s
        )?;
        writeln!(
            f,
            "latency  p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
            self.p50_ms, self.p99_ms, self.p99_9_ms, self.max_ms
        )?;
        if !self.made {
            return Ok(());
        }
        write!(
            f,
            "again    --seed {} --start-time {} --time-step {}",
            self.seed, self.start_time, self.time_step
        )
    }
}

#[cfg(test)]
mod tests {
    use affluent_core::units;

    use super::*;

    #[test]
    fn a_shown_step_reads_back() {
        for nanos in [1_000_000, 666_666, 0, 86_400_000_000_000] {
            let read = units::duration(&shown_step(nanos)).unwrap();
            assert_eq!(read.as_nanos(), u128::from(nanos));
        }
    }
}
