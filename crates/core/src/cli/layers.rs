//! Settings in layers: flag > environment > `lake.toml` > default.
//!
//! The file becomes the default values of clap's arguments, so that precedence, parsing and error
//! messages are clap's own. A secret is an argument whose environment value clap hides.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::{env_vars, exit, suggest};

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Flag,
    Environment(String),
    File(PathBuf),
    Default,
    Unset,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// What the settings file says for this binary: long flag -> values.
#[derive(Debug, Default)]
pub(super) struct File {
    path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
}

/// Keys that may stand at the top of the file because several binaries have them.
const SHARED: &[&str] = &["lake-root", "bootstrap-servers", "property", "output", "log", "quiet"];

const BINARIES: &[&str] = &[
    "init-datalake",
    "producer",
    "consumer-datalake",
    "export-datalake",
    "consumer-warehouse",
    "sync-mysql",
    "retention",
    "permissions",
    "feeds",
    "orchestrator",
    "dev-stack",
];

pub(super) fn read(argv: &[OsString], command: &Command) -> anyhow::Result<File> {
    let Some(path) = path_of(argv) else { return Ok(File::default()) };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| exit::usage(format!("cannot read the settings file {}: {error}", path.display())))?;
    let table: toml::Table = toml::from_str(&text)
        .map_err(|error| exit::usage(format!("{} is not valid TOML: {}", path.display(), error.message())))?;
    let mut file = File { path, values: BTreeMap::new() };
    for (key, value) in &table {
        match value {
            toml::Value::Table(section) if BINARIES.contains(&key.as_str()) => {
                if key == command.get_name() {
                    for (key, value) in section {
                        file.set(command, key, value, true)?;
                    }
                }
            }
            _ if SHARED.contains(&key.as_str()) => file.set(command, key, value, false)?,
            _ => {
                let known = SHARED.iter().chain(BINARIES).copied();
                return Err(exit::usage(format!(
                    "{}: unknown key or section {key:?}{}; keys of one binary go under its section, as in [{}]",
                    file.path.display(),
                    suggest::hint(key, known),
                    command.get_name(),
                )));
            }
        }
    }
    Ok(file)
}

#[allow(clippy::disallowed_methods, reason = "the file is found before clap reads the environment")]
fn path_of(argv: &[OsString]) -> Option<PathBuf> {
    let mut words = argv.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        if word == "--" {
            break;
        }
        if word == "--config" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    if let Some(path) = std::env::var_os(env_vars::CONFIG) {
        return Some(PathBuf::from(path));
    }
    let default = Path::new("lake.toml");
    default.exists().then(|| default.to_owned())
}

impl File {
    /// A section's own key must be a flag of the binary; a shared one may be meant for others.
    fn set(&mut self, command: &Command, key: &str, value: &toml::Value, own: bool) -> anyhow::Result<()> {
        if !arguments(command).any(|arg| arg.get_long() == Some(key)) {
            if !own {
                return Ok(());
            }
            let known: Vec<&str> = arguments(command).filter_map(Arg::get_long).collect();
            return Err(exit::usage(format!(
                "{}: [{}] has no setting {key:?}{}",
                self.path.display(),
                command.get_name(),
                suggest::hint(key, known),
            )));
        }
        let words = match value {
            toml::Value::Array(items) => items.iter().map(word).collect(),
            other => word(other).map(|word| vec![word]),
        };
        let words = words.ok_or_else(|| {
            exit::usage(format!("{}: {key} takes text, a number or a list of them", self.path.display()))
        })?;
        // The section of the binary is nearer than the top of the file.
        if own || !self.values.contains_key(key) {
            self.values.insert(key.to_owned(), words);
        }
        Ok(())
    }
}

fn word(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The binary's arguments and those of its subcommands.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments))
}

/// Makes the file's values the defaults of the arguments.
pub(super) fn apply(mut command: Command, file: &File) -> anyhow::Result<Command> {
    for (key, values) in &file.values {
        command = with_default(command, key, values);
        let names: Vec<String> = command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
        for name in names {
            command = command.mut_subcommand(name, |child| with_default(child, key, values));
        }
    }
    Ok(command)
}

fn with_default(command: Command, key: &str, values: &[String]) -> Command {
    let id = command.get_arguments().find(|arg| arg.get_long() == Some(key)).map(|arg| arg.get_id().clone());
    match id {
        Some(id) => command.mut_arg(id, |arg| arg.required(false).default_values(values.to_vec())),
        None => command,
    }
}

/// Each argument's source, by long flag.
pub fn sources(command: &Command, matches: &ArgMatches) -> BTreeMap<String, Source> {
    collect(command, matches, &File::default()).into_iter().map(|(key, (_, source))| (key, source)).collect()
}

type Settings = BTreeMap<String, (Option<String>, Source)>;

fn collect(command: &Command, matches: &ArgMatches, file: &File) -> Settings {
    let mut settings = Settings::new();
    let mut level = (command, matches);
    loop {
        let (command, matches) = level;
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            let id = arg.get_id().as_str();
            if matches!(id, "help" | "version" | "print_config" | "completions" | "man" | "config") {
                continue;
            }
            let value = matches.try_get_raw(id).ok().flatten().map(|values| {
                values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
            });
            let source = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => Source::Flag,
                Some(ValueSource::EnvVariable) => Source::Environment(
                    arg.get_env().map_or_else(String::new, |name| name.to_string_lossy().into()),
                ),
                Some(_) if file.values.contains_key(long) => Source::File(file.path.clone()),
                Some(_) => Source::Default,
                None => Source::Unset,
            };
            settings.insert(long.to_owned(), (value.map(|value| masked(arg, value)), source));
        }
        match matches.subcommand() {
            Some((name, inner)) => match command.find_subcommand(name) {
                Some(child) => level = (child, inner),
                None => break,
            },
            None => break,
        }
    }
    settings
}

const HIDDEN: &str = "********";

/// Hides secrets: whole arguments, and the values of secret-looking `k=v` properties.
fn masked(arg: &Arg, value: String) -> String {
    if arg.is_hide_env_values_set() {
        return HIDDEN.to_owned();
    }
    if arg.get_long() != Some("property") {
        return value;
    }
    let pairs = value.split(' ').map(|pair| match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Does a librdkafka property of this name hold a secret?
fn is_secret(key: &str) -> bool {
    ["password", "secret", "key.pem", "oauthbearer.config", "sasl.jaas"].iter().any(|word| key.contains(word))
}

pub(super) fn describe(command: &Command, matches: &ArgMatches, file: &File) -> String {
    let settings = collect(command, matches, file);
    let wide = settings.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (key, (value, source)) in settings {
        let value = value.unwrap_or_else(|| "-".to_owned());
        text.push_str(&format!("{key:wide$}  {value}  # {source}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser, Debug)]
    #[command(name = "producer")]
    struct Args {
        #[arg(long)]
        topic: String,
        #[arg(long, default_value = "1")]
        rate: f64,
        #[arg(long, env = "AFFLUENT_TEST_SECRET", hide_env_values = true)]
        secret: Option<String>,
        #[arg(long = "property", short = 'X')]
        property: Vec<String>,
    }

    fn layered(toml: &str, argv: &[&str]) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("lake.toml");
        std::fs::write(&path, toml)?;
        let mut words: Vec<OsString> = vec!["producer".into(), format!("--config={}", path.display()).into()];
        words.extend(argv.iter().map(OsString::from));
        let command = super::super::common::augment(Args::command());
        let file = read(&words, &command)?;
        let command = apply(command, &file)?;
        let matches = command.clone().try_get_matches_from(words)?;
        Ok(describe(&command, &matches, &file).replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let toml = "[producer]\ntopic = 'a'\nrate = 5\nproperty = ['x=1', 'sasl.password=p']\n";
        let text = layered(toml, &["--rate", "7", "--secret", "s3cret"]).unwrap();
        assert!(text.contains("topic     a  # file /lake.toml"), "{text}");
        assert!(text.contains("rate      7  # flag"), "{text}");
        assert!(text.contains("secret    ********  # flag"), "{text}");
        assert!(text.contains("property  x=1 sasl.password=********"), "{text}");
        assert!(text.contains("output    text  # default"), "{text}");
    }

    #[test]
    fn a_misspelt_setting_is_an_error_with_the_near_name() {
        let error = layered("[producer]\ntopik = 'a'\n", &[]).unwrap_err().to_string();
        assert!(error.contains("no setting \"topik\"; did you mean topic?"), "{error}");
        let error = layered("[producr]\ntopic = 'a'\n", &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean producer"), "{error}");
    }

    #[test]
    fn another_binary_s_section_is_left_alone() {
        let text = layered("[retention]\nwhatever = 1\n[producer]\ntopic = 'b'\n", &[]).unwrap();
        assert!(text.contains("topic     b"), "{text}");
    }
}
