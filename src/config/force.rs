//! What is in force: a value for every setting, and where it comes from.

mod auth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::pattern::Pattern;
use super::problem::{Dialect, Fault, Findings, Origin};
use super::settings::{
    AccessFormatter, AccessLog, Catalog, Certificate, ClientAuth, Config, Debug, Delete, Floor, Formatter,
    Gc, H2c, Health, Http, Http2, Indexes, LetsEncrypt, Level, Log, Manifests, Metadata, MinimumTls, Net,
    Notifications, Platforms, Pulls, Quota, Referenced, Retention, Scrub, Storage, StorageDriver, Tags, Tls,
    Tracing, UploadPurging, Uploads, Urls, Validation, WriteAheadLog, Writer,
};
use super::table::{SETTINGS, Setting};
use super::value::Value;
use super::yaml::{self, Source};

const CACHE_FILE: &str = "http.tls.letsencrypt.cachefile";
const HOSTS: &str = "http.tls.letsencrypt.hosts";
const EMAIL: &str = "http.tls.letsencrypt.email";
const DIRECTORY_URL: &str = "http.tls.letsencrypt.directoryurl";

/// A value for every setting of the table.
#[derive(Clone, Debug)]
pub(super) struct InForce(BTreeMap<&'static str, (Value, Origin)>);

impl InForce {
    /// Adds the defaults of what is not given.
    pub(super) fn complete(mut given: BTreeMap<&'static str, (Value, Origin)>, dialect: Dialect) -> Self {
        for setting in SETTINGS {
            given.entry(setting.key).or_insert_with(|| {
                let (text, whose) = setting.default_in(dialect);
                (read(setting, text, whose), Origin::Default(whose))
            });
        }
        Self(given)
    }

    /// Every setting with its value, in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value, &Origin)> {
        SETTINGS.iter().filter_map(|setting| {
            let (value, origin) = self.0.get(setting.key)?;
            Some((setting, value, origin))
        })
    }

    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.0.get(key).map(|(_, origin)| origin)
    }

    /// Looks at what concerns several settings at once.
    pub(super) fn check(&mut self, findings: &mut Findings) {
        self.check_address(findings);
        self.check_tls(findings);
        self.check_platforms(findings);
        self.check_auth(findings);
        self.switch_validation_off(findings);
    }

    /// The form of an address depends on the kind of socket. What is missing is reported where it became necessary.
    fn check_address(&self, findings: &mut Findings) {
        let (key, origin) = ("http.addr", self.origin_of("http.addr"));
        if self.choice("http.net") == "tcp" {
            if let Err(message) = check::address(self.text(key)) {
                findings.problem(origin, key, Fault::Value(message));
            }
        } else if !origin.is_set() {
            let message = "with http.net: unix this must be the path of the socket".to_owned();
            findings.problem(self.origin_of("http.net"), key, Fault::Value(message));
        }
    }

    /// A certificate comes from files, of which one needs the other, or from an ACME server. Without one no client would be asked for a
    /// certificate: that is an error, lest somebody gets in whom they wanted to shut out.
    fn check_tls(&self, findings: &mut Findings) {
        const CERTIFICATE: &str = "http.tls.certificate";
        const KEY: &str = "http.tls.key";
        const CLIENT_CAS: &str = "http.tls.clientcas";
        const CLIENT_AUTH: &str = "http.tls.clientauth";
        let ordered = self.is_given(CACHE_FILE);
        for (key, other) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE), (CLIENT_CAS, CERTIFICATE)] {
            if self.is_given(key) && !self.is_given(other) && !ordered {
                let message = format!("nothing is encrypted without {other}: set it as well, or remove this");
                findings.problem(self.origin_of(key), key, Fault::Value(message));
            }
        }
        for key in [CERTIFICATE, KEY] {
            if self.is_given(key) && ordered {
                let message = format!("{CACHE_FILE} has certificates ordered: remove one of the two");
                findings.problem(self.origin_of(key), key, Fault::Value(message));
            }
        }
        self.check_lets_encrypt(findings);
        if self.text(CLIENT_AUTH) == check::VERIFY_CLIENT_CERT && !self.is_given(CLIENT_CAS) {
            let message = format!("has no effect without {CLIENT_CAS}");
            findings.note(Level::Warn, self.origin_of(CLIENT_AUTH), CLIENT_AUTH, message);
        }
    }

    fn check_lets_encrypt(&self, findings: &mut Findings) {
        if self.is_given(CACHE_FILE) && !self.is_given(HOSTS) {
            let message = "name the hosts that certificates are ordered for: without a list whoever asks for some host has one \
                           ordered, until the ACME server issues no more";
            findings.problem(self.origin_of(CACHE_FILE), HOSTS, Fault::Value(message.to_owned()));
        }
        let is_elsewhere = self.text(DIRECTORY_URL) != check::LETS_ENCRYPT;
        for (key, is_given) in
            [(HOSTS, self.is_given(HOSTS)), (EMAIL, self.is_given(EMAIL)), (DIRECTORY_URL, is_elsewhere)]
        {
            if is_given && !self.is_given(CACHE_FILE) {
                let message =
                    format!("nothing is ordered without {CACHE_FILE}: set it as well, or remove this");
                findings.problem(self.origin_of(key), key, Fault::Value(message));
            }
        }
    }

    /// Whether a text or a list has something in it.
    fn is_given(&self, key: &str) -> bool {
        match self.value(key) {
            Value::Texts(texts) => !texts.is_empty(),
            _ => !self.text(key).is_empty(),
        }
    }

    fn check_platforms(&self, findings: &mut Findings) {
        let (platforms, list) =
            ("validation.manifests.indexes.platforms", "validation.manifests.indexes.platformlist");
        let is_empty = matches!(self.value(list), Value::Platforms(platforms) if platforms.is_empty());
        if !is_empty && self.choice(platforms) != "list" {
            let origin = self.origin_of(list);
            findings.note(Level::Warn, origin, list, format!("has no effect unless {platforms} is list"));
        }
    }

    /// `validation.disabled` is carried out here, so that nobody else has to know it.
    fn switch_validation_off(&mut self, findings: &mut Findings) {
        const OFF: &[(&str, &str)] = &[
            ("validation.manifests.urls.allow", "[\".*\"]"),
            ("validation.manifests.urls.deny", "[]"),
            ("validation.manifests.indexes.platforms", "none"),
            ("validation.manifests.indexes.platformlist", "[]"),
        ];
        let key = "validation.disabled";
        if !self.switch(key) {
            return;
        }
        let origin = self.origin_of(key).clone();
        findings.note(
            Level::Warn,
            &origin,
            key,
            "manifests may carry any URL, and indexes may lack children".to_owned(),
        );
        for setting in SETTINGS {
            if let Some((_, off)) = OFF.iter().find(|(key, _)| *key == setting.key) {
                self.0.insert(setting.key, (read(setting, off, Dialect::Holdfast), origin.clone()));
            }
        }
    }

    /// The plain structs.
    pub(super) fn to_config(&self) -> Config {
        Config {
            log: self.log(),
            tracing: self.tracing(),
            storage: self.storage(),
            http: self.http(),
            health: self.health(),
            catalog: Catalog { maxentries: self.count("catalog.maxentries") },
            tags: Tags {
                maxentries: self.count("tags.maxtags"),
                immutable: match self.value("tags.immutable") {
                    Value::ImmutableTags(rules) => rules.clone(),
                    other => mistyped("tags.immutable", other),
                },
            },
            validation: self.validation(),
            notifications: self.notifications(),
            retention: self.retention(),
            auth: self.auth(),
        }
    }

    fn log(&self) -> Log {
        Log {
            level: match self.choice("log.level") {
                "error" => Level::Error,
                "warn" => Level::Warn,
                "debug" => Level::Debug,
                "trace" => Level::Trace,
                _ => Level::Info,
            },
            formatter: if self.choice("log.formatter") == "json" { Formatter::Json } else { Formatter::Text },
            fields: match self.value("log.fields") {
                Value::Fields(fields) => fields.clone(),
                other => mistyped("log.fields", other),
            },
            accesslog: AccessLog {
                disabled: self.switch("log.accesslog.disabled"),
                formatter: match self.choice("log.accesslog.formatter") {
                    "json" => AccessFormatter::Json,
                    _ => AccessFormatter::Combined,
                },
            },
        }
    }

    fn tracing(&self) -> Option<Tracing> {
        Some(Tracing {
            endpoint: self.text_if_set("tracing.endpoint")?,
            headers: match self.value("tracing.headers") {
                Value::Headers(headers) => headers.clone(),
                other => mistyped("tracing.headers", other),
            },
            timeout: self.duration("tracing.timeout"),
            samplingratio: self.text("tracing.samplingratio").to_owned(),
            servicename: self.text("tracing.servicename").to_owned(),
            attributes: match self.value("tracing.attributes") {
                Value::Fields(fields) => fields.clone(),
                other => mistyped("tracing.attributes", other),
            },
        })
    }

    fn storage(&self) -> Storage {
        let allow = self.choice("storage.delete.referenced") == "allow";
        Storage {
            root: PathBuf::from(self.text("storage.filesystem.rootdirectory")),
            delete: Delete {
                enabled: self.switch("storage.delete.enabled"),
                referenced: if allow { Referenced::Allow } else { Referenced::Refuse },
            },
            lockwait: self.duration("storage.lockwait"),
            metadata: Metadata { cachesize: self.size("storage.metadata.cachesize") },
            log: WriteAheadLog {
                checkpointinterval: self.duration("storage.log.checkpointinterval"),
                maxpayload: self.size("storage.log.maxpayload"),
                segmentsize: self.size("storage.log.segmentsize"),
                settleinterval: self.duration("storage.log.settleinterval"),
                archivesize: self.size("storage.log.archivesize"),
                size: self.size("storage.log.size"),
            },
            floor: Floor {
                space: self.size("storage.floor.space"),
                files: self.count("storage.floor.files"),
                ballast: self.size("storage.floor.ballast"),
            },
            uploads: Uploads {
                markinterval: self.size("storage.uploads.markinterval"),
                maxconcurrent: self.count("storage.uploads.maxconcurrent"),
                memory: self.size("storage.uploads.memory"),
                maxsize: self.size("storage.uploads.maxsize"),
            },
            quota: self.quota(),
            readonly: self.switch("storage.maintenance.readonly.enabled"),
            gc: Gc {
                enabled: self.switch("storage.gc.enabled"),
                interval: self.duration("storage.gc.interval"),
                grace: self.duration("storage.gc.grace"),
                lease: self.duration("storage.gc.lease"),
                deleteuntagged: self.switch("storage.gc.deleteuntagged"),
            },
            scrub: Scrub {
                enabled: self.switch("storage.scrub.enabled"),
                interval: self.duration("storage.scrub.interval"),
                rate: self.size("storage.scrub.rate"),
            },
            uploadpurging: UploadPurging {
                enabled: self.switch("storage.maintenance.uploadpurging.enabled"),
                age: self.duration("storage.maintenance.uploadpurging.age"),
                interval: self.duration("storage.maintenance.uploadpurging.interval"),
                dryrun: self.switch("storage.maintenance.uploadpurging.dryrun"),
            },
            pulls: Pulls {
                openfiles: self.count("storage.pulls.openfiles"),
                sendfile: self.switch("storage.pulls.sendfile"),
                verify: self.switch("storage.pulls.verify"),
            },
            writer: Writer {
                groupsize: self.count("storage.writer.groupsize"),
                queue: self.count("storage.writer.queue"),
            },
        }
    }

    fn http(&self) -> Http {
        Http {
            addr: self.text("http.addr").to_owned(),
            net: if self.choice("http.net") == "unix" { Net::Unix } else { Net::Tcp },
            socketmode: match self.value("http.socketmode") {
                Value::Mode(mode) => *mode,
                other => mistyped("http.socketmode", other),
            },
            host: self.text_if_set("http.host"),
            prefix: self.text("http.prefix").to_owned(),
            relativeurls: self.switch("http.relativeurls"),
            headers: match self.value("http.headers") {
                Value::Headers(headers) => headers.clone(),
                other => mistyped("http.headers", other),
            },
            draintimeout: self.duration("http.draintimeout"),
            debug: Debug {
                addr: self.text_if_set("http.debug.addr"),
                metrics: self
                    .switch("http.debug.prometheus.enabled")
                    .then(|| self.text("http.debug.prometheus.path").to_owned()),
                repositories: self.count("http.debug.prometheus.repositories"),
            },
            tls: self.tls(),
            http2: Http2 { disabled: self.switch("http.http2.disabled") },
            h2c: H2c { enabled: self.switch("http.h2c.enabled") },
            idletimeout: self.duration("http.idletimeout"),
            headertimeout: self.duration("http.headertimeout"),
            keepalivetimeout: self.duration("http.keepalivetimeout"),
            maxconnections: self.count("http.maxconnections"),
            trustedproxies: match self.value("http.trustedproxies") {
                Value::Networks(networks) => networks.clone(),
                other => mistyped("http.trustedproxies", other),
            },
            maxheaderbytes: usize::try_from(self.size("http.maxheaderbytes")).unwrap_or(usize::MAX),
            waittimeout: self.duration("http.waittimeout"),
        }
    }

    fn tls(&self) -> Option<Tls> {
        Some(Tls {
            certificate: self.certificate()?,
            clientcas: self.texts("http.tls.clientcas").iter().map(PathBuf::from).collect(),
            clientauth: match self.text("http.tls.clientauth") {
                check::VERIFY_CLIENT_CERT => ClientAuth::IfGiven,
                _ => ClientAuth::Require,
            },
            minimumtls: match self.text("http.tls.minimumtls") {
                check::TLS_1_3 => MinimumTls::Tls13,
                _ => MinimumTls::Tls12,
            },
            ciphersuites: self.texts("http.tls.ciphersuites").to_vec(),
        })
    }

    fn certificate(&self) -> Option<Certificate> {
        if let Some(folder) = self.text_if_set(CACHE_FILE) {
            let mut hosts: Vec<String> = Vec::new();
            for host in self.texts(HOSTS) {
                if !hosts.contains(host) {
                    hosts.push(host.clone());
                }
            }
            return Some(Certificate::LetsEncrypt(LetsEncrypt {
                cachefile: folder.into(),
                hosts,
                email: self.text_if_set(EMAIL),
                directoryurl: self.text(DIRECTORY_URL).to_owned(),
            }));
        }
        let certificate = self.text_if_set("http.tls.certificate")?.into();
        Some(Certificate::Files { certificate, key: self.text("http.tls.key").into() })
    }

    fn health(&self) -> Health {
        let checks = |key: &str| match self.value(key) {
            Value::Checks(checks) => checks.clone(),
            other => mistyped(key, other),
        };
        Health {
            storagedriver: self.switch("health.storagedriver.enabled").then(|| StorageDriver {
                interval: self.duration("health.storagedriver.interval"),
                threshold: self.count("health.storagedriver.threshold").max(1),
            }),
            checks: ["health.file", "health.http", "health.tcp"].into_iter().flat_map(checks).collect(),
        }
    }

    fn validation(&self) -> Validation {
        Validation {
            manifests: Manifests {
                maxsize: self.size("validation.manifests.maxsize"),
                maxtags: self.count("validation.manifests.maxtags"),
                sparse: self.switch("validation.manifests.sparse"),
                urls: Urls {
                    allow: self.patterns("validation.manifests.urls.allow"),
                    deny: self.patterns("validation.manifests.urls.deny"),
                },
                indexes: Indexes { platforms: self.platforms() },
            },
        }
    }

    fn quota(&self) -> Quota {
        let key = "storage.quota.repositories";
        let repositories = match self.value(key) {
            Value::Quotas(quotas) => quotas.clone(),
            other => mistyped(key, other),
        };
        Quota { size: self.size("storage.quota.size"), repositories }
    }

    fn retention(&self) -> Retention {
        let key = "retention.rules";
        let rules = match self.value(key) {
            Value::RetentionRules(rules) => rules.clone(),
            other => mistyped(key, other),
        };
        Retention { interval: self.duration("retention.interval"), rules }
    }

    fn notifications(&self) -> Notifications {
        let key = "notifications.endpoints";
        let endpoints = match self.value(key) {
            Value::Endpoints(endpoints) => {
                endpoints.iter().filter(|endpoint| !endpoint.disabled).cloned().collect()
            }
            other => mistyped(key, other),
        };
        Notifications {
            includereferences: self.switch("notifications.events.includereferences"),
            backlog: self.count("notifications.backlog"),
            endpoints,
        }
    }

    fn platforms(&self) -> Platforms {
        let list = "validation.manifests.indexes.platformlist";
        match (self.choice("validation.manifests.indexes.platforms"), self.value(list)) {
            ("none", _) => Platforms::None,
            ("list", Value::Platforms(platforms)) => Platforms::List(platforms.clone()),
            ("list", other) => mistyped(list, other),
            _ => Platforms::All,
        }
    }

    fn value(&self, key: &str) -> &Value {
        &self.0.get(key).expect("every setting has a value, and the keys asked for here are settings").0
    }

    fn origin_of(&self, key: &str) -> &Origin {
        &self.0.get(key).expect("every setting has an origin, and the keys asked for here are settings").1
    }

    fn switch(&self, key: &str) -> bool {
        match self.value(key) {
            Value::Switch(on) => *on,
            other => mistyped(key, other),
        }
    }

    fn count(&self, key: &str) -> usize {
        match self.value(key) {
            Value::Count(count) => *count,
            other => mistyped(key, other),
        }
    }

    fn size(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Size(bytes) => *bytes,
            other => mistyped(key, other),
        }
    }

    fn duration(&self, key: &str) -> Duration {
        match self.value(key) {
            Value::Duration(duration) => *duration,
            other => mistyped(key, other),
        }
    }

    fn choice(&self, key: &str) -> &'static str {
        match self.value(key) {
            Value::Choice(choice) => choice,
            other => mistyped(key, other),
        }
    }

    fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Value::Text(text) => text,
            other => mistyped(key, other),
        }
    }

    fn text_if_set(&self, key: &str) -> Option<String> {
        Some(self.text(key).to_owned()).filter(|text| !text.is_empty())
    }

    fn texts(&self, key: &str) -> &[String] {
        match self.value(key) {
            Value::Texts(texts) => texts,
            other => mistyped(key, other),
        }
    }

    fn patterns(&self, key: &str) -> Vec<Pattern> {
        match self.value(key) {
            Value::Patterns(patterns) => patterns.clone(),
            other => mistyped(key, other),
        }
    }
}

/// The table gives a key another kind than this file: a mistake in the code, which `Config::default` brings to light.
fn mistyped(key: &str, value: &Value) -> ! {
    unreachable!("{key} is {value:?}, another kind than the table's")
}

/// Reads a value that stands in the code.
fn read(setting: &Setting, text: &str, dialect: Dialect) -> Value {
    let mut findings = Findings::default();
    let node = yaml::parse(text, &Source::Default(dialect), &mut findings);
    let value = node.and_then(|node| setting.kind.read(setting.key, &node, &mut findings));
    value.expect("the values in the table are valid, which the tests read all")
}
