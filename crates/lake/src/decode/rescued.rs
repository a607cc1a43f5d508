//! The column `_rescued`: for a record that did not fit, an object of the members that did not.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, StringArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::column::Bytes;

/// Nearly all rows are null, so they are only counted when something is rescued after them.
pub(super) struct Rescued {
    text: Bytes,
    valid: BooleanBufferBuilder,
    open: bool,
}

impl Rescued {
    pub(super) fn new() -> Self {
        Self { text: Bytes::new(), valid: BooleanBufferBuilder::new(0), open: false }
    }

    /// Adds a member, name and value as JSON, to the object of the current row.
    #[inline(never)]
    pub(super) fn add(&mut self, member: &[u8]) {
        self.text.data.push(if self.open { b',' } else { b'{' });
        self.text.data.extend_from_slice(member);
        self.open = true;
    }

    /// Ends the current row, which has `row` rows before it.
    #[inline]
    pub(super) fn close(&mut self, row: usize) {
        if self.open {
            self.close_object(row);
        }
    }

    #[inline(never)]
    fn close_object(&mut self, row: usize) {
        let end = self.text.end();
        self.text.offsets.resize(row + 1, end as i32);
        self.valid.append_n(row - self.valid.len(), false);
        self.text.data.push(b'}');
        self.text.close();
        self.valid.append(true);
        self.open = false;
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.text.truncate(rows);
        self.valid.truncate(rows);
        self.open = false;
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.bytes()
    }

    pub(super) fn finish(&mut self, rows: usize) -> ArrayRef {
        if self.valid.is_empty() {
            return new_null_array(&DataType::Utf8, rows);
        }
        let end = self.text.end();
        self.text.offsets.resize(rows + 1, end as i32);
        self.valid.append_n(rows - self.valid.len(), false);
        let (offsets, data) = self.text.take();
        Arc::new(StringArray::new(offsets, data, Some(NullBuffer::new(self.valid.finish()))))
    }
}
