//! How figures are written for people.

use std::time::Duration;

/// A time in the unit that suits it: `215 µs`, `3.2 ms`, `1.50 s`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_micros() {
        0..1_000 => format!("{:.0} µs", seconds * 1e6),
        1_000..1_000_000 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// Bytes in a second: `35 MB/s`, `2.41 GB/s`, by powers of 1000.
pub fn bandwidth(bytes_a_second: f64) -> String {
    match bytes_a_second {
        rate if rate >= 1e9 => format!("{:.2} GB/s", rate / 1e9),
        rate if rate >= 1e7 => format!("{:.0} MB/s", rate / 1e6),
        rate => format!("{:.1} MB/s", rate / 1e6),
    }
}

/// A count or a rate: `12,345`; with a decimal below 100.
pub fn grouped(value: f64) -> String {
    match value {
        value if value < 100.0 => format!("{value:.1}"),
        value => group(&format!("{value:.0}")),
    }
}

/// A count: `12,345`.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

fn group(digits: &str) -> String {
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_in_the_unit_that_suits_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.04, 99.94, 100.4, 12_345.6].map(grouped), ["0.0", "99.9", "100", "12,346"]);
        let times = [0, 999, 1_000, 999_949, 1_000_000, 90_000_000].map(|us| time(Duration::from_micros(us)));
        assert_eq!(times, ["0 µs", "999 µs", "1.0 ms", "999.9 ms", "1.00 s", "90.00 s"]);
        assert_eq!(
            [5e4, 9.96e6, 3.4e8, 2.4e9].map(bandwidth),
            ["0.1 MB/s", "10.0 MB/s", "340 MB/s", "2.40 GB/s"]
        );
    }
}
