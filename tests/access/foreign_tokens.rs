//! Tokens of another server, as distribution takes them.

use std::time::Duration;

use serde_json::{Value, json};

use super::house::House;
use super::signer::{Signer, now};
use super::tokens::claims;
use crate::support::{Request, Upload, sha256};

struct Server {
    signer: Signer,
    house: House,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(more: &str) -> Self {
        let (signer, folder) = (Signer::new("k1"), tempfile::tempdir().unwrap());
        let keys = folder.path().join("jwks.json");
        std::fs::write(&keys, signer.jwks().to_string()).unwrap();
        let house = House::with(&format!(
            "version: 0.1
auth:
  token: {{realm: 'https://auth.example.com/token', service: registry.example.com, issuer: auth.example.com, jwks: '{}'}}
{more}",
            keys.display()
        ));
        Self { signer, house, _folder: folder }
    }

    fn token(&self, access: &Value, more: &Value) -> String {
        let mut claims =
            claims("auth.example.com", "registry.example.com", &json!({"sub": "jane", "access": access}));
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signer.sign(&claims)
    }
}

fn on(name: &str, actions: &[&str]) -> Value {
    json!([{"type": "repository", "name": name, "actions": actions}])
}

#[test]
fn the_access_claim_is_the_policy() {
    let server = Server::start("");
    let challenge = "Bearer realm=\"https://auth.example.com/token\",service=\"registry.example.com\"";
    server.house.get("/v2/").expect(401).expect_header("WWW-Authenticate", challenge);
    let scope = format!("{challenge},scope=\"repository:team/app:pull,push\"");
    server.house.post("/v2/team/app/blobs/uploads/").expect(401).expect_header("WWW-Authenticate", &scope);

    let by = |access: Value| server.house.by_token(&server.token(&access, &json!({})));
    by(json!(null)).get("/v2/").expect(200);
    by(on("team/app", &["pull", "push"])).push_image("team/app", "latest", 1);
    by(on("team/app", &["pull"])).get("/v2/team/app/manifests/latest").expect(200);
    let refused = by(on("team/app", &["pull"])).post("/v2/team/app/blobs/uploads/").expect(401);
    assert!(refused.header("WWW-Authenticate").ends_with("error=\"insufficient_scope\""));
    by(on("team/other", &["pull"])).get("/v2/team/app/tags/list").expect(401);
    by(json!([{"type": "registry", "name": "catalog", "actions": ["*"]}])).get("/v2/_catalog").expect(200);
    by(on("team/app", &["pull"])).get("/v2/_catalog").expect(401);
    // There is no token server here beside that one.
    server.house.get("/v2/token").expect(404);
}

#[test]
fn policies_bound_what_another_server_allows() {
    let server = Server::start("  policies: [{who: user:jane, may: pull, where: team/**}]\n");
    let jane = server.house.by_token(&server.token(&on("team/app", &["pull", "push"]), &json!({})));
    jane.get("/v2/team/app/tags/list").expect(404);
    jane.post("/v2/team/app/blobs/uploads/").expect(401);
}

#[test]
fn a_token_that_expires_in_the_middle_is_good_for_its_upload_alone() {
    let server = Server::start("");
    let access = on("app", &["pull", "push"]);
    // Clocks may differ by a minute: this one has three seconds left.
    let closing = server.token(&access, &json!({"exp": now() - 57}));
    let before = server.house.by_token(&closing);
    let mut upload = before.start_upload("app");
    upload.patch("half of ").expect(202);
    let location = upload.location.clone();
    std::thread::sleep(Duration::from_secs(5));
    let refused = before.get("/v2/app/tags/list").expect_error(401, "UNAUTHORIZED");
    assert!(refused.header("WWW-Authenticate").contains("error=\"invalid_token\""));
    before.post("/v2/app/blobs/uploads/").expect(401);
    // Another token that has expired is not the one that began it.
    let other = server.token(&access, &json!({"exp": now() - 100}));
    server.house.by_token(&other).send(Request::patch(&location).body("x")).expect(401);
    let mut upload = Upload::at(&before, location);
    upload.patch("it").expect(202);
    upload.put(&sha256("half of it"), "").expect(201);
    let fresh = server.house.by_token(&server.token(&access, &json!({})));
    fresh.get(&format!("/v2/app/blobs/{}", sha256("half of it"))).expect(200);
}

#[test]
fn what_is_not_signed_by_that_server_is_nothing() {
    let server = Server::start("");
    let access = on("app", &["pull", "push"]);
    let stranger = Signer::new("k1");
    let good =
        || claims("auth.example.com", "registry.example.com", &json!({"sub": "jane", "access": access}));
    let deep = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
    let (header, body) = (json!({"alg": "ES256", "kid": "k1"}), good().to_string());
    let encoded = |text: &str| super::signer::encode(text.as_bytes());
    for (what, token) in [
        ("another's key", stranger.sign(&good())),
        ("their own key in the header", {
            let jwk = stranger.jwks()["keys"][0].clone();
            stranger.sign_with(&json!({"alg": "ES256", "jwk": jwk}), &good())
        }),
        ("no signature", format!("{}.{}.", encoded(&json!({"alg": "none"}).to_string()), encoded(&body))),
        ("a capital none", server.signer.sign_with(&json!({"alg": "None", "kid": "k1"}), &good())),
        ("HMAC", server.signer.sign_with(&json!({"alg": "HS256", "kid": "k1"}), &good())),
        ("RSA of an EC key", server.signer.sign_with(&json!({"alg": "RS256", "kid": "k1"}), &good())),
        ("issuer", server.token(&access, &json!({"iss": "other"}))),
        ("audience", server.token(&access, &json!({"aud": "other"}))),
        ("expired", server.token(&access, &json!({"exp": now() - 120}))),
        ("too early", server.token(&access, &json!({"nbf": now() + 120}))),
        ("too large", server.token(&access, &json!({"more": "x".repeat(17_000)}))),
        ("too deep", format!("{}.{}.{}", encoded(&header.to_string()), encoded(&deep), encoded("x"))),
        ("nothing", "..".to_owned()),
        (
            "a claim twice",
            format!(
                "{}.{}.{}",
                encoded(&header.to_string()),
                encoded(&body.replacen('{', "{\"sub\":\"a\",", 1)),
                encoded("x")
            ),
        ),
    ] {
        server.house.by_token(&token).get("/v2/app/tags/list").expect(401);
        assert_eq!(server.house.by_token(&token).get("/v2/").status, 401, "{what}");
    }
    // A password counts for nothing where there is no file of users.
    server.house.as_user("alice").get("/v2/").expect(401);
}
