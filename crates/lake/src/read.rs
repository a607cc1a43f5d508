//! Reading data files back, for those who rewrite them.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use crate::{Engine, Error};

const BATCH_ROWS: usize = 8192;

/// Hands over the batches of one data file, one at a time.
pub fn each_batch(
    engine: &Engine,
    path: &str,
    take: &mut dyn FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    if let Some(root) = engine.lake().local_folder() {
        let place = root.join(path);
        let file = File::open(&place).map_err(|source| Error::Io { action: "read", path: place, source })?;
        return batches(file, path, take);
    }
    let lake = engine.lake();
    let failed = |source| Error::Store { action: "read", path: path.to_owned(), source };
    let bytes = engine.block_on(async {
        let found = lake.store().get(&lake.path(path)).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    })?;
    batches(bytes, path, take)
}

fn batches<R: ChunkReader + 'static>(
    input: R,
    path: &str,
    take: &mut dyn FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |source| Error::Parquet { table: path.to_owned(), source };
    let reader = ParquetRecordBatchReaderBuilder::try_new(input)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(failed)?;
    for batch in reader {
        take(batch.map_err(|source| Error::Arrow { table: path.to_owned(), source })?)?;
    }
    Ok(())
}

/// Brings a batch to a schema that may have grown since it was written.
pub fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let rows = batch.num_rows();
    let arrays = schema
        .fields()
        .iter()
        .map(|field| adapt_array(batch.column_by_name(field.name()), field.data_type(), rows))
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
}

fn adapt_array(array: Option<&ArrayRef>, wanted: &DataType, rows: usize) -> Result<ArrayRef, ArrowError> {
    let Some(array) = array else { return Ok(new_null_array(wanted, rows)) };
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    match (array.as_struct_opt(), wanted) {
        (Some(existing), DataType::Struct(fields)) => {
            let members = fields
                .iter()
                .map(|field| adapt_array(existing.column_by_name(field.name()), field.data_type(), rows))
                .collect::<Result<Vec<_>, _>>()?;
            let adapted =
                StructArray::try_new_with_length(fields.clone(), members, existing.nulls().cloned(), rows)?;
            Ok(Arc::new(adapted))
        }
        _ => match (array.as_list_opt::<i32>(), wanted) {
            (Some(list), DataType::List(item)) => {
                let values = adapt_array(Some(list.values()), item.data_type(), list.values().len())?;
                let adapted = arrow::array::ListArray::try_new(
                    item.clone(),
                    list.offsets().clone(),
                    values,
                    list.nulls().cloned(),
                )?;
                Ok(Arc::new(adapted))
            }
            _ => cast(array, wanted),
        },
    }
}

#[cfg(test)]
mod tests {
    use affluent_core::layout::Kind;
    use affluent_core::schema::Schema;
    use arrow::array::Int32Array;

    use super::*;
    use crate::columns::file_schema;

    #[test]
    fn old_batches_gain_new_columns_as_nulls() {
        let old = file_schema(Kind::Stream, &Schema::parse("a int, s struct<x int>").unwrap());
        let new = file_schema(
            Kind::Stream,
            &Schema::parse("a int, s struct<x int, y array<string>>, b string").unwrap(),
        );
        let inner = StructArray::try_new(
            match old.field(1).data_type() {
                DataType::Struct(fields) => fields.clone(),
                other => unreachable!("{other}"),
            },
            vec![Arc::new(Int32Array::from(vec![7]))],
            None,
        );
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1])), Arc::new(inner.unwrap())];
        columns.extend(old.fields()[2..].iter().map(|field| new_null_array(field.data_type(), 1)));
        let batch = RecordBatch::try_new(old, columns).unwrap();
        let adapted = adapt(&batch, &new).unwrap();
        assert_eq!(adapted.schema(), new);
        assert_eq!(
            adapted.column(1).as_struct().column(0).as_primitive::<arrow::datatypes::Int32Type>().value(0),
            7
        );
        assert!(adapted.column(2).is_null(0));
    }
}
