//! One value of a message into the column that it belongs to.
//!
//! The functions return whether the value fits its type, all of it. What does not is null in the
//! column, or missing from it, and the caller keeps the text.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::column::{Bytes, Column, Data};
use super::cursor::Cursor;
use super::list::{MapColumn, StructColumn};
use super::names::Names;
use super::scan::Fault;
use super::strings::unescape;
use super::times;

/// Entries of one map among which a repeated key is looked for one by one.
const FEW: usize = 16;

impl Column {
    /// Appends the value at the cursor.
    #[inline]
    pub(super) fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        let fit = match (&mut self.data, cursor.peek()) {
            (Data::String(values), b'"') => string(values, cursor)?,
            (Data::Int(values), b'-' | b'0'..=b'9') => {
                let number = cursor.number()?;
                put(values, cursor.integer(&number).and_then(|value| value.try_into().ok()))
            }
            (Data::Bigint(values), b'-' | b'0'..=b'9') => {
                let number = cursor.number()?;
                put(values, cursor.integer(&number))
            }
            (Data::Double(values), b'-' | b'0'..=b'9') => {
                let number = cursor.number()?;
                put_read(values, cursor.double(&number))
            }
            (Data::Decimal { values, scale, limit, .. }, b'-' | b'0'..=b'9') => {
                let number = cursor.number()?;
                put(values, cursor.scaled(&number, *scale, *limit))
            }
            (Data::Timestamp(values), b'"') => {
                let text = cursor.string()?;
                let read = match text.escaped {
                    false => times::instant(&cursor.text[text.start..text.end]),
                    true => cursor.meaning(text).and_then(|text| times::instant(&text)),
                };
                put_read(values, read)
            }
            (Data::Boolean(values), b't') => {
                cursor.literal(b"true")?;
                values.append(true);
                Some(true)
            }
            (Data::Boolean(values), b'f') => {
                cursor.literal(b"false")?;
                values.append(false);
                Some(true)
            }
            (_, b'n') => {
                cursor.literal(b"null")?;
                self.push_null();
                return Ok(true);
            }
            _ => self.append_rare(cursor)?,
        };
        match fit {
            Some(all) => {
                self.pushed();
                Ok(all)
            }
            None => {
                self.push_null();
                Ok(false)
            }
        }
    }

    /// The types that cost more than a call. Some once a value was appended: whether it is all.
    #[inline(never)]
    fn append_rare(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<bool>, Fault> {
        Ok(match (&mut self.data, cursor.peek()) {
            (Data::Struct(members), b'{') => Some(object(members, self.rows, cursor)?),
            (Data::Array(list), b'[') => {
                cursor.at += 1;
                let mut more = !cursor.closes(b']');
                let mut fit = true;
                while more {
                    fit &= list.item.append(cursor)?;
                    more = cursor.another(b']')?;
                }
                list.close();
                Some(fit)
            }
            (Data::Map(entries), b'{') => Some(map(entries, cursor)?),
            (Data::Timestamp(values), b'-' | b'0'..=b'9') => {
                let number = cursor.number()?;
                put(values, cursor.integer(&number).and_then(times::from_millis))
            }
            (Data::Date(values), b'"') => {
                let text = cursor.string()?;
                put(values, cursor.meaning(text).and_then(|text| times::date(&text)))
            }
            (Data::Time(values), b'"') => {
                let text = cursor.string()?;
                cursor.meaning(text).and_then(|text| times::time(&text)).map(|(micros, all)| {
                    values.push(times::clock(micros).as_bytes());
                    all
                })
            }
            (Data::Bytes(values), b'"') => {
                let text = cursor.string()?;
                cursor.meaning(text).and_then(|text| STANDARD.decode(&text).ok()).map(|bytes| {
                    values.push(&bytes);
                    true
                })
            }
            _ => {
                cursor.skip()?;
                None
            }
        })
    }
}

#[inline]
fn put<T>(values: &mut Vec<T>, value: Option<T>) -> Option<bool> {
    values.push(value?);
    Some(true)
}

#[inline]
fn put_read<T>(values: &mut Vec<T>, read: Option<(T, bool)>) -> Option<bool> {
    let (value, all) = read?;
    values.push(value);
    Some(all)
}

#[inline]
fn string(values: &mut Bytes, cursor: &mut Cursor<'_>) -> Result<Option<bool>, Fault> {
    let text = cursor.string()?;
    let raw = &cursor.text[text.start..text.end];
    if text.escaped && !unescape(raw, &mut values.data) {
        let end = values.end();
        values.data.truncate(end);
        return Ok(None);
    }
    if !text.escaped {
        values.data.extend_from_slice(raw);
    }
    values.close();
    Ok(Some(true))
}

/// Reads the members of the object at the cursor into the columns of their names, all of which
/// have `row` rows, and calls `misfit` with the start of each member that is not wholly in them.
/// Returns how many columns got a value; the others are still a row short.
#[inline]
pub(super) fn members<'a>(
    names: &mut Names,
    columns: &mut [Column],
    row: usize,
    cursor: &mut Cursor<'a>,
    mut misfit: impl FnMut(&Cursor<'a>, usize),
) -> Result<usize, Fault> {
    cursor.at += 1;
    let mut more = !cursor.closes(b'}');
    let mut filled = 0;
    let mut place = Names::start();
    while more {
        let start = cursor.at;
        let fit = match names.read(cursor, &mut place)? {
            Some(index) if columns[index].rows == row => {
                filled += 1;
                columns[index].append(cursor)?
            }
            Some(_) => {
                cursor.skip()?;
                false
            }
            None => unknown(cursor)?,
        };
        if !fit {
            misfit(cursor, start);
        }
        more = cursor.another(b'}')?;
    }
    Ok(filled)
}

/// Passes the value of a name that has no column: only a null is no loss.
#[inline(never)]
fn unknown(cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let null = cursor.peek() == b'n';
    cursor.skip()?;
    cursor.unknown |= !null;
    Ok(null)
}

/// Appends a null to each column that has only `row` rows.
#[inline(never)]
pub(super) fn fill(columns: &mut [Column], row: usize) {
    columns.iter_mut().filter(|column| column.rows == row).for_each(Column::push_null);
}

fn object(object: &mut StructColumn, row: usize, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let mut fit = true;
    let filled = members(&mut object.names, &mut object.columns, row, cursor, |_, _| fit = false)?;
    if filled < object.columns.len() {
        fill(&mut object.columns, row);
    }
    Ok(fit)
}

/// Reads the object at the cursor into entries, the first of each key.
fn map(map: &mut MapColumn, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let first = map.value.rows;
    let mut many = HashSet::new();
    let mut fit = true;
    cursor.at += 1;
    let mut more = !cursor.closes(b'}');
    while more {
        if cursor.peek() != b'"' {
            return Err(Fault::Name);
        }
        let text = cursor.string()?;
        let key = cursor.meaning(text);
        cursor.colon()?;
        match key.filter(|key| is_new(&map.keys, first, key, &mut many)) {
            Some(key) => {
                map.keys.push(&key);
                fit &= map.value.append(cursor)?;
            }
            None => {
                cursor.skip()?;
                fit = false;
            }
        }
        more = cursor.another(b'}')?;
    }
    map.close();
    Ok(fit)
}

/// Whether no entry from `first` on has this key. `many` holds the keys once they are too many.
fn is_new(keys: &Bytes, first: usize, key: &[u8], many: &mut HashSet<Box<[u8]>>) -> bool {
    let earlier = keys.offsets[first..].windows(2).map(|ends| &keys.data[ends[0] as usize..ends[1] as usize]);
    if keys.offsets.len() - first <= FEW {
        return !earlier.into_iter().any(|other| other == key);
    }
    if many.is_empty() {
        many.extend(earlier.map(Box::from));
    }
    many.insert(key.into())
}
