//! Which column a name means. Messages of a feed have their names in the same order nearly always,
//! so the column that followed the last time is tried first, at the cost of one comparison.

use std::collections::HashMap;

use affluent_core::schema::Field;

use super::cursor::Cursor;
use super::scan::Fault;

/// No guess.
const NONE: u32 = u32::MAX;

/// The names of an object, in schema order.
pub(super) struct Names {
    guesses: Vec<Guess>,
    exact: HashMap<String, usize>,
    /// By ASCII lower case; the first column of that name.
    folded: HashMap<String, usize>,
    first: u32,
}

/// A name with its quotes, as it is written in most messages.
struct Guess {
    quoted: Box<[u8]>,
    /// The column that came after this one.
    next: u32,
}

/// Where in an object the last name was.
#[derive(Clone, Copy)]
pub(super) struct Place(u32);

impl Names {
    pub(super) fn new(fields: &[Field]) -> Self {
        let mut names = Self { guesses: Vec::new(), exact: HashMap::new(), folded: HashMap::new(), first: 0 };
        for (index, field) in fields.iter().enumerate() {
            names.exact.entry(field.name.clone()).or_insert(index);
            names.folded.entry(field.name.to_ascii_lowercase()).or_insert(index);
            names.guesses.push(Guess { quoted: quoted(&field.name), next: index as u32 + 1 });
        }
        names
    }

    pub(super) fn start() -> Place {
        Place(NONE)
    }

    /// Passes the name at the cursor and its colon, and returns its column.
    #[inline]
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: &mut Place,
    ) -> Result<Option<usize>, Fault> {
        let guess = match self.guesses.get(place.0 as usize) {
            Some(last) => last.next,
            None => self.first,
        };
        let column = match self.guesses.get(guess as usize) {
            Some(name) if cursor.text[cursor.at..].starts_with(&name.quoted) => {
                cursor.at += name.quoted.len();
                *place = Place(guess);
                Some(guess as usize)
            }
            _ => self.search(cursor, place)?,
        };
        cursor.colon()?;
        Ok(column)
    }

    #[inline(never)]
    fn search(&mut self, cursor: &mut Cursor<'_>, place: &mut Place) -> Result<Option<usize>, Fault> {
        if cursor.peek() != b'"' {
            return Err(Fault::Name);
        }
        let text = cursor.string()?;
        let Some(meaning) = cursor.meaning(text) else { return Ok(None) };
        let found = std::str::from_utf8(&meaning).ok().and_then(|name| self.find(name));
        if let Some(found) = found {
            match self.guesses.get_mut(place.0 as usize) {
                Some(last) => last.next = found as u32,
                None => self.first = found as u32,
            }
            *place = Place(found as u32);
        }
        Ok(found)
    }

    /// Finds a column by its name, exactly first and then without regard to ASCII case.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let exact = self.exact.get(name);
        exact.or_else(|| self.folded.get(&name.to_ascii_lowercase())).copied()
    }
}

/// The name between quotes; a byte that is in no text if the name cannot be written unescaped.
fn quoted(name: &str) -> Box<[u8]> {
    let plain = !name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    if plain { format!("\"{name}\"").into_bytes().into() } else { [0xFF].into() }
}
