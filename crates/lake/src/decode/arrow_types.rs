//! The Arrow types of the columns.

use std::sync::Arc;

use affluent_core::schema::{self, Type};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

/// The time zone of every instant.
pub(super) const UTC: &str = "UTC";

/// The Arrow type that holds a column type. Everything but a map's keys may be null.
pub fn arrow_type(ty: &Type) -> DataType {
    match ty {
        Type::Boolean => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Bigint => DataType::Int64,
        Type::Double => DataType::Float64,
        &Type::Decimal(precision, scale) => DataType::Decimal128(precision, scale as i8),
        Type::String | Type::Time => DataType::Utf8,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Type::Struct(fields) => DataType::Struct(members(fields)),
        Type::Array(item) => DataType::List(element(item)),
        Type::Map(value) => DataType::Map(entries(value), false),
    }
}

pub(super) fn members(fields: &[schema::Field]) -> Fields {
    fields.iter().map(|field| Field::new(&field.name, arrow_type(&field.ty), true)).collect()
}

pub(super) fn element(item: &Type) -> FieldRef {
    Arc::new(Field::new("element", arrow_type(item), true))
}

pub(super) fn entry(value: &Type) -> Fields {
    let key = Field::new("key", DataType::Utf8, false);
    vec![key, Field::new("value", arrow_type(value), true)].into()
}

pub(super) fn entries(value: &Type) -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(entry(value)), false))
}
