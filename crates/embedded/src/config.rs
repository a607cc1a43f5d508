//! What a broker is started with: plain data, with defaults fit for one developer's machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// Where records and state live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Segment files and a state journal under this folder.
    Disk(PathBuf),
    /// Nothing outlives the process.
    Memory,
}

/// When written data is forced to the disk. A killed process loses nothing in any mode; this is
/// about the machine losing power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// Leave it to the operating system.
    #[default]
    Never,
    /// On offset commits and at the end of each transaction.
    Commit,
    /// On every produce request as well.
    Always,
}

/// Settings of one broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host name told to clients; `None` tells each client the address it connected to.
    pub advertised_host: Option<String>,
    /// Where data is kept.
    pub storage: Storage,
    /// When data is forced to the disk.
    pub sync: SyncMode,
    /// Create a topic on its first use.
    pub auto_create_topics: bool,
    /// Topics that exist from the start; made with the default partitions where they are missing.
    pub topics: Vec<String>,
    /// Partitions of a topic made without a number.
    pub default_partitions: i32,
    /// Largest record batch taken, unless a topic says otherwise (`message.max.bytes`).
    pub message_max_bytes: usize,
    /// Largest request frame taken; a longer one closes its connection.
    pub request_max_bytes: usize,
    /// Most bytes of records in one fetch response.
    pub fetch_max_bytes: usize,
    /// Most connections open at once.
    pub max_connections: usize,
    /// How long a new group waits for more members before its first assignment.
    pub group_initial_rebalance_delay: Duration,
    /// How often retention, compaction and transaction timeouts are looked at.
    pub housekeeping_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            advertised_host: None,
            storage: Storage::Memory,
            sync: SyncMode::Never,
            auto_create_topics: true,
            topics: Vec::new(),
            default_partitions: 6,
            message_max_bytes: 1024 * 1024 + 12,
            request_max_bytes: 100 * 1024 * 1024,
            fetch_max_bytes: 55 * 1024 * 1024,
            max_connections: 512,
            group_initial_rebalance_delay: Duration::ZERO,
            housekeeping_interval: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Refuses values that no broker could run with.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |name, reason: &str| Err(Error::Config { name, reason: reason.to_owned() });
        if self.default_partitions < 1 {
            return refuse("default_partitions", "give at least 1");
        }
        if self.message_max_bytes < 1024 {
            return refuse("message_max_bytes", "give at least 1024");
        }
        if self.request_max_bytes < self.message_max_bytes {
            return refuse("request_max_bytes", "give at least message_max_bytes");
        }
        if self.max_connections == 0 {
            return refuse("max_connections", "give at least 1");
        }
        if self.housekeeping_interval.is_zero() {
            return refuse("housekeeping_interval", "give more than zero");
        }
        Ok(())
    }
}
