//! Every environment variable that Affluent reads, in one place.
//!
//! A setting without a name here has none: `--help` prints the name beside each flag that does.

/// Path of the settings file (default `lake.toml` in the current folder, where it exists).
pub const CONFIG: &str = "AFFLUENT_CONFIG";
/// `text` or `json` on stdout.
pub const OUTPUT: &str = "AFFLUENT_OUTPUT";
/// Log filter, for example `info` or `affluent_lake=debug`.
pub const LOG: &str = "AFFLUENT_LOG";
/// Folder or object-store URL of the lake.
pub const LAKE_ROOT: &str = "AFFLUENT_LAKE_ROOT";
/// Kafka's bootstrap servers, `host:port` with commas.
pub const BOOTSTRAP_SERVERS: &str = "KAFKA_BOOTSTRAP_SERVERS";
/// librdkafka properties, `k=v` with commas.
pub const KAFKA_PROPERTIES: &str = "AFFLUENT_KAFKA_PROPERTIES";
/// Consumer group of `consumer-datalake`.
pub const GROUP: &str = "AFFLUENT_GROUP";
/// Memory budget of `consumer-datalake`.
pub const MEMORY: &str = "AFFLUENT_MEMORY";
