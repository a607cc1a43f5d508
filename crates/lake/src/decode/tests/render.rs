//! Cells as text, for comparison: strings bare, nested values in brackets.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use crate::decode::Decoder;

pub(super) fn rows(decoder: &mut Decoder) -> Vec<Vec<String>> {
    let batch = decoder.finish();
    for column in &batch.columns {
        column.to_data().validate_full().unwrap();
        assert_eq!(column.len(), batch.rows);
    }
    (0..batch.rows).map(|row| batch.columns.iter().map(|column| cell(column, row)).collect()).collect()
}

pub(super) fn cell(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => format!("{:?}", array.as_binary::<i32>().value(row)),
        DataType::Struct(fields) => {
            let members = array.as_struct();
            let shown = fields.iter().zip(members.columns());
            braced(shown.map(|(field, column)| format!("{}:{}", field.name(), cell(column, row))))
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let shown: Vec<_> = (0..items.len()).map(|item| cell(&items, item)).collect();
            format!("[{}]", shown.join(","))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            braced((0..entries.len()).map(|entry| format!("{}:{}", cell(keys, entry), cell(values, entry))))
        }
        other => panic!("no column has the type {other}"),
    }
}

fn braced(members: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
