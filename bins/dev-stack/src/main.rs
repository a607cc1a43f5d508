//! `dev-stack`: Kafka on your machine without Java or Docker, for trying things out.

use std::process::ExitCode;

fn main() -> ExitCode {
    affluent_core::cli::main(dev_stack::run)
}
