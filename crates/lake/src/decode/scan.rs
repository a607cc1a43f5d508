//! Finding the byte that ends a run of plain string text, 16 bytes at a time, and the faults that
//! a scan can meet.

/// What is wrong with a text, found at the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Value,
    Name,
    Colon,
    Comma,
    Digit,
    LeadingZero,
    OpenString,
    Control,
    Escape,
    Trailing,
    Utf8,
}

impl Fault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Value => "expected a value",
            Self::Name => "expected a name in quotes",
            Self::Colon => "expected a colon",
            Self::Comma => "expected a comma or the closing bracket",
            Self::Digit => "expected a digit",
            Self::LeadingZero => "number with a leading zero",
            Self::OpenString => "string without its closing quote",
            Self::Control => "control character within a string",
            Self::Escape => "unknown escape within a string",
            Self::Trailing => "text after the end of the value",
            Self::Utf8 => "invalid utf-8",
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks with its high bit each byte of `word` that is zero. Bytes above the first may be marked
/// wrongly, so only the lowest mark counts.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The marks of the bytes that end plain ASCII text: quote, backslash, control, and, with `ascii`,
/// all that is not ASCII.
#[inline]
fn marks<const ASCII: bool>(word: u64) -> u64 {
    let quote = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslash = zero_bytes(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let beyond = if ASCII { word } else { 0 };
    (quote | backslash | control | beyond) & HIGHS
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The first place from `at` on that is not plain text, or the length of `text`.
#[inline]
pub(super) fn plain_end<const ASCII: bool>(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(text, at) {
        let marks = marks::<ASCII>(word);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) || (ASCII && byte >= 0x80) {
            break;
        }
        at += 1;
    }
    at.min(text.len())
}
