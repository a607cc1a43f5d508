//! The command line that every binary shares: settings layers, output, logs, exit codes.
//!
//! A binary's `main` is one call of [`main`]; its own arguments are a clap struct and its work a
//! function of them, so that tests call it in-process.

mod common;
mod layers;
mod logging;
mod output;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use common::{CommonArgs, LakeArgs, OutputFormat};
pub use layers::{Source, sources};
pub use output::Context;

use crate::exit;

/// Parses the command line, runs the work, prints its error once and maps it to an exit code.
pub fn main<A>(run: fn(A, &Context) -> anyhow::Result<()>) -> ExitCode
where
    A: CommandFactory + FromArgMatches,
{
    let (args, context) = match parse::<A>(std::env::args_os().collect()) {
        Ok(Parsed::Run(args, context)) => (args, context),
        Ok(Parsed::Done) => return ExitCode::SUCCESS,
        Err(Failure::Clap(error)) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(Failure::Other(error)) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(exit::code_of(&error));
        }
    };
    match run(args, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            context.report(&error);
            ExitCode::from(exit::code_of(&error))
        }
    }
}

enum Parsed<A> {
    Run(A, Context),
    /// Something like `--print-config` was asked for and printed.
    Done,
}

enum Failure {
    Clap(clap::Error),
    Other(anyhow::Error),
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Clap(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn parse<A: CommandFactory + FromArgMatches>(argv: Vec<OsString>) -> Result<Parsed<A>, Failure> {
    let command = common::augment(A::command());
    let file = layers::read(&argv, &command)?;
    let command = layers::apply(command, &file)?;
    if let Some(generated) = common::generated(&argv, &command) {
        output::print_raw(&generated?);
        return Ok(Parsed::Done);
    }
    let matches = command.clone().try_get_matches_from(argv)?;
    let common = <CommonArgs as FromArgMatches>::from_arg_matches(&matches)?;
    if common.print_config {
        output::print_raw(layers::describe(&command, &matches, &file).as_bytes());
        return Ok(Parsed::Done);
    }
    let args = A::from_arg_matches(&matches)?;
    let context = Context::new(command.get_name(), &common);
    logging::start(&common, context.progress())?;
    Ok(Parsed::Run(args, context))
}
