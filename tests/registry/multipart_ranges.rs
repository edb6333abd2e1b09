//! Several parts of a blob in one response, as pulls of partial layers ask for them: real `multipart/byteranges`, RFC 9110
//! section 14.6, one part for each range, in order.

use super::ranges::{SIZE, Shelf};
use crate::support::Response;

impl Shelf {
    /// The ranges are answered as a multipart body with these parts, in this order.
    #[track_caller]
    fn expect_parts(&self, range: &str, parts: &[(usize, usize)]) {
        let response = self.range(range).expect(206).expect_no_header("Content-Range");
        assert_eq!(response.content_length(), response.body.len() as u64);
        let found = multipart(&response);
        assert_eq!(found.len(), parts.len(), "{response}");
        for (part, (first, last)) in found.iter().zip(parts) {
            assert_eq!(part.content_range, format!("bytes {first}-{last}/{SIZE}"));
            assert_eq!(part.content_type, "application/octet-stream");
            assert!(part.bytes == self.bytes[*first..=*last], "other bytes in part {first}-{last}");
        }
    }
}

struct Part {
    content_range: String,
    content_type: String,
    bytes: Vec<u8>,
}

/// Takes a `multipart/byteranges` body apart, strictly, RFC 2046 section 5.1: each part's length follows from its
/// `Content-Range`, and the delimiter must stand right behind it.
#[track_caller]
fn multipart(response: &Response) -> Vec<Part> {
    let kind = response.header("Content-Type");
    let boundary =
        kind.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{response}"));
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let mut rest = response.body.as_slice();
    rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(delimiter.as_bytes()).unwrap_or_else(|| panic!("no delimiter: {response}"));
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            assert!(epilogue.is_empty() || epilogue == b"\r\n", "bytes after the last part: {response}");
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").unwrap();
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let field = |name: &str| {
            let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
            let mut values = lines
                .filter(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned());
            values.next().unwrap_or_else(|| panic!("no {name} in a part: {response}"))
        };
        let content_range = field("Content-Range");
        let length = part_length(&content_range);
        let bytes = rest[end + 4..end + 4 + length].to_vec();
        parts.push(Part { content_type: field("Content-Type"), content_range, bytes });
        rest = rest[end + 4 + length..]
            .strip_prefix(b"\r\n")
            .unwrap_or_else(|| panic!("a part of another length: {response}"));
    }
}

fn part_length(content_range: &str) -> usize {
    let (range, _total) = content_range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = range.split_once('-').unwrap();
    last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
}

#[test]
fn several_ranges_are_answered_as_multipart_with_one_part_each_in_order() {
    let shelf = Shelf::with_blob();
    shelf.expect_parts("bytes=0-9,100-199", &[(0, 9), (100, 199)]);
    shelf.expect_parts("bytes=0-9, 100-199 ,-5", &[(0, 9), (100, 199), (9_995, 9_999)]);
    shelf.expect_parts("bytes=500-599,0-9,9990-", &[(500, 599), (0, 9), (9_990, 9_999)]);
}

#[test]
fn adjacent_and_overlapping_ranges_stay_apart() {
    let shelf = Shelf::with_blob();
    shelf.expect_parts("bytes=0-9,10-19,20-29", &[(0, 9), (10, 19), (20, 29)]);
    shelf.expect_parts("bytes=0-9,5-14,0-9", &[(0, 9), (5, 14), (0, 9)]);
}

#[test]
fn several_ranges_of_which_some_lie_past_the_blob_are_answered_with_the_others() {
    let shelf = Shelf::with_blob();
    shelf.expect_parts("bytes=0-9,20000-20009,30-39", &[(0, 9), (30, 39)]);
}

#[test]
fn several_ranges_that_all_lie_past_the_blob_are_416() {
    Shelf::with_blob().expect_refusal("bytes=10000-10001,20000-");
}

#[test]
fn two_ranges_of_which_one_is_left_are_never_answered_as_a_single_part() {
    let shelf = Shelf::with_blob();
    let response = shelf.range("bytes=0-9,20000-");
    match response.status {
        200 => drop(response.expect_body(&shelf.bytes)),
        _ => assert_eq!(multipart(&response.expect(206)).len(), 1),
    }
}

/// `count` ranges of three bytes, two bytes apart.
fn scattered(count: usize) -> (String, Vec<(usize, usize)>) {
    let parts: Vec<_> = (0..count).map(|number| (number * 5, number * 5 + 2)).collect();
    let ranges: Vec<_> = parts.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    (format!("bytes={}", ranges.join(",")), parts)
}

#[test]
fn a_request_for_1024_ranges_is_answered_in_full() {
    let shelf = Shelf::with_blob();
    let (range, parts) = scattered(1_024);
    shelf.expect_parts(&range, &parts);
}

#[test]
fn a_request_for_more_than_1024_ranges_is_answered_with_parts_or_the_whole_blob_never_416() {
    let shelf = Shelf::with_blob();
    let (range, parts) = scattered(1_900);
    let response = shelf.range(&range);
    match response.status {
        200 => drop(response.expect_body(&shelf.bytes)),
        206 => assert_eq!(multipart(&response).len(), parts.len()),
        _ => panic!("{response}"),
    }
}

#[test]
fn ranges_that_overlap_to_more_than_the_blob_are_answered_with_the_whole_blob() {
    let shelf = Shelf::with_blob();
    shelf.expect_whole("bytes=0-,0-");
    shelf.expect_whole("bytes=0-9999,0-0");
    shelf.expect_whole("bytes=0-5999,1000-6999,2000-7999");
}
