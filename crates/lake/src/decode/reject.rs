//! Why a message is no record, and the check that decides it.

use super::cursor::Cursor;
use super::scan::Fault;

/// Why a message cannot become a row. Nothing of it was appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error("not json: {what} at byte {at}")]
    Syntax { at: usize, what: &'static str },
    #[error("not utf-8 at byte {at}")]
    InvalidUtf8 { at: usize },
    #[error("json, but not an object: a record is an object of named values")]
    NotARecord,
    #[error("null where a record is needed")]
    Null,
    #[error("empty message where a record is needed")]
    Empty,
    /// Not a fault of the message: the offsets of a column are 32 bits wide.
    #[error("the batch holds all that it can: finish it and append the message again")]
    Full,
}

impl Reject {
    pub(super) fn new(fault: Fault, at: usize) -> Self {
        match fault {
            Fault::Utf8 => Self::InvalidUtf8 { at },
            _ => Self::Syntax { at, what: fault.text() },
        }
    }
}

/// Checks that `text` is one JSON text, of any kind, exactly as RFC 8259 has it: UTF-8, no byte
/// order mark, any depth. Escapes of lone surrogates are within its grammar.
pub fn validate(text: &[u8]) -> Result<(), Reject> {
    let mut cursor = Cursor::new(text);
    cursor.whole().map_err(|fault| Reject::new(fault, cursor.at))
}

/// Names the reason why `text`, which does not begin with an object, is no record.
#[cold]
pub(super) fn not_a_record(text: &[u8]) -> Reject {
    let mut cursor = Cursor::new(text);
    cursor.space();
    if cursor.ended() {
        return Reject::Empty;
    }
    let null = cursor.peek() == b'n';
    match validate(text) {
        Err(reject) => reject,
        Ok(()) if null => Reject::Null,
        Ok(()) => Reject::NotARecord,
    }
}
