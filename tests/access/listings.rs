//! Listings show what the asker may pull.

use super::house::House;
use crate::support::Registry;

const POLICIES: &str = "
    - {who: anonymous, may: pull, where: public/**}
    - {who: authenticated, may: list, where: '**'}
    - {who: group:devs, may: [pull, push], where: team/**}
    - {who: user:alice, may: admin, where: '**'}
";

fn repositories(registry: &Registry, page: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut target = format!("/v2/_catalog?n={page}");
    loop {
        let answer = registry.get(&target).expect(200);
        let names = answer.json()["repositories"].as_array().unwrap().clone();
        found.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        match answer.find_header("Link") {
            Some(_) => target = answer.next_link(),
            None => return found,
        }
    }
}

#[test]
fn the_catalog_shows_what_may_be_pulled_and_its_pages_are_full() {
    let house = House::with_policies(POLICIES);
    let alice = house.as_user("alice");
    for (seed, name) in (0..).zip(["public/a", "public/b", "secret/a", "secret/b", "team/a", "team/b", "zoo"])
    {
        alice.push_image(name, "latest", seed);
    }
    for page in [1, 2, 100] {
        assert_eq!(repositories(&alice, page).len(), 7);
        assert_eq!(repositories(&house.as_user("bob"), page), ["public/a", "public/b", "team/a", "team/b"]);
        assert_eq!(repositories(&house.as_user("carol"), page), ["public/a", "public/b"]);
    }
    let first = house.as_user("bob").get("/v2/_catalog?n=2").expect(200);
    assert_eq!(first.json()["repositories"].as_array().unwrap().len(), 2);
    house.get("/v2/_catalog").expect_error(401, "UNAUTHORIZED");
}

#[test]
fn who_may_list_nothing_is_told_so() {
    let house = House::with_policies("[{who: user:bob, may: pull, where: '**'}]");
    house.as_user("bob").get("/v2/_catalog").expect_error(403, "DENIED");
}
