//! `REGISTRY_…` variables.

use super::*;
use crate::config::{Certificate, Level, Platforms};
use std::path::Path;
use std::time::Duration;

#[test]
fn a_variable_sets_the_key_that_its_name_spells() {
    let loaded = load_variables(&[
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/somewhere"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "false"),
        ("REGISTRY_LOG_LEVEL", "DEBUG"),
        ("REGISTRY_LOG_ACCESSLOG_DISABLED", "true"),
        ("REGISTRY_HTTP_DRAINTIMEOUT", "60s"),
        ("REGISTRY_HTTP_ADDR", "[::1]:5000"),
        ("REGISTRY_HTTP_MAXHEADERBYTES", "128KiB"),
    ])
    .unwrap();
    assert_eq!(loaded.notes, []);
    assert_eq!(loaded.config.storage.root, Path::new("/somewhere"));
    assert!(!loaded.config.storage.delete.enabled);
    assert_eq!(loaded.config.log.level, Level::Debug);
    assert!(loaded.config.log.accesslog.disabled);
    assert_eq!(loaded.config.http.draintimeout, Duration::from_secs(60));
    assert_eq!(loaded.config.http.addr, "[::1]:5000");
    assert_eq!(loaded.config.http.maxheaderbytes, 131_072);
}

#[test]
fn keys_of_mappings_keep_their_capitals_and_hyphens() {
    let loaded = load_with(
        "http: {headers: {X-Content-Type-Options: [nosniff], access-control-max-age: [1]}}\n",
        &[
            ("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "[\"*\"]"),
            ("REGISTRY_HTTP_HEADERS_Access-Control-Max-Age", "60"),
            ("REGISTRY_LOG_FIELDS_my_Field", "1"),
        ],
    )
    .unwrap();
    let headers: Vec<(&str, &str)> =
        loaded.config.http.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("X-Content-Type-Options", "nosniff"),
            ("access-control-max-age", "60"),
            ("Access-Control-Allow-Origin", "*")
        ]
    );
    assert_eq!(loaded.config.log.fields["my_Field"], "1");
}

#[test]
fn items_of_lists_are_set_by_their_index() {
    let list = "REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW";
    let indexes = "REGISTRY_VALIDATION_MANIFESTS_INDEXES";
    let names: Vec<String> = (0..12).map(|index| format!("{list}_{index}")).collect();
    let mut variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "[a-z]+")).collect();
    let platform = [format!("{indexes}_PLATFORMLIST_0_OS"), format!("{indexes}_PLATFORMLIST_0_ARCHITECTURE")];
    let platforms = format!("{indexes}_PLATFORMS");
    variables.extend([
        (platform[0].as_str(), "linux"),
        (platform[1].as_str(), "amd64"),
        (platforms.as_str(), "list"),
    ]);
    variables.push(("REGISTRY_HTTP_HEADERS_X-A_0", "one"));
    let manifests = load_variables(&variables).unwrap().config.validation.manifests;
    assert_eq!(manifests.urls.allow.len(), 12);
    assert_eq!(manifests.urls.allow[11].as_str(), "[a-z]+");
    assert!(matches!(manifests.indexes.platforms, Platforms::List(platforms) if platforms.len() == 1));
}

#[test]
fn an_index_behind_the_end_of_a_list_is_an_error() {
    assert_eq!(
        messages(load_variables(&[("REGISTRY_VALIDATION_MANIFESTS_URLS_DENY_2", "x")])),
        ["REGISTRY_VALIDATION_MANIFESTS_URLS_DENY_2: the list has 0 items, so the next is 0, not 2"]
    );
}

#[test]
fn a_section_is_replaced_before_what_is_in_it_is_set() {
    let loaded = load_with(
        "storage: {delete: {enabled: false}, lockwait: 1s}\n",
        &[("REGISTRY_STORAGE_LOCKWAIT", "2s"), ("REGISTRY_STORAGE", "{filesystem: {rootdirectory: /data}}")],
    )
    .unwrap();
    assert!(loaded.config.storage.delete.enabled);
    assert_eq!(loaded.config.storage.root, Path::new("/data"));
    assert_eq!(loaded.config.storage.lockwait, Duration::from_secs(2));
    let named = load_variables(&[
        ("REGISTRY_STORAGE", "filesystem"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/d"),
    ]);
    assert_eq!(named.unwrap().config.storage.root, Path::new("/d"));
}

#[test]
fn a_variable_that_names_no_setting_is_a_warning_with_the_nearest_one() {
    let loaded = load_variables(&[
        ("REGISTRY_HTTP_ADR", ":5000"),
        ("REGISTRY_HTTP_ADDR_X", "1"),
        ("REGISTRY_http_addr", ":5000"),
        ("REGISTRY_VERSION", "2.8.3"),
        ("REGISTRY_REDIS_HOST", "x"),
        ("REGISTRY_", "x"),
        ("REGISTRYHTTP", "x"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.notes.iter().all(|note| note.level == Level::Warn));
    let mut notes = notes(&loaded);
    notes.sort();
    assert_eq!(
        notes,
        [
            "REGISTRY_: no setting has this variable; it is ignored",
            "REGISTRY_HTTP_ADDR_X: no setting has this variable; it is ignored",
            "REGISTRY_HTTP_ADR: no setting has this variable; it is ignored; did you mean `REGISTRY_HTTP_ADDR`?",
            "REGISTRY_REDIS_HOST: no setting has this variable; it is ignored",
            "REGISTRY_VERSION: no setting has this variable; it is ignored",
            "REGISTRY_http_addr: no setting has this variable; it is ignored; did you mean `REGISTRY_HTTP_ADDR`?",
        ]
    );
}

#[test]
fn the_variables_of_kubernetes_services_are_ignored_in_silence() {
    let loaded = load_variables(&[
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_SERVICE_PORT", "5000"),
        ("REGISTRY_SERVICE_PORT_HTTP", "5000"),
        ("REGISTRY_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
        ("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1"),
        ("REGISTRY_PORT_5000_TCP_PORT", "5000"),
        ("REGISTRY_PORT_5000_TCP_PROTO", "tcp"),
        ("REGISTRY_REDIS_PORT", "tcp://10.0.0.2:6379"),
        ("REGISTRY_REDIS_SERVICE_HOST", "10.0.0.2"),
        ("REGISTRY_AUTH_PORT_5001_TCP", "tcp://10.0.0.3:5001"),
    ])
    .unwrap();
    assert_eq!(loaded.notes, []);
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn a_variable_with_a_bad_value_is_an_error_that_names_it() {
    assert_eq!(
        messages(load_variables(&[
            ("REGISTRY_HTTP_DRAINTIMEOUT", "60"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "maybe"),
            ("REGISTRY_HTTP", "{adr: x}"),
            ("REGISTRY_LOG_FIELDS", "[broken"),
        ])),
        [
            "REGISTRY_LOG_FIELDS: not valid YAML: while parsing a flow sequence, expected ',' or ']'",
            "REGISTRY_HTTP: http.adr: there is no such key; did you mean `http.addr`?",
            "REGISTRY_HTTP_DRAINTIMEOUT: http.draintimeout: 60 has no unit: write 60s for seconds, 60m for minutes",
            "REGISTRY_STORAGE_DELETE_ENABLED: storage.delete.enabled: expected true or false, found `maybe`",
        ]
    );
}

#[test]
fn logins_can_be_asked_for_by_variables_alone() {
    let variables = [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
    ];
    let loaded = load_variables(&variables).unwrap();
    assert_eq!(loaded.config.auth.htpasswd.path.as_deref(), Some(Path::new("/auth/htpasswd")));
    assert_eq!(load_variables(&variables[..2]).unwrap_err().problems().len(), 1);
    let policies = "[{who: user:alice, may: [pull, push], where: team/**}]";
    let loaded = load_variables(&[("REGISTRY_AUTH_POLICIES", policies)]).unwrap();
    assert_eq!(loaded.config.auth.policies.len(), 1);
}

#[test]
fn a_variable_for_what_is_not_supported_is_an_error_that_names_it() {
    for (name, value) in [
        ("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io"),
        ("REGISTRY_STORAGE_S3_BUCKET", "b"),
        ("REGISTRY_STORAGE", "s3"),
    ] {
        let messages = messages(load_variables(&[(name, value)]));
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        assert!(messages[0].starts_with(&format!("{name}: ")), "{messages:?}");
        assert!(messages[0].contains("holdfast does not support this yet"), "{messages:?}");
    }
}

#[test]
fn the_orders_of_certificates_can_be_configured_by_variables_alone() {
    let loaded = load_variables(&[
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE", "/c"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS_0", "registry.example.com"),
    ]);
    let tls = loaded.unwrap().config.http.tls.unwrap();
    let Certificate::LetsEncrypt(ordered) = tls.certificate else { panic!("files are named") };
    assert_eq!(ordered.hosts, ["registry.example.com"]);
}

#[test]
fn tls_can_be_configured_by_variables_alone() {
    let loaded = load_variables(&[
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/c"),
        ("REGISTRY_HTTP_TLS_KEY", "/k"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/a"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_1", "/b"),
        ("REGISTRY_HTTP_TLS_CIPHERSUITES", "[TLS_AES_128_GCM_SHA256]"),
    ]);
    let tls = loaded.unwrap().config.http.tls.unwrap();
    assert_eq!(tls.clientcas, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(tls.ciphersuites, ["TLS_AES_128_GCM_SHA256"]);
}

#[test]
fn a_variable_can_switch_off_what_the_file_asks_for() {
    let loaded =
        load_with("version: 0.1\nhttp: {tls: {certificate: /c, key: /k}}\n", &[("REGISTRY_HTTP_TLS", "{}")]);
    assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
}

#[test]
fn loglevel_can_be_a_variable() {
    assert_eq!(load_variables(&[("REGISTRY_LOGLEVEL", "warn")]).unwrap().config.log.level, Level::Warn);
}

#[test]
fn a_mistake_of_the_file_is_not_hidden_by_a_variable() {
    assert_eq!(
        messages(load_with("http: [a]\n", &[("REGISTRY_HTTP_ADDR", ":5000")])).first().map(String::as_str),
        Some("config.yml:1:7: http: expected a mapping of keys, found a list")
    );
}
