//! The base of the API: what says "here is a registry".

use std::process::Command;

use crate::support::{Holdfast, Request};

#[test]
fn the_base_answers_200_with_an_empty_json_object() {
    let registry = Holdfast::start();
    for path in ["/v2/", "/v2"] {
        let response = registry
            .get(path)
            .expect(200)
            .expect_header("Content-Type", "application/json")
            .expect_body("{}");
        assert_eq!(response.content_length(), 2);
        registry
            .head(path)
            .expect(200)
            .expect_header("Content-Length", "2")
            .expect_header("Content-Type", "application/json");
    }
}

#[test]
fn the_description_that_is_served_is_the_one_that_is_printed() {
    let registry = Holdfast::start();
    let printed = Command::new(env!("CARGO_BIN_EXE_holdfast")).arg("openapi").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let path = "/v2/_holdfast/openapi.json";
    let served = registry.get(path).expect(200).expect_header("Content-Type", "application/json");
    served.expect_body(&printed);
    let length = printed.len().to_string();
    registry.head(path).expect(200).expect_header("Content-Length", &length);
    registry.send(Request::new("OPTIONS", path)).expect(204).expect_header("Allow", "GET, HEAD, OPTIONS");
    registry.get("/v2/_holdfast/other").expect(404);
}

#[test]
fn the_base_tolerates_a_get_with_a_body_and_unknown_parameters() {
    let registry = Holdfast::start();
    registry.send(Request::get("/v2/?ns=docker.io&n=x").body("some body")).expect(200);
}

#[test]
fn the_root_answers_200_and_nothing_for_load_balancers() {
    let registry = Holdfast::start();
    registry.get("/").expect(200).expect_body("");
    registry.head("/").expect(200).expect_header("Content-Length", "0");
}

#[test]
fn an_authorization_header_is_ignored_where_there_are_no_logins() {
    let registry = Holdfast::start();
    for value in ["Basic dXNlcjpwYXNz", "Bearer abc.def.ghi", "nonsense"] {
        registry.send(Request::get("/v2/").header("Authorization", value)).expect(200);
    }
}
