//! Starting the stack, here or as a process of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use affluent_core::cli::Context;
use affluent_core::exit;
use affluent_core::feeds::builtin;
use affluent_core::stop::Stop;
use affluent_core::units::{show_bytes, show_count};
use affluent_embedded::{Broker, Config, Error, Storage};
use anyhow::Context as _;

use crate::args::{Args, UpArgs};
use crate::folder::{Folder, Running};
use crate::{Status, port};

/// How long a detached stack may take to be ready: a crashed one reads its logs first.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Runs the stack until told to stop.
pub(crate) fn foreground(folder: &Folder, up: &UpArgs, context: &Context) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    let claim = folder.claim()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let broker = Broker::start(config(folder, up, context)).await.map_err(explain)?;
        let stack = Running {
            pid: i32::try_from(std::process::id())?,
            kafka: broker.addr().to_string(),
            topics: broker.stats().topics,
        };
        claim.announce(&stack)?;
        context.print(&Status { running: true, stack: Some(stack.clone()) })?;
        watch(&broker, &stack, &stop, context).await;
        broker.shutdown().await;
        anyhow::Ok(())
    })
}

fn config(folder: &Folder, up: &UpArgs, context: &Context) -> Config {
    let mut topics: Vec<String> = builtin(context.clock.now()).into_iter().map(|feed| feed.source).collect();
    for topic in &up.topics {
        if !topics.contains(topic) {
            topics.push(topic.clone());
        }
    }
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, up.kafka_port)),
        storage: if up.in_memory { Storage::Memory } else { Storage::Disk(folder.kafka()) },
        sync: up.sync.mode(),
        topics,
        default_partitions: up.partitions,
        ..Config::default()
    }
}

/// A port that is taken is told by whom.
fn explain(error: Error) -> anyhow::Error {
    match &error {
        Error::Bind { addr, source } if source.kind() == std::io::ErrorKind::AddrInUse => {
            let who = port::holder(addr.port()).unwrap_or_else(|| "another process".to_owned());
            exit::usage(format!(
                "port {} is taken by {who}; stop it, or choose another one with --kafka-port",
                addr.port()
            ))
        }
        _ => error.into(),
    }
}

/// One live line a part, on a terminal, until the stop.
async fn watch(broker: &Broker, stack: &Running, stop: &Stop, context: &Context) {
    let line = context.spinner();
    while !stop.is_requested() {
        if context.is_interactive() {
            let stats = broker.stats();
            line.set_message(format!(
                "kafka {}  {} topics, {} connections, {} requests, {} in, {} out",
                stack.kafka,
                stats.topics,
                stats.connections,
                show_count(stats.requests),
                show_bytes(stats.bytes_in),
                show_bytes(stats.bytes_out)
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    line.finish_and_clear();
}

/// Starts the stack as a process of its own and waits until it is ready.
pub(crate) fn detach(folder: &Folder, args: &Args, up: &UpArgs, context: &Context) -> anyhow::Result<()> {
    // Refused here, where the user sees it, rather than in a log file.
    drop(folder.claim()?);
    let log =
        File::create(folder.log()).with_context(|| format!("cannot write {}", folder.log().display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("up").arg("--data-dir").arg(&args.data_dir);
    command.args(["--kafka-port", &up.kafka_port.to_string(), "--partitions", &up.partitions.to_string()]);
    for topic in &up.topics {
        command.args(["--topics", topic]);
    }
    if up.in_memory {
        command.arg("--in-memory");
    }
    command.args(["--sync", &format!("{:?}", up.sync).to_lowercase()]);
    // Its own process group: Ctrl-C in this terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().context("cannot start the stack")?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Some(stack) = folder.running()? {
            return context.print(&Status { running: true, stack: Some(stack) });
        }
        if let Some(status) = child.try_wait()? {
            let said = std::fs::read_to_string(folder.log()).unwrap_or_default();
            let said = said.trim().trim_start_matches("error: ");
            return Err(match status.code() {
                Some(2) => exit::usage(said),
                _ => anyhow::anyhow!("the stack ended at once ({status}): {said}"),
            });
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            return Err(exit::try_again(format!("the stack is not ready; see {}", folder.log().display())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
