//! Logs on stderr: for people on a terminal, one JSON object a line otherwise.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::CommonArgs;
use crate::exit;

/// The commit log's library reports as errors what its callers expect and handle.
const QUIETED: &str = "delta_kernel=off,object_store=warn,hyper_util=warn,reqwest=warn";

/// Prints log lines above the progress bars instead of through them.
#[derive(Clone)]
struct AboveProgress(MultiProgress);

impl Write for AboveProgress {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveProgress {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(super) fn start(common: &CommonArgs, progress: &MultiProgress) -> anyhow::Result<()> {
    let wanted = if common.quiet { "warn" } else { common.log.as_str() };
    // Targets named by the user win over these.
    let filter = EnvFilter::try_new(format!("{QUIETED},{wanted}")).map_err(|error| {
        exit::usage(format!("--log {wanted:?}: {error}; write info, debug or target=level"))
    })?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveProgress(progress.clone()));
    // A second call (tests that run two commands in one process) keeps the first subscriber.
    let _ = if io::stderr().is_terminal() {
        lines.compact().with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    Ok(())
}
