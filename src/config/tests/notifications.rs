//! Whom events are told to.

use super::*;
use std::time::Duration;

#[test]
fn an_endpoint_has_distributions_defaults_for_what_it_leaves_out() {
    let loaded =
        load("version: 0.1\nnotifications: {endpoints: [{url: 'https://a:b@l.example/x?y=z'}]}\n").unwrap();
    let [endpoint] = &loaded.config.notifications.endpoints[..] else { panic!("one endpoint") };
    assert_eq!(endpoint.name, "https://l.example/x", "a name for the log, without what may be secret");
    assert_eq!(endpoint.url, "https://a:b@l.example/x?y=z");
    let pace = (endpoint.timeout, endpoint.threshold, endpoint.backoff);
    assert_eq!(pace, (Duration::from_secs(1), 10, Duration::from_secs(1)));
    assert!(endpoint.headers.is_empty() && endpoint.ignoredactions.is_empty());
}

#[test]
fn an_endpoint_may_say_all_that_distribution_knows() {
    let text = "notifications: {events: {includereferences: true}, endpoints: [{name: alistener, disabled: false, url: \
                'https://my.listener.com/event', headers: {X-One: [a, b]}, timeout: 500ms, threshold: 5, backoff: 2s, \
                ignoredmediatypes: [application/octet-stream], ignore: {mediatypes: [text/plain], actions: [pull]}}]}\n";
    let loaded = load(text).unwrap();
    assert!(loaded.config.notifications.includereferences);
    let endpoint = &loaded.config.notifications.endpoints[0];
    assert_eq!(endpoint.headers.len(), 2);
    assert_eq!(endpoint.ignoredmediatypes, ["application/octet-stream", "text/plain"]);
    assert_eq!(endpoint.ignoredactions, ["pull"]);
    assert_eq!(load(&loaded.to_yaml()).unwrap().config, loaded.config);
}

#[test]
fn what_may_be_secret_in_an_endpoint_is_not_shown() {
    let text = "notifications: {endpoints: [{name: a, url: 'https://user:pw@l.example/x?key=k', headers: {Authorization: Bearer abc}}]}\n";
    let shown = load(text).unwrap().to_yaml();
    for secret in ["user:pw", "key=k", "abc"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn one_that_is_disabled_is_told_nothing_whatever_else_it_says() {
    let loaded = load("notifications: {endpoints: [{name: a, url: b, disabled: true}]}\n").unwrap();
    assert!(loaded.config.notifications.endpoints.is_empty());
}

#[test]
fn endpoints_may_be_given_by_variables() {
    let loaded = load_variables(&[
        ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME", "a"),
        ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL", "http://a.example/events"),
        ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_HEADERS_X-Token", "[one]"),
        ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_IGNORE_ACTIONS", "[pull, mount]"),
    ]);
    let endpoint = &loaded.unwrap().config.notifications.endpoints[0];
    assert_eq!((endpoint.name.as_str(), endpoint.url.as_str()), ("a", "http://a.example/events"));
    assert_eq!(endpoint.headers, [("X-Token".to_owned(), "one".to_owned())]);
    assert_eq!(endpoint.ignoredactions, ["pull", "mount"]);
}

#[test]
fn what_is_wrong_with_an_endpoint_is_said() {
    for (text, problem) in [
        ("{name: a}", "is no URL"),
        ("{name: a, url: a.example}", "is no URL"),
        ("{url: 'http://a', timeout: 5}", "has no unit"),
        ("{url: 'http://a', ignore: {actions: [pulled]}}", "write pull, push, mount, delete"),
        ("{url: 'http://a', colour: red}", "there is no such key"),
        ("{name: a, url: 'http://a'}, {name: a, url: 'http://b'}", "was given before"),
        ("a", "expected a list of mappings with name and url"),
    ] {
        let messages = messages(load(&format!("notifications: {{endpoints: [{text}]}}\n")));
        assert!(messages.iter().any(|message| message.contains(problem)), "{text}: {messages:?}");
    }
}
