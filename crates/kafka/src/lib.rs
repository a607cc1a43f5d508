//! What the producer and the consumers share: connection settings, topics, librdkafka's logs, errors.

pub mod admin;
mod args;
pub mod consumer;
mod context;
mod error;

pub use admin::{Admin, Ensured, Watermarks, ensure_topic};
pub use args::{KafkaArgs, Property, client_config};
pub use context::LogContext;
pub use error::{Error, classify_kafka};

/// The client library, at the version that this crate was built with.
pub use rdkafka;
