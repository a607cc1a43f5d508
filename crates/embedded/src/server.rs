//! Listening, accepting, the periodic work, and stopping.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::clock::now_ms;
use crate::connection::{self, Ended};
use crate::node::Node;
use crate::stats::Counters;
use crate::topics::is_valid_name;
use crate::{Config, Error, Stats, Storage};

/// How often groups look at their clocks.
const GROUP_TICK: Duration = Duration::from_millis(100);

/// How long a stop waits for requests that are being answered.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A running broker.
///
/// Dropping it stops it without a checkpoint, as a kill would; nothing that was answered is lost.
#[derive(Debug)]
pub struct Broker {
    addr: SocketAddr,
    node: Arc<Node>,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    /// Keeps the data folder ours.
    _lock: Option<File>,
}

impl Broker {
    /// Opens the data, listens, and serves on the current tokio runtime.
    pub async fn start(config: Config) -> Result<Self, Error> {
        config.check()?;
        let lock = match &config.storage {
            Storage::Disk(dir) => Some(lock_folder(dir)?),
            Storage::Memory => None,
        };
        let listen = config.listen;
        let bind = |source| Error::Bind { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        // Reading the log of a large folder after a crash may take a while; the runtime stays free.
        let node = match tokio::task::spawn_blocking(move || Node::open(config)).await {
            Ok(node) => Arc::new(node?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        make_topics(&node)?;
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(run(Arc::clone(&node), listener, stopped));
        tracing::info!(%addr, "broker is ready");
        Ok(Self { addr, node, stop, server: Some(server), _lock: lock })
    }

    /// Where it listens; the port that was taken, if 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        self.node.stats()
    }

    /// Stops accepting, lets answers under way go out, and leaves the data ready for a quick start.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
        let node = Arc::clone(&self.node);
        let _ = tokio::task::spawn_blocking(move || node.close()).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

fn make_topics(node: &Node) -> Result<(), Error> {
    for name in &node.config.topics {
        let refused = |reason: &str| Error::Config { name: "topics", reason: format!("{name}: {reason}") };
        if !is_valid_name(name) {
            return Err(refused("topic names hold up to 249 letters, digits, '.', '_' and '-'"));
        }
        if node.topics.get(name).is_none() {
            let made = node.topics.create(name, node.config.default_partitions, BTreeMap::new());
            made.map_err(|_| refused("it cannot be created, see the log"))?;
        }
    }
    Ok(())
}

fn lock_folder(dir: &Path) -> Result<File, Error> {
    fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let path = dir.join("lock");
    let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: dir.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(Error::io(path, source)),
    }
}

/// Accepts and serves until told to stop. All tasks live in a set, so none outlives this one.
async fn run(node: Arc<Node>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(tick_groups(Arc::clone(&node)));
    tasks.spawn(housekeep(Arc::clone(&node)));
    let mut connections = JoinSet::new();
    let slots = Arc::new(Semaphore::new(node.config.max_connections));
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => {
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                        tracing::warn!(%remote, "connection refused: max_connections are open");
                        continue;
                    };
                    let (node, stopped) = (Arc::clone(&node), stopped.clone());
                    connections.spawn(async move {
                        serve(node, stream, remote, stopped).await;
                        drop(slot);
                    });
                }
                // Out of file descriptors, most likely; the next accept would fail as fast.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(STOP_GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn serve(node: Arc<Node>, stream: TcpStream, remote: SocketAddr, mut stopped: watch::Receiver<bool>) {
    Counters::add(&node.counters.connections, 1);
    let ended = tokio::select! {
        ended = connection::serve(Arc::clone(&node), stream) => ended,
        _ = stopped.changed() => Ok(()),
    };
    node.counters.connections.fetch_sub(1, Ordering::Relaxed);
    match ended {
        Ok(()) => {}
        Err(Ended::Wire(error)) => {
            Counters::add(&node.counters.refused, 1);
            tracing::warn!(%remote, %error, "connection closed");
        }
        Err(Ended::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            Counters::add(&node.counters.refused, 1);
            tracing::warn!(%remote, %error, "connection closed");
        }
        Err(Ended::Io(error)) => tracing::debug!(%remote, %error, "connection lost"),
    }
}

async fn tick_groups(node: Arc<Node>) {
    let mut ticks = interval(GROUP_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.groups.tick(now_ms());
        node.expire_transactions(now_ms());
    }
}

async fn housekeep(node: Arc<Node>) {
    let every = node.config.housekeeping_interval;
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let node = Arc::clone(&node);
        let _ = tokio::task::spawn_blocking(move || node.housekeep(now_ms())).await;
    }
}
