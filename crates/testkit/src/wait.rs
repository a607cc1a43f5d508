//! Waiting with an end.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until `is_so`, and panics when it takes longer than `most`.
pub fn wait_until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < most, "waited {most:?} in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
