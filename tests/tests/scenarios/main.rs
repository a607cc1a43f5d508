//! Scenarios on real servers, in one binary so that it is linked once.
//!
//! Each test has a topic, a group and a lake of its own. What takes both cores runs alone, see
//! [`common::alone`].
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests report their figures and fail by panics")]

mod changelog;
mod common;
mod errors;
mod exactly_once;
mod groups;
mod inferred;
mod memory;
mod messy;
mod readers;
mod tables;
mod transactions;
