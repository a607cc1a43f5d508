//! The options that every binary has.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::env_vars;

/// How results are printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON value, for scripts.
    Json,
}

// Options of every binary, set apart from its own by the heading in `--help`. No doc comment: clap
// would take it for what the binary is about.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Settings file; its keys are the long flags, binaries have a section each
    #[arg(long, global = true, env = env_vars::CONFIG, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Format of the result on stdout
    #[arg(long, global = true, env = env_vars::OUTPUT, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
    /// Log filter on stderr: error, warn, info, debug, or `target=level` with commas
    #[arg(long, global = true, env = env_vars::LOG, value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// No progress, and only warnings in the log
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show every setting, its value and where it came from, then leave
    #[arg(long, global = true)]
    pub print_config: bool,
    /// Print completions for a shell, then leave
    #[arg(long, global = true, value_name = "SHELL")]
    pub completions: Option<Shell>,
    /// Print the man page, then leave
    #[arg(long, global = true)]
    pub man: bool,
}

// Where the lake is: flattened into every binary that opens it.
#[derive(Debug, Clone, Args)]
pub struct LakeArgs {
    /// The lake: a folder, or an object-store URL (s3://, gs://, az://)
    #[arg(long, env = env_vars::LAKE_ROOT, value_name = "PATH|URL", default_value = "data_lake")]
    pub lake_root: String,
}

pub(super) fn augment(command: Command) -> Command {
    CommonArgs::augment_args(command.version(env!("CARGO_PKG_VERSION")))
}

/// Completions and the man page need no other argument, so they are looked for before parsing.
pub(super) fn generated(argv: &[OsString], command: &Command) -> Option<anyhow::Result<Vec<u8>>> {
    let words: Vec<&str> = argv.iter().skip(1).filter_map(|word| word.to_str()).collect();
    if words == ["--man"] {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
        return Some(rendered.map(|()| page).map_err(Into::into));
    }
    let shell = match words.as_slice() {
        ["--completions", shell] => *shell,
        [word] => word.strip_prefix("--completions=")?,
        _ => return None,
    };
    Some(
        Shell::from_str(shell, true)
            .map(|shell| {
                let mut script = Vec::new();
                let name = command.get_name().to_owned();
                clap_complete::generate(shell, &mut command.clone(), name, &mut script);
                script
            })
            .map_err(|_| {
                crate::exit::usage(format!(
                    "no completions for {shell:?}; shells are bash, elvish, fish, powershell and zsh"
                ))
            }),
    )
}
