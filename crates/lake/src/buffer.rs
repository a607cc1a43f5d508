//! The rows of one Kafka partition that are decoded but not yet in a file.

use std::sync::Arc;

use affluent_core::feeds::{Feed, KeyFormat};
use affluent_core::layout::Kind;
use affluent_core::schema::Schema;
use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;

use crate::decode::{self, Decoder, Inferred, KeySpec, Reject};
use crate::{Error, columns};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Event times outside this window around now are not believed: the Kafka timestamp decides.
const PLAUSIBLE_PAST: i64 = 3653 * MICROS_PER_DAY;
const PLAUSIBLE_FUTURE: i64 = MICROS_PER_DAY;

/// A record as it comes from Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub key: Option<&'a [u8]>,
    /// None is a tombstone.
    pub value: Option<&'a [u8]>,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Appended {
    Row,
    /// A tombstone: nothing to land in a stream, a deletion in a table.
    Tombstone,
    Rejected(Reject),
    /// A table's record without a key has no identity.
    NoKey,
}

/// Decoded rows of one Kafka partition.
pub struct Buffer {
    decoder: Decoder,
    kind: Kind,
    table: String,
    schema: SchemaRef,
    partition: i32,
    now_micros: i64,
    offsets: Vec<i64>,
    timestamps: Vec<Option<i64>>,
    days: Vec<i32>,
    keys: BinaryBuilder,
    key_bytes: usize,
    deletes: Vec<Delete>,
    last_offset: i64,
}

/// A key that a tombstone deleted, after `row` rows of the chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    pub row: usize,
    pub key: Box<[u8]>,
}

/// A batch of rows that leaves the buffer.
pub struct Chunk {
    pub partition: i32,
    pub batch: RecordBatch,
    /// Each row's day since 1970, for streams.
    days: Vec<i32>,
    /// Deletions between the rows, for tables.
    pub deletes: Vec<Delete>,
    /// Rows that have something in `_rescued`.
    pub rescued: usize,
    /// The offset after the last record seen.
    pub next_offset: i64,
}

impl Buffer {
    /// `growing` feeds have no declared columns: what is new in the records is learnt.
    pub fn new(feed: &Feed, schema: &Schema, partition: i32, growing: bool) -> Self {
        let format = match feed.key.format {
            KeyFormat::None => decode::KeyFormat::None,
            KeyFormat::Kafka => decode::KeyFormat::Kafka,
            KeyFormat::Json => decode::KeyFormat::Json,
        };
        let key = KeySpec { columns: feed.key.columns.clone(), format };
        let decoder = Decoder::new(schema, key, feed.event_time.as_deref()).with_growth(growing);
        Self {
            decoder,
            kind: feed.kind,
            table: feed.name.clone(),
            schema: columns::file_schema(feed.kind, schema),
            partition,
            now_micros: 0,
            offsets: Vec::new(),
            timestamps: Vec::new(),
            days: Vec::new(),
            keys: BinaryBuilder::new(),
            key_bytes: 0,
            deletes: Vec::new(),
            last_offset: -1,
        }
    }

    /// Takes one record. Only a row or a deletion changes the buffer. `now_micros` tells which
    /// event times are believed.
    #[inline]
    pub fn append(&mut self, record: Record<'_>, now_micros: i64) -> Appended {
        if self.kind == Kind::Table && record.key.is_none() {
            return Appended::NoKey;
        }
        let Some(value) = record.value else {
            if let (Kind::Table, Some(key)) = (self.kind, record.key) {
                self.key_bytes += key.len() + size_of::<Delete>();
                self.deletes.push(Delete { row: self.offsets.len(), key: key.into() });
            }
            self.last_offset = record.offset;
            return Appended::Tombstone;
        };
        let event_time = match self.decoder.append(record.key, value) {
            Ok(event_time) => event_time,
            Err(reject) => return Appended::Rejected(reject),
        };
        self.now_micros = now_micros;
        self.last_offset = record.offset;
        self.offsets.push(record.offset);
        let timestamp = record.timestamp_ms.and_then(|ms| ms.checked_mul(1000));
        self.timestamps.push(timestamp);
        match self.kind {
            Kind::Stream => self.days.push(day(event_time, timestamp, now_micros)),
            Kind::Table => {
                let key = record.key.unwrap_or_default();
                self.key_bytes += key.len();
                self.keys.append_value(key);
            }
        }
        Appended::Row
    }

    pub fn rows(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty() && self.deletes.is_empty()
    }

    /// Memory that the rows take, about.
    pub fn bytes(&self) -> usize {
        self.decoder.bytes() + self.offsets.len() * 28 + self.key_bytes
    }

    /// What the records had that the columns have not.
    pub fn take_growth(&mut self) -> Option<Inferred> {
        self.decoder.take_growth()
    }

    /// Hands out the rows and is empty again.
    pub fn finish(&mut self) -> Result<Chunk, Error> {
        let failed = |source| Error::Arrow { table: self.table.clone(), source };
        let rows = self.offsets.len();
        let mut arrays: Vec<ArrayRef> = self.decoder.finish().columns;
        let rescued = arrays.last().map_or(0, |rescued| rescued.len() - rescued.null_count());
        if self.kind == Kind::Table {
            arrays.push(Arc::new(self.keys.finish()));
        }
        arrays.push(Arc::new(Int32Array::from_value(self.partition, rows)));
        arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut self.offsets))));
        let timestamps = TimestampMicrosecondArray::from(std::mem::take(&mut self.timestamps));
        arrays.push(Arc::new(timestamps.with_timezone("UTC")));
        self.key_bytes = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(failed)?;
        Ok(Chunk {
            partition: self.partition,
            batch,
            days: std::mem::take(&mut self.days),
            deletes: std::mem::take(&mut self.deletes),
            rescued,
            next_offset: self.last_offset + 1,
        })
    }
}

/// The day of a row: that of its event time, where it is plausible, else of its Kafka timestamp.
#[inline]
fn day(event_time: Option<i64>, timestamp: Option<i64>, now: i64) -> i32 {
    let plausible = |micros: &i64| (now - PLAUSIBLE_PAST..=now + PLAUSIBLE_FUTURE).contains(micros);
    let micros = event_time.filter(plausible).or_else(|| timestamp.filter(plausible)).unwrap_or(now);
    micros.div_euclid(MICROS_PER_DAY) as i32
}

impl Chunk {
    /// The rows by day, each day's in offset order.
    pub fn by_day(&self) -> Result<Vec<(NaiveDate, RecordBatch)>, arrow::error::ArrowError> {
        let Some(first) = self.days.first() else { return Ok(Vec::new()) };
        if self.days.iter().all(|day| day == first) {
            return Ok(vec![(date(*first), self.batch.clone())]);
        }
        let mut rows_of: std::collections::BTreeMap<i32, Vec<u32>> = std::collections::BTreeMap::new();
        for (row, day) in self.days.iter().enumerate() {
            rows_of.entry(*day).or_default().push(row as u32);
        }
        rows_of
            .into_iter()
            .map(|(day, rows)| Ok((date(day), take_record_batch(&self.batch, &UInt32Array::from(rows))?)))
            .collect()
    }
}

fn date(days_since_1970: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(days_since_1970).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use affluent_core::feeds::builtin;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;
    use chrono::DateTime;

    use super::*;

    fn feed(name: &str) -> (Feed, Schema) {
        let feed = builtin(DateTime::UNIX_EPOCH).into_iter().find(|feed| feed.name == name).unwrap();
        let schema = feed.schema.clone().unwrap();
        (feed, schema)
    }

    const NOW: i64 = 1_760_000_000_000_000;

    fn record(offset: i64, value: Option<&[u8]>) -> Record<'_> {
        Record { key: Some(b"u1"), value, offset, timestamp_ms: Some(NOW / 1000) }
    }

    #[test]
    fn rows_go_to_the_day_of_their_event_and_absurd_times_to_that_of_kafka() {
        let (feed, schema) = feed("transaction_stream");
        let mut buffer = Buffer::new(&feed, &schema, 3, false);
        let values: [&[u8]; 4] = [
            br#"{"timestamp":"2025-01-15T10:00:00Z"}"#,
            br#"{"timestamp":"9999-01-15T10:00:00Z"}"#,
            br#"{"timestamp":"2025-01-15T23:59:59.9Z"}"#,
            br#"{"timestamp":"soon"}"#,
        ];
        for (offset, value) in values.into_iter().enumerate() {
            assert_eq!(buffer.append(record(offset as i64 + 10, Some(value)), NOW), Appended::Row);
        }
        assert_eq!(buffer.append(record(14, None), NOW), Appended::Tombstone);
        assert!(matches!(buffer.append(record(15, Some(b"{")), NOW), Appended::Rejected(_)));
        let chunk = buffer.finish().unwrap();
        assert_eq!((chunk.next_offset, chunk.rescued), (15, 1));
        let days = chunk.by_day().unwrap();
        let shown: Vec<(String, usize)> =
            days.iter().map(|(day, batch)| (day.to_string(), batch.num_rows())).collect();
        assert_eq!(shown, [("2025-01-15".to_owned(), 2), ("2025-10-09".to_owned(), 2)]);
        let offsets = days[0].1.column_by_name("kafka_offset").unwrap();
        assert_eq!(offsets.as_primitive::<Int64Type>().values(), &[10, 12]);
        let users = days[0].1.column_by_name("user_id").unwrap();
        assert_eq!(users.as_string::<i32>().value(0), "u1");
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_table_keeps_its_keys_and_deletions() {
        let (feed, schema) = feed("payment_method_totals");
        let mut buffer = Buffer::new(&feed, &schema, 0, false);
        assert_eq!(buffer.append(record(1, Some(br#"{"TOTAL_AMOUNT":1.50}"#)), NOW), Appended::Row);
        assert_eq!(buffer.append(record(2, None), NOW), Appended::Tombstone);
        let keyless = Record { key: None, value: Some(b"{}"), offset: 3, timestamp_ms: None };
        assert_eq!(buffer.append(keyless, NOW), Appended::NoKey);
        let chunk = buffer.finish().unwrap();
        assert_eq!(chunk.deletes, [Delete { row: 1, key: b"u1".as_slice().into() }]);
        let keys = chunk.batch.column_by_name("kafka_key").unwrap();
        assert_eq!(keys.as_binary::<i32>().value(0), b"u1");
        assert!(chunk.batch.column_by_name("total_amount").unwrap().is_valid(0));
    }
}
