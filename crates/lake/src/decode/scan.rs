//! Finding the byte that ends a run of plain string text, 16 bytes at a time, and the faults that
//! a scan can meet.

use wide::u8x16;

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

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = 16;

/// How many bytes at the start of `block` are plain text of a string: no quote, no backslash, no
/// control character, and, with `ASCII`, nothing beyond ASCII.
#[inline]
pub(super) fn plain_bytes<const ASCII: bool>(block: &[u8; BLOCK]) -> usize {
    let bytes = u8x16::new(*block);
    let quote = bytes.simd_eq(u8x16::splat(b'"'));
    let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
    let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
    let special = quote | backslash | control;
    // The mask is made of the highest bit of each byte, which ASCII has not.
    let mask = if ASCII { special | bytes } else { special }.to_bitmask();
    (mask | 1 << BLOCK).trailing_zeros() as usize
}

/// The first place from `at` on that is not plain, or the length of `text`.
#[inline]
pub(super) fn plain_end<const ASCII: bool>(text: &[u8], mut at: usize) -> usize {
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain_bytes::<ASCII>(block);
        at += plain;
        if plain < BLOCK {
            return at;
        }
    }
    let special = |&byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20) || ASCII && byte >= 0x80;
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(special).unwrap_or(rest.len())
}
