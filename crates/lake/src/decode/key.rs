//! Columns that come from the Kafka key, for feeds whose values do not repeat it.

use affluent_core::feeds::{Key, KeyFormat};
use affluent_core::schema::Schema;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::column::{Column, Data};
use super::cursor::Cursor;
use super::list::StructColumn;
use super::scan::Fault;

/// The columns of a key by their place in the schema.
pub(super) struct KeyColumns {
    columns: Vec<usize>,
    format: KeyFormat,
}

impl KeyColumns {
    pub(super) fn new(schema: &Schema, key: Key) -> Self {
        let columns = key.columns.iter().filter_map(|name| schema.position(name)).collect();
        Self { columns, format: key.format }
    }

    /// How much a key can add to one column: it may be rescued with every byte escaped.
    pub(super) fn room(key: &[u8]) -> usize {
        key.len() * 6 + 16
    }

    /// Fills the key's columns that the value of row `row` lacks. False if something of the key
    /// was needed, or is in nothing else, and did not fit.
    pub(super) fn fill(&self, record: &mut StructColumn, row: usize, key: &[u8]) -> bool {
        let mut lacking = self.columns.iter().filter(|&&index| record.columns[index].rows == row);
        match (self.format, lacking.next()) {
            (KeyFormat::None, _) | (_, None) => true,
            (KeyFormat::Kafka, Some(&index)) => raw(&mut record.columns[index], key),
            (KeyFormat::Json, _) => {
                let valid = Cursor::new(key).whole().is_ok();
                valid && self.json(record, row, key).unwrap_or_default()
            }
        }
    }

    fn json(&self, record: &mut StructColumn, row: usize, key: &[u8]) -> Result<bool, Fault> {
        let mut cursor = Cursor::new(key);
        if cursor.space() != b'{' {
            return match self.columns.as_slice() {
                &[index] => record.columns[index].append(&mut cursor),
                _ => Ok(cursor.peek() == b'n'),
            };
        }
        cursor.at += 1;
        let mut more = !cursor.closes(b'}');
        let mut filled = Vec::new();
        let mut fit = true;
        while more {
            let text = cursor.string()?;
            let name = cursor.meaning(text);
            let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
            let index = name.and_then(|name| record.names.find(name));
            let index = index.filter(|index| self.columns.contains(index));
            cursor.colon()?;
            let null = cursor.peek() == b'n';
            match index {
                Some(index) if record.columns[index].rows == row => {
                    filled.push(index);
                    fit &= record.columns[index].append(&mut cursor)?;
                }
                // The value has this column already: the key only repeats it.
                Some(index) if !filled.contains(&index) => cursor.skip()?,
                _ => {
                    cursor.skip()?;
                    fit &= null;
                }
            }
            more = cursor.another(b'}')?;
        }
        Ok(fit)
    }
}

/// The member under which a key is rescued.
pub(super) fn rescued(key: &[u8]) -> Vec<u8> {
    let text = match std::str::from_utf8(key) {
        Ok(text) => text.to_owned(),
        Err(_) => STANDARD.encode(key),
    };
    format!("\"_key\":{}", serde_json::Value::String(text)).into_bytes()
}

/// Appends a key of Kafka's own serializers; appends nothing if it does not fit.
fn raw(column: &mut Column, key: &[u8]) -> bool {
    match &mut column.data {
        Data::String(values) => match std::str::from_utf8(key) {
            Ok(text) => values.push(text.as_bytes()),
            Err(_) => return false,
        },
        Data::Int(values) => match key.try_into() {
            Ok(bytes) => values.push(i32::from_be_bytes(bytes)),
            Err(_) => return false,
        },
        Data::Bigint(values) => match key.try_into() {
            Ok(bytes) => values.push(i64::from_be_bytes(bytes)),
            Err(_) => return false,
        },
        Data::Double(values) => match key.try_into() {
            Ok(bytes) => values.push(f64::from_be_bytes(bytes)),
            Err(_) => return false,
        },
        _ => return false,
    }
    column.pushed();
    true
}
