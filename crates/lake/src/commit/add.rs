//! What a commit says of a new data file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    StructArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

/// A finished data file that is in its place in the lake but not yet committed.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Relative to the table's folder.
    pub path: String,
    /// Partition columns and values, as in the path.
    pub partition: Vec<(String, String)>,
    pub bytes: u64,
    pub rows: u64,
    pub modified_ms: i64,
    /// Smallest and largest values of the columns that have them, one row each.
    pub bounds: Vec<Bounds>,
}

/// The range of one column in one file.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub column: String,
    pub min: ArrayRef,
    pub max: ArrayRef,
}

impl NewFile {
    /// The file as the one-row batch that the kernel takes.
    pub(super) fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        let mut partition = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
        for (column, value) in &self.partition {
            partition.keys().append_value(column);
            partition.values().append_value(value);
        }
        partition.append(true)?;
        let partition = partition.finish();
        let stats = self.stats()?;
        let schema = Schema::new(vec![
            Field::new("path", DataType::Utf8, false),
            Field::new("partitionValues", arrow::array::Array::data_type(&partition).clone(), false),
            Field::new("size", DataType::Int64, false),
            Field::new("modificationTime", DataType::Int64, false),
            Field::new("stats", arrow::array::Array::data_type(&stats).clone(), true),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(StringArray::from(vec![self.path.as_str()])),
                Arc::new(partition),
                Arc::new(Int64Array::from(vec![self.bytes as i64])),
                Arc::new(Int64Array::from(vec![self.modified_ms])),
                Arc::new(stats),
            ],
        )
    }

    fn stats(&self) -> Result<StructArray, ArrowError> {
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("numRecords", Arc::new(Int64Array::from(vec![self.rows as i64])))];
        if !self.bounds.is_empty() {
            columns.push(("minValues", Arc::new(self.side(|bounds| &bounds.min)?)));
            columns.push(("maxValues", Arc::new(self.side(|bounds| &bounds.max)?)));
        }
        columns.push(("tightBounds", Arc::new(BooleanArray::from(vec![true]))));
        row(columns)
    }

    fn side(&self, pick: fn(&Bounds) -> &ArrayRef) -> Result<StructArray, ArrowError> {
        row(self.bounds.iter().map(|bounds| (bounds.column.as_str(), Arc::clone(pick(bounds)))).collect())
    }
}

fn row(columns: Vec<(&str, ArrayRef)>) -> Result<StructArray, ArrowError> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    StructArray::try_new(fields.into(), arrays, None)
}
