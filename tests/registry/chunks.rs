//! Chunked uploads: PATCH with and without `Content-Range`, the last chunk in the PUT, and chunks out of order.

use crate::support::{Holdfast, Request, bytes_of, sha256};

const REPOSITORY: &str = "team/chunks";

#[test]
fn a_chunk_is_answered_202_with_the_range_so_far() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let response = upload
        .patch("0123456789")
        .expect(202)
        .expect_header("Range", "0-9")
        .expect_header("Content-Length", "0");
    assert!(response.location().starts_with("/v2/team/chunks/blobs/uploads/"));
    assert!(response.location().contains(response.header("Docker-Upload-UUID")));
    upload.patch("abcde").expect(202).expect_header("Range", "0-14");
    upload.put(&sha256("0123456789abcde"), "").expect(201);
}

#[test]
fn chunks_with_ranges_are_appended_in_order() {
    let registry = Holdfast::start();
    let bytes = bytes_of(1_000_000, 1);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    for (number, chunk) in bytes.chunks(300_000).enumerate() {
        let first = number * 300_000;
        let last = first + chunk.len() - 1;
        upload
            .patch_range(&format!("{first}-{last}"), chunk)
            .expect(202)
            .expect_header("Range", &format!("0-{last}"));
    }
    upload.put(&digest, "").expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

#[test]
fn one_streamed_patch_without_length_or_range_takes_the_whole_blob() {
    let registry = Holdfast::start();
    let bytes = bytes_of(3 * 1024 * 1024 + 11, 2);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).chunked(bytes.chunks(65_537));
    upload.send(request).expect(202).expect_header("Range", &format!("0-{}", bytes.len() - 1));
    upload.put(&digest, "").expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

#[test]
fn a_streamed_chunk_may_say_its_range() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).header("Content-Range", "0-5").chunked(["abc", "def"]);
    upload.send(request).expect(202).expect_header("Range", "0-5");
    let request = Request::patch(&upload.location).header("Content-Range", "6-8").chunked(["ghi"]);
    upload.send(request).expect(202).expect_header("Range", "0-8");
    upload.put(&sha256("abcdefghi"), "").expect(201);
}

#[test]
fn chunks_of_one_byte_count() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch_range("0-0", "a").expect(202).expect_header("Range", "0-0");
    upload.patch_range("0-0", "a").expect(416);
    upload.patch_range("1-1", "b").expect(202).expect_header("Range", "0-1");
    upload.put_range(&sha256("abc"), "2-2", "c").expect(201);
}

#[test]
fn a_chunk_without_bytes_changes_nothing() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("").expect(202).expect_header("Range", "0-0");
    upload.patch("abc").expect(202).expect_header("Range", "0-2");
    upload.patch("").expect(202).expect_header("Range", "0-2");
    upload.put(&sha256("abc"), "").expect(201);
}

#[test]
fn a_chunk_takes_any_content_type_or_none() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    for kind in ["application/octet-stream", "application/json", "text/plain; charset=utf-8", ""] {
        let request = Request::patch(&upload.location).header("Content-Type", kind).body("x");
        upload.send(request).expect(202);
    }
    upload.put(&sha256("xxxx"), "").expect(201);
}

#[test]
fn the_last_chunk_may_come_in_the_put_with_or_without_its_range() {
    let registry = Holdfast::start();
    let digest = sha256("0123456789");
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("01234").expect(202);
    upload.put(&digest, "56789").expect(201);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("01234").expect(202);
    upload.put_range(&digest, "5-9", "56789").expect(201);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.put_range(&digest, "0-9", "0123456789").expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body("0123456789");
}

#[test]
fn a_chunk_out_of_order_is_answered_416_with_the_range_so_far() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch_range("0-4", "01234").expect(202);
    for range in ["10-14", "6-10", "4-8", "0-4"] {
        let response = upload.patch_range(range, "abcde").expect(416).expect_header("Range", "0-4");
        assert_eq!(response.location(), upload.location);
    }
    upload.expect_offset(5);
    upload.patch_range("5-9", "56789").expect(202).expect_header("Range", "0-9");
    upload.put(&sha256("0123456789"), "").expect(201);
}

#[test]
fn a_first_chunk_that_does_not_begin_at_0_is_416_without_a_range() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let response = upload.patch_range("5-9", "56789").expect(416).expect_no_header("Range");
    assert_eq!(response.location(), upload.location);
    upload.put(&sha256("01234"), "01234").expect(201);
}

#[test]
fn a_last_chunk_out_of_order_is_416_and_leaves_the_session_as_it_was() {
    let registry = Holdfast::start();
    let digest = sha256("0123456789");
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("01234").expect(202);
    for range in ["6-10", "0-4", "4-8"] {
        let response = upload.put_range(&digest, range, "56789").expect(416).expect_header("Range", "0-4");
        assert_eq!(response.location(), upload.location);
    }
    registry.get(&upload.closing(&digest)).expect(204).expect_header("Range", "0-4");
    upload.put_range(&digest, "5-9", "56789").expect(201);
}

#[test]
fn a_chunk_out_of_order_is_refused_whatever_its_framing() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("01234").expect(202);
    let request = Request::patch(&upload.location).header("Content-Range", "9-11").chunked(["abc"]);
    upload.send(request).expect(416);
    let request =
        Request::put(upload.closing(&sha256("01234"))).header("Content-Range", "9-11").chunked(["abc"]);
    upload.send(request).expect(416);
    upload.put(&sha256("01234"), "").expect(201);
}

#[test]
fn a_range_that_does_not_fit_its_length_is_400_size_invalid() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("01234").expect(202);
    for range in ["5-8", "5-10", "5-5", "5-4"] {
        upload.patch_range(range, "56789").expect_error(400, "SIZE_INVALID");
        upload.put_range(&sha256("0123456789"), range, "56789").expect_error(400, "SIZE_INVALID");
        upload.expect_offset(5);
    }
    upload.put(&sha256("0123456789"), "56789").expect(201);
}

#[test]
fn a_streamed_chunk_longer_or_shorter_than_its_range_is_400_and_the_session_goes_on() {
    for body in ["012345678", "012"] {
        let registry = Holdfast::start();
        let mut upload = registry.start_upload(REPOSITORY);
        let request = Request::patch(&upload.location).header("Content-Range", "0-4").chunked([body]);
        upload.send(request).expect_error(400, "SIZE_INVALID");
        let held = upload.status().expect(204).held_bytes();
        assert!(held <= body.len(), "the session says that it holds {held} bytes");
        let rest = "0123456789".get(held..).unwrap();
        upload.put_range(&sha256("0123456789"), &format!("{held}-9"), rest).expect(201);
    }
}

#[test]
fn a_content_range_in_the_form_of_http_is_understood_too() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch_range("bytes 0-4/10", "01234").expect(202).expect_header("Range", "0-4");
    upload.patch_range("bytes 0-4/10", "01234").expect(416).expect_header("Range", "0-4");
    upload.put_range(&sha256("0123456789"), "bytes 5-9/10", "56789").expect(201);
}

#[test]
fn a_malformed_content_range_is_400_and_changes_nothing() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    for range in ["abc", "5", "-5", "0-", "0 - 4", "-0-4", "+0-4", "0-99999999999999999999999999"] {
        upload.patch_range(range, "01234").expect(400);
        upload.put_range(&sha256("01234"), range, "01234").expect(400);
        upload.expect_offset(0);
    }
    upload.put(&sha256("01234"), "01234").expect(201);
}

#[test]
fn extensions_of_chunks_and_trailers_are_no_bytes_of_the_blob() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).chunked([""]);
    let mut connection = registry.connect();
    connection.write_head(&request);
    connection.write(b"5;name=value\r\n01234\r\n00005\r\n56789\r\n0\r\nX-Checksum: abc\r\n\r\n");
    connection.read_response(&request).expect(202).expect_header("Range", "0-9");
    upload.put(&sha256("0123456789"), "").expect(201);
}
