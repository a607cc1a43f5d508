//! From the command line to the plan of a run and its source of messages.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use affluent_core::{exit, suggest};
use chrono::{DateTime, Utc};

use crate::args::Args;
use crate::message::{Known, Lines, Plan, Source, Template, known_topics};

/// 2026-01-01T00:00:00Z: where event time starts when a seed asks for the same messages each time.
const FIXED_START_MICROS: i64 = 1_767_225_600_000_000;

const DEFAULT_MESSAGES: u64 = 1000;

const DEFAULT_STEP_NANOS: u64 = 1_000_000;

/// The plan of a run that starts now.
pub fn plan(args: &Args, now: DateTime<Utc>) -> Plan {
    let content = &args.content;
    // The hasher's keys come from the system's random numbers.
    let seed = content.seed.unwrap_or_else(|| RandomState::new().hash_one(now.timestamp_micros()) >> 32);
    let mut plan = Plan::new(seed, content.users, content.products, content.key_skew);
    plan.start_micros = match (content.start_time, content.seed) {
        (Some(start), _) => start.timestamp_micros(),
        (None, Some(_)) => FIXED_START_MICROS,
        (None, None) => now.timestamp() * 1_000_000,
    };
    plan.step_nanos = match (content.time_step, content.seed) {
        (Some(step), _) => u64::try_from(step.as_nanos()).unwrap_or(u64::MAX),
        // Event time keeps up with the clock.
        (None, None) if args.rate > 0.0 => (1e9 / args.rate) as u64,
        _ => DEFAULT_STEP_NANOS,
    };
    plan.bytes = usize::try_from(content.bytes).unwrap_or(usize::MAX);
    plan.tombstones = content.tombstones;
    plan
}

/// How many messages to make; `None` is to the end of the source.
pub(crate) fn messages(args: &Args, default: u64) -> Option<u64> {
    match (args.messages, &args.content.from) {
        (None, Some(_)) => None,
        (messages, _) => Some(messages.unwrap_or(default)),
    }
}

pub(crate) fn default_messages(args: &Args) -> Option<u64> {
    messages(args, DEFAULT_MESSAGES)
}

/// One source of messages; each thread has its own.
pub fn source(args: &Args, plan: &Plan) -> anyhow::Result<Source> {
    let key = args.content.key_field.as_deref();
    if let Some(path) = &args.content.from {
        if path == Path::new("-") && args.delivery.threads > 1 {
            return Err(exit::usage("--from - is read by one thread; leave out --threads"));
        }
        return Lines::open(path, key, args.messages.is_some()).map(Source::Lines);
    }
    let Some(name) = &args.content.template else {
        if let Some(known) = Known::of_topic(&args.topic) {
            return no_key_field(key, &args.topic).map(|()| Source::Known(known));
        }
        return built_in("generic", key, plan);
    };
    if let Some(name) = name.strip_prefix('@') {
        return match Known::of_topic(name) {
            Some(known) => no_key_field(key, name).map(|()| Source::Known(known)),
            None => built_in(name, key, plan),
        };
    }
    let text = std::fs::read_to_string(name)
        .map_err(|error| exit::usage(format!("--template: cannot read {name}: {error}")))?;
    Template::parse(name, &text, key, plan).map(Source::Template)
}

fn built_in(name: &str, key: Option<&str>, plan: &Plan) -> anyhow::Result<Source> {
    let Some(text) = Template::built_in(name) else {
        let names: Vec<&str> = Template::built_in_names().chain(known_topics()).collect();
        let hint = suggest::hint(name, names.iter().copied());
        return Err(exit::usage(format!(
            "--template: there is no @{name}{hint}; there are @{}",
            names.join(", @")
        )));
    };
    Template::parse(name, text, key, plan).map(Source::Template)
}

fn no_key_field(key: Option<&str>, topic: &str) -> anyhow::Result<()> {
    match key {
        None => Ok(()),
        Some(_) => Err(exit::usage(format!(
            "--key-field goes with --from or --template; the key of {topic} is given by its columns"
        ))),
    }
}
