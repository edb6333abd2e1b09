//! Passwords.

use std::time::{Duration, Instant};

use super::house::{House, line};
use crate::support::Request;

#[test]
fn who_has_no_password_is_asked_for_one_everywhere_but_at_the_root() {
    let house = House::with_users();
    let challenge = "Basic realm=\"the house\"";
    for target in ["/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/latest"] {
        house.get(target).expect_error(401, "UNAUTHORIZED").expect_header("WWW-Authenticate", challenge);
        house.head(target).expect(401).expect_header("WWW-Authenticate", challenge);
    }
    house.post("/v2/app/blobs/uploads/").expect_error(401, "UNAUTHORIZED");
    house.get("/").expect(200);
    for target in ["/", "/v2/", "/v2/app/tags/list", "/v2/nothing"] {
        house.send(Request::new("OPTIONS", target)).expect(204);
    }
}

#[test]
fn whoever_logs_in_may_do_everything_where_there_are_no_policies() {
    let house = House::with_users();
    let alice = house.as_user("alice");
    alice.get("/v2/").expect(200);
    let image = alice.push_image("app", "latest", 1);
    assert_eq!(house.as_user("bob").tags("app"), ["latest"]);
    house.as_user("carol").delete(&format!("/v2/app/manifests/{}", image.digest)).expect(202);
}

#[test]
fn a_wrong_password_is_no_password() {
    let house = House::with_users();
    for (name, password) in
        [("alice", "wrong"), ("alice", ""), ("mallory", "ecila"), ("", ""), ("alice", "ecila ")]
    {
        house.by_password(name, password).get("/v2/").expect_error(401, "UNAUTHORIZED");
    }
    for authorization in ["Basic", "Basic !", "Digest x", "Basic YWxpY2U=", "Bearer x", "x"] {
        house.by(authorization).get("/v2/").expect_error(401, "UNAUTHORIZED");
    }
}

#[test]
fn two_passwords_are_one_too_many() {
    let house = House::with_users();
    let right = house.as_user("alice").authorization.unwrap();
    let twice = Request::get("/v2/").header("Authorization", &right).header("Authorization", &right);
    house.send(twice).expect_error(401, "UNAUTHORIZED");
}

#[test]
fn the_file_of_users_is_read_again_when_it_changes() {
    let house = House::with_users();
    house.by_password("dave", "secret").get("/v2/").expect(401);
    house.as_user("alice").get("/v2/").expect(200);
    std::fs::write(house.users(), line("dave", "secret")).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    house.by_password("dave", "secret").get("/v2/").expect(200);
    house.as_user("alice").get("/v2/").expect(401);

    std::fs::write(house.users(), "broken").unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    house.by_password("dave", "secret").get("/v2/").expect(200);
    let log = house.wait_for_log(&["line 1 is not of the form NAME:HASH"]);
    assert!(!log.contains("broken"), "what stands in the file is nobody's business");
}

#[test]
fn a_password_is_hashed_once_for_many_requests() {
    let house = House::with_users();
    let slow = format!("slow:{}", bcrypt::hash("secret", 12).unwrap());
    std::fs::write(house.users(), slow).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    let slow = house.by_password("slow", "secret");
    let time = |requests: usize| {
        let began = Instant::now();
        (0..requests).for_each(|_| _ = slow.get("/v2/").expect(200));
        began.elapsed()
    };
    let first = time(1);
    let many = time(300);
    assert!(many < first * 30, "300 requests took {many:?}, the first alone {first:?}");
}

#[test]
fn many_who_come_at_once_with_one_password_have_it_hashed_once() {
    let house = House::with_users();
    let slow = format!("slow:{}", bcrypt::hash("secret", 11).unwrap());
    std::fs::write(house.users(), slow).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    let slow = house.by_password("slow", "secret");
    let one = Instant::now();
    assert!(bcrypt::verify("secret", &bcrypt::hash("secret", 11).unwrap()).unwrap());
    let one = one.elapsed();
    let began = Instant::now();
    std::thread::scope(|scope| {
        (0..32).for_each(|_| _ = scope.spawn(|| slow.get("/v2/").expect(200)));
    });
    assert!(began.elapsed() < one * 12, "{:?} for 32 at once, {one:?} for one hash", began.elapsed());
}

#[test]
fn whoever_tries_passwords_out_has_to_wait_and_nobody_else() {
    let house = House::with(
        "auth: {htpasswd: {path: '{users}'}, failedlogins: {limit: 3, window: 4s}}\nhttp: {trustedproxies: [127.0.0.1]}\n",
    );
    let from = |address: &str, name: &str, password: &str| {
        let request = Request::get("/v2/").header("X-Forwarded-For", address);
        house.by_password(name, password).send(request)
    };
    from("192.0.2.7", "alice", "ecila").expect(200);
    for password in ["first", "second", "third"] {
        from("192.0.2.7", "alice", password).expect(401);
    }
    let refused = from("192.0.2.7", "alice", "another").expect_error(401, "UNAUTHORIZED");
    assert!(refused.error_text().contains("too many failed logins"), "{refused}");
    assert!(refused.header("Retry-After").parse::<u64>().unwrap() <= 5);
    // Who was let in before is let in still, and so is everybody else, and alice from elsewhere.
    from("192.0.2.7", "alice", "ecila").expect(200);
    from("192.0.2.7", "carol", "lorac").expect(200);
    from("192.0.2.8", "alice", "ecila").expect(200);
    std::thread::sleep(Duration::from_secs(4));
    let tried_again = from("192.0.2.7", "alice", "wrong").expect(401);
    assert!(!tried_again.error_text().contains("too many"), "{tried_again}");
}

#[test]
fn one_stale_secret_locks_nobody_out() {
    let house = House::with("auth: {htpasswd: {path: '{users}'}, failedlogins: {limit: 3, window: 60s}}\n");
    for _ in 0..50 {
        house.by_password("alice", "stale").get("/v2/").expect(401);
    }
    house.as_user("alice").get("/v2/").expect(200);
    std::fs::write(house.users(), line("alice", "stale")).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    house.by_password("alice", "stale").get("/v2/").expect(200);
}

#[test]
fn an_authorization_where_nobody_is_asked_is_ignored() {
    let holdfast = crate::support::Holdfast::start();
    holdfast.by_password("anybody", "anything").get("/v2/").expect(200);
    holdfast.by("Bearer x").push_image("app", "latest", 1);
}

#[test]
fn what_needs_a_login_is_not_cached_for_others() {
    let house = House::with_users();
    let alice = house.as_user("alice");
    let image = alice.push_image("app", "latest", 1);
    let targets = [
        format!("/v2/app/manifests/{}", image.digest),
        format!("/v2/app/blobs/{}", image.layer),
        "/v2/app/manifests/latest".to_owned(),
    ];
    for target in targets {
        let answer = alice.get(&target).expect(200);
        let caching = answer.header("Cache-Control");
        assert!(!caching.contains("public"), "{target}: {caching}");
        assert!(caching.contains("private") || caching.contains("no-cache"), "{target}: {caching}");
    }
}

#[test]
fn without_its_file_of_users_a_registry_does_not_start() {
    let mut house = House::with_users();
    house.holdfast.stop();
    std::fs::remove_file(house.users()).unwrap();
    let complaint = house.holdfast.try_to_start_again().expect_err("it must not let everybody in");
    assert!(complaint.contains("htpasswd") && complaint.contains("holdfast user add"), "{complaint}");
}
