//! Files of distribution's.

use super::*;
use crate::config::{Certificate, ClientAuth, LetsEncrypt, Level, MinimumTls, Platforms};
use crate::health::{Check, Probe};
use std::path::Path;
use std::time::Duration;

/// The configuration inside of the image `registry:2`.
const REGISTRY_2: &str = "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

/// The configuration inside of the image `registry:3`.
const REGISTRY_3: &str = "\
version: 0.1
log:
  level: debug
  fields:
    service: registry
    environment: development
storage:
    delete:
      enabled: true
    cache:
        blobdescriptor: inmemory
    filesystem:
        rootdirectory: /var/lib/registry
    maintenance:
        uploadpurging:
            enabled: false
    tag:
      concurrencylimit: 8
http:
    addr: :5000
    debug:
        addr: :5001
        prometheus:
            enabled: true
            path: /metrics
    headers:
        X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

#[test]
fn the_file_of_the_registry_2_image_starts() {
    let loaded = load(REGISTRY_2).unwrap();
    assert_eq!(loaded.config.log.fields["service"], "registry");
    assert_eq!(loaded.config.storage.root, Path::new("/var/lib/registry"));
    assert_eq!(loaded.config.http.addr, ":5000");
    assert_eq!(loaded.config.http.headers, [("X-Content-Type-Options".to_owned(), "nosniff".to_owned())]);
    assert!(!loaded.config.storage.delete.enabled);
    assert!(loaded.delete_disabled_by_distribution_default());
    assert_eq!(
        notes(&loaded),
        ["config.yml:6:3: storage.cache: not needed: the metadata is in the store itself, one look-up away",]
    );
}

#[test]
fn the_file_of_the_registry_3_image_starts() {
    let loaded = load(REGISTRY_3).unwrap();
    assert_eq!(loaded.config.log.level, Level::Debug);
    assert_eq!(loaded.config.http.debug.addr.as_deref(), Some(":5001"));
    assert_eq!(loaded.config.http.debug.metrics.as_deref(), Some("/metrics"));
    assert!(loaded.config.storage.delete.enabled);
    assert!(!loaded.delete_disabled_by_distribution_default());
    let keys: Vec<(Level, &str)> = loaded.notes.iter().map(|note| (note.level, note.key.as_str())).collect();
    assert_eq!(keys, [(Level::Info, "storage.cache"), (Level::Info, "storage.tag")]);
}

/// Every section that the references of 2.x and 3.x have, apart from those that are refused by name, with every key.
const EVERY_SECTION: &str = "\
version: 0.1
log:
  accesslog: {disabled: true}
  level: debug
  formatter: text
  fields: {service: registry, environment: staging}
  hooks: [{type: mail, disabled: true, levels: [panic], options: {smtp: {addr: 'mail:25'}, from: a@b, to: [c@d]}}]
loglevel: debug
storage:
  filesystem: {rootdirectory: /var/lib/registry, maxthreads: 100}
  tag: {concurrencylimit: 8}
  delete: {enabled: false}
  redirect: {disable: false}
  cache: {blobdescriptor: redis, blobdescriptorsize: 10000}
  maintenance:
    uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false}
    readonly: {enabled: false}
auth:
  token: {autoredirect: true, realm: 'https://auth/token', service: token-service, issuer: registry-token-issuer,
    rootcertbundle: /root/certs/bundle, jwks: /path/to/jwks, signingalgorithms: [EdDSA, RS256]}
  htpasswd: {realm: basic-realm, path: /path/to/htpasswd}
tags: {maxtags: 1000}
http:
  addr: localhost:5000
  prefix: /my/nested/registry/
  host: https://myregistryaddress.org:5000
  secret: asecretforlocaldevelopment
  relativeurls: false
  draintimeout: 60s
  tls:
    certificate: /path/to/x509/public
    key: /path/to/x509/private
    clientcas: [/path/to/ca.pem, /path/to/another/ca.pem]
    clientauth: require-and-verify-client-cert
    minimumtls: tls1.2
  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
  http2: {disabled: false}
  h2c: {enabled: false}
notifications:
  events: {includereferences: true}
  endpoints:
    - name: alistener
      disabled: false
      url: https://my.listener.com/event
      headers: {Authorization: [Bearer of-something]}
      timeout: 1s
      threshold: 10
      backoff: 1s
      ignoredmediatypes: [application/octet-stream]
      ignore: {mediatypes: [application/octet-stream], actions: [pull]}
redis:
  tls: {certificate: /cert, key: /key, rootcas: [/ca], enabled: false}
  addrs: ['localhost:6379']
  password: asecret
  db: 0
  dialtimeout: 10ms
  readtimeout: 10ms
  writetimeout: 10ms
  maxidleconns: 16
  poolsize: 64
  connmaxidletime: 300s
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: /path/to/checked/file, interval: 10s}]
  http:
    - uri: http://server.to.check/must/return/200
      headers: {Authorization: [Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==]}
      statuscode: 200
      timeout: 3s
      interval: 10s
      threshold: 3
  tcp: [{addr: 'redis-server.domain.com:6379', timeout: 3s, interval: 10s, threshold: 3}]
compatibility: {schema1: {signingkeyfile: /etc/registry/key.json, enabled: true}}
policy: {repository: {classes: []}}
validation:
  manifests:
    urls: {allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: ['^https?://www\\.example\\.com/']}
    indexes: {platforms: List, platformlist: [{architecture: amd64, os: linux}]}
";

#[test]
fn every_section_of_distributions_reference_is_read() {
    let loaded = load(EVERY_SECTION).unwrap_or_else(|errors| panic!("{errors}"));
    let keys: Vec<_> = loaded.notes.iter().map(|note| note.key.as_str()).collect();
    let needless =
        ["loglevel", "storage.filesystem.maxthreads", "storage.tag", "storage.redirect", "storage.cache"];
    assert_eq!(keys[..5], needless);
    assert_eq!(keys[5..], ["http.secret", "redis", "compatibility", "auth.htpasswd.realm"]);
}

/// `config-example.yml`, of 2.x and of 3.x.
#[test]
fn the_sample_of_a_registry_with_logins_is_read() {
    let loaded =
        load(&format!("{REGISTRY_2}auth: {{htpasswd: {{realm: basic-realm, path: /etc/registry}}}}\n"));
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.auth.htpasswd.realm, "basic-realm");
}

/// What `config-dev.yml` and `config-cache.yml` of 2.x have in common, and `config-cache.yml` of 3.x.
const SAMPLE: &str = "\
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  cache: {blobdescriptor: redis}
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {uploadpurging: {enabled: false}}
http:
  addr: :5000
  debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
redis: {addr: 'r:6379', pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}, dialtimeout: 10ms, readtimeout: 10ms}
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: local-5003, url: 'http://localhost:5003/callback', headers: {Authorization: [Bearer <an example token>]},
       timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
    - {name: local-8083, url: 'http://localhost:8083/callback', timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
";

#[test]
fn the_sample_for_development_is_read() {
    let loaded = load(SAMPLE).unwrap_or_else(|errors| panic!("{errors}"));
    let keys: Vec<_> = loaded.notes.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(keys, ["storage.cache", "redis"]);
}

#[test]
fn the_sample_of_a_pull_through_cache_is_refused_by_name() {
    let proxy = "proxy: {remoteurl: 'https://registry.example.com', username: username, password: password}";
    let errors = load(&format!("{SAMPLE}{proxy}\n")).unwrap_err();
    let [problem] = errors.problems() else { panic!("{errors}") };
    assert_eq!(problem.key, "proxy");
    assert!(problem.to_string().contains("remove the section"), "{problem}");
}

#[test]
fn a_file_of_distributions_keeps_its_defaults() {
    let config = load("version: 0.1\n").unwrap().config;
    assert_eq!(config.storage.root, Path::new("/var/lib/registry"));
    assert!(!config.storage.delete.enabled);
    assert!(!config.validation.manifests.urls.permits("https://example.com/layer"));
    assert_eq!(config.http.debug.metrics, None);
    // The exceptions:
    assert_eq!(config.http.addr, "127.0.0.1:5000");
    assert_eq!(config.http.draintimeout, Duration::from_secs(8));
    assert!(config.http.relativeurls);
}

#[test]
fn a_file_without_a_version_is_holdfasts_own() {
    let loaded = load("log: {level: info}\n").unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.config.storage.delete.enabled);
    assert!(!loaded.delete_disabled_by_distribution_default());
    assert_eq!(loaded.config.storage.root, Path::new("holdfast-data"));
    assert!(loaded.config.validation.manifests.urls.permits("https://example.com/layer"));
}

#[test]
fn deletion_that_is_switched_off_by_name_is_not_called_a_default() {
    let loaded = load("version: 0.1\nstorage: {delete: {enabled: false}}\n").unwrap();
    assert!(!loaded.config.storage.delete.enabled);
    assert!(!loaded.delete_disabled_by_distribution_default());
}

#[test]
fn another_version_is_refused() {
    assert_eq!(
        messages(load("version: 0.2\n")),
        [
            "config.yml:1:10: version: version \"0.2\" is not known: a file of distribution's says 0.1, one of \
             holdfast's own leaves version out"
        ]
    );
    assert_eq!(messages(load("version: 1\n")).len(), 1);
    assert_eq!(messages(load("version: [0.1]\n")).len(), 1);
}

#[test]
fn loglevel_counts_where_log_level_is_left_out() {
    let loaded = load("version: 0.1\nloglevel: warn\n").unwrap();
    assert_eq!(loaded.config.log.level, Level::Warn);
    assert_eq!(notes(&loaded), ["config.yml:2:1: loglevel: not needed: the older name of log.level"]);
    let both = load("version: 0.1\nloglevel: warn\nlog: {level: debug}\n").unwrap();
    assert_eq!(both.config.log.level, Level::Debug);
}

#[test]
fn logins_by_password_are_asked_for_as_distribution_has_it() {
    let loaded = load("version: 0.1\nauth: {htpasswd: {realm: r, path: /p}}\n").unwrap();
    assert_eq!(loaded.config.auth.htpasswd.path.as_deref(), Some(Path::new("/p")));
    assert_eq!(loaded.config.auth.htpasswd.realm, "r");
}

#[test]
fn a_section_for_logins_that_names_no_file_does_not_let_everybody_in() {
    for text in ["{htpasswd: {realm: r}}", "htpasswd", "{htpasswd: }", "{htpasswd: {path: }}"] {
        let errors = load(&format!("version: 0.1\nauth: {text}\n")).unwrap_err();
        let [problem] = errors.problems() else { panic!("{text}: {errors}") };
        assert!(problem.key.starts_with("auth.htpasswd"), "{text}: {problem}");
    }
}

#[test]
fn a_section_that_is_not_supported_is_refused_by_name() {
    for (key, text) in [
        ("auth.silly", "auth: silly"),
        ("proxy", "proxy: {remoteurl: 'https://registry-1.docker.io'}"),
        ("storage.s3", "storage: {s3: {bucket: b, region: r}}"),
        ("storage.inmemory", "storage: inmemory"),
        ("storage.inmemory", "storage: {inmemory: }"),
        ("storage.gcs", "storage: {gcs: }"),
        ("middleware", "middleware: {storage: [{name: cloudfront, options: {baseurl: x}}]}"),
        ("reporting", "reporting: {bugsnag: {apikey: k}}"),
        ("log.hooks", "log: {hooks: [{type: mail, levels: [panic]}]}"),
        ("policy.repository.classes", "policy: {repository: {classes: [image]}}"),
    ] {
        let errors = load(&format!("version: 0.1\n{text}\n")).unwrap_err();
        let [problem] = errors.problems() else { panic!("{key}: {errors}") };
        assert_eq!(problem.key, key);
        assert!(problem.to_string().contains("holdfast does not support this yet; "), "{problem}");
    }
}

#[test]
fn health_is_configured_as_in_distribution() {
    let health = |text: &str| load(&format!("version: 0.1\nhealth: {text}\n")).unwrap().config.health;
    assert_eq!(health("{}"), crate::config::Health { storagedriver: None, checks: Vec::new() });
    let storage = health("{storagedriver: {enabled: true}}").storagedriver.unwrap();
    assert_eq!((storage.interval, storage.threshold), (Duration::from_secs(10), 1));
    let checks = health(
        "{file: [{file: /f}], http: [{uri: 'http://x/y', headers: {A: [b]}, statuscode: 204, timeout: 3s, interval: 1s, \
         threshold: 3}], tcp: [{addr: 'x:1', threshold: 0}]}",
    )
    .checks;
    let check = |name: &str, probe, interval, timeout, threshold| Check {
        name: name.to_owned(),
        probe,
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(timeout),
        threshold,
    };
    let http = Probe::Http {
        url: "http://x/y".to_owned(),
        headers: vec![("A".to_owned(), "b".to_owned())],
        status: 204,
    };
    assert_eq!(
        checks,
        [
            check("/f", Probe::File("/f".into()), 10, 5, 1),
            check("http://x/y", http, 1, 3, 3),
            check("x:1", Probe::Tcp("x:1".to_owned()), 10, 5, 1),
        ]
    );
}

#[test]
fn a_health_check_that_cannot_be_made_is_an_error() {
    for (text, message) in [
        ("{file: [{interval: 10s}]}", "health.file: file is missing"),
        ("{http: [{uri: x}]}", "health.http.uri: \"x\" is no URL"),
        ("{http: [{uri: 'http://a:b@x'}]}", "health.http.uri: what logs in there stands in headers"),
        (
            "{tcp: [{addr: 'x:1', intervall: 1s}]}",
            "health.tcp.intervall: there is no such key; here stand addr",
        ),
        ("{tcp: [{addr: 'x:1'}, {addr: 'x:1'}]}", "health.tcp: \"x:1\" is checked already"),
        ("{tcp: {addr: 'x:1'}}", "health.tcp: "),
    ] {
        let found = messages(load(&format!("version: 0.1\nhealth: {text}\n")));
        assert!(found.iter().any(|found| found.contains(message)), "{found:?}");
    }
}

#[test]
fn tls_is_configured_as_in_distribution() {
    assert_eq!(load("version: 0.1\nhttp: {tls: {}}\n").unwrap().config.http.tls, None);
    let tls = |more: &str| {
        let text = format!("version: 0.1\nhttp: {{tls: {{certificate: /c, key: /k{more}}}}}\n");
        load(&text).unwrap().config.http.tls.unwrap()
    };
    let plain = tls("");
    assert_eq!(plain.certificate, Certificate::Files { certificate: "/c".into(), key: "/k".into() });
    assert_eq!((plain.minimumtls, plain.clientauth), (MinimumTls::Tls12, ClientAuth::Require));
    assert_eq!((plain.clientcas.len(), plain.ciphersuites.len()), (0, 0));
    let full = tls(", clientcas: [/a, /b], clientauth: verify-client-cert-if-given, minimumtls: tls1.3, \
         ciphersuites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]");
    assert_eq!((full.minimumtls, full.clientauth), (MinimumTls::Tls13, ClientAuth::IfGiven));
    assert_eq!(full.clientcas, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(full.ciphersuites, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]);
}

#[test]
fn certificates_are_ordered_as_in_distribution() {
    let tls = load(
        "version: 0.1\nhttp: {tls: {letsencrypt: {cachefile: /c, email: a@example.com, hosts: [R.example.com, b.example.com, \
         r.example.com], directoryurl: 'https://ca.example/dir'}}}\n",
    );
    let ordered = LetsEncrypt {
        cachefile: "/c".into(),
        hosts: ["r.example.com", "b.example.com"].map(str::to_owned).into(),
        email: Some("a@example.com".to_owned()),
        directoryurl: "https://ca.example/dir".to_owned(),
    };
    assert_eq!(tls.unwrap().config.http.tls.unwrap().certificate, Certificate::LetsEncrypt(ordered));
    let least = load("version: 0.1\nhttp: {tls: {letsencrypt: {cachefile: /c, hosts: [a.example.com]}}}\n");
    let Certificate::LetsEncrypt(least) = least.unwrap().config.http.tls.unwrap().certificate else {
        panic!("files are named");
    };
    assert_eq!(
        (least.email, least.directoryurl.as_str()),
        (None, "https://acme-v02.api.letsencrypt.org/directory")
    );
}

#[test]
fn orders_that_would_come_to_nothing_or_to_too_much_are_errors() {
    for (text, message) in [
        ("letsencrypt: {cachefile: /c}", "http.tls.letsencrypt.hosts: name the hosts"),
        (
            "letsencrypt: {hosts: [a.example.com]}",
            "http.tls.letsencrypt.hosts: nothing is ordered without http.tls.letsencrypt.cachefile",
        ),
        ("letsencrypt: {email: a@b.example}", "http.tls.letsencrypt.email: nothing is ordered without"),
        ("letsencrypt: {directoryurl: 'https://ca'}", "letsencrypt.directoryurl: nothing is ordered without"),
        (
            "certificate: /c, key: /k, letsencrypt: {cachefile: /c, hosts: [a.example.com]}",
            "http.tls.certificate: http.tls.letsencrypt.cachefile has certificates ordered: remove one",
        ),
    ] {
        let found = messages(load(&format!("version: 0.1\nhttp: {{tls: {{{text}}}}}\n")));
        assert!(found.iter().any(|found| found.contains(message)), "{found:?}");
    }
    let verified =
        "version: 0.1\nhttp: {tls: {clientcas: [/a], letsencrypt: {cachefile: /c, hosts: [a.example]}}}\n";
    assert!(load(verified).is_ok());
}

#[test]
fn tls_that_would_protect_nobody_is_an_error() {
    for (text, message) in [
        ("certificate: /c", "http.tls.certificate: nothing is encrypted without http.tls.key"),
        ("key: /k", "http.tls.key: nothing is encrypted without http.tls.certificate"),
        ("clientcas: [/a]", "http.tls.clientcas: nothing is encrypted without http.tls.certificate"),
    ] {
        let found = messages(load(&format!("version: 0.1\nhttp: {{tls: {{{text}}}}}\n")));
        assert!(found.iter().any(|found| found.contains(message)), "{found:?}");
    }
    let loaded = load("version: 0.1\nhttp: {tls: {clientauth: verify-client-cert-if-given}}\n").unwrap();
    assert_eq!(
        notes(&loaded),
        ["config.yml:2:26: http.tls.clientauth: has no effect without http.tls.clientcas"]
    );
}

#[test]
fn a_section_that_asks_for_nothing_is_no_error() {
    for text in [
        "auth:",
        "auth: {}",
        "auth: none",
        "http: {tls: {certificate: '', key: '', clientcas: []}}",
        "http: {tls: {letsencrypt: {cachefile: '', email: '', hosts: [], directoryurl: ''}}}",
        "proxy: {remoteurl: ''}",
        "proxy: {ttl: 168h}",
        "storage: filesystem",
        "storage:\n  filesystem:",
        "storage: {maintenance: {readonly: {enabled: true}}}",
        "middleware:",
        "middleware: {registry: []}",
        "middleware: {storage: [{name: cloudfront, disabled: true, options: {baseurl: x}}]}",
        "notifications: {events: {includereferences: true}, endpoints: [{name: a, url: b, disabled: true}]}",
        "notifications: {endpoints: [{name: a, url: 'http://a', headers: , timeout: 500ms, threshold: 5, backoff: 1s}]}",
        "reporting: {bugsnag: {apikey: ''}}",
        "health: {file: [], http: [], tcp: []}",
        "log: {hooks: [{type: mail, disabled: true, levels: [panic], options: {smtp: {addr: a}}}]}",
        "policy: {repository: {classes: []}}",
    ] {
        let loaded = load(&format!("version: 0.1\n{text}\n"));
        assert!(loaded.is_ok(), "{text}: {}", loaded.unwrap_err());
    }
}

#[test]
fn what_is_not_needed_is_noted_and_never_passed_over() {
    for (key, text) in [
        ("http.secret", "http: {secret: hush}"),
        ("redis", "redis: {addr: 'r:6379', password: hush, pool: {maxidle: 1}}"),
        ("redis", "redis: {addrs: ['r:6379'], tls: {rootcas: [/ca]}, poolsize: 3}"),
        ("storage.cache", "storage: {cache: {layerinfo: redis}}"),
        ("storage.redirect", "storage: {redirect: {disable: true}}"),
        ("storage.filesystem.maxthreads", "storage: {filesystem: {maxthreads: 100}}"),
        ("compatibility", "compatibility: {schema1: {enabled: true, signingkeyfile: /k}}"),
        ("validation.enabled", "validation: {enabled: true}"),
        ("log.reportcaller", "log: {reportcaller: true}"),
        ("proxy", "proxy: {ttl: 168h}"),
    ] {
        let loaded = load(&format!("version: 0.1\n{text}\n")).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.notes.iter().map(|note| note.key.as_str()).collect::<Vec<_>>(), [key]);
        assert!(!loaded.notes[0].to_string().contains("hush"));
    }
}

#[test]
fn a_misspelt_key_is_found_even_where_nothing_has_an_effect() {
    assert_eq!(
        messages(load("version: 0.1\nredis: {pool: {maxidel: 1}}\nhttp: {tls: {certficate: /c}}\n")),
        [
            "config.yml:2:16: redis.pool.maxidel: there is no such key; did you mean `redis.pool.maxidle`?",
            "config.yml:3:14: http.tls.certficate: there is no such key; did you mean `http.tls.certificate`?",
        ]
    );
}

#[test]
fn indexes_are_validated_as_in_distribution() {
    let all = load("version: 0.1\n").unwrap().config;
    assert_eq!(all.validation.manifests.indexes.platforms, Platforms::All);
    let text = "validation: {manifests: {indexes: {platforms: List, platformlist: [{architecture: amd64, os: linux}]}}}";
    let list = load(text).unwrap().config.validation.manifests.indexes.platforms;
    let Platforms::List(platforms) = list else { panic!("{list:?}") };
    assert_eq!((platforms[0].architecture.as_str(), platforms[0].os.as_str()), ("amd64", "linux"));
}

#[test]
fn urls_are_permitted_as_in_distribution() {
    let permits = |text: &str, url: &str| {
        let text = format!("version: 0.1\nvalidation: {{manifests: {{urls: {text}}}}}\n");
        load(&text).unwrap().config.validation.manifests.urls.permits(url)
    };
    let allow_and_deny =
        "{allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: ['^https?://www\\.example\\.com/']}";
    assert!(permits(allow_and_deny, "https://a.example.com/x"));
    assert!(!permits(allow_and_deny, "https://www.example.com/x"));
    assert!(!permits(allow_and_deny, "https://example.org/x"));
    assert!(permits("{deny: ['^http:']}", "https://example.org/x"));
    assert!(!permits("{deny: ['^http:']}", "http://example.org/x"));
    assert!(!permits("{}", "https://example.org/x"));
}

#[test]
fn validation_that_is_disabled_permits_every_url_and_sparse_indexes() {
    let text = "version: 0.1\nvalidation: {disabled: true, manifests: {urls: {deny: ['.*']}}}\n";
    let loaded = load(text).unwrap();
    assert!(loaded.config.validation.manifests.urls.permits("https://example.com/x"));
    assert_eq!(loaded.config.validation.manifests.indexes.platforms, Platforms::None);
    assert_eq!(
        notes(&loaded),
        ["config.yml:2:24: validation.disabled: manifests may carry any URL, and indexes may lack children"]
    );
}
