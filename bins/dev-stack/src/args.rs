//! The command line of `dev-stack`.

use std::path::PathBuf;

use affluent_embedded::SyncMode;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Kafka on your machine without Java or Docker: for trying, teaching and tests, never for production.
///
/// It speaks Kafka's protocol on the standard port, so every command and client works against it as it
/// is. Topics, records, offsets and transactions survive a restart and a kill -9.
#[derive(Debug, Parser)]
#[command(name = "dev-stack", after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    /// Where topics and state are kept
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".dev-stack")]
    pub data_dir: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start it, in the foreground unless --detach
    Up(UpArgs),
    /// Show whether it runs, and where; exit 1 when it does not
    Status,
    /// Stop it; its data stays
    Down,
    /// Stop it and delete its data
    Reset {
        /// Really delete
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub struct UpArgs {
    /// Come back once it is ready, and leave it running
    #[arg(long)]
    pub detach: bool,
    /// Port of Kafka on the loopback address; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "9092")]
    pub kafka_port: u16,
    /// More topics to make, besides those of the eight feeds
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Partitions of the topics that are made
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// Keep everything in memory and lose it at the end
    #[arg(long)]
    pub in_memory: bool,
    /// When data is forced to the disk; a killed process loses nothing in any case
    #[arg(long, value_enum, value_name = "WHEN", default_value = "never")]
    pub sync: Sync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// When the system likes
    Never,
    /// On offset commits and ends of transactions
    Commit,
    /// On every produce request
    Always,
}

impl Sync {
    pub(crate) fn mode(self) -> SyncMode {
        match self {
            Self::Never => SyncMode::Never,
            Self::Commit => SyncMode::Commit,
            Self::Always => SyncMode::Always,
        }
    }
}

const EXAMPLES: &str = "Examples:
  dev-stack up                      in the foreground, until Ctrl-C
  dev-stack up --detach --topics orders,clicks
  dev-stack up --kafka-port 19092 --in-memory
  dev-stack status --output json
  dev-stack down
  dev-stack reset --yes

Exit codes: 0 done, 1 failed or not running, 2 wrong usage, 75 try again.";
