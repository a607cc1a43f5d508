//! JSON numbers, and their exact meaning as integers, decimals and doubles.

use super::cursor::Cursor;
use super::scan::Fault;

/// A number as written. `digits` is the count of all its digits but those of the exponent.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) start: usize,
    negative: bool,
    /// All digits before and after the point as one integer; right if `digits` is at most 19.
    mantissa: u64,
    digits: usize,
    fraction: usize,
    exponent: bool,
}

const MANTISSA_DIGITS: usize = 19;
const EXACT_DOUBLE: u64 = 1 << 53;
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < 20 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
/// The powers of ten that a double holds exactly.
const DOUBLE_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl Cursor<'_> {
    /// Adds the digits at the cursor to `mantissa`, eight at a time: their number varies, so a loop
    /// over them would end where the processor does not expect it.
    #[inline]
    fn digits(&mut self, mut mantissa: u64) -> Result<u64, Fault> {
        let start = self.at;
        while let Some(block) = self.text.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*block) ^ 0x3030_3030_3030_3030;
            // Each byte's high bit is set unless it is a digit.
            let over = ((word & 0x7F7F_7F7F_7F7F_7F7F) + 0x7676_7676_7676_7676) | word;
            let others = over & 0x8080_8080_8080_8080;
            let count = others.trailing_zeros() as usize / 8;
            if count == 0 {
                break;
            }
            let digits = eight_digits(word << (64 - count * 8));
            mantissa = mantissa.wrapping_mul(POWERS[count]).wrapping_add(digits);
            self.at += count;
            if count < 8 {
                return Ok(mantissa);
            }
        }
        while let digit @ 0..=9 = self.peek().wrapping_sub(b'0') {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit as u64);
            self.at += 1;
        }
        if self.at == start { Err(Fault::Digit) } else { Ok(mantissa) }
    }

    /// Passes the number at the cursor.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += negative as usize;
        let first = self.at;
        let mut mantissa = self.digits(0)?;
        let mut digits = self.at - first;
        if digits > 1 && self.text[first] == b'0' {
            self.at = first;
            return Err(Fault::LeadingZero);
        }
        let mut fraction = 0;
        if self.peek() == b'.' {
            self.at += 1;
            let point = self.at;
            mantissa = self.digits(mantissa)?;
            fraction = self.at - point;
            digits += fraction;
        }
        let exponent = matches!(self.peek(), b'e' | b'E');
        if exponent {
            self.exponent()?;
        }
        Ok(Number { start, negative, mantissa, digits, fraction, exponent })
    }

    fn exponent(&mut self) -> Result<(), Fault> {
        self.at += 1;
        self.at += matches!(self.peek(), b'-' | b'+') as usize;
        self.digits(0).map(drop)
    }

    /// The number as written. The cursor is still at its end.
    fn written(&self, number: &Number) -> &str {
        std::str::from_utf8(&self.text[number.start..self.at]).unwrap_or_default()
    }

    /// The number times ten to the power of `scale`, if that is an integer within `limit`.
    #[inline]
    pub(super) fn scaled(&self, number: &Number, scale: u8, limit: u128) -> Option<i128> {
        let up = (scale as usize).wrapping_sub(number.fraction);
        if !number.exponent && number.digits <= MANTISSA_DIGITS && up < MANTISSA_DIGITS {
            let value = number.mantissa as u128 * POWERS[up] as u128;
            let signed = if number.negative { -(value as i128) } else { value as i128 };
            return (value <= limit).then_some(signed);
        }
        exact(self.written(number), scale).filter(|value| value.unsigned_abs() <= limit)
    }

    #[inline]
    pub(super) fn integer(&self, number: &Number) -> Option<i64> {
        if number.is_integer() && number.digits < MANTISSA_DIGITS {
            let value = number.mantissa as i64;
            return Some(if number.negative { -value } else { value });
        }
        exact(self.written(number), 0)?.try_into().ok()
    }

    /// The nearest double, if any is finite, and whether it loses nothing that matters: an integer
    /// has to be held exactly.
    #[inline]
    pub(super) fn double(&self, number: &Number) -> Option<(f64, bool)> {
        if !number.exponent
            && number.digits <= MANTISSA_DIGITS
            && number.mantissa <= EXACT_DOUBLE
            && let Some(power) = DOUBLE_POWERS.get(number.fraction)
        {
            // Both are exact, so the one rounding of the division is the right one.
            let value = number.mantissa as f64 / power;
            return Some((if number.negative { -value } else { value }, true));
        }
        self.any_double(number)
    }

    #[inline(never)]
    fn any_double(&self, number: &Number) -> Option<(f64, bool)> {
        let written = self.written(number);
        let value = written.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some((value, !number.is_integer() || format!("{value:.0}") == written))
    }
}

/// The number that eight digits make, the first of them in the lowest byte.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    const MASK: u64 = 0x0000_00FF_0000_00FF;
    let pairs = digits.wrapping_mul(10) + (digits >> 8);
    let (first, second) = (pairs & MASK, pairs >> 16 & MASK);
    first.wrapping_mul(1_000_000 << 32 | 100).wrapping_add(second.wrapping_mul(10_000 << 32 | 1)) >> 32
}

impl Number {
    /// Whether it is written as an integer.
    pub(super) fn is_integer(&self) -> bool {
        self.fraction == 0 && !self.exponent
    }
}

/// `written` times ten to the power of `scale`, if that is an integer of at most 38 digits.
#[inline(never)]
fn exact(written: &str, scale: u8) -> Option<i128> {
    let (negative, written) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (mantissa, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let leading = digits.trim_start_matches('0');
    let significant = leading.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = (leading.len() - significant.len()) as i64;
    // An exponent that does not fit i64 cannot be made up for by any number of digits.
    let exponent = exponent.parse::<i64>().ok()?;
    let up = exponent.checked_add(zeros + scale as i64 - fraction.len() as i64)?;
    if up < 0 || up > 38 - significant.len() as i64 {
        return None;
    }
    let value = significant.parse::<i128>().ok()? * 10i128.pow(up as u32);
    Some(if negative { -value } else { value })
}
