//! Wall-clock time comes from here, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// The time of day, in UTC.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    System,
    /// Microseconds since 1970, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the one home of wall-clock time")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::Relaxed)).unwrap_or_default()
            }
        }
    }

    pub fn now_micros(&self) -> i64 {
        self.now().timestamp_micros()
    }
}
