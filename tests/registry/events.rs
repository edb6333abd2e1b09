//! Notifications: what has happened is told to endpoints in distribution's form, in order, at least once, and whatever becomes
//! of the server in the meantime.

use std::collections::HashSet;
use std::ops::Range;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::listener::Listener;
use crate::support::{Holdfast, OCI_IMAGE, Request, bytes_of};

const REPOSITORY: &str = "team/events";

/// A registry that tells a listener, with more to be said of the endpoint.
fn telling(listener: &Listener, more: &str) -> Holdfast {
    Holdfast::configured(&configuration(&[(listener, more)], ""))
}

fn configuration(listeners: &[(&Listener, &str)], more: &str) -> String {
    let mut yaml = format!("notifications:\n  {more}\n  endpoints:\n");
    for (number, (listener, more)) in listeners.iter().enumerate() {
        yaml.push_str(&format!("    - {{name: e{number}, url: '{}'{more}}}\n", listener.url()));
    }
    yaml
}

/// Who did what to what.
fn told(events: &[Value]) -> Vec<(&str, &str, &str)> {
    fn tell(event: &Value) -> (&str, &str, &str) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let what = text("/target/tag").or(text("/target/digest"));
        (text("/action").unwrap(), text("/target/repository").unwrap(), what.unwrap_or_default())
    }
    events.iter().map(tell).collect()
}

#[test]
fn everything_that_a_client_does_is_told_in_order() {
    let listener = Listener::start();
    let registry = telling(&listener, "");
    let image = registry.push_image(REPOSITORY, "latest", 1);
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", image.layer);
    registry
        .post(&format!("/v2/team/other/blobs/uploads/?mount={}&from={REPOSITORY}", image.layer))
        .expect(201);
    let wanted: Vec<(&str, &str, &str)> = vec![
        ("push", REPOSITORY, &image.config),
        ("push", REPOSITORY, &image.layer),
        ("push", REPOSITORY, "latest"),
        ("mount", "team/other", &image.layer),
    ];
    let pushed = listener.wait_for(4);
    let pushed: HashSet<_> = told(&pushed).into_iter().collect();
    assert_eq!(pushed, wanted.iter().copied().collect());
    registry.get(&format!("/v2/{REPOSITORY}/manifests/latest")).expect(200);
    registry.get(&blob).expect(200);
    registry.head(&blob).expect(200);
    listener.wait_for(6);
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/{}", image.digest)).expect(202);
    registry.delete(&blob).expect(202);
    let events = listener.wait_for(9);
    let rest = [
        ("pull", REPOSITORY, "latest"),
        ("pull", REPOSITORY, image.layer.as_str()),
        ("delete", REPOSITORY, &image.digest),
        ("delete", REPOSITORY, "latest"),
        ("delete", REPOSITORY, &image.layer),
    ];
    assert_eq!(told(&events)[2..4], wanted[2..]);
    assert_eq!(told(&events)[4..], rest);
}

#[test]
fn an_event_says_what_distribution_says() {
    let listener = Listener::start();
    let registry = telling(&listener, ", headers: {X-Listener: [one]}");
    let image = registry.push_image(REPOSITORY, "v1", 7);
    let event = listener.wait_for(3).pop().unwrap();
    let host = registry.address.to_string();
    let target = json!({
        "mediaType": OCI_IMAGE,
        "digest": image.digest,
        "size": image.bytes.len(),
        "length": image.bytes.len(),
        "repository": REPOSITORY,
        "url": format!("http://{host}/v2/{REPOSITORY}/manifests/{}", image.digest),
        "tag": "v1",
    });
    assert_eq!(event["target"], target);
    assert_eq!(event["request"]["addr"], "127.0.0.1");
    assert_eq!(event["request"]["host"], host);
    assert_eq!(event["request"]["method"], "PUT");
    assert_eq!(event["actor"], json!({}));
    assert!(event["source"]["addr"].as_str().unwrap().ends_with(&format!(":{}", registry.address.port())));
    assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
    let id = event["request"]["id"].as_str().unwrap();
    assert!(registry.log().contains(&format!("request={id}")), "it is the one of the log");
    let heading = listener.requests().pop().unwrap().to_ascii_lowercase();
    assert!(heading.starts_with("post /events http/1.1\r\n"), "{heading}");
    assert!(
        heading.contains("content-type: application/vnd.docker.distribution.events.v2+json\r\n"),
        "{heading}"
    );
    assert!(heading.contains("x-listener: one\r\n"), "{heading}");
}

#[test]
fn whoever_cannot_be_reached_is_told_later_although_the_server_was_killed() {
    let listener = Listener::start();
    listener.answer(503);
    let mut registry = telling(&listener, ", threshold: 2, backoff: 100ms");
    let image = registry.push_image(REPOSITORY, "one", 1);
    while listener.requests().len() < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    registry.kill();
    registry.start_again();
    registry.put_manifest_bytes(REPOSITORY, "two", OCI_IMAGE, image.bytes.as_slice()).expect(201);
    assert!(listener.events().is_empty(), "nothing was taken");
    listener.answer(200);
    let events = listener.wait_for(4);
    let tags: Vec<_> = told(&events).into_iter().map(|(_, _, what)| what).collect();
    assert_eq!(tags[2..], ["one", "two"]);
    // What was taken is not told again, but for what the last second brought.
    std::thread::sleep(Duration::from_millis(2_500));
    registry.kill();
    registry.start_again();
    registry.put_manifest_bytes(REPOSITORY, "three", OCI_IMAGE, image.bytes).expect(201);
    assert_eq!(told(&listener.wait_for(5))[4].2, "three");
}

#[test]
fn each_endpoint_is_told_what_it_wants_and_one_does_not_wait_for_another() {
    let (all, some, none) = (Listener::start(), Listener::start(), Listener::start());
    none.answer(500);
    let ignoring = ", ignoredmediatypes: [application/octet-stream], ignore: {actions: [delete]}";
    let endpoints = [(&all, ""), (&some, ignoring), (&none, "")];
    let registry = Holdfast::configured(&configuration(&endpoints, ""));
    let image = registry.push_image(REPOSITORY, "v1", 1);
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/v1")).expect(202);
    registry.put_manifest_bytes(REPOSITORY, "v2", OCI_IMAGE, image.bytes).expect(201);
    all.wait_for(5);
    let wanted = [("push", REPOSITORY, "v1"), ("push", REPOSITORY, "v2")];
    assert_eq!(told(&some.wait_for(2)), wanted);
    assert!(none.events().is_empty());
}

#[test]
fn a_backlog_is_bounded_and_what_is_lost_are_the_oldest() {
    let listener = Listener::start();
    listener.answer(500);
    let configuration = configuration(&[(&listener, ", threshold: 1, backoff: 1s")], "backlog: 10");
    let registry = Holdfast::configured(&configuration);
    let image = registry.push_image(REPOSITORY, "first", 1);
    for number in 0..100 {
        let tag = format!("t{number}");
        registry.put_manifest_bytes(REPOSITORY, &tag, OCI_IMAGE, image.bytes.as_slice()).expect(201);
    }
    listener.answer(200);
    let events = listener.wait(|events| told(events).iter().any(|(_, _, what)| *what == "t99"));
    let tags: Vec<_> = told(&events).into_iter().map(|(_, _, what)| what).collect();
    let last: Vec<_> = (90..100).map(|number| format!("t{number}")).collect();
    assert_eq!(tags[tags.len() - 10..], last);
    // Beside them what was on its way already.
    assert!(tags.len() <= 10 + 32, "{tags:?}");
    assert!(registry.log().contains("events were lost"), "{}", registry.log());
}

#[test]
fn the_descriptors_in_a_manifest_are_told_where_that_is_wanted() {
    let listener = Listener::start();
    let registry =
        Holdfast::configured(&configuration(&[(&listener, "")], "events: {includereferences: true}"));
    let image = registry.push_image(REPOSITORY, "v1", 1);
    let event = listener.wait_for(3).pop().unwrap();
    let digests: Vec<_> =
        event["target"]["references"].as_array().unwrap().iter().map(|part| part["digest"].clone()).collect();
    assert_eq!(digests, [image.config, image.layer]);
}

#[test]
fn what_has_happened_before_an_endpoint_was_named_is_not_told_to_it() {
    let (early, late) = (Listener::start(), Listener::start());
    let mut registry = telling(&early, "");
    let image = registry.push_image(REPOSITORY, "v1", 1);
    early.wait_for(3);
    let both = configuration(&[(&early, ""), (&late, "")], "");
    registry.stop();
    registry.write_configuration(&both);
    registry.start_again();
    registry.put_manifest_bytes(REPOSITORY, "v2", OCI_IMAGE, image.bytes).expect(201);
    assert_eq!(told(&late.wait_for(1)), [("push", REPOSITORY, "v2")]);
    assert_eq!(told(&early.wait_for(4))[3].2, "v2");
}

#[test]
fn a_refused_request_tells_nothing_and_a_repeated_one_says_so_again() {
    let listener = Listener::start();
    let registry = telling(&listener, "");
    let image = registry.push_image(REPOSITORY, "v1", 1);
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/absent")).expect(404);
    registry.delete(&format!("/v2/{REPOSITORY}/blobs/{}", image.layer)).expect(405);
    let wrong = Request::put(format!("/v2/{REPOSITORY}/manifests/wrong")).header("Content-Type", OCI_IMAGE);
    registry.send(wrong.body(bytes_of(10, 1))).expect(400);
    registry.put_manifest_bytes(REPOSITORY, "v1", OCI_IMAGE, image.bytes).expect(201);
    let events = listener.wait_for(4);
    assert_eq!(told(&events)[2..], [("push", REPOSITORY, "v1"), ("push", REPOSITORY, "v1")]);
    let ids: HashSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 4, "each has an id of its own");
}

#[test]
fn what_commands_change_is_told_as_well() {
    let listener = Listener::start();
    let registry = telling(&listener, "");
    let image = registry.push_image(REPOSITORY, "v1", 1);
    listener.wait_for(3);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let output = command.args(arguments).arg("--root").arg(registry.root()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&["tag", "mv", "team/events:v1", "other:v2"]);
    run(&["repo", "rm", "--yes", "other"]);
    let events = listener.wait_for(11);
    let told = told(&events[3..]);
    let blobs = HashSet::from([image.config.as_str(), image.layer.as_str()]);
    let what = |range: Range<usize>| told[range].iter().map(|(_, _, what)| *what).collect::<HashSet<_>>();
    assert_eq!(what(0..2), blobs);
    assert!(told[..2].iter().all(|(action, repository, _)| (*action, *repository) == ("mount", "other")));
    assert_eq!(
        told[2..6],
        [
            ("push", "other", "v2"),
            ("delete", REPOSITORY, "v1"),
            ("delete", "other", "v2"),
            ("delete", "other", &image.digest),
        ]
    );
    assert_eq!(what(6..8), blobs);
    assert!(events[3..].iter().all(|event| event["actor"]["name"] == "operator"), "{events:?}");
}
