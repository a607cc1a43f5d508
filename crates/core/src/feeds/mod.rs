//! Feeds: what lands in the lake, under which name, with which columns, for how long.

mod builtin;
mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::layout::Kind;
pub use builtin::builtin;
pub use store::Feeds;

use crate::error::Error;
use crate::schema::Schema;

/// What to do where the target exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Append,
    Overwrite,
    /// Do nothing where the target exists.
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitioning {
    Date,
    Version,
}

/// How long data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    Days(u32),
    Versions(u32),
}

/// How the columns of a Kafka key are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyFormat {
    /// The key holds no columns.
    #[default]
    None,
    /// One column, as ksqlDB's KAFKA format: text, or a big-endian number.
    Kafka,
    /// A JSON object of the columns, or the bare value of one.
    Json,
}

/// The columns that live in the Kafka key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Key {
    pub columns: Vec<String>,
    pub format: KeyFormat,
}

/// One feed, as stored in `feeds/active/<name>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub name: String,
    pub kind: Kind,
    /// The Kafka topic or ksqlDB object that it comes from.
    pub source: String,
    #[serde(default)]
    pub description: String,
    pub mode: Mode,
    pub partitioning: Partitioning,
    pub retention: Retention,
    /// The column whose instant decides the date folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    #[serde(default)]
    pub key: Key,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mysql_table: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Declared columns. Without them they are inferred from the records and grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    #[serde(default)]
    pub created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
}

fn yes() -> bool {
    true
}

/// Columns that Affluent adds to every file; a feed may not have its own of these names.
pub const RESERVED_COLUMNS: &[&str] = &[
    "_rescued",
    "kafka_partition",
    "kafka_offset",
    "kafka_timestamp",
    "kafka_key",
    "year",
    "month",
    "day",
    "version",
];

impl Feed {
    /// A feed without declared columns, with the defaults of its kind.
    pub fn new(name: &str, kind: Kind, source: &str, description: &str, now: DateTime<Utc>) -> Self {
        let (mode, partitioning, retention) = match kind {
            Kind::Stream => (Mode::Append, Partitioning::Date, Retention::Days(365)),
            Kind::Table => (Mode::Overwrite, Partitioning::Version, Retention::Versions(7)),
        };
        Self {
            name: name.to_owned(),
            kind,
            source: source.to_owned(),
            description: description.to_owned(),
            mode,
            partitioning,
            retention,
            event_time: None,
            key: Key::default(),
            mysql_table: None,
            enabled: true,
            schema: None,
            created_at: now,
            archived_at: None,
        }
    }

    /// The name of a feed made for a topic: lower case, with `_` for what a name cannot hold.
    pub fn name_for_topic(topic: &str) -> String {
        let mut name: String = topic
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .take(100)
            .collect();
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.insert_str(0, "t_");
            name.truncate(100);
        }
        name
    }

    /// Checks the rules that a feed file must keep.
    pub fn validate(&self) -> Result<(), Error> {
        let bad = |reason: String| Err(Error::BadFeed { name: self.name.clone(), reason });
        let mut chars = self.name.chars();
        let starts_well = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        if !starts_well
            || self.name.len() > 100
            || !chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            return bad(
                "a name is a lower-case letter and then letters, digits and _, at most 100 in all".to_owned()
            );
        }
        if self.source.is_empty() {
            return bad("its source (a topic or ksqlDB object) is empty".to_owned());
        }
        match (self.kind, self.partitioning, self.retention) {
            (Kind::Stream, Partitioning::Date, Retention::Days(1..))
            | (Kind::Table, Partitioning::Version, Retention::Versions(1..)) => {}
            (Kind::Stream, ..) => {
                return bad("a stream is partitioned by date and kept for 1 day or more".to_owned());
            }
            (Kind::Table, ..) => {
                return bad("a table is partitioned by version and keeps 1 version or more".to_owned());
            }
        }
        let Some(schema) = &self.schema else { return Ok(()) };
        if let Some(field) = schema.fields.iter().find(|field| is_reserved_column(&field.name)) {
            return bad(format!("the column name {:?} is Affluent's own", field.name));
        }
        let named = self.key.columns.iter().chain(&self.event_time);
        match named.into_iter().find(|name| schema.position(name).is_none()) {
            Some(name) => bad(format!("its schema has no column {name:?}")),
            None => Ok(()),
        }
    }
}

/// Is this the name of a column that Affluent adds itself?
pub fn is_reserved_column(name: &str) -> bool {
    RESERVED_COLUMNS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_for_any_topic() {
        assert_eq!(Feed::name_for_topic("Orders.v1-eu"), "orders_v1_eu");
        assert_eq!(Feed::name_for_topic("1st"), "t_1st");
        for topic in ["ünïcode", "_x", "a".repeat(249).as_str()] {
            let name = Feed::name_for_topic(topic);
            let feed = Feed::new(&name, Kind::Stream, topic, "", DateTime::UNIX_EPOCH);
            feed.validate().unwrap();
        }
    }

    #[test]
    fn broken_rules_are_named() {
        let good = Feed::new("a", Kind::Table, "a", "", DateTime::UNIX_EPOCH);
        good.validate().unwrap();
        let mut feed = good.clone();
        feed.name = "A".to_owned();
        assert!(feed.validate().unwrap_err().to_string().contains("lower-case"));
        let mut feed = good.clone();
        feed.retention = Retention::Days(3);
        assert!(feed.validate().unwrap_err().to_string().contains("by version"));
        let mut feed = good.clone();
        feed.schema = Some(Schema::parse("x int, Kafka_Offset int").unwrap());
        assert!(feed.validate().unwrap_err().to_string().contains("Affluent's own"));
        let mut feed = good;
        feed.schema = Some(Schema::parse("x int").unwrap());
        feed.event_time = Some("y".to_owned());
        assert!(feed.validate().unwrap_err().to_string().contains("no column \"y\""));
    }
}
