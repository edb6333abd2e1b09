//! The base of the API: what says "here is a registry".

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
