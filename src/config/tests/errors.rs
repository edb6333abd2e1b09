//! Messages: each names the key, the place and what to write.

use super::*;

#[test]
fn every_mistake_is_reported_at_once_with_its_line_and_the_key_that_was_meant() {
    let text = "\
log:
  level: loud
storage:
  filesystem:
    rootdirectoy: /data
  delete:
    enabled: \"true\"
http:
  addr: localhost
  draintimeout: 60
  maxconnections: many
  maxheaderbytes: 64KB
  headers:
    X Bad: [a]
    X-Good: [\"a\\nb\"]
  prefix: [/a]
htpp:
  addr: :5000
";
    assert_eq!(
        messages(load(text)),
        [
            "config.yml:2:10: log.level: expected error, warn, info, debug or trace, found `loud`",
            "config.yml:5:5: storage.filesystem.rootdirectoy: there is no such key; did you mean \
             `storage.filesystem.rootdirectory`?",
            "config.yml:7:14: storage.delete.enabled: \"true\" in quotes is a text: leave the quotes out",
            "config.yml:9:9: http.addr: \"localhost\" is not an address: the port is missing, as in :5000",
            "config.yml:10:17: http.draintimeout: 60 has no unit: write 60s for seconds, 60m for minutes",
            "config.yml:11:19: http.maxconnections: \"many\" is not a whole number",
            "config.yml:12:19: http.maxheaderbytes: \"64KB\" is not a size: write bytes, or a number with KiB, MiB, \
             GiB or TiB",
            "config.yml:14:5: http.headers.X Bad: \"X Bad\" is not the name of a header",
            "config.yml:15:14: http.headers.X-Good: a header's value is visible ASCII, without line breaks, and \
             without blanks at its ends",
            "config.yml:16:11: http.prefix: expected a path, found a list",
            "config.yml:17:1: htpp: there is no such key; did you mean `http`?",
        ]
    );
}

#[test]
fn the_report_counts_the_errors_and_lists_one_a_line() {
    let one = load("x: 1\n").unwrap_err().to_string();
    assert!(one.starts_with("the configuration has an error:\n  /"), "{one}");
    let many: String = (0..60).map(|number| format!("zzzzzzz{number}: 1\n")).collect();
    let many = load(&many).unwrap_err().to_string();
    assert!(many.starts_with("the configuration has 60 errors:\n  /"), "{many}");
    assert!(many.ends_with("\n  and 10 more"), "{many}");
}

#[test]
fn a_number_out_of_bounds_is_refused_with_the_bound() {
    assert_eq!(
        messages(load("http: {maxconnections: 0, maxheaderbytes: 1GiB, waittimeout: 2h, idletimeout: 0}\n")),
        [
            "config.yml:1:24: http.maxconnections: 0 is too small: the least is 1",
            "config.yml:1:43: http.maxheaderbytes: 1GiB is too large: the most is 16MiB",
            "config.yml:1:62: http.waittimeout: 2h is too large: the most is 1h",
            "config.yml:1:79: http.idletimeout: 0s is too small: the least is 1s",
        ]
    );
}

#[test]
fn a_key_that_stands_twice_is_an_error_that_names_both_lines() {
    assert_eq!(
        messages(load("http:\n  addr: :5000\n  net: tcp\n  addr: :5001\n")),
        ["config.yml:4:3: http.addr: the key stands here a second time; the first is on line 2"]
    );
}

#[test]
fn a_tab_is_an_error_at_its_line() {
    let messages = messages(load("http:\n\taddr: :5000\n"));
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("config.yml:2:"), "{messages:?}");
    assert!(messages[0].contains("tab"), "{messages:?}");
}

#[test]
fn yaml_that_a_configuration_has_no_use_for_is_refused() {
    for (text, reason) in [
        ("a: [1\n", "config.yml:2:"),
        ("- a\n", "config.yml:1:1: expected a mapping of keys, found a list"),
        ("hello\n", "config.yml:1:1: expected a mapping of keys, found `hello`"),
        ("log: {}\n---\nlog: {}\n", "a second document begins"),
        ("? [a]\n: b\n", "a key must be a text"),
        ("log: !custom {}\n", "tags have no meaning here"),
        ("log: &a {fields: *a}\n", "an alias stands inside of what it names"),
        ("log: *nowhere\n", "config.yml:1:"),
    ] {
        let messages = messages(load(text));
        assert!(messages.len() == 1 && messages[0].contains(reason), "{text:?}: {messages:?}");
    }
}

#[test]
fn aliases_cannot_unfold_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let messages = messages(load(&text));
    assert!(messages[0].contains("more than 10000 values, aliases unfolded"), "{messages:?}");
}

#[test]
fn values_cannot_be_nested_without_bound() {
    let nested = |depth: usize| messages(load(&format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth))));
    assert!(nested(40)[0].contains("more than 32 levels"), "{:?}", nested(40));
    assert_eq!(nested(100_000).len(), 1);
}

#[test]
fn aliases_and_merge_keys_serve_their_purpose() {
    let text = "\
log: &log {level: warn, fields: {a: b}}
catalog: {maxentries: 5}
";
    assert_eq!(load(text).unwrap().config.catalog.maxentries, 5);
    let merged = load("log:\n  <<: {level: warn, formatter: json}\n  level: debug\n").unwrap().config.log;
    assert_eq!(merged.level, crate::config::Level::Debug);
    assert_eq!(merged.formatter, crate::config::Formatter::Json);
    let text = "log:\n  <<: [{level: warn}, {level: error, formatter: json}]\n";
    let several = load(text).unwrap().config.log;
    assert_eq!(several.level, crate::config::Level::Warn);
    assert_eq!(several.formatter, crate::config::Formatter::Json);
    let alias = load("http: {headers: {X-A: &v [one], X-B: *v}}\n").unwrap().config.http.headers;
    assert_eq!(alias.len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing =
        Sources { file: Some("/nowhere/config.yml".into()), environment: [], flags: Flags::default() };
    assert_eq!(
        messages(Config::load(missing)),
        ["config.yml: the file cannot be read: No such file or directory (os error 2)"]
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, b"log: {level: \xff}\n").unwrap();
    let latin = Sources { file: Some(file.clone()), environment: [], flags: Flags::default() };
    assert_eq!(
        messages(Config::load(latin)),
        ["config.yml: the file cannot be read: it is not UTF-8 from byte 13 on"]
    );
    std::fs::write(&file, "#".repeat(2 << 20)).unwrap();
    let large = Sources { file: Some(file), environment: [], flags: Flags::default() };
    assert_eq!(
        messages(Config::load(large)),
        ["config.yml: the file cannot be read: it is larger than 1 MiB"]
    );
}

#[test]
fn an_empty_text_where_one_is_needed_is_an_error() {
    let empty = "an empty text is none: leave the key out for the default";
    assert_eq!(
        messages(load("http: {addr: ''}\nstorage: {filesystem: {rootdirectory: ''}}\n")),
        [
            format!("config.yml:1:14: http.addr: {empty}"),
            format!("config.yml:2:39: storage.filesystem.rootdirectory: {empty}"),
        ]
    );
}

#[test]
fn a_unix_socket_needs_a_path() {
    assert_eq!(
        messages(load("http: {net: unix}\n")),
        ["config.yml:1:13: http.addr: with http.net: unix this must be the path of the socket"]
    );
    let config = load("http: {net: unix, addr: /run/holdfast.sock, socketmode: 0600}\n").unwrap().config;
    assert_eq!((config.http.addr.as_str(), config.http.socketmode), ("/run/holdfast.sock", 0o600));
}

#[test]
fn a_platform_needs_both_parts() {
    let text =
        "validation: {manifests: {indexes: {platforms: list, platformlist: [{os: linux, arch: amd64}]}}}\n";
    let key = "validation.manifests.indexes.platformlist";
    assert_eq!(
        messages(load(text)),
        [
            format!("config.yml:1:68: {key}: a platform needs both architecture and os"),
            format!(
                "config.yml:1:80: {key}.arch: there is no such key; a platform has `architecture` and `os`"
            ),
        ]
    );
}
