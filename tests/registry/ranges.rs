//! Parts of blobs: `Range` in every form, RFC 9110 section 14, as pulls that resume and podman's zstd:chunked need it.

use crate::support::{Holdfast, Request, Response, bytes_of};

pub(super) const SIZE: usize = 10_000;

/// A registry that holds one blob of [`SIZE`] bytes.
pub(super) struct Shelf {
    registry: Holdfast,
    path: String,
    digest: String,
    pub(super) bytes: Vec<u8>,
}

impl Shelf {
    pub(super) fn with_blob() -> Self {
        let registry = Holdfast::start();
        let bytes = bytes_of(SIZE, 1);
        let digest = registry.push_blob("library/ranges", &bytes);
        Self { registry, path: format!("/v2/library/ranges/blobs/{digest}"), digest, bytes }
    }

    #[track_caller]
    pub(super) fn range(&self, range: &str) -> Response {
        self.registry.send(Request::get(&self.path).header("Range", range))
    }

    /// The range is answered 206 with exactly the bytes `first..=last`.
    #[track_caller]
    pub(super) fn expect_part(&self, range: &str, first: usize, last: usize) {
        self.range(range)
            .expect(206)
            .expect_header("Content-Range", &format!("bytes {first}-{last}/{SIZE}"))
            .expect_header("Content-Length", &(last - first + 1).to_string())
            .expect_header("Content-Type", "application/octet-stream")
            .expect_header("Docker-Content-Digest", &self.digest)
            .expect_header("ETag", &format!("\"{}\"", self.digest))
            .expect_body(&self.bytes[first..=last]);
    }

    /// The range is answered 416 with the size.
    #[track_caller]
    pub(super) fn expect_refusal(&self, range: &str) {
        let refused = self.range(range).expect(416);
        let refused = refused.expect_header("Content-Range", &format!("bytes */{SIZE}"));
        // A cache that kept it for as long as the blob would keep the blob from everyone.
        refused.expect_no_header("Cache-Control");
    }

    /// The range is answered with the whole blob.
    #[track_caller]
    pub(super) fn expect_whole(&self, range: &str) {
        self.range(range).expect(200).expect_no_header("Content-Range").expect_body(&self.bytes);
    }
}

#[test]
fn a_closed_range_is_answered_206_with_exactly_its_bytes() {
    let shelf = Shelf::with_blob();
    shelf.expect_part("bytes=0-0", 0, 0);
    shelf.expect_part("bytes=100-199", 100, 199);
    shelf.expect_part("bytes=9999-9999", 9_999, 9_999);
    shelf.expect_part("bytes=0-9999", 0, 9_999);
}

#[test]
fn an_open_range_reaches_to_the_end() {
    let shelf = Shelf::with_blob();
    shelf.expect_part("bytes=0-", 0, 9_999);
    shelf.expect_part("bytes=9000-", 9_000, 9_999);
    shelf.expect_part("bytes=9999-", 9_999, 9_999);
}

#[test]
fn a_suffix_range_is_the_last_bytes() {
    let shelf = Shelf::with_blob();
    shelf.expect_part("bytes=-1", 9_999, 9_999);
    shelf.expect_part("bytes=-500", 9_500, 9_999);
    shelf.expect_part("bytes=-10000", 0, 9_999);
}

#[test]
fn a_range_that_ends_past_the_blob_is_cut_at_its_end() {
    let shelf = Shelf::with_blob();
    shelf.expect_part("bytes=9000-10000", 9_000, 9_999);
    shelf.expect_part("bytes=9000-99999999999999999999999999", 9_000, 9_999);
    shelf.expect_part("bytes=-10001", 0, 9_999);
    shelf.expect_part("bytes=-99999999999999999999999999", 0, 9_999);
}

#[test]
fn the_unit_of_a_range_is_compared_without_case() {
    Shelf::with_blob().expect_part("Bytes=5-6", 5, 6);
}

#[test]
fn a_range_that_begins_past_the_blob_or_ends_before_it_begins_is_416_with_the_size() {
    let shelf = Shelf::with_blob();
    for range in
        ["bytes=10000-", "bytes=10000-10001", "bytes=500-0", "bytes=-0", "bytes=99999999999999999999999999-"]
    {
        shelf.expect_refusal(range);
    }
}

#[test]
fn every_range_of_an_empty_blob_is_416() {
    let registry = Holdfast::start();
    let digest = registry.push_blob("library/ranges", "");
    let request = Request::get(format!("/v2/library/ranges/blobs/{digest}")).header("Range", "bytes=0-");
    registry.send(request).expect(416).expect_header("Content-Range", "bytes */0");
}

#[test]
fn a_range_in_another_unit_is_ignored() {
    let shelf = Shelf::with_blob();
    shelf.expect_whole("lines=0-5");
}

#[test]
fn a_malformed_range_is_ignored_or_refused_and_never_answered_with_a_part() {
    let shelf = Shelf::with_blob();
    for range in
        ["bytes=", "bytes=a-b", "bytes=5", "bytes=--5", "bytes=1-2-3", "bytes", "bytes=0x1-2", "bytes=+1-2"]
    {
        let response = shelf.range(range);
        match response.status {
            200 => drop(response.expect_body(&shelf.bytes)),
            416 => drop(response.expect_header("Content-Range", &format!("bytes */{SIZE}"))),
            _ => panic!("{response}"),
        }
    }
}

#[test]
fn head_ignores_range() {
    let shelf = Shelf::with_blob();
    let request = Request::head(&shelf.path).header("Range", "bytes=0-9");
    shelf
        .registry
        .send(request)
        .expect(200)
        .expect_header("Content-Length", "10000")
        .expect_no_header("Content-Range");
}

#[test]
fn if_range_with_the_blobs_etag_gives_the_part() {
    let shelf = Shelf::with_blob();
    let tag = format!("\"{}\"", shelf.digest);
    let request = Request::get(&shelf.path).header("Range", "bytes=10-19").header("If-Range", tag);
    shelf.registry.send(request).expect(206).expect_body(&shelf.bytes[10..20]);
}

#[test]
fn if_range_with_anything_else_gives_the_whole_blob() {
    let shelf = Shelf::with_blob();
    let weak = format!("W/\"{}\"", shelf.digest);
    for tag in ["\"other\"", weak.as_str(), "Sat, 29 Oct 1994 19:43:31 GMT"] {
        let request = Request::get(&shelf.path).header("Range", "bytes=10-19").header("If-Range", tag);
        shelf.registry.send(request).expect(200).expect_body(&shelf.bytes);
    }
}

#[test]
fn if_none_match_is_looked_at_before_range() {
    let shelf = Shelf::with_blob();
    let tag = format!("\"{}\"", shelf.digest);
    let request = Request::get(&shelf.path).header("Range", "bytes=10-19").header("If-None-Match", tag);
    shelf.registry.send(request).expect(304);
}

#[test]
fn a_pull_that_broke_off_resumes_where_it_was() {
    let registry = Holdfast::start();
    let bytes = bytes_of(6 * 1024 * 1024, 4);
    let digest = registry.push_blob("library/ranges", &bytes);
    let path = format!("/v2/library/ranges/blobs/{digest}");
    let request = Request::get(path).header("Range", "bytes=4000001-");
    registry.send(request).expect(206).expect_body(&bytes[4_000_001..]);
}
