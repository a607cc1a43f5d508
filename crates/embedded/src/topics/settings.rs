//! A topic's settings: the names Kafka gives them, their defaults, and what is accepted.

use std::collections::BTreeMap;

use crate::log::append::AppendOptions;
use crate::log::compaction::Rules;
use crate::log::retention::Limits;

/// How a value is written and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Long { min: i64 },
    Int { min: i64 },
    Ratio,
    Boolean,
    Choice(&'static [&'static str]),
    List(&'static [&'static str]),
}

/// A setting that a topic may carry.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) kind: Kind,
}

const fn setting(name: &'static str, default: &'static str, kind: Kind) -> Setting {
    Setting { name, default, kind }
}

/// Settings this broker acts on, then those it takes because clients and tools send them, and which
/// have no meaning on one node.
pub(crate) const SETTINGS: &[Setting] = &[
    setting("cleanup.policy", "delete", Kind::List(&["delete", "compact"])),
    setting("retention.ms", "604800000", Kind::Long { min: -1 }),
    setting("retention.bytes", "-1", Kind::Long { min: -1 }),
    setting("segment.bytes", "67108864", Kind::Int { min: 1024 }),
    setting("segment.ms", "604800000", Kind::Long { min: 1 }),
    setting("max.message.bytes", "1048588", Kind::Int { min: 0 }),
    setting("message.timestamp.type", "CreateTime", Kind::Choice(&["CreateTime", "LogAppendTime"])),
    setting("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    setting("delete.retention.ms", "86400000", Kind::Long { min: 0 }),
    setting("min.compaction.lag.ms", "0", Kind::Long { min: 0 }),
    setting("max.compaction.lag.ms", "9223372036854775807", Kind::Long { min: 1 }),
    setting("compression.type", "producer", Kind::Choice(&["producer"])),
    setting("min.insync.replicas", "1", Kind::Int { min: 1 }),
    setting("flush.messages", "9223372036854775807", Kind::Long { min: 1 }),
    setting("flush.ms", "9223372036854775807", Kind::Long { min: 0 }),
    setting("file.delete.delay.ms", "60000", Kind::Long { min: 0 }),
    setting("index.interval.bytes", "4096", Kind::Int { min: 0 }),
    setting("segment.index.bytes", "10485760", Kind::Int { min: 4 }),
    setting("segment.jitter.ms", "0", Kind::Long { min: 0 }),
    setting("preallocate", "false", Kind::Boolean),
    setting("unclean.leader.election.enable", "false", Kind::Boolean),
    setting("message.timestamp.before.max.ms", "9223372036854775807", Kind::Long { min: 0 }),
    setting("message.timestamp.after.max.ms", "3600000", Kind::Long { min: 0 }),
    setting("remote.storage.enable", "false", Kind::Choice(&["false"])),
];

pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.name == name)
}

impl Setting {
    /// Why a value is not taken, if it is not.
    pub(crate) fn refuse(&self, value: &str) -> Option<String> {
        let number = |min: i64, max: i64| value.parse::<i64>().is_ok_and(|v| (min..=max).contains(&v));
        let good = match self.kind {
            Kind::Long { min } => number(min, i64::MAX),
            Kind::Int { min } => number(min, i64::from(i32::MAX)),
            Kind::Ratio => value.parse::<f64>().is_ok_and(|v| (0.0..=1.0).contains(&v)),
            Kind::Boolean => matches!(value, "true" | "false"),
            Kind::Choice(words) => words.contains(&value),
            Kind::List(words) => value.split(',').all(|word| words.contains(&word.trim())),
        };
        (!good).then(|| format!("invalid value {value} for configuration {}", self.name))
    }

    /// The protocol's number for the type of the value.
    pub(crate) fn type_code(&self) -> i8 {
        match self.kind {
            Kind::Boolean => 1,
            Kind::Choice(_) => 2,
            Kind::Int { .. } => 3,
            Kind::Long { .. } => 5,
            Kind::Ratio => 6,
            Kind::List(_) => 7,
        }
    }
}

/// Overrides checked as a whole; the first objection.
pub(crate) fn check(overrides: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in overrides {
        let known = find(name).ok_or_else(|| format!("unknown topic config name: {name}"))?;
        if let Some(reason) = known.refuse(value) {
            return Err(reason);
        }
    }
    Ok(())
}

/// A topic's settings in the form the log uses.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) compact: bool,
    pub(crate) delete: bool,
    pub(crate) limits: Limits,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) max_message_bytes: Option<usize>,
    pub(crate) append_time: bool,
    pub(crate) dirty_ratio: f64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) compaction_lag_ms: i64,
}

impl Settings {
    /// Reads overrides that were checked before; a value that is none falls back to its default.
    pub(crate) fn read(overrides: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            let default = find(name).map_or("", |s| s.default);
            overrides.get(name).map_or(default, String::as_str)
        };
        let number = |name: &str| text(name).parse::<i64>().unwrap_or(-1);
        let policy = text("cleanup.policy");
        let has = |word: &str| policy.split(',').any(|p| p.trim() == word);
        Self {
            compact: has("compact"),
            delete: has("delete"),
            limits: Limits {
                retention_ms: number("retention.ms"),
                retention_bytes: number("retention.bytes"),
            },
            segment_bytes: number("segment.bytes").max(1024) as u64,
            segment_ms: number("segment.ms"),
            max_message_bytes: overrides.get("max.message.bytes").and_then(|v| v.parse().ok()),
            append_time: text("message.timestamp.type") == "LogAppendTime",
            dirty_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            delete_retention_ms: number("delete.retention.ms"),
            compaction_lag_ms: number("min.compaction.lag.ms"),
        }
    }

    pub(crate) fn compaction(&self) -> Rules {
        Rules {
            dirty_ratio: self.dirty_ratio,
            delete_retention_ms: self.delete_retention_ms,
            lag_ms: self.compaction_lag_ms,
        }
    }

    pub(crate) fn append_options(&self, now: i64, sync: bool) -> AppendOptions {
        AppendOptions {
            now,
            append_time: self.append_time,
            segment_bytes: self.segment_bytes,
            segment_ms: self.segment_ms,
            sync,
        }
    }
}
