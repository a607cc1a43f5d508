//! `--dry-run`: messages on stdout instead of Kafka.

use std::io::{self, BufWriter, ErrorKind, Write};

use affluent_core::cli::OutputFormat;
use serde_json::json;

use crate::message::{Plan, Record, Source};

/// Prints messages as key, tab and value, or as one JSON object a line.
pub(crate) fn print(
    source: &mut Source,
    plan: &Plan,
    count: u64,
    format: OutputFormat,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut record = Record::default();
    for index in 0..count {
        if !source.write(plan, index, &mut record)? {
            break;
        }
        match write(&mut out, &record, format) {
            // The reader has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        flushed => Ok(flushed?),
    }
}

fn write(out: &mut impl Write, record: &Record, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Text => {
            out.write_all(record.key_bytes().unwrap_or_default())?;
            out.write_all(b"\t")?;
            out.write_all(record.value_bytes().unwrap_or_default())?;
        }
        OutputFormat::Json => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let line =
                json!({ "key": record.key_bytes().map(text), "value": record.value_bytes().map(text) });
            write!(out, "{line}")?;
        }
    }
    out.write_all(b"\n")
}
