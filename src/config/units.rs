//! Durations in Go's notation, sizes in powers of 1024: read and written.

use std::time::Duration;

const HOUR: u128 = 60 * MINUTE;
const MINUTE: u128 = 60 * SECOND;
const SECOND: u128 = 1_000_000_000;

/// Units of a duration with their nanoseconds, longest first; of two names for one unit the first is written.
const TIMES: &[(&str, u128)] = &[
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// Units of a size with their bytes, largest first.
const SIZES: &[(&str, u64)] =
    &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `8s`, `1h30m`, `1.5s`, `0`. A number without a unit is refused: Go would take it for nanoseconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text} has no unit: write {text}s for seconds, {text}m for minutes"));
    }
    let malformed = || format!("{text:?} is not a duration: write it like 500ms, 8s, 15m or 1h30m");
    let mut nanoseconds: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, tail) = parse_part(rest).ok_or_else(malformed)?;
        nanoseconds = nanoseconds.checked_add(part).ok_or_else(malformed)?;
        rest = tail;
    }
    if text.is_empty() {
        return Err(malformed());
    }
    u64::try_from(nanoseconds)
        .map(Duration::from_nanos)
        .map_err(|_| format!("{text} is longer than 584 years"))
}

/// Takes one number with its unit off the front: its nanoseconds, and what follows.
fn parse_part(text: &str) -> Option<(u128, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(number_end);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(unit_end);
    let (_, scale) = TIMES.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    Some((parse_digits(whole)?.checked_mul(*scale)?.checked_add(parse_fraction(fraction, *scale)?)?, tail))
}

fn parse_digits(digits: &str) -> Option<u128> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// The nanoseconds of the digits behind the point; what is finer than a nanosecond is cut off.
fn parse_fraction(digits: &str, scale: u128) -> Option<u128> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = digits.get(..digits.len().min(18))?;
    let divisor = 10u128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some(parse_digits(kept)? * scale / divisor)
}

/// Writes a duration so that [`parse_duration`] and Go read the same one.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, scale) in TIMES {
        if rest >= *scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads a number of bytes, or a number with `KiB`, `MiB`, `GiB` or `TiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let malformed = || format!("{text:?} is not a size: write bytes, or a number with KiB, MiB, GiB or TiB");
    let scale = match unit.trim_start() {
        "" => 1,
        name => SIZES.iter().find(|(known, _)| *known == name).ok_or_else(malformed)?.1,
    };
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    number.checked_mul(scale).ok_or_else(malformed)
}

/// Writes a size in the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    match SIZES.iter().find(|(_, scale)| *scale > 1 && bytes > 0 && bytes.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("8s", 8_000_000_000),
            ("15m", 900_000_000_000),
            ("168h", 604_800_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("3us", 3_000),
            ("3µs", 3_000),
            ("7ns", 7),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_the_way_to_write_it() {
        assert_eq!(
            parse_duration("60").unwrap_err(),
            "60 has no unit: write 60s for seconds, 60m for minutes"
        );
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "-1s",
            "+1s",
            "s",
            ".s",
            "1",
            "1d",
            "1 s",
            "1s ",
            "1..2s",
            "1.2.3s",
            "1h 2m",
            "١s",
            "99999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("64 MiB"), Ok(67_108_864));
        for text in ["", "KiB", "-1", "1.5MiB", "64MB", "64K", "64 mib", "99999999TiB"] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(nanoseconds: u64) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn a_written_size_reads_back(bytes: u64) {
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text: String) {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }
    }
}
