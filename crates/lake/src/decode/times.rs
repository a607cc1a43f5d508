//! Dates, times of day and instants as text.

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;
/// From the first instant of year 1 to the last of year 9999: what every reader can show.
const INSTANTS: std::ops::RangeInclusive<i64> = -719_162 * DAY..=2_932_897 * DAY - 1;

/// A value, and whether it is all that was written.
pub(super) type Read<T> = Option<(T, bool)>;

/// The digits of `text` as a number, none of them missing.
fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |all, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then_some(all * 10 + digit as i64)
    })
}

/// Subtracts a layout from eight bytes: digits where it says '0', else the byte itself. None where
/// they differ.
fn digits(text: &[u8; 8], layout: &[u8; 8]) -> Option<u64> {
    let layout = u64::from_le_bytes(*layout);
    let rest = u64::from_le_bytes(*text) ^ layout;
    // 0x30..=0x3F has bit 4 set and bit 6 clear; the separators - : T and space differ in one.
    let is_digit = (layout >> 4 & !(layout >> 3) & !(layout >> 6)) & 0x0101_0101_0101_0101;
    let allowance = 0x7F7F_7F7F_7F7F_7F7F - is_digit * 9;
    let over = (rest & 0x7F7F_7F7F_7F7F_7F7F).wrapping_add(allowance) | rest;
    (over & 0x8080_8080_8080_8080 == 0).then_some(rest)
}

/// The two digits that begin at byte `at`.
fn pair(digits: u64, at: u32) -> i64 {
    ((digits >> (at * 8) & 0xF) * 10 + (digits >> (at * 8 + 8) & 0xF)) as i64
}

/// The day (counted from 1970-01-01) of a date that exists.
fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + leap as i64,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || day < 1 || day > length {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of its year.
    let year = year - (month <= 2) as i64;
    let month = (month + 9) % 12;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469)
}

/// `YYYY-MM-DD`, as days since 1970-01-01.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let (start, days) = text.split_first_chunk::<8>()?;
    let start = digits(start, b"0000-00-")?;
    if days.len() != 2 {
        return None;
    }
    Some(day(pair(start, 0) * 100 + pair(start, 2), pair(start, 5), number(days)?)? as i32)
}

/// The fraction of a second that `text`, which begins with a point, begins with: micros, whether
/// they are all, and what comes after it.
fn fraction(text: &[u8]) -> Option<(i64, bool, &[u8])> {
    let length = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text[1..].split_at(length);
    let (micros, finer) = digits.split_at(length.min(6));
    if length == 0 {
        return None;
    }
    let micros = number(micros)? * 10i64.pow(6 - micros.len() as u32);
    Some((micros, finer.iter().all(|&digit| digit == b'0'), rest))
}

/// `HH:MM[:SS[.f]]`, as micros since midnight.
pub(super) fn time(text: &[u8]) -> Read<i64> {
    let (hour, minute) = match text {
        [a, b, b':', c, d, ..] => (number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    let (second, rest) = match &text[5..] {
        [] => (0, &text[5..]),
        [b':', a, b, rest @ ..] => (number(&[*a, *b])?, rest),
        _ => return None,
    };
    let (micros, exact, rest) = if rest.first() == Some(&b'.') { fraction(rest)? } else { (0, true, rest) };
    if hour > 23 || minute > 59 || second > 59 || !rest.is_empty() {
        return None;
    }
    Some((((hour * 60 + minute) * 60 + second) * MICROS + micros, exact))
}

/// Micros since midnight as `HH:MM:SS[.ffffff]`.
pub(super) fn clock(micros: i64) -> String {
    let (seconds, rest) = (micros / MICROS, micros % MICROS);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest != 0 {
        text.push_str(&format!(".{rest:06}"));
    }
    text
}

/// `YYYY-MM-DD`, `T` or a space, `HH:MM:SS[.f]`, and `Z`, `+hh:mm`, `-hh:mm` or nothing (UTC), as
/// micros since 1970.
#[inline]
pub(super) fn instant(text: &[u8]) -> Read<i64> {
    let (date, rest) = text.split_first_chunk::<8>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let date = digits(date, b"0000-00-")?;
    let layout = if time[2] == b' ' { b"00 00:00" } else { b"00T00:00" };
    let time = digits(time, layout)?;
    let (second, rest) = match rest {
        [b':', a, b, rest @ ..] => (number(&[*a, *b])?, rest),
        _ => return None,
    };
    let day = day(pair(date, 0) * 100 + pair(date, 2), pair(date, 5), pair(time, 0))?;
    let (hour, minute) = (pair(time, 3), pair(time, 6));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, exact, zone) = if rest.first() == Some(&b'.') { fraction(rest)? } else { (0, true, rest) };
    let seconds = ((day * 24 + hour) * 60 + minute) * 60 + second - offset(zone)?;
    let micros = seconds * MICROS + micros;
    INSTANTS.contains(&micros).then_some((micros, exact))
}

/// How many seconds a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (ahead, hour, minute) = match zone {
        [] | [b'Z'] => return Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => (*sign == b'+', number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    if hour > 23 || minute > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60;
    Some(if ahead { seconds } else { -seconds })
}

/// Milliseconds since 1970 as micros.
pub(super) fn from_millis(millis: i64) -> Option<i64> {
    millis.checked_mul(1000).filter(|micros| INSTANTS.contains(micros))
}

/// The first instant of a day.
pub(super) fn midnight(day: i32) -> i64 {
    day as i64 * DAY
}
