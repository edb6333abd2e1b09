//! `Range` (RFC 9110, section 14).

use std::ops::Range;

/// The most ranges that one request is answered with; podman's partial pulls ask for up to 1,024.
const MAX_RANGES: usize = 1_024;

/// What a client is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// Everything: nothing else was asked for, or not in a way that can be understood, or more than everything.
    Whole,
    /// One range that was asked for alone.
    Single(Range<u64>),
    /// One of several ranges or more, in the order asked for.
    Multiple(Vec<Range<u64>>),
    /// None of the ranges lies within the content.
    Unsatisfiable,
}

impl Selection {
    /// Whether it is all of a content of `size` bytes, and once.
    pub(super) fn is_whole(&self, size: u64) -> bool {
        match self {
            Self::Whole => true,
            Self::Single(range) => *range == (0..size),
            Self::Multiple(_) | Self::Unsatisfiable => false,
        }
    }
}

/// Reads the value of `Range` for content of `size` bytes.
pub(super) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some(list) = header.and_then(strip_unit) else {
        return Selection::Whole;
    };
    let specifiers: Vec<&str> = list.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
    if specifiers.is_empty() || specifiers.len() > MAX_RANGES {
        return Selection::Whole;
    }
    let mut ranges = Vec::with_capacity(specifiers.len());
    for specifier in &specifiers {
        match parse(specifier, size) {
            Some(range) => ranges.extend(range),
            None => return Selection::Whole,
        }
    }
    let total: u64 = ranges.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add);
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        _ if total > size => Selection::Whole,
        [range] if specifiers.len() == 1 => Selection::Single(range.clone()),
        _ => Selection::Multiple(ranges),
    }
}

fn strip_unit(header: &str) -> Option<&str> {
    let (unit, list) = header.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(list)
}

/// Reads one specifier: `None` if it is none, `Some(None)` if it lies outside the content.
#[allow(clippy::option_option, reason = "what cannot be read is ignored, what lies outside is answered 416")]
fn parse(specifier: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = specifier.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => size.saturating_sub(position(last)?)..size,
        (false, true) => position(first)?..size,
        (false, false) => position(first)?..position(last)?.saturating_add(1).min(size),
    };
    Some((range.start < range.end).then_some(range))
}

/// A position; one that is too large to count lies behind everything.
fn position(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_a_single_range_is_understood() {
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes=8-30", 8..10),
            ("bytes=8-99999999999999999999999", 8..10),
            ("Bytes = 1-2", 1..3),
        ] {
            assert_eq!(select(Some(header), 10), Selection::Single(expected), "{header}");
        }
    }

    #[test]
    fn a_range_outside_the_content_cannot_be_satisfied() {
        for header in
            ["bytes=10-", "bytes=10-20", "bytes=500-0", "bytes=-0", "bytes=99999999999999999999999-"]
        {
            assert_eq!(select(Some(header), 10), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select(Some("bytes=0-0"), 0), Selection::Unsatisfiable);
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for header in ["lines=1-2", "bytes", "bytes=", "bytes=a-b", "bytes=-", "bytes=1-2,x", "bytes=+1-2"] {
            assert_eq!(select(Some(header), 10), Selection::Whole, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }

    #[test]
    fn several_ranges_keep_their_order_and_are_never_joined() {
        let ranges = select(Some("bytes=5-6, 0-1,2-3"), 10);
        assert_eq!(ranges, Selection::Multiple(vec![5..7, 0..2, 2..4]));
        assert_eq!(select(Some("bytes=0-1,20-30"), 10), Selection::Multiple(std::iter::once(0..2).collect()));
    }

    #[test]
    fn too_much_is_answered_with_everything() {
        assert_eq!(select(Some("bytes=0-9,0-9"), 10), Selection::Whole);
        let list = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert!(
            matches!(select(Some(&list(1_024)), 5_000), Selection::Multiple(ranges) if ranges.len() == 1_024)
        );
        assert_eq!(select(Some(&list(1_025)), 5_000), Selection::Whole);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_within_the_content(
            header in "bytes=[0-9]{0,3}-[0-9]{0,3}(,[0-9]{0,3}-[0-9]{0,3}){0,4}|\\PC{0,20}",
            size in 0..500_u64,
        ) {
            let ranges = match select(Some(&header), size) {
                Selection::Single(range) => vec![range],
                Selection::Multiple(ranges) => ranges,
                Selection::Whole | Selection::Unsatisfiable => Vec::new(),
            };
            for range in ranges {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
