//! Rows of data files as plain JSON values, exact: what a test compares with what was sent.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use serde_json::{Map, Number, Value};

/// One landed row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub partition: i32,
    pub offset: i64,
    /// The folder of its file within the table: `year=2025/month=01/day=15`, or `version=v3`.
    pub folder: String,
    /// The columns that are not null, all but `kafka_partition` and `kafka_offset`.
    pub values: Map<String, Value>,
}

impl Row {
    /// A column's value, null where it has none.
    pub fn get(&self, column: &str) -> &Value {
        self.values.get(column).unwrap_or(&Value::Null)
    }

    /// The text of `_rescued`.
    pub fn rescued(&self) -> Option<&str> {
        self.get("_rescued").as_str()
    }
}

/// The rows of one batch.
pub(crate) fn each_row(batch: &RecordBatch, folder: &str, take: &mut dyn FnMut(Row)) {
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    let partitions = column("kafka_partition").as_primitive::<Int32Type>().clone();
    let offsets = column("kafka_offset").as_primitive::<Int64Type>().clone();
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        let mut values = Map::new();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            if array.is_valid(row) && !matches!(field.name().as_str(), "kafka_partition" | "kafka_offset") {
                values.insert(field.name().clone(), value(array, row));
            }
        }
        let (partition, offset) = (partitions.value(row), offsets.value(row));
        take(Row { partition, offset, folder: folder.to_owned(), values });
    }
}

/// A value as JSON: decimals as their text, times in RFC 3339, bytes as text where they are text and
/// else `base64:...`. Members of a struct that are null are left out.
pub fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
        }
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => format!("base64:{}", BASE64_STANDARD.encode(bytes)).into(),
            }
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            NaiveDate::from_epoch_days(days).unwrap().to_string().into()
        }
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            instant(micros).into()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let members = fields.iter().zip(columns).filter(|(_, column)| column.is_valid(row));
            Value::Object(members.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| value(&items, item)).collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = entries.column(0).as_string::<i32>();
            let pair = |at: usize| (keys.value(at).to_owned(), value(entries.column(1), at));
            Value::Object((0..entries.len()).map(pair).collect())
        }
        other => panic!("a column of type {other} is not expected in the lake"),
    }
}

fn instant(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).unwrap();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
