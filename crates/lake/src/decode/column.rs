//! The builder of one column: plain vectors, and a bitmap of nulls that exists once one was seen.

use std::sync::Arc;

use affluent_core::schema::Type;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float64Array,
    Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::ArrowNativeType;

use super::arrow_types::UTC;
use super::list::{ListColumn, MapColumn, StructColumn};

/// The values of one column, or of one member within a nested column.
pub(super) struct Column {
    pub(super) rows: usize,
    nulls: Nulls,
    pub(super) data: Data,
}

pub(super) enum Data {
    Boolean(BooleanBufferBuilder),
    Int(Vec<i32>),
    Bigint(Vec<i64>),
    Double(Vec<f64>),
    /// `limit` is the largest unscaled value.
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: u8,
        limit: u128,
    },
    String(Bytes),
    Bytes(Bytes),
    Date(Vec<i32>),
    /// Text: the lake's table format has no time of day.
    Time(Bytes),
    Timestamp(Vec<i64>),
    Struct(Box<StructColumn>),
    Array(Box<ListColumn>),
    Map(Box<MapColumn>),
}

/// Values of different lengths, end to end.
pub(super) struct Bytes {
    pub(super) offsets: Vec<i32>,
    pub(super) data: Vec<u8>,
}

impl Bytes {
    pub(super) fn new() -> Self {
        Self { offsets: vec![0], data: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.close();
    }

    /// Ends the value that was written to `data`.
    #[inline]
    pub(super) fn close(&mut self) {
        self.offsets.push(self.data.len() as i32);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.data.truncate(self.end());
    }

    /// Where the last closed value ends.
    pub(super) fn end(&self) -> usize {
        self.offsets.last().copied().unwrap_or_default() as usize
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.offsets.len() * 4
    }

    pub(super) fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        (take_offsets(&mut self.offsets), Buffer::from_vec(take(&mut self.data)))
    }
}

/// Takes the vector and leaves an empty one of the size that this one reached.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len() + values.len() / 16;
    std::mem::replace(values, Vec::with_capacity(room))
}

fn take_scalars<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    take(values).into()
}

pub(super) fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let taken = take_scalars(offsets);
    offsets.push(0);
    OffsetBuffer::new(taken)
}

struct Nulls {
    seen: bool,
    valid: BooleanBufferBuilder,
}

impl Nulls {
    #[inline]
    fn push_valid(&mut self) {
        if self.seen {
            self.valid.append(true);
        }
    }

    fn push_null(&mut self, rows: usize) {
        if !self.seen {
            self.seen = true;
            self.valid.append_n(rows, true);
        }
        self.valid.append(false);
    }

    fn take(&mut self) -> Option<NullBuffer> {
        self.seen = false;
        let nulls = NullBuffer::new(self.valid.finish());
        (nulls.null_count() > 0).then_some(nulls)
    }
}

impl Column {
    pub(super) fn new(ty: &Type) -> Self {
        let data = match ty {
            Type::Boolean => Data::Boolean(BooleanBufferBuilder::new(0)),
            Type::Int => Data::Int(Vec::new()),
            Type::Bigint => Data::Bigint(Vec::new()),
            Type::Double => Data::Double(Vec::new()),
            &Type::Decimal(precision, scale) => {
                let limit = 10u128.pow(precision as u32) - 1;
                Data::Decimal { values: Vec::new(), precision, scale, limit }
            }
            Type::String => Data::String(Bytes::new()),
            Type::Bytes => Data::Bytes(Bytes::new()),
            Type::Date => Data::Date(Vec::new()),
            Type::Time => Data::Time(Bytes::new()),
            Type::Timestamp => Data::Timestamp(Vec::new()),
            Type::Struct(fields) => Data::Struct(Box::new(StructColumn::new(fields))),
            Type::Array(item) => Data::Array(Box::new(ListColumn::new(item))),
            Type::Map(value) => Data::Map(Box::new(MapColumn::new(value))),
        };
        Self { rows: 0, nulls: Nulls { seen: false, valid: BooleanBufferBuilder::new(0) }, data }
    }

    /// Counts the value that was just put into the data.
    #[inline]
    pub(super) fn pushed(&mut self) {
        self.nulls.push_valid();
        self.rows += 1;
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.data {
            Data::Boolean(values) => values.append(false),
            Data::Int(values) | Data::Date(values) => values.push(0),
            Data::Bigint(values) | Data::Timestamp(values) => values.push(0),
            Data::Double(values) => values.push(0.0),
            Data::Decimal { values, .. } => values.push(0),
            Data::String(values) | Data::Bytes(values) | Data::Time(values) => values.close(),
            Data::Struct(members) => members.push_null(),
            Data::Array(list) => list.close(),
            Data::Map(map) => map.close(),
        }
        self.nulls.push_null(self.rows);
        self.rows += 1;
    }

    /// Whether the last row is null.
    pub(super) fn last_is_null(&self) -> bool {
        self.nulls.seen && self.rows > 0 && !self.nulls.valid.get_bit(self.rows - 1)
    }

    /// Forgets all but the first `rows` rows, and what is left of a value that broke off.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.data {
            Data::Boolean(values) => values.truncate(rows),
            Data::Int(values) | Data::Date(values) => values.truncate(rows),
            Data::Bigint(values) | Data::Timestamp(values) => values.truncate(rows),
            Data::Double(values) => values.truncate(rows),
            Data::Decimal { values, .. } => values.truncate(rows),
            Data::String(values) | Data::Bytes(values) | Data::Time(values) => values.truncate(rows),
            Data::Struct(members) => members.truncate(rows),
            Data::Array(list) => list.truncate(rows),
            Data::Map(map) => map.truncate(rows),
        }
        self.nulls.valid.truncate(rows);
        self.rows = self.rows.min(rows);
    }

    /// About how many bytes the values take.
    pub(super) fn bytes(&self) -> usize {
        let data = match &self.data {
            Data::Boolean(_) => self.rows / 8,
            Data::Int(_) | Data::Date(_) => self.rows * 4,
            Data::Bigint(_) | Data::Double(_) | Data::Timestamp(_) => self.rows * 8,
            Data::Decimal { .. } => self.rows * 16,
            Data::String(values) | Data::Bytes(values) | Data::Time(values) => values.bytes(),
            Data::Struct(members) => members.bytes(),
            Data::Array(list) => list.bytes(),
            Data::Map(map) => map.bytes(),
        };
        data + self.nulls.valid.len() / 8
    }

    /// Takes all rows as an Arrow array.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let rows = std::mem::take(&mut self.rows);
        let nulls = self.nulls.take();
        match &mut self.data {
            Data::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::Int(values) => Arc::new(Int32Array::new(take_scalars(values), nulls)),
            Data::Bigint(values) => Arc::new(Int64Array::new(take_scalars(values), nulls)),
            Data::Double(values) => Arc::new(Float64Array::new(take_scalars(values), nulls)),
            Data::Decimal { values, precision, scale, .. } => {
                let decimals = Decimal128Array::new(take_scalars(values), nulls);
                let typed = decimals.with_precision_and_scale(*precision, *scale as i8);
                Arc::new(typed.expect("the schema's decimals have at most 38 digits"))
            }
            Data::String(values) | Data::Time(values) => {
                let (offsets, data) = values.take();
                Arc::new(StringArray::new(offsets, data, nulls))
            }
            Data::Bytes(values) => {
                let (offsets, data) = values.take();
                Arc::new(BinaryArray::new(offsets, data, nulls))
            }
            Data::Date(values) => Arc::new(Date32Array::new(take_scalars(values), nulls)),
            Data::Timestamp(values) => {
                let instants = TimestampMicrosecondArray::new(take_scalars(values), nulls);
                Arc::new(instants.with_timezone(UTC))
            }
            Data::Struct(members) => members.finish(rows, nulls),
            Data::Array(list) => list.finish(nulls),
            Data::Map(map) => map.finish(nulls),
        }
    }
}
