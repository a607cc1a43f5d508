//! What a command says: results on stdout, progress and errors on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{CommonArgs, OutputFormat};
use crate::clock::Clock;
use crate::exit;

/// What a running command may ask of its surroundings.
#[derive(Clone)]
pub struct Context {
    name: String,
    output: OutputFormat,
    progress: MultiProgress,
    pub clock: Clock,
}

impl Context {
    pub(super) fn new(name: &str, common: &CommonArgs) -> Self {
        let shown = io::stderr().is_terminal() && !common.quiet;
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            name: name.to_owned(),
            output: common.output,
            progress: MultiProgress::with_draw_target(target),
            clock: Clock::System,
        }
    }

    /// For tests that run a command in-process.
    pub fn silent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            output: OutputFormat::Json,
            progress: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            clock: Clock::System,
        }
    }

    pub fn output(&self) -> OutputFormat {
        self.output
    }

    /// The binary's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn progress(&self) -> &MultiProgress {
        &self.progress
    }

    /// Is there a terminal that shows progress? Otherwise log lines tell it.
    pub fn is_interactive(&self) -> bool {
        !self.progress.is_hidden()
    }

    /// A bar for work of a known length.
    pub fn bar(&self, length: u64) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{bar:30} {human_pos}/{human_len} {msg} {elapsed_precise} eta {eta}",
        );
        self.started(ProgressBar::new(length), style.ok())
    }

    /// A line that turns, for work without an end.
    pub fn spinner(&self) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed_precise}");
        self.started(ProgressBar::new_spinner(), style.ok())
    }

    fn started(&self, bar: ProgressBar, style: Option<ProgressStyle>) -> ProgressBar {
        let bar = self.progress.add(bar);
        if let Some(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Prints a result: as text for people, or as one line of JSON.
    pub fn print<T: Serialize + Display>(&self, result: &T) -> anyhow::Result<()> {
        let text = match self.output {
            OutputFormat::Text => result.to_string(),
            OutputFormat::Json => serde_json::to_string(result)?,
        };
        self.progress.suspend(|| print_raw(format!("{}\n", text.trim_end()).as_bytes()));
        Ok(())
    }

    /// Prints an error with its causes, once.
    pub fn report(&self, error: &anyhow::Error) {
        self.progress.suspend(|| {
            if self.output == OutputFormat::Json {
                let value =
                    serde_json::json!({ "error": format!("{error:#}"), "exit_code": exit::code_of(error) });
                let _ = writeln!(io::stderr(), "{value}");
            } else {
                let _ = writeln!(io::stderr(), "error: {error:#}");
            }
        });
    }
}

/// Writes to stdout. A reader that went away (`| head`) is no error.
pub(super) fn print_raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}
