//! Settings of a test run, names that no other test has, and tests that are skipped aloud.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use affluent_core::clock::Clock;

/// A variable of the environment, where it is set and not empty.
#[allow(clippy::disallowed_methods, reason = "tests have no other settings than the environment")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    match setting(name) {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        None => default,
    }
}

/// Says that a test is skipped and why; in CI that is a failure.
pub fn skip(what: &str, reason: &str) {
    assert!(setting("CI").as_deref() != Some("true"), "{what} cannot run in CI: {reason}");
    note(&format!("SKIPPED {what}: {reason}"));
}

/// A line that is seen although the test passes: the test harness swallows those of `eprintln!`.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `<prefix>_<process>_<n>_<time>`: fit for topics, groups and feeds.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = Clock::System.now_micros() / 1000 % 100_000_000;
    format!("{prefix}_{}_{next}_{time}", std::process::id())
}
