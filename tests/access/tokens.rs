//! Tokens of our own: where they are to be had, what they permit, and until when.

use std::time::Duration;

use serde_json::Value;

use super::house::{House, line};
use crate::support::{Registry, Request, Response};

const POLICIES: &str = "
    - {who: anonymous, may: pull, where: public/**}
    - {who: group:devs, may: [pull, push, list], where: team/**}
    - {who: user:alice, may: admin, where: '**'}
";

/// The token that somebody gets for these scopes.
fn token(registry: &Registry, scopes: &[&str]) -> String {
    let scopes: String = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
    let answer = registry.get(&format!("/v2/token?service=holdfast{scopes}")).expect(200);
    let document = answer.expect_header("Cache-Control", "no-store").json();
    assert_eq!(document["token"], document["access_token"]);
    assert_eq!(document["expires_in"], 900);
    assert!(document["issued_at"].as_str().unwrap().ends_with('Z'));
    document["token"].as_str().unwrap().to_owned()
}

/// What a challenge says of one of its parameters.
fn parameter<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let challenges = answer.headers("WWW-Authenticate");
    let [challenge] = challenges.as_slice() else { panic!("not one challenge: {challenges:?}") };
    let rest = challenge.strip_prefix("Bearer ").unwrap_or_else(|| panic!("no Bearer: {challenge}"));
    rest.split("\",")
        .find_map(|pair| pair.strip_prefix(&format!("{name}=\"")))
        .map(|value| value.trim_end_matches('"'))
}

#[test]
fn where_strangers_may_have_something_everybody_is_asked_for_a_token() {
    let house = House::with_policies(POLICIES);
    let ping = house.get("/v2/").expect_error(401, "UNAUTHORIZED");
    let realm = format!("http://{}/v2/token", house.address);
    assert_eq!(
        (parameter(&ping, "realm"), parameter(&ping, "service")),
        (Some(realm.as_str()), Some("holdfast"))
    );
    assert_eq!(parameter(&ping, "scope"), None);
    for (request, scope) in [
        (Request::get("/v2/team/app/manifests/latest"), "repository:team/app:pull"),
        (Request::head("/v2/team/app/tags/list"), "repository:team/app:pull"),
        (Request::post("/v2/team/app/blobs/uploads/"), "repository:team/app:pull,push"),
        (Request::put("/v2/team/app/manifests/latest"), "repository:team/app:pull,push"),
        (Request::delete("/v2/team/app/manifests/latest"), "repository:team/app:delete"),
        (Request::get("/v2/_catalog"), "registry:catalog:*"),
        (
            Request::post("/v2/team/app/blobs/uploads/?mount=sha256:00&from=public/app"),
            "repository:team/app:pull,push repository:public/app:pull",
        ),
    ] {
        let answer = house.send(request).expect(401);
        assert_eq!(parameter(&answer, "scope"), Some(scope));
    }
}

#[test]
fn strangers_get_a_token_for_what_they_may_and_nothing_else() {
    let house = House::with_policies(POLICIES);
    house.as_user("alice").push_image("public/app", "latest", 1);
    house.as_user("alice").push_image("team/app", "latest", 2);
    let stranger =
        house.by_token(&token(&house, &["repository:public/app:pull,push", "repository:team/app:pull"]));
    stranger.get("/v2/").expect(200);
    stranger.get("/v2/public/app/manifests/latest").expect(200);
    let refused = stranger.post("/v2/public/app/blobs/uploads/").expect_error(401, "UNAUTHORIZED");
    assert_eq!(parameter(&refused, "error"), Some("insufficient_scope"));
    stranger.get("/v2/team/app/manifests/latest").expect(401);
    // One without any scope is as good as any to find out who is there.
    house.by_token(&token(&house, &[])).get("/v2/").expect(200);
}

#[test]
fn users_get_tokens_for_what_the_policies_say() {
    let house = House::with_policies(POLICIES);
    let bob = house.as_user("bob");
    let holder =
        house.by_token(&token(&bob, &["repository:team/app:pull,push", "repository:secret/app:pull"]));
    holder.push_image("team/app", "latest", 1);
    holder.get("/v2/secret/app/tags/list").expect(401);
    holder.delete("/v2/team/app/manifests/latest").expect(401);
    // A token is for what it names, whatever its owner may do.
    holder.get("/v2/team/other/tags/list").expect(401);
    holder.get("/v2/_catalog").expect(401);
    let lister = house.by_token(&token(&bob, &["registry:catalog:*"]));
    assert_eq!(
        lister.get("/v2/_catalog").expect(200).json()["repositories"],
        serde_json::json!(["team/app"])
    );
    let alice = house.by_token(&token(&house.as_user("alice"), &["repository:team/app:*"]));
    alice.delete("/v2/team/app/manifests/latest").expect(202);
    let wrong = house.by_password("bob", "wrong").get("/v2/token").expect_error(401, "UNAUTHORIZED");
    assert!(wrong.header("WWW-Authenticate").starts_with("Basic "));
}

#[test]
fn a_token_can_be_asked_for_by_a_form() {
    let house = House::with_policies(POLICIES);
    let ask = |form: &str| {
        let form =
            Request::post("/v2/token").header("Content-Type", "application/x-www-form-urlencoded").body(form);
        house.send(form)
    };
    let answer = ask("grant_type=password&service=holdfast&client_id=x&username=bob&password=bob&scope=repository%3Ateam%2Fapp%3Apull%2Cpush+repository:secret:pull").expect(200).json();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["scope"], "repository:team/app:pull,push");
    house.by_token(answer["access_token"].as_str().unwrap()).push_image("team/app", "latest", 1);
    for form in [
        "grant_type=password&username=bob&password=wrong",
        "grant_type=password",
        "grant_type=refresh_token&refresh_token=x",
        "grant_type=client_credentials",
        "",
    ] {
        ask(form).expect_error(401, "UNAUTHORIZED");
    }
    ask(&format!("grant_type=password&username=bob&password={}", "x".repeat(70_000)))
        .expect_error(413, "SIZE_INVALID");
    let many = "scope=repository:a:pull&".repeat(200);
    ask(&format!("grant_type=password&username=bob&password=bob&{many}")).expect(400);
}

#[test]
fn who_is_removed_is_out_at_once_with_every_token() {
    let house = House::with_policies(POLICIES);
    let holder = house.by_token(&token(&house.as_user("bob"), &["repository:team/app:pull,push"]));
    holder.push_image("team/app", "latest", 1);
    std::fs::write(house.users(), line("alice", "ecila")).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    let refused = holder.get("/v2/team/app/tags/list").expect_error(401, "UNAUTHORIZED");
    assert_eq!(parameter(&refused, "error"), Some("invalid_token"));
}

#[test]
fn tokens_outlive_a_restart_and_their_keys_are_published() {
    let mut house = House::with_policies(POLICIES);
    let issued = token(&house.as_user("bob"), &["repository:team/app:pull,push"]);
    let before = house.get("/v2/token/keys").expect(200).json();
    house.holdfast.stop();
    house.holdfast.start_again();
    assert_eq!(house.get("/v2/token/keys").expect(200).json(), before);
    house.by_token(&issued).push_image("team/app", "latest", 1);
    assert!(before["keys"][0]["kid"].is_string() && before["keys"][0].get("d").is_none());
    let keys = house.holdfast.root().join("keys");
    for entry in std::fs::read_dir(&keys).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "a key that others can read");
    }
}

#[test]
fn every_part_of_a_token_counts() {
    let house = House::with_policies(POLICIES);
    let issued = token(&house.as_user("bob"), &["repository:team/app:pull,push"]);
    house.by_token(&issued).get("/v2/").expect(200);
    let parts: Vec<&str> = issued.split('.').collect();
    let other = token(&house.as_user("alice"), &["repository:team/app:*"]);
    let others: Vec<&str> = other.split('.').collect();
    for forged in [
        format!("{}.{}.{}", parts[0], others[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{issued}x"),
        format!(".{}.{}", parts[1], parts[2]),
        issued.replace('.', ". "),
    ] {
        house.by_token(&forged).get("/v2/").expect_error(401, "UNAUTHORIZED");
    }
}

#[test]
fn where_nobody_is_asked_there_are_no_tokens() {
    let holdfast = crate::support::Holdfast::start();
    holdfast.get("/v2/token").expect(404);
    holdfast.get("/v2/token/keys").expect(404);
    // And a repository may have such a name.
    holdfast.push_image("token", "keys", 1);
    assert_eq!(holdfast.tags("token"), ["keys"]);
}

#[test]
fn the_realm_is_where_the_client_has_come() {
    let house = House::with_policies(POLICIES);
    let realm = |request: Request| parameter(&house.send(request).expect(401), "realm").map(str::to_owned);
    let proxied =
        Request::get("/v2/").header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "r.example.com");
    assert_eq!(realm(proxied).as_deref(), Some("https://r.example.com/v2/token"));
    let own = format!("http://{}/v2/token", house.address);
    for lie in ["r\"x", "r,scope=\"", "r/evil", "r r", "user@r"] {
        let answer = house.send(Request::get("/v2/").header("X-Forwarded-Host", lie)).expect(401);
        let found = parameter(&answer, "realm").unwrap_or_default().to_owned();
        assert!(!found.contains(lie), "{lie}: {found}, not {own}");
    }
    let named = House::with(
        "http: {host: 'https://named.example.com/'}\nauth: {htpasswd: {path: '{users}'}, policies: [{who: anonymous, may: pull, where: a}]}\n",
    );
    let answer = named.send(Request::get("/v2/").header("X-Forwarded-Host", "elsewhere")).expect(401);
    assert_eq!(parameter(&answer, "realm"), Some("https://named.example.com/v2/token"));
}

#[test]
fn a_robot_does_what_its_scope_and_the_policies_allow_until_it_is_removed() {
    let house = House::with_policies(
        "[{who: 'robot:ci', may: [pull, push], where: team/**}, {who: user:alice, may: admin, where: '**'}]",
    );
    let secret = house.add_robot("ci", &["--scope", "repository:team/app:pull,push", "--expires", "24h"]);
    let ci = house.by_password("robot+ci", &secret);
    ci.push_image("team/app", "latest", 1);
    ci.post("/v2/team/other/blobs/uploads/").expect(403);
    let holder = house.by_token(&token(&ci, &["repository:team/app:pull", "repository:team/other:pull"]));
    holder.get("/v2/team/app/tags/list").expect(200);
    holder.get("/v2/team/other/tags/list").expect(401);
    house.by_password("robot+ci", "hfr_guess").get("/v2/").expect(401);
    assert!(
        house.robot(&["list"]).starts_with("robot+ci\texpires in 23 hours\trepository:team/app:pull,push")
    );
    house.robot(&["remove", "ci"]);
    ci.get("/v2/").expect(401);
    holder.get("/v2/team/app/tags/list").expect(401);
    let log = house.holdfast.log();
    assert!(!log.contains(&secret) && !log.contains("hfr_guess"));
}

/// Claims that are good, but for what is given.
pub(crate) fn claims(issuer: &str, audience: &str, more: &Value) -> Value {
    let now = super::signer::now();
    let mut claims = serde_json::json!({"iss": issuer, "aud": audience, "sub": "job", "iat": now, "nbf": now, "exp": now + 300});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}
