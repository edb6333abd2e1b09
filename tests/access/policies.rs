//! Policies, over every route, method and kind of caller.

use super::house::House;
use crate::support::{Registry, Request, Response, sha256};

const POLICIES: &str = "
    - {who: anonymous, may: [pull, list], where: public/**}
    - {who: authenticated, may: [pull, list], where: shared/*}
    - {who: group:devs, may: [pull, push, list], where: team/**}
    - {who: user:alice, may: admin, where: '**'}
    - {who: 'robot:ci', may: [pull, push], where: team/app}
";

/// Somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Stranger,
    Wrong,
    Alice,
    Bob,
    Carol,
    Robot,
    /// Bob, with a token for whatever he may do.
    BobsToken,
    /// Somebody without a name who has asked for a token for everything.
    StrangersToken,
}

const EVERYBODY: [Who; 8] = [
    Who::Stranger,
    Who::Wrong,
    Who::Alice,
    Who::Bob,
    Who::Carol,
    Who::Robot,
    Who::BobsToken,
    Who::StrangersToken,
];

impl Who {
    fn at(self, house: &House, robot: &str, repository: &str) -> Registry {
        match self {
            Self::Stranger => (**house).clone(),
            Self::Wrong => house.by_password("mallory", "wrong"),
            Self::Alice => house.as_user("alice"),
            Self::Bob => house.as_user("bob"),
            Self::Carol => house.as_user("carol"),
            Self::Robot => house.by_password("robot+ci", robot),
            Self::BobsToken => with_token(&house.as_user("bob"), repository),
            Self::StrangersToken => with_token(house, repository),
        }
    }

    /// What they may do there, by the policies above, written down once more by hand.
    fn may(self, action: &str, repository: &str) -> bool {
        let reads = matches!(action, "pull" | "list");
        match (self, repository.split('/').next().unwrap_or_default()) {
            (Self::Wrong, _) => false,
            (Self::Alice, _) => true,
            (_, "public") => reads,
            (Self::Stranger | Self::StrangersToken, _) => false,
            (_, "shared") => reads,
            (Self::Bob | Self::BobsToken, "team") => reads || action == "push",
            (Self::Robot, _) => repository == "team/app" && matches!(action, "pull" | "push"),
            (Self::Bob | Self::BobsToken | Self::Carol, _) => false,
        }
    }
}

/// With a token for all that somebody may do in a repository.
fn with_token(registry: &Registry, repository: &str) -> Registry {
    let scope = format!("/v2/token?scope=repository:{repository}:pull,push,delete");
    let answer = registry.get(&scope).expect(200).json();
    registry.by_token(answer["token"].as_str().unwrap())
}

/// Every method of every endpoint that touches a repository, with the action that it is.
fn requests(repository: &str, digest: &str, upload: &str) -> Vec<(Request, &'static str)> {
    let at = |rest: &str| format!("/v2/{repository}/{rest}");
    let (blob, by_digest) = (at(&format!("blobs/{digest}")), at(&format!("manifests/{digest}")));
    let session = at(&format!("blobs/uploads/{upload}"));
    vec![
        (Request::get(at("tags/list")), "pull"),
        (Request::head(at("tags/list")), "pull"),
        (Request::get(&blob), "pull"),
        (Request::head(&blob), "pull"),
        (Request::head(&by_digest), "pull"),
        (Request::get(at("manifests/latest")), "pull"),
        (Request::head(at("manifests/latest")), "pull"),
        (Request::get(&by_digest), "pull"),
        (Request::get(at(&format!("referrers/{digest}"))), "pull"),
        (Request::head(at(&format!("referrers/{digest}"))), "pull"),
        (Request::post(at("blobs/uploads/")), "push"),
        (Request::post(at(&format!("blobs/uploads/?digest={digest}"))).body("x"), "push"),
        (Request::post(at(&format!("blobs/uploads/?mount={digest}&from=public/app"))), "push"),
        (Request::get(&session), "push"),
        (Request::head(&session), "push"),
        (Request::patch(&session).body("x"), "push"),
        (Request::put(format!("{session}?digest={digest}")).body("x"), "push"),
        (Request::delete(&session), "push"),
        (Request::put(at("manifests/latest")).body("{}"), "push"),
        (Request::put(&by_digest).body("{}"), "push"),
        (Request::delete(&blob), "delete"),
        (Request::delete(at("manifests/latest")), "delete"),
        (Request::delete(&by_digest), "delete"),
    ]
}

/// Every method that the registry says an endpoint has is asked for above: a new one is noticed here.
#[test]
fn no_method_of_an_endpoint_is_left_out() {
    let house = House::with_policies(POLICIES);
    let asked = requests("a", &sha256("nothing"), "00000000-0000-4000-8000-000000000000");
    for (request, _) in &asked {
        let path = request.target.split('?').next().unwrap();
        let answer = house.send(Request::new("OPTIONS", path)).expect(204);
        for method in answer.header("Allow").split(", ").filter(|method| *method != "OPTIONS") {
            let is_asked = asked
                .iter()
                .any(|(other, _)| other.method == method && other.target.split('?').next() == Some(path));
            assert!(is_asked, "{method} {path} is asked for by nobody");
        }
    }
}

fn check(who: Who, action: &str, repository: &str, request: &Request, answer: &Response) {
    let asked = format!("{who:?} {} {}", request.method, request.target);
    let status = answer.status;
    match who {
        _ if who.may(action, repository) => {
            assert!(![401, 403].contains(&status), "{asked}: refused with {status}");
        }
        Who::Stranger | Who::Wrong | Who::BobsToken | Who::StrangersToken => {
            assert_eq!(status, 401, "{asked}");
            assert!(answer.header("WWW-Authenticate").len() > 10, "{asked}");
        }
        _ if action == "pull" => assert_eq!(status, 404, "{asked}"),
        _ => assert_eq!(status, 403, "{asked}"),
    }
}

#[test]
fn everybody_may_do_what_the_policies_say_and_nothing_else() {
    let house = House::with_policies(POLICIES);
    let robot = house.add_robot("ci", &[]);
    let nothing = sha256("nothing");
    let upload = "00000000-0000-4000-8000-000000000000";
    for repository in ["public/app", "shared/app", "team/app", "team", "secret/app"] {
        for who in EVERYBODY {
            let registry = who.at(&house, &robot, repository);
            for (request, action) in requests(repository, &nothing, upload) {
                let answer = registry.send(request.clone());
                check(who, action, repository, &request, &answer);
            }
        }
    }
}

#[test]
fn who_may_not_see_something_is_not_told_whether_it_exists() {
    let house = House::with_policies(POLICIES);
    let alice = house.as_user("alice");
    let image = alice.push_image("secret/app", "latest", 1);
    for (carol, name) in [(house.as_user("carol"), "carol"), (house.as_user("bob"), "bob")] {
        for rest in [
            "tags/list".to_owned(),
            "manifests/latest".to_owned(),
            format!("manifests/{}", image.digest),
            format!("blobs/{}", image.layer),
            format!("referrers/{}", image.digest),
        ] {
            let there = carol.get(&format!("/v2/secret/app/{rest}"));
            let not_there = carol.get(&format!("/v2/secret/not/{rest}"));
            assert_eq!((there.status, not_there.status), (404, 404), "{name} {rest}");
            let text = there.error_text().replace("secret/app", "secret/not");
            assert_eq!(text, not_there.error_text(), "{name} {rest}");
        }
        let push = |repository: &str| carol.post(&format!("/v2/{repository}/blobs/uploads/"));
        let (there, not_there) = (push("secret/app"), push("secret/not"));
        assert_eq!((there.status, not_there.status), (403, 403));
        assert_eq!(there.error_text().replace("secret/app", "secret/not"), not_there.error_text());
    }
    let stranger = |rest: &str| house.get(&format!("/v2/secret/{rest}/tags/list"));
    assert_eq!(stranger("app").body, stranger("not").body);
}

#[test]
fn policies_change_with_sighup_and_are_never_gone_by_it() {
    let house = House::with_policies("[{who: user:bob, may: pull, where: a}]");
    let (bob, carol) = (house.as_user("bob"), house.as_user("carol"));
    house.as_user("bob").get("/v2/a/tags/list").expect_error(404, "NAME_UNKNOWN");
    bob.post("/v2/a/blobs/uploads/").expect(403);
    carol.post("/v2/a/blobs/uploads/").expect(403);
    house.reconfigure("[{who: group:devs, may: [pull, push], where: a}]", "devs: [carol]");
    house.wait_for_log(&["the configuration was read again"]);
    bob.post("/v2/a/blobs/uploads/").expect(403);
    carol.post("/v2/a/blobs/uploads/").expect(202);
    assert!(!house.holdfast.log().contains("need a restart"), "{}", house.holdfast.log());
    house.reconfigure("[]", "devs: [carol]");
    house.wait_for_log(&["need a restart", "auth.policies"]);
    bob.post("/v2/a/blobs/uploads/").expect(403);
    carol.post("/v2/a/blobs/uploads/").expect(202);
}

#[test]
fn a_mount_takes_from_where_somebody_may_pull_and_is_an_upload_elsewhere() {
    let house = House::with_policies(POLICIES);
    let alice = house.as_user("alice");
    let secret = alice.push_blob("secret/app", "a secret layer");
    let public = alice.push_blob("public/app", "a public layer");
    let bob = house.as_user("bob");
    let mount =
        |digest: &str, from: &str| bob.post(&format!("/v2/team/app/blobs/uploads/?mount={digest}{from}"));
    mount(&secret, "&from=secret/app").expect(202);
    mount(&secret, "").expect(202);
    bob.head(&format!("/v2/team/app/blobs/{secret}")).expect(404);
    mount(&public, "&from=public/app").expect(201);
    mount(&public, "").expect(201);
}

#[test]
fn every_decision_on_a_write_and_every_refusal_leaves_a_trace() {
    let house = House::with_policies(POLICIES);
    house.as_user("bob").push_blob("team/app", "x");
    house.as_user("bob").post("/v2/secret/app/blobs/uploads/").expect(403);
    house.as_user("carol").get("/v2/team/app/tags/list").expect(404);
    house.delete("/v2/team/app/manifests/latest").expect(401);
    house.by_password("mallory", "hunter2").get("/v2/").expect(401);
    house.as_user("bob").get("/v2/team/app/tags/list").expect(200);
    for parts in [
        &[
            "request served",
            "status=202",
            "audit=granted",
            "who=user:bob",
            "action=push",
            "path=/v2/team/app/blobs/uploads/",
            "from=127.0.0.1",
        ][..],
        &["audit=refused", "who=user:bob", "action=push", "path=/v2/secret/app/blobs/uploads/"],
        &["audit=refused", "who=user:carol", "action=pull", "path=/v2/team/app/tags/list"],
        &["audit=refused", "who=anonymous", "action=delete", "method=DELETE"],
        &["audit=refused", "who=unknown", "path=/v2/ "],
    ] {
        house.wait_for_log(parts);
    }
    let log = house.wait_for_log(&["request served", "path=/v2/team/app/tags/list", "status=200"]);
    let is_read = |line: &str| line.contains("audit=granted") && line.contains("action=pull");
    assert!(!log.lines().any(is_read), "reads that are let pass are in the access log");
    assert!(!log.contains("hunter2"));
}
