//! Messages: message `i` is a function of the plan (seed, sizes, times) and of `i`, whatever thread
//! makes it and however fast.

mod generator;
mod json;
mod lines;
mod ordered;
mod people;
mod random;
mod streams;
mod tables;
mod template;
mod transaction;
mod zipf;

use random::Random;
use zipf::Choice;

pub use lines::Lines;
pub use template::Template;

/// What all messages of a run depend on.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// Event time of message 0, microseconds since 1970.
    pub start_micros: i64,
    /// Event time between two messages.
    pub step_nanos: u64,
    /// Values are padded up to this size.
    pub bytes: usize,
    /// Share of messages without a value.
    pub tombstones: f64,
    pub user_count: u64,
    pub product_count: u64,
    pub key_skew: f64,
    users: Choice,
    products: Choice,
}

impl Plan {
    pub fn new(seed: u64, user_count: u64, product_count: u64, key_skew: f64) -> Self {
        Self {
            seed,
            start_micros: 0,
            step_nanos: 1_000_000,
            bytes: 0,
            tombstones: 0.0,
            user_count,
            product_count,
            key_skew,
            users: Choice::new(user_count, key_skew),
            // Some things sell better than others, everywhere.
            products: Choice::new(product_count, 0.8),
        }
    }

    fn event_time(&self, index: u64) -> i64 {
        let micros = u128::from(index) * u128::from(self.step_nanos) / 1000;
        self.start_micros.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// A message being written: the buffers are used again and again.
#[derive(Debug, Default)]
pub struct Record {
    key: Vec<u8>,
    keyed: bool,
    tombstone: bool,
    value: Vec<u8>,
}

impl Record {
    /// The buffer of the key, for a message that has one.
    fn key(&mut self) -> &mut Vec<u8> {
        self.keyed = true;
        &mut self.key
    }

    fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        self.keyed = false;
        self.tombstone = false;
    }

    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.keyed.then_some(&self.key)
    }

    /// `None` for a tombstone.
    pub fn value_bytes(&self) -> Option<&[u8]> {
        (!self.tombstone).then_some(&self.value)
    }
}

type Write = fn(&Plan, u64, &mut Record);

/// The topics that have messages of their own.
const KNOWN: [(&str, Write); 8] = [
    ("transaction_stream", streams::raw),
    ("transaction_flattened", streams::flattened),
    ("transaction_stream_anonymized", streams::anonymized),
    ("transaction_stream_blacklisted", streams::blacklisted),
    ("user_transaction_summary", tables::user_summary),
    ("user_transaction_summary_eur", tables::user_summary_eur),
    ("payment_method_totals", tables::payment_methods),
    ("product_purchase_counts", tables::products),
];

/// The names that `--template @NAME` takes for topics of the project.
pub fn known_topics() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// Where the messages of a run come from.
#[derive(Debug)]
pub enum Source {
    /// A topic of the project.
    Known(Known),
    Template(Template),
    /// The lines of a file.
    Lines(Lines),
}

#[derive(Debug, Clone, Copy)]
pub struct Known {
    write: Write,
    upper_case: bool,
}

impl Known {
    /// The messages of a topic of the project; ksqlDB may have named it in upper case.
    pub fn of_topic(topic: &str) -> Option<Self> {
        let found = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(topic));
        found.map(|&(name, write)| Self { write, upper_case: name != "transaction_stream" })
    }
}

impl Source {
    /// Writes message `index`; false when there are no more.
    pub fn write(&mut self, plan: &Plan, index: u64, record: &mut Record) -> anyhow::Result<bool> {
        record.clear();
        let padding = match self {
            Self::Known(known) => {
                (known.write)(plan, index, record);
                if known.upper_case { "PADDING" } else { "padding" }
            }
            Self::Template(template) => {
                template.write(plan, index, record);
                "padding"
            }
            Self::Lines(lines) => return lines.write(index, record),
        };
        if record.value.len() < plan.bytes {
            pad(plan, index, padding, &mut record.value);
        }
        if plan.tombstones > 0.0 {
            // A draw of its own: the other messages stay as they are without tombstones.
            record.tombstone = Random::new(!plan.seed, index).chance(plan.tombstones);
        }
        Ok(true)
    }
}

/// Adds a field that brings the value to its size; a value too near to it stays as it is.
fn pad(plan: &Plan, index: u64, name: &str, value: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let frame = name.len() + r#","":"""#.len();
    let Some(mut missing) = (plan.bytes - value.len()).checked_sub(frame) else { return };
    if value.pop() != Some(b'}') {
        return;
    }
    if value.len() > 1 {
        value.push(b',');
    } else {
        missing += 1;
    }
    value.push(b'"');
    value.extend_from_slice(name.as_bytes());
    value.extend_from_slice(b"\":\"");
    // Random, so that compression gains as little from it as from other data.
    let mut random = Random::new(plan.seed.rotate_left(32), index);
    while missing > 0 {
        let mut word = random.next();
        for _ in 0..missing.min(10) {
            value.push(LETTERS[(word & 63) as usize]);
            word >>= 6;
        }
        missing = missing.saturating_sub(10);
    }
    value.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests;
