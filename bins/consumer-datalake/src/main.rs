//! `consumer-datalake`: lands Kafka topics in the lake.

use std::process::ExitCode;

fn main() -> ExitCode {
    affluent_core::cli::main(consumer_datalake::run)
}
