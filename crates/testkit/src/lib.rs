//! What scenario tests share: brokers, processes that are killed, lakes that are read back.
//!
//! Helpers panic: a test that cannot be set up has failed. What is not there on every machine (a
//! broker, the Python readers) is asked for by a `require_` function, which says aloud that the test
//! is skipped, and fails where `CI=true`.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod env;
mod kafka;
mod lake;
mod mount;
mod process;
mod readers;
mod rows;
mod wait;

pub use env::{note, number, setting, skip, unique};
pub use kafka::{Header, Kafka, Message, Producer, Received, Topic, require_kafka};
pub use lake::TestLake;
pub use mount::SmallDisk;
pub use process::{Ended, Process, Program};
pub use readers::{Readers, require_readers};
pub use rows::{Row, value};
pub use wait::wait_until;
