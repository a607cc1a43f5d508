//! The columns of a data file: the feed's own, then what makes every row auditable.

use std::sync::Arc;

use affluent_core::layout::{DATE_COLUMNS, Kind, VERSION_COLUMN};
use affluent_core::schema::{Field, Schema, Type};
use arrow::datatypes::{DataType, Field as ArrowField, Schema as ArrowSchema, SchemaRef, TimeUnit};
use delta_kernel::schema::{
    ArrayType, DataType as DeltaType, DecimalType, MapType, PrimitiveType, StructField, StructType,
};
use delta_kernel::{KernelError, KernelResult};

/// JSON of the fields that are unknown or do not fit their column.
pub const RESCUED: &str = "_rescued";
pub const KAFKA_PARTITION: &str = "kafka_partition";
pub const KAFKA_OFFSET: &str = "kafka_offset";
pub const KAFKA_TIMESTAMP: &str = "kafka_timestamp";
/// The record's key as it stood in Kafka: the identity of a table's row.
pub const KAFKA_KEY: &str = "kafka_key";

/// The Arrow type of a column.
pub fn arrow_type(ty: &Type) -> DataType {
    match ty {
        Type::Boolean => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Bigint => DataType::Int64,
        Type::Double => DataType::Float64,
        Type::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale as i8),
        // Delta has no time of day: it is kept as ISO text.
        Type::String | Type::Time => DataType::Utf8,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Timestamp => timestamp(),
        Type::Struct(fields) => DataType::Struct(fields.iter().map(arrow_field).collect()),
        Type::Array(item) => DataType::List(Arc::new(ArrowField::new("element", arrow_type(item), true))),
        Type::Map(value) => {
            let entry = DataType::Struct(
                vec![
                    ArrowField::new("key", DataType::Utf8, false),
                    ArrowField::new("value", arrow_type(value), true),
                ]
                .into(),
            );
            DataType::Map(Arc::new(ArrowField::new("key_value", entry, false)), false)
        }
    }
}

fn arrow_field(field: &Field) -> ArrowField {
    ArrowField::new(&field.name, arrow_type(&field.ty), true)
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of a data file of a feed, in order.
pub fn file_schema(kind: Kind, schema: &Schema) -> SchemaRef {
    let mut fields: Vec<ArrowField> = schema.fields.iter().map(arrow_field).collect();
    fields.push(ArrowField::new(RESCUED, DataType::Utf8, true));
    if kind == Kind::Table {
        fields.push(ArrowField::new(KAFKA_KEY, DataType::Binary, true));
    }
    fields.push(ArrowField::new(KAFKA_PARTITION, DataType::Int32, true));
    fields.push(ArrowField::new(KAFKA_OFFSET, DataType::Int64, true));
    fields.push(ArrowField::new(KAFKA_TIMESTAMP, timestamp(), true));
    Arc::new(ArrowSchema::new(fields))
}

/// The partition columns of a kind of feed. They live in the path only.
pub fn partition_columns(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Stream => DATE_COLUMNS.to_vec(),
        Kind::Table => vec![VERSION_COLUMN],
    }
}

/// The Delta schema of a feed: the data columns and then the partition columns.
pub fn delta_schema(kind: Kind, schema: &Schema) -> KernelResult<StructType> {
    let mut fields = Vec::new();
    for field in &schema.fields {
        fields.push(delta_field(field)?);
    }
    let long = DeltaType::LONG;
    fields.push(StructField::nullable(RESCUED, DeltaType::STRING));
    if kind == Kind::Table {
        fields.push(StructField::nullable(KAFKA_KEY, DeltaType::BINARY));
    }
    fields.push(StructField::nullable(KAFKA_PARTITION, DeltaType::INTEGER));
    fields.push(StructField::nullable(KAFKA_OFFSET, long));
    fields.push(StructField::nullable(KAFKA_TIMESTAMP, DeltaType::TIMESTAMP));
    for column in partition_columns(kind) {
        let ty = if kind == Kind::Stream { DeltaType::INTEGER } else { DeltaType::STRING };
        fields.push(StructField::nullable(column, ty));
    }
    StructType::try_new(fields)
}

/// One nullable Delta column.
pub fn delta_field(field: &Field) -> KernelResult<StructField> {
    Ok(StructField::nullable(&field.name, delta_type(&field.ty)?))
}

fn delta_type(ty: &Type) -> KernelResult<DeltaType> {
    Ok(match ty {
        Type::Boolean => DeltaType::BOOLEAN,
        Type::Int => DeltaType::INTEGER,
        Type::Bigint => DeltaType::LONG,
        Type::Double => DeltaType::DOUBLE,
        Type::Decimal(precision, scale) => {
            DeltaType::Primitive(PrimitiveType::Decimal(DecimalType::try_new(*precision, *scale)?))
        }
        Type::String | Type::Time => DeltaType::STRING,
        Type::Bytes => DeltaType::BINARY,
        Type::Date => DeltaType::DATE,
        Type::Timestamp => DeltaType::TIMESTAMP,
        Type::Struct(fields) => {
            let fields = fields.iter().map(delta_field).collect::<KernelResult<Vec<_>>>()?;
            DeltaType::from(StructType::try_new(fields)?)
        }
        Type::Array(item) => DeltaType::from(ArrayType::new(delta_type(item)?, true)),
        Type::Map(value) => DeltaType::from(MapType::new(DeltaType::STRING, delta_type(value)?, true)),
    })
}

/// The feed's own columns of an existing table.
pub fn feed_schema(kind: Kind, table: &StructType) -> KernelResult<Schema> {
    let own = [RESCUED, KAFKA_KEY, KAFKA_PARTITION, KAFKA_OFFSET, KAFKA_TIMESTAMP];
    let partitions = partition_columns(kind);
    let mut fields = Vec::new();
    for field in table.fields() {
        let name = field.name().as_str();
        if !own.contains(&name) && !partitions.contains(&name) {
            fields.push(core_field(field)?);
        }
    }
    Ok(Schema::new(fields))
}

fn core_field(field: &StructField) -> KernelResult<Field> {
    Ok(Field::new(field.name(), core_type(field.data_type())?))
}

fn core_type(ty: &DeltaType) -> KernelResult<Type> {
    Ok(match ty {
        DeltaType::Primitive(primitive) => match primitive {
            PrimitiveType::Boolean => Type::Boolean,
            PrimitiveType::Integer | PrimitiveType::Short | PrimitiveType::Byte => Type::Int,
            PrimitiveType::Long => Type::Bigint,
            PrimitiveType::Double | PrimitiveType::Float => Type::Double,
            PrimitiveType::Decimal(decimal) => Type::Decimal(decimal.precision(), decimal.scale()),
            PrimitiveType::String => Type::String,
            PrimitiveType::Binary => Type::Bytes,
            PrimitiveType::Date => Type::Date,
            PrimitiveType::Timestamp | PrimitiveType::TimestampNtz => Type::Timestamp,
            other => return Err(KernelError::generic(format!("columns of type {other} are not supported"))),
        },
        DeltaType::Struct(inner) => {
            Type::Struct(inner.fields().map(core_field).collect::<KernelResult<Vec<_>>>()?)
        }
        DeltaType::Array(array) => Type::Array(Box::new(core_type(array.element_type())?)),
        DeltaType::Map(map) => Type::Map(Box::new(core_type(map.value_type())?)),
        other => return Err(KernelError::generic(format!("columns of type {other:?} are not supported"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_survives_the_way_through_delta() {
        let text = "a boolean, b int, c bigint, d double, e decimal(15,2), f string, g bytes, h date, \
                    i timestamp, j struct<x int, y struct<z string>>, k array<struct<x int>>, l map<string, int>";
        let schema = Schema::parse(text).unwrap();
        for kind in [Kind::Stream, Kind::Table] {
            let delta = delta_schema(kind, &schema).unwrap();
            assert_eq!(feed_schema(kind, &delta).unwrap(), schema);
        }
    }

    #[test]
    fn files_hold_the_audit_columns_and_no_partition_columns() {
        let schema = file_schema(Kind::Stream, &Schema::parse("a int").unwrap());
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "_rescued", "kafka_partition", "kafka_offset", "kafka_timestamp"]);
    }
}
