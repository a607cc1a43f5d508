//! The broker's only reading of the wall clock, so that tests can hand in their own times.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; a clock set before 1970 reads as 0.
#[allow(clippy::disallowed_methods, reason = "the broker's clock is read here and nowhere else")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
