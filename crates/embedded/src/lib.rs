//! A small single-node Kafka-compatible broker, for trying things out, for teaching and for tests;
//! never for production.
//!
//! Data flows one way: a connection reads a frame, `wire` decodes it, `api` handles it, and what it
//! changes ends up in a partition's `log` or in the `store` that holds topics, offsets, groups and
//! transactions. Record batches are stored as they arrive.
//!
//! ```no_run
//! # async fn example() -> Result<(), affluent_embedded::Error> {
//! use affluent_embedded::{Broker, Config, Storage};
//!
//! let config = Config { storage: Storage::Disk("data/kafka".into()), ..Config::default() };
//! let broker = Broker::start(config).await?;
//! let bootstrap = broker.addr().to_string();
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod clock;
mod config;
mod connection;
mod error;
mod groups;
mod log;
mod node;
mod server;
mod stats;
mod store;
mod topics;
mod transactions;
mod wire;

pub use config::{Config, Storage, SyncMode};
pub use error::Error;
pub use server::Broker;
pub use stats::Stats;
pub use wire::check_frame;
