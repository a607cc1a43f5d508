//! JSON to Arrow: this decoder beside arrow-json's and a plain parse into `serde_json::Value`.
//!
//! One iteration is a batch of 65,536 messages, its `finish` included. Times are CPU time of the
//! thread where the system tells it (Linux), so that a busy machine disturbs them less.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use affluent_core::schema::Schema;
use affluent_lake::decode::{Decoder, Inferred, KeySpec};
use arrow::datatypes::DataType;
use arrow::json::ReaderBuilder;
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

const BATCH: usize = 65_536;
const SCHEMA: &str = "transaction_id string, user_id string, amount decimal(15,2), currency string, \
                      payment_method string, product_id string, quantity int, transaction_type string, \
                      status string, country string, timestamp timestamp";

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ mixed >> 27
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// The flat message of 11 fields, about 275 bytes; `gap` follows each comma and colon.
fn transaction(numbers: &mut Numbers, gap: &str) -> String {
    let members = [
        ("transaction_id", format!("\"tx_{:016x}{:016x}\"", numbers.next(), numbers.next())),
        ("user_id", format!("\"user_{:05}\"", numbers.below(100_000))),
        ("amount", format!("{}.{:02}", numbers.below(1000), numbers.below(100))),
        ("currency", format!("\"{}\"", numbers.pick(&["EUR", "USD", "GBP", "CHF"]))),
        ("payment_method", format!("\"{}\"", numbers.pick(&["card", "paypal", "transfer", "cash"]))),
        ("product_id", format!("\"prod_{:04}\"", numbers.below(10_000))),
        ("quantity", (numbers.below(9) + 1).to_string()),
        ("transaction_type", format!("\"{}\"", numbers.pick(&["purchase", "refund"]))),
        ("status", format!("\"{}\"", numbers.pick(&["completed", "pending", "failed"]))),
        ("country", format!("\"{}\"", numbers.pick(&["FR", "DE", "US", "CH"]))),
        ("timestamp", {
            let (hour, minute, second) = (numbers.below(24), numbers.below(60), numbers.below(60));
            format!("\"2025-11-24T{hour:02}:{minute:02}:{second:02}.{:03}Z\"", numbers.below(1000))
        }),
    ];
    let members = members.map(|(name, value)| format!("\"{name}\":{gap}{value}"));
    format!("{{{}}}", members.join(&format!(",{gap}")))
}

fn transactions(gap: &str) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(1);
    (0..BATCH).map(|_| transaction(&mut numbers, gap).into_bytes()).collect()
}

/// CPU time of this thread since its start; None where the system does not tell.
fn cpu_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Times `work`, and keeps the best time of one iteration in `best`.
fn timed(iterations: u64, best: &mut Duration, mut work: impl FnMut()) -> Duration {
    let (wall, cpu) = (Instant::now(), cpu_time());
    for _ in 0..iterations {
        work();
    }
    let taken = match (cpu, cpu_time()) {
        (Some(before), Some(after)) if after > before => after - before,
        _ => wall.elapsed(),
    };
    *best = (*best).min(taken / iterations as u32);
    taken
}

/// Runs one contender and returns its best messages per second.
fn contender(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    batch: usize,
    mut work: impl FnMut(),
) -> f64 {
    let mut best = Duration::MAX;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| timed(iterations, &mut best, &mut work));
    });
    batch as f64 / best.as_secs_f64()
}

fn decode(decoder: &mut Decoder, messages: &[Vec<u8>]) {
    for message in messages {
        black_box(decoder.append(None, message)).expect("the messages are valid");
    }
    black_box(decoder.finish());
}

fn arrow_json(schema: &Schema, messages: &[Vec<u8>]) {
    let mut fields = Decoder::fields(schema);
    fields.pop();
    for field in &mut fields {
        if let DataType::Timestamp(unit, _) = field.data_type() {
            // The name UTC would need its feature `chrono-tz`.
            field.set_data_type(DataType::Timestamp(*unit, Some("+00:00".into())));
        }
    }
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let reader = ReaderBuilder::new(schema).with_batch_size(messages.len());
    let mut decoder = reader.build_decoder().expect("the schema is plain");
    for message in messages {
        decoder.decode(message).expect("the messages are valid");
        assert!(!decoder.has_partial_record());
    }
    black_box(decoder.flush().expect("the messages fit the schema"));
}

fn serde(messages: &[Vec<u8>]) {
    for message in messages {
        black_box(serde_json::from_slice::<serde_json::Value>(message)).expect("the messages are valid");
    }
}

/// Compares the three on one kind of message.
fn compare(criterion: &mut Criterion, name: &str, schema: &Schema, messages: &[Vec<u8>]) {
    let bytes: usize = messages.iter().map(Vec::len).sum();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(messages.len() as u64));
    let mut decoder = Decoder::new(schema, KeySpec::default(), None);
    let ours = contender(&mut group, "affluent", messages.len(), || decode(&mut decoder, messages));
    let arrow = contender(&mut group, "arrow-json", messages.len(), || arrow_json(schema, messages));
    let value = contender(&mut group, "serde_json", messages.len(), || serde(messages));
    group.finish();
    eprintln!(
        "{name} ({} bytes a message): {:.0} k messages/CPU-s, {:.2} times arrow-json ({:.0} k), {:.2} times \
         serde_json ({:.0} k)\n",
        bytes / messages.len(),
        ours / 1e3,
        ours / arrow,
        arrow / 1e3,
        ours / value,
        value / 1e3,
    );
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let schema = Schema::parse(SCHEMA).expect("the schema is well formed");
    compare(&mut criterion, "transactions", &schema, &transactions(""));
    compare(&mut criterion, "transactions with spaces", &schema, &transactions(" "));
    let nested: Vec<Vec<u8>> = (0..BATCH / 16).map(person).collect();
    let mut inferred = Inferred::new();
    for message in &nested {
        inferred.observe(message).expect("the messages are valid");
    }
    let schema = inferred.merge_into(&Schema::default()).expect("the messages have columns");
    compare(&mut criterion, "nested", &schema, &nested);
    criterion.final_summary();
}

/// A nested message with an array, escapes and text beyond ASCII.
fn person(id: usize) -> Vec<u8> {
    let mut numbers = Numbers(id as u64);
    let friends: Vec<String> = (0..numbers.below(4))
        .map(|id| {
            format!(
                "{{\"id\":{id},\"name\":\"Zoë №{id}\",\"phone\":\"+33{}\"}}",
                numbers.below(1_000_000_000)
            )
        })
        .collect();
    format!(
        "{{\"id\":{id},\"name\":\"Léonard Nikitine\",\"address\":{{\"street\":\"rue de l\\u2019\u{c9}glise\\n{}\",\
         \"city\":\"Genève\",\"point\":[{}.{:04},{}.{:04}]}},\"admin\":{},\"score\":{}.5e1,\"friends\":[{}]}}",
        numbers.below(200),
        numbers.below(90),
        numbers.below(10_000),
        numbers.below(180),
        numbers.below(10_000),
        numbers.below(2) == 0,
        numbers.below(100),
        friends.join(",")
    )
    .into_bytes()
}
