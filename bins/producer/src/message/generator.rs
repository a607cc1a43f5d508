//! The generators of a template's fields, ready to write.

use super::random::{Random, unique};
use super::zipf::Choice;
use super::{Plan, json};

/// A value to be made, which may be null in a share of the messages.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) null: f64,
    pub(crate) generator: Generator,
}

/// A field of an object: its name in quotes with the colon, and its value.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) label: Vec<u8>,
    pub(crate) node: Node,
}

#[derive(Debug)]
pub(crate) enum Generator {
    /// JSON, as it is.
    Constant(Vec<u8>),
    Sequence {
        start: i64,
        step: i64,
    },
    Int {
        min: i64,
        count: u64,
    },
    /// A number of `scale` decimals, `min` without the point.
    Decimal {
        min: i64,
        count: u64,
        scale: u32,
    },
    Double {
        min: f64,
        max: f64,
    },
    Bool {
        share: f64,
    },
    /// JSON values and the sums of their weights so far.
    OneOf {
        values: Vec<Vec<u8>>,
        sums: Vec<u64>,
    },
    /// A prefix (escaped already) and a number of a set, with leading zeros up to `digits`.
    Id {
        prefix: Vec<u8>,
        numbers: Choice,
        digits: usize,
    },
    /// A prefix and hexadecimal digits that no other message of the run has.
    Hex {
        prefix: Vec<u8>,
        digits: usize,
    },
    Uuid,
    Timestamp {
        format: TimeFormat,
        late_micros: u64,
    },
    Words {
        min: u64,
        count: u64,
    },
    Object(Vec<Field>),
    Array {
        of: Box<Node>,
        min: u64,
        count: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    Iso,
    Seconds,
    Millis,
    Micros,
}

const WORDS: [&str; 32] = [
    "amber", "anchor", "autumn", "bridge", "candle", "copper", "desert", "ember", "fable", "garden",
    "harbour", "island", "jasmine", "kernel", "lantern", "meadow", "nectar", "ocean", "paper", "quiet",
    "river", "silver", "stone", "summit", "thunder", "timber", "umbrella", "valley", "velvet", "willow",
    "winter", "zephyr",
];

/// Writes an object of fields.
pub(crate) fn object(fields: &[Field], plan: &Plan, index: u64, random: &mut Random, out: &mut Vec<u8>) {
    out.push(b'{');
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&field.label);
        field.node.write(plan, index, random, out);
    }
    out.push(b'}');
}

impl Node {
    pub(crate) fn write(&self, plan: &Plan, index: u64, random: &mut Random, out: &mut Vec<u8>) {
        if self.null > 0.0 && random.chance(self.null) {
            out.extend_from_slice(b"null");
            return;
        }
        match &self.generator {
            Generator::Constant(json) => out.extend_from_slice(json),
            Generator::Sequence { start, step } => {
                json::integer(out, start.wrapping_add(step.wrapping_mul(index as i64)));
            }
            Generator::Int { min, count } => {
                json::integer(out, min.wrapping_add(random.below(*count) as i64))
            }
            Generator::Decimal { min, count, scale } => {
                json::decimal(out, min.wrapping_add(random.below(*count) as i64), *scale);
            }
            Generator::Double { min, max } => json::double(out, min + random.unit() * (max - min)),
            Generator::Bool { share } => {
                out.extend_from_slice(if random.chance(*share) { b"true" } else { b"false" });
            }
            Generator::OneOf { values, sums } => {
                let total = sums.last().copied().unwrap_or(1);
                let drawn = random.below(total);
                out.extend_from_slice(&values[sums.partition_point(|&sum| sum <= drawn)]);
            }
            Generator::Id { prefix, numbers, digits } => id(out, prefix, numbers.pick(random), *digits),
            Generator::Hex { prefix, digits } => hex(out, prefix, *digits, plan, index, random),
            Generator::Uuid => uuid(out, unique(plan.seed, index), random.next()),
            Generator::Timestamp { format, late_micros } => {
                let late = random.below(late_micros + 1) as i64;
                timestamp(out, *format, plan.event_time(index) - late);
            }
            Generator::Words { min, count } => words(out, min + random.below(*count), random),
            Generator::Object(fields) => object(fields, plan, index, random, out),
            Generator::Array { of, min, count } => {
                out.push(b'[');
                for position in 0..min + random.below(*count) {
                    if position > 0 {
                        out.push(b',');
                    }
                    of.write(plan, index, random, out);
                }
                out.push(b']');
            }
        }
    }
}

fn id(out: &mut Vec<u8>, prefix: &[u8], number: u64, digits: usize) {
    out.push(b'"');
    out.extend_from_slice(prefix);
    let mut buffer = itoa::Buffer::new();
    let number = buffer.format(number);
    for _ in number.len()..digits {
        out.push(b'0');
    }
    out.extend_from_slice(number.as_bytes());
    out.push(b'"');
}

fn hex(out: &mut Vec<u8>, prefix: &[u8], digits: usize, plan: &Plan, index: u64, random: &mut Random) {
    out.push(b'"');
    out.extend_from_slice(prefix);
    let start = out.len();
    json::hex(out, unique(plan.seed, index));
    while out.len() < start + digits {
        json::hex(out, random.next());
    }
    out.truncate(start + digits);
    out.push(b'"');
}

/// A random UUID (version 4), unique in its first 48 bits' company.
fn uuid(out: &mut Vec<u8>, high: u64, low: u64) {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(3 << 62)) | (2 << 62);
    let mut digits = Vec::with_capacity(32);
    json::hex(&mut digits, high);
    json::hex(&mut digits, low);
    out.push(b'"');
    for (position, range) in [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().enumerate() {
        if position > 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&digits[range]);
    }
    out.push(b'"');
}

fn timestamp(out: &mut Vec<u8>, format: TimeFormat, micros: i64) {
    match format {
        TimeFormat::Iso => {
            out.push(b'"');
            json::instant(out, micros);
            out.push(b'"');
        }
        TimeFormat::Seconds => json::integer(out, micros.div_euclid(1_000_000)),
        TimeFormat::Millis => json::integer(out, micros.div_euclid(1000)),
        TimeFormat::Micros => json::integer(out, micros),
    }
}

fn words(out: &mut Vec<u8>, count: u64, random: &mut Random) {
    out.push(b'"');
    for position in 0..count {
        if position > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(random.pick(&WORDS).as_bytes());
    }
    out.push(b'"');
}
