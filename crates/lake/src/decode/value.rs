//! One value of a message into the column that it belongs to.
//!
//! The functions return whether the value fits its type, all of it. What does not is null in the
//! column, or missing from it, and the caller keeps the text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::column::{Bytes, Column, Data};
use super::cursor::Cursor;
use super::members::{map, object};
use super::scan::{BLOCK, Fault, plain_bytes};
use super::strings::unescape;
use super::times;

impl Column {
    /// Appends the value at the cursor.
    #[inline(always)]
    pub(super) fn append(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        if let Data::String(values) = &mut self.data
            && cursor.peek() == b'"'
        {
            let fits = string(values, cursor)?;
            if fits {
                self.pushed();
            } else {
                self.push_null();
            }
            return Ok(fits);
        }
        self.append_other(cursor)
    }

    #[inline(never)]
    fn append_other(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        let fit = match (&mut self.data, cursor.peek()) {
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

/// Appends the string at the cursor, unless it has half of a surrogate pair. Plain blocks are copied
/// while they are scanned: a call of `memcpy` for each short string costs more than the bytes that
/// are taken back.
#[inline]
fn string(values: &mut Bytes, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
    let before = values.data.len();
    let start = cursor.at + 1;
    let mut at = start;
    while let Some(block) = cursor.text.get(at..).and_then(<[u8]>::first_chunk) {
        values.data.extend_from_slice(block);
        let plain = plain_bytes::<true>(block);
        at += plain;
        if plain == BLOCK {
            continue;
        }
        if block[plain] != b'"' {
            break;
        }
        values.data.truncate(before + at - start);
        values.close();
        cursor.at = at + 1;
        return Ok(true);
    }
    values.data.truncate(before);
    string_from(values, cursor, start, at)
}

/// The general case: `at` is the first place that may not be plain.
#[inline(never)]
fn string_from(values: &mut Bytes, cursor: &mut Cursor<'_>, start: usize, at: usize) -> Result<bool, Fault> {
    let text = cursor.string_from(start, at)?;
    let raw = &cursor.text[text.start..text.end];
    if !text.escaped {
        values.push(raw);
        return Ok(true);
    }
    let whole = unescape(raw, &mut values.data);
    if whole {
        values.close();
    } else {
        let end = values.end();
        values.data.truncate(end);
    }
    Ok(whole)
}
