//! Values that are brought into one form.

use super::*;

#[test]
fn host_and_prefix_are_brought_into_one_form() {
    let http = load("http: {host: 'https://registry.example.com/', prefix: images}\n").unwrap().config.http;
    assert_eq!(http.host.as_deref(), Some("https://registry.example.com"));
    assert_eq!(http.prefix, "/images/");
    let unset = load("http: {host: '', prefix: '', debug: {addr: ''}}\n").unwrap().config.http;
    assert_eq!((unset.host, unset.prefix.as_str(), unset.debug.addr), (None, "/", None));
}

#[test]
fn the_words_of_yaml_1_1_are_switches_as_they_are_for_distribution() {
    for (word, on) in
        [("true", true), ("yes", true), ("On", true), ("false", false), ("No", false), ("off", false)]
    {
        let loaded = load(&format!("storage: {{delete: {{enabled: {word}}}}}\n")).unwrap();
        assert_eq!(loaded.config.storage.delete.enabled, on, "{word}");
    }
}

#[test]
fn a_header_may_have_several_values() {
    let headers =
        load("http: {headers: {X-A: [one, two], X-B: three, X-C: []}}\n").unwrap().config.http.headers;
    let pairs: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("X-A", "one"), ("X-A", "two"), ("X-B", "three")]);
}

#[test]
fn fields_take_numbers_and_switches_as_text() {
    let fields = load("log: {fields: {a: 1, b: true, c: \"x\"}}\n").unwrap().config.log.fields;
    assert_eq!(fields.values().collect::<Vec<_>>(), ["1", "true", "x"]);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let messages = messages(load("validation: {manifests: {urls: {allow: ['(']}}}\n"));
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("config.yml:1:41: validation.manifests.urls.allow: "), "{messages:?}");
}
