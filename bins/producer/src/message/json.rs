//! JSON written straight into a reused buffer.

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Two hexadecimal digits for each byte.
const HEX: [[u8; 2]; 256] = {
    let digits = *b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut n = 0;
    while n < 256 {
        pairs[n] = [digits[n >> 4], digits[n & 15]];
        n += 1;
    }
    pairs
};

pub(crate) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A number with `scale` decimals, from its value without the point.
pub(crate) fn decimal(out: &mut Vec<u8>, unscaled: i64, scale: u32) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let one = 10u64.pow(scale);
    let unscaled = unscaled.unsigned_abs();
    integer(out, unscaled / one);
    if scale == 2 {
        out.push(b'.');
        out.extend_from_slice(&PAIRS[(unscaled % 100) as usize]);
    } else if scale > 0 {
        out.push(b'.');
        let rest = unscaled % one;
        let mut place = one / 10;
        while place > 0 {
            out.push(b'0' + (rest / place % 10) as u8);
            place /= 10;
        }
    }
}

/// The shortest text that reads as the same double.
pub(crate) fn double(out: &mut Vec<u8>, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

/// Sixteen hexadecimal digits.
pub(crate) fn hex(out: &mut Vec<u8>, number: u64) {
    for byte in number.to_be_bytes() {
        out.extend_from_slice(&HEX[usize::from(byte)]);
    }
}

/// A string in quotes, escaped where it must be.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\r' => out.extend_from_slice(b"\\r"),
                c if c < ' ' => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&HEX[c as usize]);
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// An instant as `yyyy-MM-ddTHH:mm:ss.SSSZ`, without quotes; years outside 0..=9999 are clamped.
pub(crate) fn instant(out: &mut Vec<u8>, micros: i64) {
    const DAY: i64 = 86_400_000;
    const YEAR_0: i64 = -62_167_219_200_000;
    const YEAR_9999: i64 = 253_402_300_799_999;
    let millis = micros.div_euclid(1000).clamp(YEAR_0, YEAR_9999);
    let (year, month, day) = date(millis.div_euclid(DAY));
    let of_day = millis.rem_euclid(DAY) as usize;
    let pair = |out: &mut Vec<u8>, number: usize, after: u8| {
        out.extend_from_slice(&PAIRS[number]);
        out.push(after);
    };
    out.extend_from_slice(&PAIRS[year / 100]);
    pair(out, year % 100, b'-');
    pair(out, month, b'-');
    pair(out, day, b'T');
    pair(out, of_day / 3_600_000, b':');
    pair(out, of_day / 60_000 % 60, b':');
    pair(out, of_day / 1000 % 60, b'.');
    out.push(b'0' + (of_day / 100 % 10) as u8);
    pair(out, of_day % 100, b'Z');
}

/// Year, month and day of a count of days since 1970, in the Gregorian calendar: years are counted
/// from March, so that the leap day is the last of its year, and repeat every 400.
fn date(days: i64) -> (usize, usize, usize) {
    let days = (days + 719_468) as usize;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + usize::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(written(|out| decimal(out, 82_674, 2)), "826.74");
        assert_eq!(written(|out| decimal(out, -5, 2)), "-0.05");
        assert_eq!(written(|out| decimal(out, 1_170_000, 6)), "1.170000");
        assert_eq!(written(|out| decimal(out, i64::MIN, 0)), i64::MIN.to_string());
        assert_eq!(written(|out| double(out, f64::NAN)), "null");
    }

    proptest! {
        #[test]
        fn instants_are_chrono_s(millis in -62_167_219_200_000i64..253_402_300_799_999) {
            let wanted = DateTime::from_timestamp_millis(millis).unwrap();
            let wanted = wanted.to_rfc3339_opts(SecondsFormat::Millis, true);
            prop_assert_eq!(written(|out| instant(out, millis * 1000)), wanted);
        }

        #[test]
        fn strings_read_back(text in any::<String>()) {
            let json = written(|out| string(out, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn doubles_read_back(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let json = written(|out| double(out, number));
            // Not by serde_json, which reads the last digit wrong without its `float_roundtrip`.
            prop_assert_eq!(json.parse::<f64>().unwrap(), number);
        }
    }
}
