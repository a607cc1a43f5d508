//! Objects: the members of a record or struct into their columns, and those of a map into entries.

use std::collections::HashSet;

use super::column::{Bytes, Column};
use super::cursor::Cursor;
use super::list::{MapColumn, StructColumn};
use super::names::{Names, Next};
use super::scan::Fault;
use super::shape::Shape;

/// Entries of one map among which a repeated key is looked for one by one.
const FEW: usize = 16;

/// Reads the members of the object at the cursor into the columns of their names, all of which
/// have `row` rows, and calls `misfit` with the end of the value before each member that is not
/// wholly in them.
/// Returns how many columns got a value; the others are still a row short.
#[inline]
pub(super) fn members<'a>(
    names: &mut Names,
    columns: &mut [Column],
    row: usize,
    cursor: &mut Cursor<'a>,
    mut misfit: impl FnMut(&Cursor<'a>, usize),
) -> Result<usize, Fault> {
    let mut filled = 0;
    let mut place = names.opening();
    loop {
        let from = cursor.at;
        let fit = match names.next(cursor, &mut place)? {
            Next::Column(index) if columns[index].rows == row => {
                filled += 1;
                columns[index].append(cursor)?
            }
            Next::Column(_) => {
                cursor.skip()?;
                false
            }
            Next::Unknown => unknown(cursor)?,
            Next::End => break,
        };
        if !fit {
            misfit(cursor, from);
        }
    }
    Ok(filled)
}

/// Passes the value of a name that has no column: only a null is no loss.
#[inline(never)]
fn unknown(cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let null = cursor.peek() == b'n';
    let start = cursor.at;
    cursor.skip()?;
    if cursor.curious && !cursor.unknown {
        let mut again = Cursor { at: start, ..*cursor };
        cursor.unknown = Shape::read(&mut again, 1)?.is_some();
    }
    Ok(null)
}

/// Appends a null to each column that has only `row` rows.
#[inline(never)]
pub(super) fn fill(columns: &mut [Column], row: usize) {
    columns.iter_mut().filter(|column| column.rows == row).for_each(Column::push_null);
}

pub(super) fn object(object: &mut StructColumn, row: usize, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let mut fit = true;
    let filled = members(&mut object.names, &mut object.columns, row, cursor, |_, _| fit = false)?;
    if filled < object.columns.len() {
        fill(&mut object.columns, row);
    }
    Ok(fit)
}

/// Reads the object at the cursor into entries, the first of each key.
pub(super) fn map(map: &mut MapColumn, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
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
