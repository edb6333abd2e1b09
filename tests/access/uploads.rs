//! An upload session belongs to who opened it.

use super::house::House;
use crate::support::{Request, Upload, sha256};

#[test]
fn nobody_else_finds_an_upload() {
    let mut house = House::with_users();
    let alice = house.as_user("alice");
    let mut upload = alice.start_upload("app");
    upload.patch("half of ").expect(202);
    let location = upload.location.clone();
    house.holdfast.kill();
    house.holdfast.start_again();
    for _ in 0..2 {
        let bob = house.as_user("bob");
        let digest = sha256("half of it");
        for request in [
            Request::get(&location),
            Request::patch(&location).body("x"),
            Request::put(format!("{location}?digest={digest}")).body("it"),
            Request::delete(&location),
        ] {
            bob.send(request).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        }
        // Once more after a restart that parks it.
        house.holdfast.stop();
        house.holdfast.start_again();
    }
}

#[test]
fn its_owner_finds_it_again_after_a_restart() {
    let mut house = House::with_users();
    let location = {
        let alice = house.as_user("alice");
        let mut upload = alice.start_upload("app");
        upload.patch("half of ").expect(202);
        upload.location.clone()
    };
    house.holdfast.stop();
    house.holdfast.start_again();
    house.as_user("bob").get(&location).expect(404);
    let alice = house.as_user("alice");
    let mut upload = Upload::at(&alice, location);
    upload.expect_offset(8);
    upload.put(&sha256("half of it"), "it").expect(201);
}
