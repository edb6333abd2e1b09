//! Mounting: a blob that one repository holds becomes readable in another without being sent again. What cannot be mounted
//! opens an upload session instead: never an error.

use crate::support::{Holdfast, Response, Upload, bytes_of, sha256, sha512};

const SOURCE: &str = "team/source";
const TARGET: &str = "team/target";

#[track_caller]
fn mount(registry: &Holdfast, query: &str) -> Response {
    registry.post(&format!("/v2/{TARGET}/blobs/uploads/?{query}"))
}

#[track_caller]
fn expect_mounted(registry: &Holdfast, response: Response, digest: &str, bytes: &[u8]) {
    let response = response
        .expect(201)
        .expect_header("Docker-Content-Digest", digest)
        .expect_header("Content-Length", "0");
    assert_eq!(response.location(), format!("/v2/{TARGET}/blobs/{digest}"));
    registry.get(&response.location()).expect(200).expect_body(bytes);
    registry.head(&response.location()).expect(200).expect_header("Content-Length", &bytes.len().to_string());
}

/// The answer is a fresh upload session of the target that works, and nothing was mounted.
#[track_caller]
fn expect_session(registry: &Holdfast, response: Response, digest: &str) {
    let response = response.expect(202).expect_header("Range", "0-0").expect_header("Content-Length", "0");
    assert!(response.location().starts_with(&format!("/v2/{TARGET}/blobs/uploads/")), "{response}");
    assert!(response.location().contains(response.header("Docker-Upload-UUID")), "{response}");
    registry.get(&format!("/v2/{TARGET}/blobs/{digest}")).expect_no_body_of_a_blob();
    let mut upload = Upload::at(registry, response.location());
    upload.put(&sha256("sent after all"), "sent after all").expect(201);
}

trait NotABlob {
    fn expect_no_body_of_a_blob(self);
}

impl NotABlob for Response {
    #[track_caller]
    fn expect_no_body_of_a_blob(self) {
        assert!(self.status == 404 || self.status == 400, "{self}");
    }
}

#[test]
fn a_blob_is_mounted_from_the_repository_that_holds_it() {
    let registry = Holdfast::start();
    let bytes = bytes_of(50_000, 1);
    let digest = registry.push_blob(SOURCE, &bytes);
    let response = mount(&registry, &format!("mount={digest}&from={SOURCE}"));
    expect_mounted(&registry, response, &digest, &bytes);
}

#[test]
fn encoded_and_raw_parameters_mount_alike() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(SOURCE, "blob");
    let encoded = digest.replace(':', "%3A");
    let response = mount(&registry, &format!("from=team%2Fsource&mount={encoded}"));
    expect_mounted(&registry, response, &digest, b"blob");
}

#[test]
fn a_blob_is_mounted_without_naming_where_from() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(SOURCE, "blob");
    let response = mount(&registry, &format!("mount={digest}"));
    expect_mounted(&registry, response, &digest, b"blob");
}

#[test]
fn a_blob_by_sha512_can_be_mounted() {
    let registry = Holdfast::start();
    let digest = sha512("blob");
    registry.start_upload(SOURCE).put(&digest, "blob").expect(201);
    let response = mount(&registry, &format!("mount={digest}&from={SOURCE}"));
    expect_mounted(&registry, response, &digest, b"blob");
}

#[test]
fn mounting_what_the_target_holds_already_is_201() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(TARGET, "blob");
    for query in [format!("mount={digest}&from={TARGET}"), format!("mount={digest}")] {
        let response = mount(&registry, &query);
        expect_mounted(&registry, response, &digest, b"blob");
    }
}

#[test]
fn an_unknown_blob_opens_a_session_instead() {
    let registry = Holdfast::start();
    registry.push_blob(SOURCE, "another blob");
    let digest = sha256("never pushed");
    for query in [format!("mount={digest}&from={SOURCE}"), format!("mount={digest}")] {
        let response = mount(&registry, &query);
        expect_session(&registry, response, &digest);
    }
}

#[test]
fn an_unknown_or_impossible_source_opens_a_session_instead() {
    let registry = Holdfast::start();
    let digest = sha256("never pushed");
    for source in ["no/such/repository", "UPPER", "a//b", "..", ""] {
        let response = mount(&registry, &format!("mount={digest}&from={source}"));
        expect_session(&registry, response, &digest);
    }
}

#[test]
fn a_malformed_or_unsupported_digest_opens_a_session_instead() {
    let registry = Holdfast::start();
    registry.push_blob(SOURCE, "blob");
    for digest in ["sha256:bad", "nonsense", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let response = mount(&registry, &format!("mount={digest}&from={SOURCE}"));
        expect_session(&registry, response, digest);
    }
    mount(&registry, "mount=").expect(202);
}

#[test]
fn a_mount_from_another_registry_opens_a_session_instead() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(SOURCE, "blob");
    let response = mount(&registry, &format!("mount={digest}&from={SOURCE}&origin=registry.example.com"));
    expect_session(&registry, response, &digest);
    let own = registry.address;
    let response = mount(&registry, &format!("mount={digest}&from={SOURCE}&origin={own}"));
    expect_mounted(&registry, response, &digest, b"blob");
}

#[test]
fn a_manifest_cannot_be_mounted_as_a_blob() {
    let registry = Holdfast::start();
    let image = registry.push_image(SOURCE, "latest", 1);
    let response = mount(&registry, &format!("mount={}&from={SOURCE}", image.digest));
    expect_session(&registry, response, &image.digest);
}

#[test]
fn a_mounted_blob_outlives_its_source() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(SOURCE, "blob");
    mount(&registry, &format!("mount={digest}&from={SOURCE}")).expect(201);
    registry.delete(&format!("/v2/{SOURCE}/blobs/{digest}")).expect(202);
    registry.get(&format!("/v2/{SOURCE}/blobs/{digest}")).expect(404);
    registry.get(&format!("/v2/{TARGET}/blobs/{digest}")).expect(200).expect_body("blob");
}

#[test]
fn a_blob_deleted_from_its_only_repository_cannot_be_mounted() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(SOURCE, "blob");
    registry.delete(&format!("/v2/{SOURCE}/blobs/{digest}")).expect(202);
    for query in [format!("mount={digest}&from={SOURCE}"), format!("mount={digest}")] {
        let response = mount(&registry, &query);
        expect_session(&registry, response, &digest);
    }
}

#[test]
fn an_image_over_mounted_blobs_can_be_pushed() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(SOURCE, 7);
    for digest in [&manifest["config"]["digest"], &manifest["layers"][0]["digest"]] {
        mount(&registry, &format!("mount={}&from={SOURCE}", digest.as_str().unwrap())).expect(201);
    }
    registry.push_manifest(TARGET, "latest", &manifest);
}
