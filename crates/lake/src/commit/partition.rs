//! The folder of a data file inside its table.

use affluent_core::layout;
use chrono::{Datelike, NaiveDate};

/// A day of a stream, or a version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    Day(NaiveDate),
    Version(u64),
}

impl Partition {
    pub fn folder(self) -> String {
        match self {
            Self::Day(date) => layout::date_folder(date),
            Self::Version(version) => layout::version_folder(version),
        }
    }

    /// The partition columns and their values, as the log keeps them.
    pub fn values(self) -> Vec<(String, String)> {
        match self {
            Self::Day(date) => {
                let [year, month, day] = layout::DATE_COLUMNS.map(str::to_owned);
                vec![
                    (year, date.year().to_string()),
                    (month, date.month().to_string()),
                    (day, date.day().to_string()),
                ]
            }
            Self::Version(version) => {
                vec![(layout::VERSION_COLUMN.to_owned(), layout::version_value(version))]
            }
        }
    }
}
