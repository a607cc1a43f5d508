//! The files that a snapshot of the log refers to.

use std::collections::{BTreeMap, HashSet};

use affluent_core::layout::{self, DataFile};
use arrow::array::{Array, AsArray};
use delta_kernel::engine::arrow_data::{ArrowEngineData, EngineDataArrowExt};
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::{Engine, KernelError, KernelResult, SnapshotRef};

/// A data file that readers of the log see.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFile {
    /// Relative to the table's folder.
    pub path: String,
    pub partition: BTreeMap<String, String>,
    pub bytes: u64,
    pub modified_ms: i64,
    /// Rows, where the log says.
    pub rows: Option<u64>,
}

impl LiveFile {
    /// The Kafka partition and first offset, where the file's name tells them.
    pub fn origin(&self) -> Option<DataFile> {
        DataFile::parse(self.path.rsplit('/').next()?)
    }

    /// The version folder of a table's file.
    pub fn version(&self) -> Option<u64> {
        layout::parse_version_value(self.partition.get(layout::VERSION_COLUMN)?)
    }
}

pub(super) fn live(snapshot: &SnapshotRef, engine: &dyn Engine) -> KernelResult<Vec<LiveFile>> {
    let scan = snapshot.clone().scan_builder().build()?;
    let mut files = Vec::new();
    for metadata in scan.scan_metadata(engine)? {
        files = metadata?.visit_scan_files(files, |files: &mut Vec<LiveFile>, file| {
            files.push(LiveFile {
                path: file.path,
                partition: file.partition_values.into_iter().collect(),
                bytes: u64::try_from(file.size).unwrap_or(0),
                modified_ms: file.modification_time,
                rows: file.stats.map(|stats| stats.num_records),
            });
        })?;
    }
    Ok(files)
}

/// The log's rows of the named files, in the form that a removal takes.
pub(super) fn selected(
    snapshot: &SnapshotRef,
    engine: &dyn Engine,
    paths: &HashSet<String>,
) -> KernelResult<Vec<FilteredEngineData>> {
    let scan = snapshot.clone().scan_builder().build()?;
    let mut chosen = Vec::new();
    let mut found = 0;
    for metadata in scan.scan_metadata(engine)? {
        let (data, mut selection) = metadata?.scan_files.into_parts();
        let batch = data.try_into_record_batch()?;
        let names = batch
            .column_by_name("path")
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or_else(|| KernelError::generic("a scan row has no path"))?;
        selection.resize(batch.num_rows(), true);
        for (row, selected) in selection.iter_mut().enumerate() {
            *selected &= names.is_valid(row) && paths.contains(names.value(row));
            found += usize::from(*selected);
        }
        if selection.contains(&true) {
            chosen.push(FilteredEngineData::try_new(Box::new(ArrowEngineData::new(batch)), selection)?);
        }
    }
    if found != paths.len() {
        return Err(KernelError::generic(format!(
            "{} of {} files to remove are not in the table any more",
            paths.len() - found,
            paths.len()
        )));
    }
    Ok(chosen)
}
