//! The landing thread: encodes and commits while the main thread reads and decodes.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use affluent_core::clock::Clock;
use affluent_core::exit;
use affluent_core::schema::Schema;
use affluent_lake::buffer::Chunk;
use affluent_lake::commit::Table;
use affluent_lake::land::{Committed, DeadLetter, Lander, Settings, sweep};
use affluent_lake::staging::Staging;
use affluent_lake::{Engine, Error};

/// Chunks that wait between the threads.
const QUEUE: usize = 2;

/// What the landing thread is asked to do, in order. Topics are numbers.
pub(crate) enum Work {
    Open {
        topic: usize,
        name: String,
        table: Box<Table>,
    },
    Assign {
        topic: usize,
        partitions: Vec<i32>,
        reply: Sender<Vec<(i32, Option<i64>)>>,
    },
    /// Where the log stands for partitions that may be another process's.
    Positions {
        topic: usize,
        partitions: Vec<i32>,
        reply: Sender<Vec<Option<i64>>>,
    },
    Drop {
        topic: usize,
        partitions: Vec<i32>,
    },
    Chunk {
        topic: usize,
        chunk: Chunk,
    },
    Pass {
        topic: usize,
        partition: i32,
        next_offset: i64,
        dead: Vec<DeadLetter>,
    },
    Commit {
        topic: usize,
    },
    Grow {
        topic: usize,
        schema: Schema,
        reply: Sender<Schema>,
    },
    /// Deletes what dead writers left.
    Sweep,
    /// Answers when everything before it is done.
    Barrier {
        reply: Sender<()>,
    },
}

/// What the landing thread reports.
pub(crate) enum Report {
    Committed {
        topic: usize,
        committed: Committed,
    },
    /// The thread ended with this error.
    Failed(Error),
}

/// The main thread's end of the landing thread.
pub(crate) struct Landing {
    /// None once the thread is told to end.
    work: Option<SyncSender<Work>>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<()>>,
}

/// The landing thread has ended; its report says why.
#[derive(Debug, thiserror::Error)]
#[error("the landing thread has ended")]
pub(crate) struct Gone;

impl Landing {
    pub(crate) fn start(
        engine: Engine,
        staging: Staging,
        settings: Settings,
        memory: usize,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let (work, queue) = sync_channel(QUEUE);
        let (report, reports) = channel();
        let worker = Worker { engine, staging, settings, memory, clock, landers: HashMap::new() };
        let thread = thread::Builder::new().name("landing".to_owned()).spawn(move || {
            if let Err(error) = worker.run(&queue, &report) {
                let _ = report.send(Report::Failed(error));
            }
        })?;
        Ok(Self { work: Some(work), reports, thread: Some(thread) })
    }

    pub(crate) fn send(&self, work: Work) -> Result<(), Gone> {
        self.work.as_ref().ok_or(Gone)?.send(work).map_err(|_| Gone)
    }

    pub(crate) fn report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// Waits until all work sent so far is done.
    pub(crate) fn finish(&self) -> Result<(), Gone> {
        let (reply, done) = channel();
        self.send(Work::Barrier { reply })?;
        done.recv().map_err(|_| Gone)
    }

    /// The same, but not longer than until `deadline`.
    pub(crate) fn finish_by(&self, deadline: Instant) -> anyhow::Result<()> {
        let (reply, done) = channel();
        self.send(Work::Barrier { reply })?;
        match done.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Gone.into()),
            Err(RecvTimeoutError::Timeout) => Err(exit::try_again(
                "the last commit took longer than --grace; nothing is lost: the next run lands it",
            )),
        }
    }

    pub(crate) fn assign(&self, topic: usize, partitions: Vec<i32>) -> Result<Vec<(i32, Option<i64>)>, Gone> {
        let (reply, bases) = channel();
        self.send(Work::Assign { topic, partitions, reply })?;
        bases.recv().map_err(|_| Gone)
    }

    pub(crate) fn positions(&self, topic: usize, partitions: Vec<i32>) -> Result<Vec<Option<i64>>, Gone> {
        let (reply, positions) = channel();
        self.send(Work::Positions { topic, partitions, reply })?;
        positions.recv().map_err(|_| Gone)
    }

    pub(crate) fn grow(&self, topic: usize, schema: Schema) -> Result<Schema, Gone> {
        let (reply, grown) = channel();
        self.send(Work::Grow { topic, schema, reply })?;
        grown.recv().map_err(|_| Gone)
    }

    /// Why the thread ended.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.end();
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Failed(error) = report {
                return Some(error);
            }
        }
        None
    }
}

impl Landing {
    /// Lets the thread finish its work, and waits for it: its staging folder goes with it.
    fn end(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.end();
    }
}

struct Worker {
    engine: Engine,
    staging: Staging,
    settings: Settings,
    /// What open files may hold in memory, together.
    memory: usize,
    clock: Clock,
    landers: HashMap<usize, Lander>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Work>, report: &Sender<Report>) -> Result<(), Error> {
        while let Ok(work) = queue.recv() {
            self.handle(work, report)?;
        }
        Ok(())
    }

    fn handle(&mut self, work: Work, report: &Sender<Report>) -> Result<(), Error> {
        let now_ms = self.clock.now_micros() / 1000;
        match work {
            Work::Open { topic, name, table } => {
                self.landers.insert(topic, Lander::new(*table, &name, self.settings.clone()));
            }
            Work::Assign { topic, partitions, reply } => {
                let Some(lander) = self.landers.get_mut(&topic) else { return Ok(()) };
                let mut bases = Vec::new();
                for partition in partitions {
                    bases.push((partition, lander.assign(partition)?));
                }
                let _ = reply.send(bases);
            }
            Work::Positions { topic, partitions, reply } => {
                let Some(lander) = self.landers.get_mut(&topic) else { return Ok(()) };
                lander.table().refresh()?;
                let mut positions = Vec::new();
                for partition in partitions {
                    positions.push(lander.position(partition)?);
                }
                let _ = reply.send(positions);
            }
            Work::Drop { topic, partitions } => {
                for partition in partitions {
                    if let Some(lander) = self.landers.get_mut(&topic) {
                        lander.drop_partition(&self.engine, &self.staging, partition);
                    }
                }
            }
            Work::Chunk { topic, chunk } => {
                if let Some(lander) = self.landers.get_mut(&topic) {
                    lander.land(&self.staging, chunk, now_ms)?;
                }
                self.relieve(report)?;
            }
            Work::Pass { topic, partition, next_offset, dead } => {
                if let Some(lander) = self.landers.get_mut(&topic) {
                    lander.pass(partition, next_offset, dead);
                }
            }
            Work::Commit { topic } => self.commit(topic, report)?,
            Work::Grow { topic, schema, reply } => {
                if let Some(lander) = self.landers.get_mut(&topic) {
                    lander.table().grow(&schema)?;
                    let _ = reply.send(lander.table().schema()?);
                }
            }
            Work::Sweep => {
                sweep::sweep(&self.engine, &self.staging)?;
            }
            Work::Barrier { reply } => {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn commit(&mut self, topic: usize, report: &Sender<Report>) -> Result<(), Error> {
        let now_ms = self.clock.now_micros() / 1000;
        if let Some(lander) = self.landers.get_mut(&topic) {
            let committed = lander.commit(&self.engine, &self.staging, now_ms)?;
            let _ = report.send(Report::Committed { topic, committed });
        }
        Ok(())
    }

    /// Keeps open files within the budget: row groups are written out, tables make a version early.
    fn relieve(&mut self, report: &Sender<Report>) -> Result<(), Error> {
        let mut held: usize = self.landers.values().map(Lander::memory).sum();
        while held > self.memory {
            let Some((topic, lander)) = self.landers.iter_mut().max_by_key(|(_, lander)| lander.memory())
            else {
                break;
            };
            match lander {
                Lander::Stream(stream) => stream.relieve()?,
                Lander::Table(_) => {
                    let topic = *topic;
                    self.commit(topic, report)?;
                }
            }
            let now: usize = self.landers.values().map(Lander::memory).sum();
            if now >= held {
                break;
            }
            held = now;
        }
        Ok(())
    }
}
