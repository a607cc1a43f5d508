//! The command line of `producer`.

use std::path::PathBuf;
use std::time::Duration;

use affluent_core::units;
use affluent_kafka::KafkaArgs;
use chrono::{DateTime, Utc};
use clap::{Parser, ValueEnum};

/// Fills a topic with messages, at a steady rate or as fast as it goes.
///
/// The topics of the project get messages of their own: transactions, or rows of the tables as
/// ksqlDB writes them. Any other topic gets a generic event, the messages of --template, or the
/// lines of --from. Message i depends on the seed and on i alone, so the same --seed gives the same
/// messages at any rate and on any number of threads. Every message is acknowledged before the end.
#[derive(Debug, Parser)]
#[command(name = "producer", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{TEMPLATES}"))]
pub struct Args {
    /// The topic; created when it is missing
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// How many messages [default: 1000, or every line of --from once]
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// Messages a second; 0 is as fast as possible
    #[arg(long, value_name = "N", default_value = "0", value_parser = rate)]
    pub rate: f64,
    /// Print the messages (10 unless --messages says more) as key, tab, value; no Kafka
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub content: ContentArgs,
    #[command(flatten)]
    pub delivery: DeliveryArgs,
    #[command(flatten)]
    pub kafka: KafkaArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct ContentArgs {
    /// Same seed, same messages [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Event time of the first message [default: now; 2026-01-01T00:00:00Z with --seed]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub start_time: Option<DateTime<Utc>>,
    /// Event time between two messages [default: 1ms; without --seed that of the rate]
    #[arg(long, value_name = "TIME", value_parser = step)]
    pub time_step: Option<Duration>,
    /// Pad values to this size with a field named padding
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = units::bytes, conflicts_with = "from")]
    pub bytes: u64,
    /// How many users there are
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..))]
    pub users: u64,
    /// How many products there are
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u64).range(1..))]
    pub products: u64,
    /// How much some users come more often than others: the exponent of Zipf's law, 0 is evenly
    #[arg(long, value_name = "S", default_value = "0", value_parser = skew)]
    pub key_skew: f64,
    /// This share of the messages has no value (a deletion in a table)
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, conflicts_with = "from")]
    pub tombstones: f64,
    /// Messages as in this JSON file (see below), or @NAME: flat, generic or a topic of the project
    #[arg(long, value_name = "FILE|@NAME", conflicts_with = "from")]
    pub template: Option<String>,
    /// The lines of this file as values, unchanged, and again where --messages wants more; - is stdin
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The field of --from or --template that becomes the key
    #[arg(long, value_name = "FIELD")]
    pub key_field: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Delivery")]
pub struct DeliveryArgs {
    /// Partitions of a topic that is created
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub partitions: u32,
    /// Threads that make and send messages; more than one mix the order of the messages
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// Who must have a message before it counts: all replicas, the leader (1), nobody (0)
    #[arg(long, value_enum, value_name = "ACKS", default_value = "all")]
    pub acks: Acks,
    /// Compression of batches
    #[arg(long, value_enum, value_name = "CODEC", default_value = "lz4")]
    pub compression: Compression,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Acks {
    #[value(alias = "-1")]
    All,
    #[value(name = "1")]
    Leader,
    #[value(name = "0")]
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Acks {
    pub(crate) fn property(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

impl Compression {
    pub(crate) fn property(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

fn in_range(text: &str, max: f64, hint: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=max).contains(&number) => Ok(number),
        _ => Err(hint.to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    in_range(text, 1e9, "a rate is a number of messages a second, 0 for as fast as possible")
}

fn skew(text: &str) -> Result<f64, String> {
    in_range(text, 10.0, "a skew lies between 0 (even) and 10; 1 is that of many real data")
}

fn share(text: &str) -> Result<f64, String> {
    in_range(text, 1.0, "a share lies between 0 and 1")
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let day = format!("{text}T00:00:00Z");
    let parsed = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&day));
    parsed
        .map(|time| time.to_utc())
        .map_err(|_| format!("{text:?} is no time; write 2026-01-31T12:00:00Z or 2026-01-31"))
}

fn step(text: &str) -> Result<Duration, String> {
    let step = units::duration(text)?;
    if u64::try_from(step.as_nanos()).is_ok() { Ok(step) } else { Err("at most 500 years".to_owned()) }
}

const EXAMPLES: &str = "Examples:
  producer --topic transaction_stream --messages 20000 --rate 1000
  producer --topic transaction_stream --messages 1000000 --seed 7 --time-step 1s
  producer --topic orders --template orders.json --messages 5000 --threads 2
  producer --topic events --from events.jsonl --key-field id
  producer --topic product_purchase_counts --dry-run

Exit codes: 0 all delivered, 1 some were not, 2 wrong usage, 75 try again (no broker answered).";

const TEMPLATES: &str = include_str!("../templates/HELP.txt");
