//! Looks whether a registry holds what a client's book says, to the byte.

use crate::client::{Client, SHARED, SHARED_BLOBS, closing};
use crate::goods::{Blob, Image};
use crate::ledger::{Ledger, Operation, Session, State};
use crate::support::{Registry, Request, Response, sha256};

/// The client's repository must be in a state that would be right, and its session go on or be gone. What was found is
/// how it is from now on.
pub(crate) fn inspect(registry: &Registry, client: &mut Client) {
    client.hang_up();
    let book = client.ledger().clone();
    let found = look(registry, client, &book);
    let repository = client.repository.clone();
    client.ledger().find(&repository, found);
    if let Some(location) = &book.ended {
        ask(registry, client, &Request::get(location)).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
    if let Some(session) = book.session {
        go_on(registry, client, &session);
    }
}

/// Pushes what clients mount.
pub(crate) fn push_shared_blobs(registry: &Registry) {
    for number in 0..SHARED_BLOBS {
        registry.push_blob(SHARED, Blob(number).bytes());
    }
}

pub(crate) fn expect_shared_blobs(registry: &Registry) {
    for blob in (0..SHARED_BLOBS).map(Blob) {
        let path = format!("/v2/{SHARED}/blobs/{}", blob.digest());
        registry.get(&path).expect(200).expect_body(blob.bytes());
    }
}

/// The state in which the repository is, as far as it was ever thought to be in one.
fn look(registry: &Registry, client: &mut Client, book: &Ledger) -> State {
    let mut state = State::default();
    let has = |client: &mut Client, kind: &str, digest: &str| {
        let path = format!("/v2/{}/{kind}/{digest}", client.repository);
        is_there(&ask(registry, client, &Request::get(path)), digest)
    };
    for blob in &book.seen_blobs {
        if has(client, "blobs", &blob.digest()) {
            state.blobs.insert(*blob);
        }
    }
    for image in &book.seen_images {
        if has(client, "manifests", &image.digest()) {
            state.images.insert(*image);
        }
    }
    for tag in tags(registry, client) {
        let image = image_of(registry, client, &tag, book);
        state.tags.insert(tag, image);
    }
    state
}

/// Whether it answers exactly the bytes of the digest; 404 is the only other right answer.
fn is_there(response: &Response, digest: &str) -> bool {
    match response.status {
        200 => assert!(sha256(&response.body) == digest, "other bytes in the answer to {response}"),
        404 => return false,
        _ => panic!("asked for what was pushed: {response}"),
    }
    true
}

fn tags(registry: &Registry, client: &mut Client) -> Vec<String> {
    let response = ask(registry, client, &Request::get(format!("/v2/{}/tags/list", client.repository)));
    if response.status == 404 {
        return Vec::new();
    }
    let list = response.expect(200).json();
    list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

fn image_of(registry: &Registry, client: &mut Client, tag: &str, book: &Ledger) -> Image {
    let path = format!("/v2/{}/manifests/{tag}", client.repository);
    let response = ask(registry, client, &Request::get(path)).expect(200);
    let image = book.seen_images.iter().find(|image| image.bytes() == response.body);
    *image.unwrap_or_else(|| panic!("a manifest that was never pushed: {response}"))
}

/// Goes on with a session from the offset that it states, unless it is gone.
fn go_on(registry: &Registry, client: &mut Client, session: &Session) {
    client.ledger().session = None;
    let status = ask(registry, client, &Request::get(&session.location));
    if status.status == 404 {
        return;
    }
    let held = status.expect(204).held_bytes();
    assert!(held <= session.sent, "{held} bytes of a session to which {} were sent", session.sent);
    let (bytes, digest) = (session.blob.bytes(), session.blob.digest());
    client.ledger().begin(&Operation::Push(session.blob));
    let rest = Request::put(closing(&session.location, &digest)).body(&bytes[held..]);
    let rest = match bytes.len() {
        length if length > held => rest.header("Content-Range", format!("{held}-{}", length - 1)),
        _ => rest,
    };
    ask(registry, client, &rest).expect(201);
    client.ledger().succeed();
    let path = format!("/v2/{}/blobs/{digest}", client.repository);
    ask(registry, client, &Request::get(path)).expect(200).expect_body(bytes);
}

/// Asks a registry that has to answer.
#[track_caller]
fn ask(registry: &Registry, client: &mut Client, request: &Request) -> Response {
    let response = client.send(registry, request);
    response.unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target))
}
