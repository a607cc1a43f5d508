//! The builders of nested columns: structs, arrays and maps.

use std::sync::Arc;

use affluent_core::schema::{Field, Type};
use arrow::array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{FieldRef, Fields};

use super::arrow_types;
use super::column::{Bytes, Column, take_offsets};
use super::names::Names;

pub(super) struct StructColumn {
    pub(super) names: Names,
    pub(super) columns: Vec<Column>,
    fields: Fields,
}

impl StructColumn {
    pub(super) fn new(fields: &[Field]) -> Self {
        Self {
            names: Names::new(fields),
            columns: fields.iter().map(|field| Column::new(&field.ty)).collect(),
            fields: arrow_types::members(fields),
        }
    }

    pub(super) fn push_null(&mut self) {
        self.columns.iter_mut().for_each(Column::push_null);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    pub(super) fn finish_columns(&mut self) -> Vec<ArrayRef> {
        self.columns.iter_mut().map(Column::finish).collect()
    }

    pub(super) fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let arrays = self.finish_columns();
        let members = StructArray::try_new_with_length(self.fields.clone(), arrays, nulls, rows);
        Arc::new(members.expect("all members have the type and as many rows as their struct"))
    }
}

pub(super) struct ListColumn {
    pub(super) item: Column,
    offsets: Vec<i32>,
    field: FieldRef,
}

impl ListColumn {
    pub(super) fn new(item: &Type) -> Self {
        Self { item: Column::new(item), offsets: vec![0], field: arrow_types::element(item) }
    }

    /// Ends the list whose items were appended.
    pub(super) fn close(&mut self) {
        self.offsets.push(self.item.rows as i32);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.item.truncate(self.offsets.last().copied().unwrap_or_default() as usize);
    }

    pub(super) fn bytes(&self) -> usize {
        self.item.bytes() + self.offsets.len() * 4
    }

    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let offsets = take_offsets(&mut self.offsets);
        Arc::new(ListArray::new(self.field.clone(), offsets, self.item.finish(), nulls))
    }
}

pub(super) struct MapColumn {
    pub(super) keys: Bytes,
    pub(super) value: Column,
    offsets: Vec<i32>,
    entry: Fields,
    field: FieldRef,
}

impl MapColumn {
    pub(super) fn new(value: &Type) -> Self {
        Self {
            keys: Bytes::new(),
            value: Column::new(value),
            offsets: vec![0],
            entry: arrow_types::entry(value),
            field: arrow_types::entries(value),
        }
    }

    /// Ends the map whose entries were appended.
    pub(super) fn close(&mut self) {
        self.offsets.push(self.value.rows as i32);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let entries = self.offsets.last().copied().unwrap_or_default() as usize;
        self.keys.truncate(entries);
        self.value.truncate(entries);
    }

    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.value.bytes() + self.offsets.len() * 4
    }

    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (keys, data) = self.keys.take();
        let keys = arrow::array::StringArray::new(keys, data, None);
        let entries = StructArray::new(self.entry.clone(), vec![Arc::new(keys), self.value.finish()], None);
        let offsets = take_offsets(&mut self.offsets);
        Arc::new(MapArray::new(self.field.clone(), offsets, entries, nulls, false))
    }
}
