//! The decoder: records in, a batch of columns out.

use affluent_core::feeds::Key;
use affluent_core::schema::Schema;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;

use super::arrow_types;
use super::cursor::Cursor;
use super::event_time;
use super::infer::Inferred;
use super::key::{self, KeyColumns};
use super::list::StructColumn;
use super::members::{fill, members};
use super::reject::{self, Reject};
use super::rescued::Rescued;
use super::scan::Fault;

/// The column that keeps what has no place in the others: a JSON object, or null.
pub const RESCUED: &str = "_rescued";

/// The rows of a [`Decoder`]: the columns in schema order, then `_rescued`.
#[derive(Debug, Clone)]
pub struct DecodedBatch {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
}

impl DecodedBatch {
    /// The rows as a record batch; `schema` has the fields of [`Decoder::fields`].
    pub fn into_record_batch(self, schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema, self.columns, &options)
    }
}

/// Turns JSON records into Arrow columns.
pub struct Decoder {
    record: StructColumn,
    rescued: Rescued,
    key: KeyColumns,
    event_time: Option<usize>,
    rows: usize,
    /// At least as many bytes as any one column holds. No type makes a value twice as long.
    taken: usize,
    growth: Option<Inferred>,
    grown: bool,
}

impl Decoder {
    /// A decoder for records of `schema`. `event_time` names the column that [`Self::append`]
    /// returns the instant of.
    pub fn new(schema: &Schema, key: Key, event_time: Option<&str>) -> Self {
        Self {
            record: StructColumn::new(&schema.fields),
            rescued: Rescued::new(),
            key: KeyColumns::new(schema, key),
            event_time: event_time.and_then(|name| schema.position(name)),
            rows: 0,
            taken: 0,
            growth: None,
            grown: false,
        }
    }

    /// Whether to learn from records with unknown names, for [`Self::take_growth`].
    pub fn with_growth(mut self, growth: bool) -> Self {
        self.growth = growth.then(Inferred::new);
        self
    }

    /// The Arrow fields of the batches, `_rescued` included.
    pub fn fields(schema: &Schema) -> Vec<Field> {
        let mut fields: Vec<Field> =
            arrow_types::members(&schema.fields).iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new(RESCUED, DataType::Utf8, true));
        fields
    }

    /// Appends one record and returns its event time in microseconds since 1970, if it has one.
    /// After an error nothing was appended.
    pub fn append(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Option<i64>, Reject> {
        let taken = self.taken + value.len() * 2 + key.map_or(0, KeyColumns::room);
        if taken > i32::MAX as usize {
            return Err(Reject::Full);
        }
        let mut cursor = Cursor { curious: self.growth.is_some(), ..Cursor::new(value) };
        if cursor.space() != b'{' {
            return Err(reject::not_a_record(value));
        }
        if let Err(fault) = self.read(&mut cursor, key) {
            self.roll_back();
            return Err(Reject::new(fault, cursor.at));
        }
        self.taken = taken;
        self.rows += 1;
        if cursor.unknown {
            self.learn(value);
        }
        Ok(self.event_time.and_then(|index| event_time::of_last_row(&self.record.columns[index])))
    }

    #[inline]
    fn read(&mut self, cursor: &mut Cursor<'_>, key: Option<&[u8]>) -> Result<(), Fault> {
        let Self { record, rescued, rows, .. } = self;
        let filled = members(&mut record.names, &mut record.columns, *rows, cursor, |cursor, from| {
            // Nothing but a comma or bracket and spaces is before the quote of the name.
            let text = &cursor.text[from..cursor.at];
            let name = text.iter().position(|&byte| byte == b'"').unwrap_or_default();
            rescued.add(&text[name..]);
        })?;
        cursor.end()?;
        if filled < record.columns.len() {
            if let Some(key) = key
                && !self.key.fill(record, *rows, key)
            {
                rescued.add(&key::rescued(key));
            }
            fill(&mut record.columns, *rows);
        }
        rescued.close(*rows);
        Ok(())
    }

    #[cold]
    fn roll_back(&mut self) {
        self.record.truncate(self.rows);
        self.rescued.truncate(self.rows);
    }

    #[inline(never)]
    fn learn(&mut self, value: &[u8]) {
        if let Some(growth) = &mut self.growth {
            // The record was just read, so it is valid.
            self.grown |= growth.observe(value).is_ok();
        }
    }

    /// What was learnt since the last call from records with names that the schema does not have.
    pub fn take_growth(&mut self) -> Option<Inferred> {
        let grown = std::mem::take(&mut self.grown);
        self.growth.as_mut().filter(|_| grown).map(std::mem::take)
    }

    /// The number of rows that were appended since the last [`Self::finish`].
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes the rows take; one addition a column.
    pub fn bytes(&self) -> usize {
        self.record.bytes() + self.rescued.bytes()
    }

    /// Takes the rows. The decoder goes on with room for as many.
    pub fn finish(&mut self) -> DecodedBatch {
        let rows = std::mem::take(&mut self.rows);
        self.taken = 0;
        let mut columns = self.record.finish_columns();
        columns.push(self.rescued.finish(rows));
        DecodedBatch { columns, rows }
    }
}
