//! Starts, shows and stops the embedded stack: for trying, teaching and tests, never for production.

mod args;
mod folder;
mod port;
mod up;

use std::fmt;
use std::time::{Duration, Instant};

use affluent_core::cli::Context;
use affluent_core::exit;
use serde::Serialize;

pub use args::{Args, Command};

use crate::folder::{Folder, Running};

/// How long a stack may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::new(&args.data_dir);
    match args.command {
        Command::Up(ref up) if up.detach => up::detach(&folder, &args, up, context),
        Command::Up(up) => up::foreground(&folder, &up, context),
        Command::Status => status(&folder, context),
        Command::Down => down(&folder, context),
        Command::Reset { yes } => reset(&folder, yes, context),
    }
}

/// The stack, as `status` shows it.
#[derive(Debug, Serialize)]
pub struct Status {
    pub running: bool,
    #[serde(flatten)]
    pub stack: Option<Running>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{stack}"),
            None => write!(f, "not running; start it with dev-stack up"),
        }
    }
}

/// What `down` and `reset` did.
#[derive(Debug, Serialize)]
struct Done {
    stopped: bool,
    deleted: bool,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stopped, self.deleted) {
            (true, true) => write!(f, "stopped, and deleted its data"),
            (true, false) => write!(f, "stopped"),
            (false, true) => write!(f, "deleted its data"),
            (false, false) => write!(f, "it was not running"),
        }
    }
}

/// Exit 1 where nothing runs, so that scripts can ask.
fn status(folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let stack = folder.running()?;
    let running = stack.is_some();
    context.print(&Status { running, stack })?;
    if running { Ok(()) } else { Err(exit::incomplete("the stack is not running")) }
}

fn down(folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let stopped = stop(folder)?;
    context.print(&Done { stopped, deleted: false })
}

fn reset(folder: &Folder, yes: bool, context: &Context) -> anyhow::Result<()> {
    if !yes {
        return Err(exit::usage(format!(
            "reset stops the stack and deletes every topic and record in {}; say --yes if you mean it",
            folder.path().display()
        )));
    }
    let stopped = stop(folder)?;
    let deleted = folder.delete()?;
    context.print(&Done { stopped, deleted })
}

/// Asks a running stack to stop and waits until it has.
fn stop(folder: &Folder) -> anyhow::Result<bool> {
    let Some(stack) = folder.running()? else { return Ok(false) };
    stack.terminate()?;
    let deadline = Instant::now() + STOP_PATIENCE;
    while folder.running()?.is_some() {
        if Instant::now() > deadline {
            return Err(exit::try_again(format!(
                "process {} did not stop within {} s; kill -9 {} loses nothing that was acknowledged",
                stack.pid,
                STOP_PATIENCE.as_secs(),
                stack.pid
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}
