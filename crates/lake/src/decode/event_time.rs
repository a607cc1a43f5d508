//! The instant that a row says it happened at.

use super::column::{Column, Data};
use super::times;

/// The event time in the last row of `column`, in microseconds since 1970, if it has one.
///
/// A feed without a declared schema has its times as text or as epoch milliseconds.
pub(super) fn of_last_row(column: &Column) -> Option<i64> {
    if column.last_is_null() {
        return None;
    }
    match &column.data {
        Data::Timestamp(values) => values.last().copied(),
        Data::Date(values) => values.last().copied().map(times::midnight),
        Data::Bigint(values) => values.last().copied().and_then(times::from_millis),
        Data::String(values) => {
            let start = values.offsets.iter().rev().nth(1).copied()?;
            times::instant(&values.data[start as usize..]).map(|(micros, _)| micros)
        }
        _ => None,
    }
}
