//! Durations and sizes as people write them: `30s`, `10m`, `256MiB`.

use std::time::Duration;

/// Reads `30s`, `10m`, `1h 30m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .map_err(|_| format!("{text:?} is no duration; write 30s, 10m or 1h"));
    }
    humantime::parse_duration(text.trim())
        .map_err(|_| format!("{text:?} is no duration; write 30s, 10m or 1h"))
}

/// Reads `64MiB`, `1GB`; a bare number is bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    text.trim()
        .parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| format!("{text:?} is no size; write 64MiB, 1GiB or a number of bytes"))
}

/// `1.2 MiB`.
pub fn show_bytes(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

/// `1,234,567`.
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_units_are_read() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1m 30s").unwrap(), Duration::from_secs(90));
        assert!(duration("soon").is_err());
        assert!(duration("-1").is_err());
        assert_eq!(bytes("1KiB").unwrap(), 1024);
        assert_eq!(bytes("12").unwrap(), 12);
        assert!(bytes("lots").is_err());
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(show_count(0), "0");
        assert_eq!(show_count(999), "999");
        assert_eq!(show_count(1_234_567), "1,234,567");
    }
}
