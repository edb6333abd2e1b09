//! Jobs of CI systems, who prove who they are by an identity token and keep no secret.

use serde_json::json;

use super::house::House;
use super::signer::{Signer, provider};
use super::tokens::claims;
use crate::support::Request;

const AUDIENCE: &str = "https://registry.example.com";

fn house(provider: &str) -> House {
    House::with(&format!(
        "auth:
  issuers: [{{name: github, url: '{provider}', audience: '{AUDIENCE}'}}]
  policies:
    - {{who: {{issuer: github, claims: {{repository: team/app, ref: refs/heads/main}}}}, may: [pull, push], where: team/app}}
    - {{who: {{issuer: github, claims: {{repository: 'team/*'}}}}, may: pull, where: team/**}}
"
    ))
}

#[test]
fn a_job_pushes_where_its_claims_let_it() {
    let signer = Signer::new("k1");
    let provider = provider(&signer);
    let house = house(&provider);
    let job = |reference: &str| {
        let more = json!({"repository": "team/app", "ref": reference, "sub": "repo:team/app", "secret": "x".repeat(3000)});
        signer.sign(&claims(&provider, AUDIENCE, &more))
    };
    let main = house.by_password("ci", &job("refs/heads/main"));
    main.push_image("team/app", "latest", 1);
    let branch = house.by_password("whatever", &job("refs/heads/feature"));
    branch.get("/v2/team/app/manifests/latest").expect(200);
    branch.post("/v2/team/app/blobs/uploads/").expect_error(403, "DENIED");
    main.post("/v2/other/app/blobs/uploads/").expect_error(403, "DENIED");

    // As a bearer, and as a refresh token, at the token server.
    let scope = "/v2/token?scope=repository:team/app:pull,push";
    let issued = house.by_token(&job("refs/heads/main")).get(scope).expect(200).json();
    let holder = house.by_token(issued["token"].as_str().unwrap());
    holder.push_image("team/app", "again", 2);
    assert!(
        issued["token"].as_str().unwrap().len() < 1_500,
        "claims that nobody asks for stay out of the token"
    );
    let form = format!(
        "grant_type=refresh_token&refresh_token={}&scope=repository:team/app:pull",
        job("refs/heads/x")
    );
    let issued = house.send(Request::post("/v2/token").body(form)).expect(200).json();
    let holder = house.by_token(issued["access_token"].as_str().unwrap());
    holder.get("/v2/team/app/manifests/again").expect(200);
    holder.post("/v2/team/app/blobs/uploads/").expect(401);
    house.wait_for_log(&["who=github:repo:team/app"]);
}

/// An identity token ends after minutes, a push may take longer: with one of our own it is finished.
#[test]
fn where_jobs_log_in_clients_are_asked_for_a_token_of_ours() {
    let house = house("http://127.0.0.1:9");
    let answer = house.get("/v2/").expect(401);
    let realm = format!("Bearer realm=\"http://{}/v2/token\"", house.address);
    assert!(answer.header("WWW-Authenticate").starts_with(&realm), "{answer}");
}

#[test]
fn a_token_that_proves_nothing_lets_nobody_in() {
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let provider = provider(&signer);
    let house = house(&provider);
    let good = || claims(&provider, AUDIENCE, &json!({"repository": "team/app", "ref": "refs/heads/main"}));
    let with = |more| {
        let mut claims = good();
        for (name, value) in serde_json::Value::as_object(&more).unwrap() {
            claims[name] = value.clone();
        }
        signer.sign(&claims)
    };
    house.by_password("ci", &signer.sign(&good())).get("/v2/").expect(200);
    let now = super::signer::now();
    for (what, token) in [
        ("another's key", stranger.sign(&good())),
        ("another issuer", with(json!({"iss": "https://elsewhere.example.com"}))),
        ("another audience", with(json!({"aud": "https://other.example.com"}))),
        ("expired", with(json!({"exp": now - 120}))),
        ("not yet valid", with(json!({"nbf": now + 600}))),
        ("no end", with(json!({"exp": null}))),
        ("no algorithm", signer.sign_with(&json!({"alg": "none", "kid": "k1"}), &good())),
        ("another algorithm", signer.sign_with(&json!({"alg": "HS256", "kid": "k1"}), &good())),
        ("an unknown key", signer.sign_with(&json!({"alg": "ES256", "kid": "k2"}), &good())),
    ] {
        let status = house.by_password("ci", &token).get("/v2/").status;
        assert_eq!(status, 401, "{what}");
        assert_eq!(house.by_token(&token).get("/v2/token").status, 401, "{what}");
    }
    // An identity token is no token of ours.
    house.by_token(&signer.sign(&good())).get("/v2/team/app/tags/list").expect(401);
}
