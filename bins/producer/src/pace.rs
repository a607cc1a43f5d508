//! When each message is due.
//!
//! Message `i` is due at `i / rate` after the start, whatever happened before: a late sender catches
//! up, and latency counts from the due time. Messages due within the same short tick go together,
//! so that high rates need few naps and no burst is longer than a tick.

use std::time::Duration;

/// The longest time that a message waits for others to go with.
const TICK: Duration = Duration::from_micros(500);

/// The schedule of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Nanoseconds between two messages; 0 is as fast as possible.
    interval: f64,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send; the message was due at this time.
    Send(Duration),
    Wait(Duration),
}

impl Schedule {
    /// A rate of 0 is as fast as possible.
    pub(crate) fn new(rate: f64) -> Self {
        Self { interval: if rate > 0.0 { 1e9 / rate } else { 0.0 } }
    }

    pub(crate) fn is_paced(self) -> bool {
        self.interval > 0.0
    }

    /// When a message is due, after the start.
    pub(crate) fn due(self, index: u64) -> Duration {
        Duration::from_nanos((index as f64 * self.interval) as u64)
    }

    /// What to do about message `index`, so long after the start. A wait is never shorter than a
    /// tick, so that the messages of a tick are due together after it.
    pub(crate) fn next(self, index: u64, now: Duration) -> Next {
        if !self.is_paced() {
            return Next::Send(now);
        }
        let due = self.due(index);
        if due <= now { Next::Send(due) } else { Next::Wait((due - now).max(TICK)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a schedule on a clock that naps too long and takes time to send; gives the times of sending.
    fn simulate(
        rate: f64,
        count: u64,
        overshoot: Duration,
        cost: Duration,
        stall: Duration,
    ) -> Vec<Duration> {
        let schedule = Schedule::new(rate);
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        let mut index = 0;
        while index < count {
            match schedule.next(index, now) {
                Next::Send(due) => {
                    assert!(due <= now, "message {index} went before it was due");
                    sent.push(now);
                    now += cost;
                    if index == count / 2 {
                        now += stall;
                    }
                    index += 1;
                }
                Next::Wait(nap) => now += nap + overshoot,
            }
        }
        sent
    }

    proptest! {
        #[test]
        fn the_rate_is_kept_without_bursts(rate in 1.0f64..200_000.0, overshoot in 0u64..200) {
            let count = (rate * 3.0) as u64 + 2;
            let overshoot = Duration::from_micros(overshoot);
            let sent = simulate(rate, count, overshoot, Duration::from_micros(1), Duration::ZERO);
            let seconds = sent[sent.len() - 1].as_secs_f64();
            let wanted = (count - 1) as f64 / rate;
            prop_assert!((seconds - wanted).abs() <= wanted * 0.01, "{} s for {}", seconds, wanted);
            // No 10 ms hold more than what is due in them and in the nap before.
            let window = Duration::from_millis(10);
            let most = rate * (window + TICK + overshoot * 2).as_secs_f64() + 2.0;
            let mut start = 0;
            for (end, time) in sent.iter().enumerate() {
                while *time - sent[start] > window {
                    start += 1;
                }
                prop_assert!(((end - start + 1) as f64) <= most, "{} in 10 ms", end - start + 1);
            }
        }
    }

    #[test]
    fn a_stall_is_made_up_for() {
        let sent =
            simulate(10_000.0, 30_000, Duration::ZERO, Duration::from_micros(1), Duration::from_millis(500));
        assert!((sent[29_999].as_secs_f64() - 3.0).abs() < 0.01, "{:?}", sent[29_999]);
    }

    #[test]
    fn no_rate_never_waits() {
        let now = Duration::from_secs(7);
        assert_eq!(Schedule::new(0.0).next(1_000_000, now), Next::Send(now));
    }
}
