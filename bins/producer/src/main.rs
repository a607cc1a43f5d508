//! `producer`: fills a topic with messages.

use std::process::ExitCode;

fn main() -> ExitCode {
    affluent_core::cli::main(producer::run)
}
