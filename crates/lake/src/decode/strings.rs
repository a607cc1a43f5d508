//! JSON strings: where one ends, whether it is valid, and what its escapes stand for.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::scan::{Fault, plain_end};

/// The text between the quotes of a string, valid UTF-8, with its escapes still in it.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl<'a> Cursor<'a> {
    /// Passes the string whose opening quote is at the cursor.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text, Fault> {
        let start = self.at + 1;
        let end = plain_end::<true>(self.text, start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text { start, end, escaped: false });
        }
        self.string_from(start, end)
    }

    /// The general case: `at` is the first place that may not be plain ASCII.
    #[inline(never)]
    pub(super) fn string_from(&mut self, start: usize, mut at: usize) -> Result<Text, Fault> {
        let mut escaped = false;
        let mut ascii = true;
        loop {
            self.at = at;
            match self.text.get(at) {
                None => return Err(Fault::OpenString),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += self.escape()?;
                }
                Some(0..0x20) => return Err(Fault::Control),
                Some(0x80..) => ascii = false,
                Some(_) => {}
            }
            at = if ascii { plain_end::<true>(self.text, at) } else { plain_end::<false>(self.text, at) };
        }
        let valid = if ascii { Ok("") } else { std::str::from_utf8(&self.text[start..at]) };
        if let Err(error) = valid {
            self.at = start + error.valid_up_to();
            return Err(Fault::Utf8);
        }
        self.at = at + 1;
        Ok(Text { start, end: at, escaped })
    }

    /// The length of the escape at the cursor.
    fn escape(&self) -> Result<usize, Fault> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                let hex = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                if hex { Ok(6) } else { Err(Fault::Escape) }
            }
            _ => Err(Fault::Escape),
        }
    }

    /// What a string means; None if it holds half of a surrogate pair, which no UTF-8 can.
    pub(super) fn meaning(&self, text: Text) -> Option<Cow<'a, [u8]>> {
        let raw = &self.text[text.start..text.end];
        if !text.escaped {
            return Some(Cow::Borrowed(raw));
        }
        let mut out = Vec::with_capacity(raw.len());
        unescape(raw, &mut out).then_some(Cow::Owned(out))
    }
}

/// Appends to `out` what `raw` stands for; false if a lone surrogate is in it. The escapes are
/// known to be well formed.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(place) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..place]);
        let kind = rest.get(place + 1).copied().unwrap_or(b'\\');
        rest = rest.get(place + 2..).unwrap_or_default();
        let byte = match kind {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some((letter, after)) = unicode(rest) else { return false };
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
                continue;
            }
            other => other,
        };
        out.push(byte);
    }
    out.extend_from_slice(rest);
    true
}

/// The letter whose four hexadecimal digits `rest` begins with, and what comes after it.
fn unicode(rest: &[u8]) -> Option<(char, &[u8])> {
    let (unit, after) = unit(rest)?;
    if !(0xD800..0xDC00).contains(&unit) {
        return Some((char::from_u32(unit)?, after));
    }
    let (low, after) = self::unit(after.strip_prefix(b"\\u")?)?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?, after))
}

fn unit(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, after) = rest.split_at_checked(4)?;
    let unit = digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | (digit as char).to_digit(16)?))?;
    Some((unit, after))
}
