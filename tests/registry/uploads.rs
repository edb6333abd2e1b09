//! Upload sessions: opening one, closing it with PUT, asking how far it is, cancelling it. Chunks have a module of their
//! own.

use crate::support::{Holdfast, Request, Upload, bytes_of, sha256};

pub(super) const REPOSITORY: &str = "team/uploads";
pub(super) const UPLOADS: &str = "/v2/team/uploads/blobs/uploads/";

pub(super) fn blob_path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

/// Nothing of the repository can be read or listed.
#[track_caller]
pub(super) fn expect_nothing_left(registry: &Holdfast, digests: &[&str]) {
    for digest in digests {
        registry.get(&blob_path(digest)).expect(404);
        registry.head(&blob_path(digest)).expect(404);
    }
    registry.get(&format!("/v2/{REPOSITORY}/tags/list")).expect_error(404, "NAME_UNKNOWN");
}

#[test]
fn a_session_opens_with_202_a_location_and_an_empty_range() {
    let registry = Holdfast::start();
    let response =
        registry.post(UPLOADS).expect(202).expect_header("Range", "0-0").expect_header("Content-Length", "0");
    let location = response.location();
    let id = location.strip_prefix(UPLOADS).unwrap_or_else(|| panic!("{response}"));
    let id = id.split('?').next().unwrap();
    assert!(uuid::Uuid::try_parse(id).is_ok(), "no UUID in {location}");
    assert_eq!(response.header("Docker-Upload-UUID"), id);
    assert!(!location.contains('%'), "clients decode and re-encode the path: {location}");
    assert!(response.headers("OCI-Chunk-Min-Length").is_empty(), "no minimum is enforced");
}

#[test]
fn two_sessions_have_two_names() {
    let registry = Holdfast::start();
    assert_ne!(registry.start_upload(REPOSITORY).location, registry.start_upload(REPOSITORY).location);
}

#[test]
fn a_session_opens_without_the_slash_at_the_end_too() {
    let registry = Holdfast::start();
    let response = registry.post("/v2/team/uploads/blobs/uploads").expect(202);
    let mut upload = Upload::at(&registry, response.location());
    upload.put(&sha256("x"), "x").expect(201);
}

#[test]
fn a_session_opens_without_a_content_length_and_with_any_content_type() {
    let registry = Holdfast::start();
    registry.send(Request::post(UPLOADS).without_body()).expect(202);
    registry.send(Request::post(UPLOADS).header("Content-Type", "application/json")).expect(202);
}

#[test]
fn a_closed_session_is_gone() {
    let registry = Holdfast::start();
    let digest = sha256("x");
    let mut upload = registry.start_upload(REPOSITORY);
    upload.put(&digest, "x").expect(201);
    upload.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.patch("more").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.put(&digest, "x").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.cancel().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    registry.get(&blob_path(&digest)).expect(200).expect_body("x");
}

#[test]
fn a_missing_malformed_or_unsupported_digest_is_400_and_keeps_the_session() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("kept").expect(202);
    let without = Request::put(&upload.location);
    upload.send(without).expect_error(400, "DIGEST_INVALID");
    for digest in ["", "sha256:baddigest", "nonsense", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        upload.put(digest, "").expect_error(400, "DIGEST_INVALID");
    }
    upload.expect_offset(4);
    upload.put(&sha256("kept"), "").expect(201);
}

#[test]
fn a_wrong_digest_after_chunks_leaves_nothing_servable() {
    let registry = Holdfast::start();
    let bytes = bytes_of(3 * 1024 * 1024, 3);
    let claimed = sha256("something else");
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(bytes.as_slice()).expect(202);
    upload.put(&claimed, "").expect_error(400, "DIGEST_INVALID");
    expect_nothing_left(&registry, &[&claimed, &sha256(&bytes)]);
}

#[test]
fn the_status_of_a_session_is_204_with_its_location_and_range() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let response = upload.status().expect(204).expect_header("Range", "0-0");
    assert_eq!(response.location(), upload.location);
    upload.patch("0123456789").expect(202);
    let response = upload.status().expect(204).expect_header("Range", "0-9");
    assert!(upload.location.contains(response.header("Docker-Upload-UUID")), "{response}");
    assert_eq!(response.location(), upload.location);
}

#[test]
fn the_status_of_a_session_can_be_asked_with_a_digest_in_the_query() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("0123456789").expect(202);
    registry.get(&upload.closing(&sha256("x"))).expect(204).expect_header("Range", "0-9");
}

#[test]
fn an_old_location_of_a_session_still_works() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let first = upload.location.clone();
    upload.patch_range("0-4", "01234").expect(202);
    upload.patch_range("5-9", "56789").expect(202);
    let stale = Upload::at(&registry, first);
    stale.expect_offset(10);
    let mut stale = stale;
    stale.patch_range("0-4", "01234").expect(416).expect_header("Range", "0-9");
    stale.put(&sha256("0123456789"), "").expect(201);
}

#[test]
fn cancelling_a_session_ends_it() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("some bytes").expect(202);
    upload.cancel().expect(204);
    upload.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.cancel().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.put(&sha256("some bytes"), "").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    expect_nothing_left(&registry, &[&sha256("some bytes")]);
}

#[test]
fn a_session_can_be_cancelled_where_deletion_is_disabled() {
    let registry = Holdfast::configured("storage: {delete: {enabled: false}}\n");
    let upload = registry.start_upload(REPOSITORY);
    upload.cancel().expect(204);
    upload.status().expect(404);
}

#[test]
fn an_unknown_session_is_404_blob_upload_unknown() {
    let registry = Holdfast::start();
    for id in ["00000000-0000-4000-8000-000000000000", "not-a-uuid", "..."] {
        let mut upload = Upload::at(&registry, format!("{UPLOADS}{id}"));
        upload.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        upload.patch("bytes").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        upload.put(&sha256("bytes"), "bytes").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        upload.cancel().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[test]
fn a_session_belongs_to_its_repository() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("mine").expect(202);
    let mut elsewhere =
        Upload::at(&registry, upload.location.replace("/v2/team/uploads/", "/v2/team/others/"));
    elsewhere.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    elsewhere.patch("theirs").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    elsewhere.put(&sha256("mine"), "").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    elsewhere.cancel().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    upload.expect_offset(4);
    upload.put(&sha256("mine"), "").expect(201);
}

#[test]
fn a_session_alone_makes_no_repository() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("bytes").expect(202);
    expect_nothing_left(&registry, &[&sha256("bytes")]);
    assert_eq!(registry.get("/v2/_catalog").expect(200).json()["repositories"], serde_json::json!([]));
}
