//! Every path of the lake comes from here, relative to its root, with `/` between parts.
//!
//! ```text
//! streams/<stream>/year=YYYY/month=MM/day=DD/<file>.parquet
//! tables/<table>/version=vN/<file>.parquet
//! feeds/active/<feed>.json   feeds/archived/<feed>.json
//! dead_letters/<topic>/<file>.jsonl
//! logs/
//! .staging/<writer>/          files being written, never read
//! ```

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// The folders that `init-datalake` makes.
pub const FOLDERS: &[&str] = &["streams", "tables", "feeds/active", "feeds/archived", "logs"];
pub const STAGING: &str = ".staging";
pub const DEAD_LETTERS: &str = "dead_letters";
/// Partition columns of a stream, in path order.
pub const DATE_COLUMNS: [&str; 3] = ["year", "month", "day"];
/// Partition column of a table.
pub const VERSION_COLUMN: &str = "version";

/// Is a feed an unbounded stream of events, or a table of current rows?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Stream,
    Table,
}

impl Kind {
    pub fn folder(self) -> &'static str {
        match self {
            Self::Stream => "streams",
            Self::Table => "tables",
        }
    }
}

/// `streams/<name>` or `tables/<name>`: the root of the feed's Delta table.
pub fn feed_folder(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.folder())
}

pub fn active_feed(name: &str) -> String {
    format!("feeds/active/{name}.json")
}

pub fn archived_feed(name: &str) -> String {
    format!("feeds/archived/{name}.json")
}

/// The folder of one day of a stream, inside its feed folder.
pub fn date_folder(date: NaiveDate) -> String {
    format!("year={:04}/month={:02}/day={:02}", date.year(), date.month(), date.day())
}

/// Reads `year=YYYY/month=MM/day=DD`.
pub fn parse_date_folder(path: &str) -> Option<NaiveDate> {
    let mut parts = path.split('/').zip(DATE_COLUMNS).map(|(part, column)| {
        let digits = part.strip_prefix(column)?.strip_prefix('=')?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    });
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    (date_folder(date) == path).then_some(date)
}

/// The folder of one version of a table, inside its feed folder.
pub fn version_folder(version: u64) -> String {
    format!("{VERSION_COLUMN}={}", version_value(version))
}

/// `v7`: the partition value of a table's version.
pub fn version_value(version: u64) -> String {
    format!("v{version}")
}

/// Reads `v7`.
pub fn parse_version_value(value: &str) -> Option<u64> {
    let version = value.strip_prefix('v')?.parse().ok()?;
    (version > 0 && version_value(version) == value).then_some(version)
}

/// Name of a data file written from one Kafka partition: where it starts and who wrote it.
///
/// The writer's id makes names unique, so that a paused process that wakes up can never overwrite
/// what its successor wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    pub topic: String,
    pub partition: i32,
    pub first_offset: i64,
    pub writer: String,
}

impl DataFile {
    pub fn name(&self) -> String {
        format!("{}-{}-{:020}-{}.parquet", self.topic, self.partition, self.first_offset, self.writer)
    }

    /// Reads a file name back; none for a file of another making.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".parquet")?.rsplitn(4, '-');
        let writer = parts.next()?.to_owned();
        let first_offset = parts.next().filter(|digits| digits.len() == 20)?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        let topic = parts.next()?.to_owned();
        let file = Self { topic, partition, first_offset, writer };
        (file.name() == name).then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dates_round_trip(days in 0..3_000_000i32) {
            let date = NaiveDate::from_num_days_from_ce_opt(days + 366).unwrap();
            prop_assert_eq!(parse_date_folder(&date_folder(date)), Some(date));
        }

        #[test]
        fn versions_round_trip(version in 1..u64::MAX) {
            prop_assert_eq!(parse_version_value(&version_value(version)), Some(version));
        }

        #[test]
        fn file_names_round_trip(
            topic in "[a-zA-Z0-9._-]{1,40}",
            partition in 0..i32::MAX,
            first_offset in 0..i64::MAX,
            writer in "[0-9a-z]{8,16}",
        ) {
            let file = DataFile { topic, partition, first_offset, writer };
            prop_assert_eq!(DataFile::parse(&file.name()), Some(file));
        }

        #[test]
        fn strange_names_do_not_parse_to_something_else(name in ".{0,60}") {
            if let Some(file) = DataFile::parse(&name) {
                prop_assert_eq!(file.name(), name);
            }
        }
    }

    #[test]
    fn folders_look_as_documented() {
        let date = NaiveDate::from_ymd_opt(2024, 3, 9).unwrap();
        assert_eq!(date_folder(date), "year=2024/month=03/day=09");
        assert_eq!(version_folder(12), "version=v12");
        assert_eq!(parse_date_folder("year=2024/month=3/day=09"), None);
        assert_eq!(parse_version_value("v0"), None);
        assert_eq!(parse_version_value("v01"), None);
        assert_eq!(feed_folder(Kind::Table, "t"), "tables/t");
    }
}
