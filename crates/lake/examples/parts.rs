//! Our own part of landing, alone: decodes messages and encodes them into Parquet files.
//!
//! `parts FEED.json MESSAGES.jsonl COUNT LAKE` takes the lines in turn until there were COUNT, over
//! six partitions, with the feed's columns; no Kafka, one commit at the end.

use std::io::{Write, stdout};

use affluent_core::clock::Clock;
use affluent_core::feeds::Feed;
use affluent_core::lake::Lake;
use affluent_lake::Engine;
use affluent_lake::buffer::{Appended, Buffer, Record};
use affluent_lake::commit::Table;
use affluent_lake::land::{Lander, Settings};
use affluent_lake::staging::Staging;

const PARTITIONS: usize = 6;
/// The consumer's chunks with six partitions and its default memory.
const CHUNK_ROWS: usize = 65_536;
const CHUNK_BYTES: usize = 4 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, feed, messages, count, root] = args.as_slice() else {
        return Err("usage: parts FEED.json MESSAGES.jsonl COUNT LAKE".into());
    };
    let feed: Feed = serde_json::from_slice(&std::fs::read(feed)?)?;
    let text = std::fs::read(messages)?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let count: usize = count.parse()?;
    let schema = feed.schema.clone().ok_or("the feed declares no columns")?;
    let engine = Engine::new(Lake::create(root)?)?;
    let staging = Staging::open(engine.lake())?;
    let table = Table::open_or_create(&engine, feed.kind, &feed.name, &schema)?.table;
    let mut lander = Lander::new(table, &feed.source, Settings::default());
    let mut buffers = Vec::new();
    for partition in 0..PARTITIONS as i32 {
        lander.assign(partition)?;
        buffers.push(Buffer::new(&feed, &schema, partition, false));
    }
    let now = Clock::System.now_micros();
    let mut rows = 0u64;
    for index in 0..count {
        // Runs of one partition, as fetches bring them.
        let buffer = &mut buffers[index / 2048 % PARTITIONS];
        let record = Record {
            key: Some(b"user"),
            value: Some(lines[index % lines.len()]),
            offset: index as i64,
            timestamp_ms: Some(now / 1000),
        };
        if buffer.append(record, now) == Appended::Row {
            rows += 1;
        }
        let full = buffer.rows() >= CHUNK_ROWS || (buffer.rows() % 64 == 0 && buffer.bytes() >= CHUNK_BYTES);
        if full {
            lander.land(&staging, buffer.finish()?, now / 1000)?;
            while lander.memory() > 42 << 20 {
                let Lander::Stream(stream) = &mut lander else { break };
                stream.relieve()?;
            }
        }
    }
    for buffer in &mut buffers {
        lander.land(&staging, buffer.finish()?, now / 1000)?;
    }
    let committed = lander.commit(&engine, &staging, now / 1000)?;
    writeln!(stdout(), "{rows} rows decoded, {} rows and {} bytes written", committed.rows, committed.bytes)?;
    Ok(())
}
