//! Lands Kafka topics in the lake, each record exactly once.
//!
//! Two threads: the main one reads records and decodes them into buffers, one for each partition;
//! the landing one encodes full buffers into Parquet files and commits them with their offsets.

mod args;
mod dead;
mod ingest;
mod intake;
mod landing;
mod rebalance;
mod summary;
mod topics;

use affluent_core::cli::Context;
use affluent_core::lake::Lake;
use affluent_core::stop::Stop;
use affluent_lake::Engine;

pub use args::Args;
pub use summary::Summary;

/// Runs until told to stop, or to the end where that was asked for.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    let summary = land(&args, context, &stop)?;
    context.print(&summary)
}

/// Lands what `args` says until the end or until `stop`.
pub fn land(args: &Args, context: &Context, stop: &Stop) -> anyhow::Result<Summary> {
    let engine = Engine::new(Lake::open(&args.lake.lake_root)?)?;
    let targets = topics::resolve(args, context, &engine)?;
    ingest::Ingest::start(args, context, &engine, targets)?.run(stop)
}
