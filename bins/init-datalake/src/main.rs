//! `init-datalake`: makes a lake.

use std::process::ExitCode;

fn main() -> ExitCode {
    affluent_core::cli::main(init_datalake::run)
}
