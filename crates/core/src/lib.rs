//! What every part of Affluent shares: the command line, settings, feeds and the lake layout.
//!
//! `core` imports no other crate of the workspace.

pub mod cli;
pub mod clock;
pub mod env_vars;
pub mod error;
pub mod exit;
pub mod feeds;
pub mod lake;
pub mod layout;
pub mod schema;
pub mod stop;
pub mod suggest;
pub mod units;
