//! Records that could not become rows: kept whole, with the reason.
//!
//! They go to `dead_letters/<topic>/` in the lake, published with the commit that moves the offset
//! past them. A crash in between may write one twice; topic, partition and offset name it.

use std::io::{BufWriter, Write};

use affluent_core::layout;
use serde::Serialize;

use super::io_error;
use crate::staging::Staging;
use crate::{Engine, Error};

/// One rejected record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub reason: String,
    /// The key's and the value's original bytes, base64.
    pub key: Option<String>,
    pub value: Option<String>,
}

impl DeadLetter {
    pub fn bytes(&self) -> usize {
        256 + self.key.as_ref().map_or(0, String::len) + self.value.as_ref().map_or(0, String::len)
    }
}

/// Publishes the dead letters of one partition; the returned target is to be settled.
pub(super) fn publish(
    engine: &Engine,
    staging: &Staging,
    letters: &[DeadLetter],
) -> Result<Option<String>, Error> {
    let Some(first) = letters.first() else { return Ok(None) };
    let target = target(&first.topic, first.partition, first.offset, staging.writer());
    let (path, file) = staging.create(&target)?;
    let mut output = BufWriter::new(file);
    for letter in letters {
        serde_json::to_writer(&mut output, letter).map_err(|error| io_error("write", &path)(error.into()))?;
        output.write_all(b"\n").map_err(io_error("write", &path))?;
    }
    let file = output.into_inner().map_err(|error| io_error("write", &path)(error.into_error()))?;
    file.sync_all().map_err(io_error("sync", &path))?;
    staging.publish(engine, &target)?;
    Ok(Some(target))
}

fn target(topic: &str, partition: i32, offset: i64, writer: &str) -> String {
    format!("{}/{topic}/{topic}-{partition}-{offset:020}-{writer}.jsonl", layout::DEAD_LETTERS)
}

/// The topic, partition and first offset of a dead-letter file.
pub(super) fn parse_target(target: &str) -> Option<(String, i32, i64)> {
    let name = target.strip_prefix(layout::DEAD_LETTERS)?.strip_prefix('/')?.split_once('/')?.1;
    let mut parts = name.strip_suffix(".jsonl")?.rsplitn(4, '-');
    let _writer = parts.next()?;
    let offset = parts.next()?.parse().ok()?;
    let partition = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), partition, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_where_its_letters_start() {
        let name = target("a-b.c", 7, 42, "abc");
        assert_eq!(parse_target(&name), Some(("a-b.c".to_owned(), 7, 42)));
        assert_eq!(parse_target("streams/x/y.jsonl"), None);
    }
}
