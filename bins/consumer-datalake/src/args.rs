//! The command line of `consumer-datalake`.

use std::time::Duration;

use affluent_core::cli::LakeArgs;
use affluent_core::{env_vars, units};
use affluent_kafka::KafkaArgs;
use affluent_lake::data_file::Codec;
use clap::{Parser, ValueEnum};

/// Lands Kafka topics in the lake as Parquet, each record exactly once.
///
/// Rows and offsets are committed together, so a crash, a kill -9 or a rebalance neither loses nor
/// doubles a record. Start as many processes as you like with the same --group: they share the
/// partitions. Records that are no JSON objects go to <topic>.dlq and to dead_letters/ in the lake.
#[derive(Debug, Parser)]
#[command(name = "consumer-datalake", after_help = EXAMPLES)]
pub struct Args {
    /// Topics to land, separated by spaces or commas
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TOPIC", required_unless_present = "all", conflicts_with = "all")]
    pub topics: Vec<String>,
    /// Land the topics of all enabled feeds
    #[arg(long)]
    pub all: bool,
    /// Consumer group
    #[arg(long, env = env_vars::GROUP, value_name = "NAME", default_value = "affluent-datalake")]
    pub group: String,
    #[command(flatten)]
    pub lake: LakeArgs,
    /// Leave once everything is landed that was in the topics at the start
    #[arg(long)]
    pub until_end: bool,
    /// Leave after so many records
    #[arg(long, value_name = "N")]
    pub max_messages: Option<u64>,
    /// A record is readable in the lake at the latest after this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    pub max_latency: Duration,
    /// A topic without new records for this time is committed at once
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub idle: Duration,
    /// A table feed gets a new version at the most this often, and one at the end
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::duration)]
    pub snapshot_interval: Duration,
    /// Commit after so many rows of a topic
    #[arg(long, value_name = "N", default_value = "5000000")]
    pub max_rows: u64,
    /// A data file is closed when it has about this size
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = units::bytes)]
    pub file_size: u64,
    /// Memory budget of the whole process; consumption waits rather than exceed it
    #[arg(long, env = env_vars::MEMORY, value_name = "SIZE", default_value = "256MiB", value_parser = units::bytes)]
    pub memory: u64,
    /// Compression of the data files: zstd, zstd:LEVEL, snappy, lz4, none
    #[arg(long, value_name = "CODEC", default_value = "zstd")]
    pub compression: Codec,
    /// Records larger than this are dead letters
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::bytes)]
    pub max_record: u64,
    /// Where records go that cannot become rows
    #[arg(long, value_enum, value_name = "WHERE", default_value = "both")]
    pub dead_letters: DeadLetters,
    /// When Kafka no longer has the records that come next: fail, or go on with the oldest it has
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail")]
    pub on_gap: OnGap,
    /// A topic without a feed is an error; by default a feed is made for it
    #[arg(long)]
    pub strict: bool,
    /// How long the orderly end after Ctrl-C or SIGTERM may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    pub grace: Duration,
    // Last, because its heading holds for what follows.
    #[command(flatten)]
    pub kafka: KafkaArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeadLetters {
    /// The topic <topic>.dlq
    Topic,
    /// dead_letters/<topic>/ in the lake
    Folder,
    Both,
}

impl DeadLetters {
    pub fn to_topic(self) -> bool {
        self != Self::Folder
    }

    pub fn to_folder(self) -> bool {
        self != Self::Topic
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnGap {
    Fail,
    Skip,
}

const EXAMPLES: &str = "Examples:
  consumer-datalake --topics transaction_stream
  consumer-datalake --topics orders,clicks --until-end
  consumer-datalake --all --group lake --memory 1GiB
  consumer-datalake --topics t -X security.protocol=SASL_SSL -X sasl.mechanism=SCRAM-SHA-512 \\
      -X sasl.username=me   (the password from AFFLUENT_KAFKA_PROPERTIES or lake.toml)

Exit codes: 0 done, 1 failed, 2 wrong usage, 75 try again (a server did not answer).";
