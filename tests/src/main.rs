//! The binaries under test in one executable, which acts as whichever it is called by.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(|name| name.to_str()) {
        Some("consumer-datalake") => affluent_core::cli::main(consumer_datalake::run),
        Some("init-datalake") => affluent_core::cli::main(init_datalake::run),
        _ => {
            eprintln!("error: it is called by the name of the binary that it shall be");
            ExitCode::from(2)
        }
    }
}
