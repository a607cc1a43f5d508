//! One Parquet file that is being written, and one that is finished.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{SortOptions, sort};
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::commit::NewFile;
use crate::commit::{Bounds, Partition};
use crate::staging::Staging;
use crate::{Error, columns};

/// Rows of one row group at the most; memory may end it earlier.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Rows wait as they came until they take about so much, or the file ends: an encoder costs as much
/// however few rows it has, and many files may be open.
const WAITING_BYTES: usize = 2 << 20;
/// What the encoder of one column holds besides its pages: contexts of the compression, both ways.
const ENCODER_BYTES: usize = 100 << 10;
/// How many rows are looked at to choose a column's encoding.
const SAMPLE_ROWS: usize = 1024;

/// How data files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Level 1..=22.
    Zstd(i32),
    Snappy,
    Lz4,
    None,
}

impl std::str::FromStr for Codec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("{text:?} is no codec; there are zstd, zstd:LEVEL (1 to 22), snappy, lz4 and none");
        match text {
            "zstd" => Ok(Self::Zstd(1)),
            "snappy" => Ok(Self::Snappy),
            "lz4" => Ok(Self::Lz4),
            "none" => Ok(Self::None),
            other => {
                let level =
                    other.strip_prefix("zstd:").and_then(|level| level.parse().ok()).ok_or_else(bad)?;
                if (1..=22).contains(&level) { Ok(Self::Zstd(level)) } else { Err(bad()) }
            }
        }
    }
}

impl Codec {
    fn compression(self) -> Compression {
        match self {
            Self::Zstd(level) => Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default()),
            Self::Snappy => Compression::SNAPPY,
            Self::Lz4 => Compression::LZ4_RAW,
            Self::None => Compression::UNCOMPRESSED,
        }
    }
}

/// A data file that rows are being added to.
pub struct OpenFile {
    writer: ArrowWriter<BufWriter<File>>,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    schema: SchemaRef,
    /// Relative to the lake.
    target: String,
    partition: Partition,
    table: String,
    rows: u64,
    opened: Instant,
}

/// A data file that is written and synced, but not yet in its place.
#[derive(Debug)]
pub struct StagedFile {
    /// Relative to the lake.
    pub target: String,
    pub file: NewFile,
}

impl OpenFile {
    /// Opens a file under `folder` (the table's, relative to the lake), shaped by its first rows.
    pub fn create(
        staging: &Staging,
        folder: &str,
        partition: Partition,
        name: &str,
        first: &RecordBatch,
        codec: Codec,
    ) -> Result<Self, Error> {
        let target = format!("{folder}/{}/{name}", partition.folder());
        let (_, file) = staging.create(&target)?;
        let options = ArrowWriterOptions::new()
            .with_properties(properties(first, codec))
            // Readers shall see plain Parquet types, whoever wrote them.
            .with_skip_arrow_metadata(true);
        let table = folder.to_owned();
        let writer = ArrowWriter::try_new_with_options(
            BufWriter::with_capacity(1 << 16, file),
            first.schema(),
            options,
        )
        .map_err(|source| Error::Parquet { table: table.clone(), source })?;
        Ok(Self {
            writer,
            waiting: Vec::new(),
            waiting_bytes: 0,
            schema: first.schema(),
            target,
            partition,
            table,
            rows: 0,
            opened: Instant::now(),
        })
    }

    /// Where it will be, relative to the lake.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.waiting_bytes += batch.get_array_memory_size();
        self.waiting.push(batch.clone());
        if self.waiting_bytes >= WAITING_BYTES || self.writer.in_progress_rows() > 0 {
            self.encode()?;
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<(), Error> {
        self.waiting_bytes = 0;
        for batch in std::mem::take(&mut self.waiting) {
            let written = self.writer.write(&batch);
            written.map_err(|source| Error::Parquet { table: self.table.clone(), source })?;
        }
        Ok(())
    }

    /// Bytes held in memory: the rows that wait and the row group that is not written yet.
    pub fn memory(&self) -> usize {
        let encoders = match self.writer.in_progress_rows() {
            0 => 0,
            _ => self.writer.memory_size() + self.schema.fields().len() * ENCODER_BYTES,
        };
        self.waiting_bytes + encoders
    }

    /// Bytes that the file will have, about.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size() + self.waiting_bytes / 4) as u64
    }

    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Writes the row group out, to free its memory.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.encode()?;
        self.writer.flush().map_err(|source| Error::Parquet { table: self.table.clone(), source })
    }

    /// Writes the footer and syncs. The file is still only staged.
    pub fn finish(mut self, now_ms: i64) -> Result<StagedFile, Error> {
        self.encode()?;
        let table = self.table;
        let failed = |source| Error::Parquet { table: table.clone(), source };
        let metadata = self.writer.finish().map_err(failed)?;
        let bytes = self.writer.bytes_written() as u64;
        let io_failed = |source| Error::Io { action: "sync", path: self.target.clone().into(), source };
        let output = self.writer.inner_mut();
        output.flush().and_then(|()| output.get_ref().sync_all()).map_err(io_failed)?;
        let bounds = bounds(&metadata, &self.schema).map_err(failed)?;
        let path = self.target[table.len() + 1..].to_owned();
        let file = NewFile {
            path,
            partition: self.partition.values(),
            bytes,
            rows: self.rows,
            modified_ms: now_ms,
            bounds,
        };
        Ok(StagedFile { target: self.target, file })
    }
}

/// Chooses each column's encoding by a look at its first values: a dictionary gains nothing where
/// nearly every value is another, and costs more than the rest of the encoding.
fn properties(first: &RecordBatch, codec: Codec) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(codec.compression())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by(concat!("affluent ", env!("CARGO_PKG_VERSION")).to_owned());
    let schema = first.schema();
    for (field, column) in schema.fields().iter().zip(first.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        let audit = matches!(field.name().as_str(), columns::KAFKA_OFFSET | columns::KAFKA_TIMESTAMP);
        if !audit && repeats(column) {
            continue;
        }
        let encoding = match field.data_type() {
            DataType::Utf8 | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) | DataType::Date32 => {
                Encoding::DELTA_BINARY_PACKED
            }
            DataType::Decimal128(precision, _) if *precision <= 18 => Encoding::DELTA_BINARY_PACKED,
            DataType::Float64 | DataType::Decimal128(..) => Encoding::PLAIN,
            _ => continue,
        };
        builder =
            builder.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    builder.build()
}

/// Are the values of a column repeated often enough for a dictionary?
fn repeats(column: &ArrayRef) -> bool {
    let sample = column.slice(0, column.len().min(SAMPLE_ROWS));
    let rows = sample.len() - sample.null_count();
    let distinct = match sample.data_type() {
        DataType::Utf8 => sample.as_string::<i32>().iter().flatten().collect::<HashSet<_>>().len(),
        DataType::Binary => sample.as_binary::<i32>().iter().flatten().collect::<HashSet<_>>().len(),
        other => match other.primitive_width() {
            Some(width) => {
                let data = sample.to_data();
                let start = data.offset() * width;
                let bytes = &data.buffers()[0].as_slice()[start..start + data.len() * width];
                bytes.chunks_exact(width).collect::<HashSet<_>>().len()
            }
            None => return true,
        },
    };
    distinct * 2 <= rows.max(1)
}

/// The range of each column of numbers and times, from the statistics in the footer.
fn bounds(metadata: &ParquetMetaData, schema: &SchemaRef) -> parquet::errors::Result<Vec<Bounds>> {
    let mut found = Vec::new();
    for field in schema.fields() {
        if field.data_type().primitive_width().is_none() {
            continue;
        }
        let converter =
            StatisticsConverter::try_new(field.name(), schema, metadata.file_metadata().schema_descr())?;
        let mins = converter.row_group_mins(metadata.row_groups())?;
        let maxes = converter.row_group_maxes(metadata.row_groups())?;
        let ascending = SortOptions { descending: false, nulls_first: false };
        let descending = SortOptions { descending: true, nulls_first: false };
        let min = sort(&mins, Some(ascending))?;
        let max = sort(&maxes, Some(descending))?;
        if !min.is_empty() && min.is_valid(0) && max.is_valid(0) {
            let column = field.name().clone();
            found.push(Bounds { column, min: Arc::new(min).slice(0, 1), max: Arc::new(max).slice(0, 1) });
        }
    }
    Ok(found)
}
