//! Runs the broker on its own until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use affluent_embedded::{Broker, Config, Storage, SyncMode};
use clap::Parser;

/// A small Kafka-compatible broker for trying, teaching and tests.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9092")]
    listen: SocketAddr,
    /// Folder for records and state.
    #[arg(long, required_unless_present = "in_memory", conflicts_with = "in_memory")]
    data_dir: Option<PathBuf>,
    /// Keep everything in memory and lose it at exit.
    #[arg(long)]
    in_memory: bool,
    /// When data is forced to the disk.
    #[arg(long, value_enum, default_value = "never")]
    sync: SyncArg,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SyncArg {
    Never,
    Commit,
    Always,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = Config {
        listen: args.listen,
        storage: args.data_dir.map_or(Storage::Memory, Storage::Disk),
        sync: match args.sync {
            SyncArg::Never => SyncMode::Never,
            SyncArg::Commit => SyncMode::Commit,
            SyncArg::Always => SyncMode::Always,
        },
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "broker ended");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::start(config).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    broker.shutdown().await;
    Ok(())
}
