//! A flag beats a variable, a variable the file, the file the default; and every value remembers who won.

use super::*;
use std::path::{Path, PathBuf};

fn load_all(text: &str, variables: &[(&str, &str)], flags: Flags) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, text).unwrap();
    Config::load(Sources { file: Some(file), environment: owned(variables), flags }).unwrap()
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let text = "http:\n  addr: :1\n";
    let variables = [("REGISTRY_HTTP_ADDR", ":2")];
    let flags = Flags { addr: Some(":3".to_owned()), root: None };

    let default = load_variables(&[]).unwrap();
    assert_eq!(
        (default.config.http.addr.as_str(), origin(&default, "http.addr").as_str()),
        ("127.0.0.1:5000", "default")
    );
    let file = load(text).unwrap();
    assert_eq!(
        (file.config.http.addr.as_str(), origin(&file, "http.addr").as_str()),
        (":1", "config.yml:2:9")
    );
    let variable = load_with(text, &variables).unwrap();
    assert_eq!(variable.config.http.addr, ":2");
    assert_eq!(origin(&variable, "http.addr"), "REGISTRY_HTTP_ADDR");
    let flag = load_all(text, &variables, flags);
    assert_eq!((flag.config.http.addr.as_str(), origin(&flag, "http.addr").as_str()), (":3", "--addr"));
}

#[test]
fn a_default_of_distributions_says_so() {
    let loaded = load("version: 0.1\n").unwrap();
    assert_eq!(origin(&loaded, "storage.delete.enabled"), "default of distribution");
}

#[test]
fn the_root_can_be_given_as_a_flag_and_is_taken_as_it_is() {
    let flags = Flags { addr: None, root: Some(PathBuf::from("[a] # b")) };
    let loaded = load_all("storage: filesystem\n", &[], flags);
    assert_eq!(loaded.config.storage.root, Path::new("[a] # b"));
    assert_eq!(origin(&loaded, "storage.filesystem.rootdirectory"), "--root");
}

#[test]
fn a_bad_flag_is_an_error_that_names_it() {
    let flags = Flags { addr: Some("localhost".to_owned()), root: None };
    let sources = Sources { file: None, environment: [], flags };
    assert_eq!(
        messages(Config::load(sources)),
        ["--addr: http.addr: \"localhost\" is not an address: the port is missing, as in :5000"]
    );
}

#[test]
fn a_path_that_is_no_unicode_is_refused_rather_than_changed() {
    use std::os::unix::ffi::OsStringExt;
    let root = std::ffi::OsString::from_vec(b"/data/\xff".to_vec());
    let flags = Flags { addr: None, root: Some(root.into()) };
    let sources = Sources { file: None, environment: [], flags };
    assert_eq!(
        messages(Config::load(sources)),
        ["--root: storage.filesystem.rootdirectory: the path must be UTF-8, without NUL"]
    );
}

#[test]
fn what_changed_between_two_readings_is_named() {
    let before = load("http: {addr: ':1'}\nlog: {level: info}\n").unwrap();
    let after = load("http: {addr: ':2'}\nlog: {level: debug}\nstorage: {lockwait: 30s}\n").unwrap();
    assert_eq!(after.changed_from(&before), ["log.level", "http.addr"]);
    assert!(after.changed_from(&after).is_empty());
}

#[test]
fn a_variable_names_the_file_unless_a_flag_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("one.yml"), "catalog: {maxentries: 1}\n").unwrap();
    std::fs::write(path("two.yml"), "catalog: {maxentries: 2}\n").unwrap();
    let environment = [("REGISTRY_CONFIGURATION_PATH".to_owned(), path("two.yml").display().to_string())];
    let load = |file| {
        Config::load(Sources { file, environment: environment.clone(), flags: Flags::default() }).unwrap()
    };
    assert_eq!(load(None).config.catalog.maxentries, 2);
    assert_eq!(load(None).file, Some(path("two.yml")));
    assert_eq!(load(Some(path("one.yml"))).config.catalog.maxentries, 1);
}

#[test]
fn a_value_left_empty_counts_as_left_out() {
    for text in [
        "",
        "# nothing\n",
        "{}\n",
        "log:\n",
        "log: {level: }\n",
        "http: {addr: null, headers: ~}\n",
        "\u{feff}log:\n",
    ] {
        let loaded = load(text).unwrap();
        assert_eq!(loaded.config, Config::default(), "{text:?}");
        assert_eq!(origin(&loaded, "http.addr"), "default");
    }
    let variable = load_variables(&[("REGISTRY_HTTP_ADDR", "")]).unwrap();
    assert_eq!(variable.config, Config::default());
}

#[test]
fn what_is_in_force_is_printed_with_the_origin_of_each_value() {
    let text = "version: 0.1\nhttp:\n  secret: hush\n  headers: {X-A: [one, two]}\nlog: {fields: {token: hush, a: b c}}\n";
    let yaml = load_all(text, &[("REGISTRY_HTTP_DRAINTIMEOUT", "90s")], Flags::default()).to_yaml();
    for part in [
        ", of distribution's version 0.1, whose defaults hold\nlog:\n  level: info ",
        "config.yml:5:15\n",
        "  fields: {a: \"b c\", token: (hidden)} ",
        "    rootdirectory: /var/lib/registry             # default of distribution\n",
        "  headers: {X-A: [one, two]} ",
        "  draintimeout: 1m30s                            # REGISTRY_HTTP_DRAINTIMEOUT\n",
        "config.yml:3:3: http.secret: not needed: ",
    ] {
        assert!(yaml.contains(part), "{part:?} is missing in\n{yaml}");
    }
    assert!(!yaml.contains("hush"));
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let text = "\
http:
  headers: {X-A: [one, 'two \"quoted\"', ''], X-B: three}
  host: https://example.com/
  socketmode: 0644
log: {fields: {'no': 'true', 'a: b': \"line\\nbreak\", n: '1', '': ü}}
validation:
  manifests:
    urls: {allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: []}
    indexes: {platforms: list, platformlist: [{os: linux, architecture: arm64}]}
";
    let loaded = load(text).unwrap();
    assert_eq!(load(&loaded.to_yaml()).unwrap().config, loaded.config);
}
