//! Which column a name means. Messages of a feed are written by one program, so what stands
//! between two values (comma, spaces, name, colon) is the same bytes nearly always: the bytes that
//! followed a column the last time are tried first, and one comparison stands for all of them.

use std::collections::HashMap;

use affluent_core::schema::Field;

use super::cursor::Cursor;
use super::scan::Fault;

/// Longer steps are not learnt.
const LONGEST: usize = 256;
/// How many bytes are compared at once.
const BLOCK: usize = 32;

/// The names of an object, in schema order.
pub(super) struct Names {
    /// The step that each column was followed by, then those of [`Names::opening`] and
    /// [`Names::stranger`].
    steps: Vec<Step>,
    exact: HashMap<String, usize>,
    /// By ASCII lower case; the first column of that name.
    folded: HashMap<String, usize>,
}

/// The bytes from one value to the next, and the column of the next.
struct Step {
    column: usize,
    bytes: Vec<u8>,
    /// The first bytes, and a mask of those that count.
    start: [u128; 2],
    mask: [u128; 2],
}

/// What comes after a value.
pub(super) enum Next {
    Column(usize),
    Unknown,
    End,
}

impl Names {
    pub(super) fn new(fields: &[Field]) -> Self {
        let mut names = Self { steps: Vec::new(), exact: HashMap::new(), folded: HashMap::new() };
        for (index, field) in fields.iter().enumerate() {
            names.exact.entry(field.name.clone()).or_insert(index);
            names.folded.entry(field.name.to_ascii_lowercase()).or_insert(index);
        }
        names.steps.resize_with(fields.len() + 2, Step::default);
        names
    }

    /// The place before the first member. Its step begins with the bracket and all others with a
    /// comma, so no step is taken where the grammar does not allow it.
    #[inline]
    pub(super) fn opening(&self) -> usize {
        self.steps.len() - 2
    }

    /// The place after members of unknown names that no known one came before.
    fn stranger(&self) -> usize {
        self.steps.len() - 1
    }

    /// Goes from the bracket of an object, or the end of a value in it, to the next value.
    /// `place` is the column of the last value.
    #[inline]
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, place: &mut usize) -> Result<Next, Fault> {
        let step = &self.steps[*place];
        if step.column < self.opening() && step.begins(&cursor.text[cursor.at..]) {
            cursor.at += step.bytes.len();
            *place = step.column;
            cursor.space();
            return Ok(Next::Column(step.column));
        }
        if cursor.peek() == b'}' {
            cursor.at += 1;
            return Ok(Next::End);
        }
        self.search(cursor, place)
    }

    #[inline(never)]
    fn search(&mut self, cursor: &mut Cursor<'_>, place: &mut usize) -> Result<Next, Fault> {
        let from = cursor.at;
        let more = if *place == self.opening() {
            cursor.at += 1;
            !cursor.closes(b'}')
        } else {
            cursor.another(b'}')?
        };
        if !more {
            return Ok(Next::End);
        }
        if cursor.peek() != b'"' {
            return Err(Fault::Name);
        }
        let text = cursor.string()?;
        let name = cursor.meaning(text);
        cursor.colon()?;
        let column = name.and_then(|name| self.find(std::str::from_utf8(&name).ok()?));
        let Some(column) = column else {
            if *place == self.opening() {
                *place = self.stranger();
            }
            return Ok(Next::Unknown);
        };
        self.learn(*place, column, &cursor.text[from..cursor.at]);
        *place = column;
        Ok(Next::Column(column))
    }

    fn learn(&mut self, place: usize, column: usize, bytes: &[u8]) {
        // Where only an optional member is missing this time, the step still stands.
        let skipped = self.steps.get(self.steps[place].column);
        let optional = skipped.is_some_and(|step| step.column == column && step.bytes == bytes);
        if bytes.len() <= LONGEST && !optional {
            self.steps[place].set(column, bytes);
        }
    }

    /// Finds a column by its name, exactly first and then without regard to ASCII case.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let exact = self.exact.get(name);
        exact.or_else(|| self.folded.get(&name.to_ascii_lowercase())).copied()
    }
}

impl Default for Step {
    /// A step to nowhere.
    fn default() -> Self {
        Self { column: usize::MAX, bytes: Vec::new(), start: [0; 2], mask: [0; 2] }
    }
}

impl Step {
    fn set(&mut self, column: usize, bytes: &[u8]) {
        self.column = column;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        let (mut start, mut mask) = ([0; BLOCK], [0; BLOCK]);
        for (place, &byte) in bytes.iter().take(BLOCK).enumerate() {
            start[place] = byte;
            mask[place] = 0xFF;
        }
        (self.start, self.mask) = (halves(&start), halves(&mask));
    }

    /// Whether `text` begins with the bytes of the step.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(block) if self.bytes.len() <= BLOCK => {
                let [low, high] = halves(block);
                (low ^ self.start[0]) & self.mask[0] | (high ^ self.start[1]) & self.mask[1] == 0
            }
            _ => text.starts_with(&self.bytes),
        }
    }
}

#[inline]
fn halves(block: &[u8; BLOCK]) -> [u128; 2] {
    let [low @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = block;
    let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, high @ ..] = block;
    [u128::from_le_bytes(*low), u128::from_le_bytes(*high)]
}
