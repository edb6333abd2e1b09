//! The settings as the rest of the house sees them: plain values, checked, with nothing left to decide.
//!
//! What each one means, its default and its bounds stand in the table of `table`; the field comments
//! here say only what the code that reads them must know. A field is named like its key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::pattern::Pattern;
use crate::auth::policy::{Groups, Policy};
use crate::health::Check;
use crate::registry::{ImmutableTags, RepositoryQuota, RetentionRule};

/// The whole configuration of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is logged, and how.
    pub log: Log,
    /// Where traces go; nowhere without.
    pub tracing: Option<Tracing>,
    /// Where things are kept, and how the store works.
    pub storage: Storage,
    /// Who is let in, and what they may do.
    pub auth: Auth,
    /// The listener, its connections and the shape of its answers.
    pub http: Http,
    /// What makes the registry unwell.
    pub health: Health,
    /// The listing of repositories.
    pub catalog: Catalog,
    /// The listing of tags.
    pub tags: Tags,
    /// What a manifest must satisfy to be accepted.
    pub validation: Validation,
    /// Who is told of what happens.
    pub notifications: Notifications,
    /// Which tags stay.
    pub retention: Retention,
}

/// `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe events that are written.
    pub level: Level,
    /// The form of an event.
    pub formatter: Formatter,
    /// Added to every event.
    pub fields: BTreeMap<String, String>,
    /// `log.accesslog`.
    pub accesslog: AccessLog,
}

/// `tracing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// Where traces are sent.
    pub endpoint: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// How long that may take.
    pub timeout: Duration,
    /// Which share of the requests is traced: a number from 0 to 1, as it was written.
    pub samplingratio: String,
    pub servicename: String,
    /// Said of the registry in all of them.
    pub attributes: BTreeMap<String, String>,
}

/// Severity, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that somebody must look at.
    Error,
    /// Something is wrong, and the server goes on.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer of holdfast wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a logged event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formatter {
    /// A line for people.
    Text,
    /// A JSON object on a line.
    Json,
}

/// `log.accesslog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// No line per request on standard output.
    pub disabled: bool,
    /// The form of the line.
    pub formatter: AccessFormatter,
}

/// The form of an access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormatter {
    /// Apache's combined form.
    Combined,
    /// A JSON object.
    Json,
}

/// `storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// `storage.filesystem.rootdirectory`: the folder that holds everything.
    pub root: PathBuf,
    /// `storage.delete`.
    pub delete: Delete,
    /// How long a start waits for another process to let go of the folder.
    pub lockwait: Duration,
    /// `storage.metadata`.
    pub metadata: Metadata,
    /// `storage.log`.
    pub log: WriteAheadLog,
    /// `storage.floor`.
    pub floor: Floor,
    /// `storage.uploads`.
    pub uploads: Uploads,
    /// `storage.gc`.
    pub gc: Gc,
    /// `storage.scrub`.
    pub scrub: Scrub,
    /// `storage.maintenance.uploadpurging`.
    pub uploadpurging: UploadPurging,
    /// `storage.pulls`.
    pub pulls: Pulls,
    /// `storage.quota`.
    pub quota: Quota,
    /// `storage.maintenance.readonly.enabled`: whether clients may change nothing.
    pub readonly: bool,
    /// `storage.writer`.
    pub writer: Writer,
}

/// `storage.delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Whether anything may be deleted through the API.
    pub enabled: bool,
    /// What happens when a manifest still needs what is to be deleted.
    pub referenced: Referenced,
}

/// The answer to a deletion of something that a manifest of the same repository needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referenced {
    /// It is refused, and the error names who needs it.
    Refuse,
    /// It is deleted, and the manifest is left incomplete.
    Allow,
}

/// `storage.metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Memory for pages of the metadata, in bytes.
    pub cachesize: u64,
}

/// `storage.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAheadLog {
    /// The least time between two checkpoints.
    pub checkpointinterval: Duration,
    /// The largest payload that rides in the log, in bytes.
    pub maxpayload: u64,
    /// How large a segment becomes, in bytes.
    pub segmentsize: u64,
    /// How often it is looked whether payloads should move out of the log.
    pub settleinterval: Duration,
    /// How much the archive keeps, at the least, before it makes a snapshot, in bytes.
    pub archivesize: u64,
    /// How large the log becomes before pushes wait, in bytes.
    pub size: u64,
}

/// `storage.floor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// What stays free, in bytes.
    pub space: u64,
    /// How many files could still be created.
    pub files: usize,
    /// Room that is set aside for a disk that others have filled, in bytes.
    pub ballast: u64,
}

/// `storage.uploads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// Bytes between two points from which an upload can go on after a crash.
    pub markinterval: u64,
    /// Request bodies that are received at once.
    pub maxconcurrent: usize,
    /// Memory for small blobs that are coming in, in bytes.
    pub memory: u64,
    /// The largest blob, in bytes; 0 is no bound.
    pub maxsize: u64,
}

/// `storage.gc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Whether what nothing refers to is collected now and then.
    pub enabled: bool,
    /// From the end of one collection to the beginning of the next.
    pub interval: Duration,
    /// How long something is kept that nothing refers to.
    pub grace: Duration,
    /// For how long a client may rely on what it was told to be there.
    pub lease: Duration,
    /// Whether manifests without a tag are collected.
    pub deleteuntagged: bool,
}

/// `storage.scrub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrub {
    /// Whether payloads are verified now and then.
    pub enabled: bool,
    /// From the end of one scrub to the beginning of the next.
    pub interval: Duration,
    /// How much is read at the most, in bytes a second; 0 is no bound.
    pub rate: u64,
}

/// `storage.maintenance.uploadpurging`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadPurging {
    /// Whether uploads are ended with which nobody goes on.
    pub enabled: bool,
    /// For how long nobody has.
    pub age: Duration,
    /// How often it is looked for them.
    pub interval: Duration,
    /// Whether they are only counted.
    pub dryrun: bool,
}

/// `storage.pulls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulls {
    /// Files that are kept open for those who pull them next.
    pub openfiles: usize,
    /// Whether files are sent without a copy.
    pub sendfile: bool,
    /// Whether what is pulled whole is verified on its way out.
    pub verify: bool,
}

/// `storage.writer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The most operations that share one commit.
    pub groupsize: usize,
    /// The most operations that wait for a commit.
    pub queue: usize,
}

/// `auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `auth.htpasswd`.
    pub htpasswd: Htpasswd,
    /// Who may do what where; empty: everybody who is let in may do everything.
    pub policies: Vec<Policy>,
    /// Groups that the policies speak of.
    pub groups: Groups,
    /// `auth.failedlogins`.
    pub failedlogins: FailedLogins,
    /// `auth.tokenserver`.
    pub tokenserver: TokenServer,
    /// `auth.robots.path`.
    pub robots: Option<PathBuf>,
    /// `auth.token`, where it is configured: the tokens of another server are what counts.
    pub token: Option<Token>,
    /// Whose identity tokens are trusted. Their names differ.
    pub issuers: Vec<TrustedIssuer>,
}

/// `auth.htpasswd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    /// What a challenge says that one logs in to.
    pub realm: String,
    /// The file of users.
    pub path: Option<PathBuf>,
}

/// `auth.tokenserver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenServer {
    /// How long a token is valid.
    pub lifetime: Duration,
    /// How long a key signs.
    pub rotation: Duration,
}

/// `auth.failedlogins`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedLogins {
    /// How often a user may be wrong at one address; 0 for any number.
    pub limit: usize,
    /// In which time.
    pub window: Duration,
}

/// `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `HOST:PORT`, or the path of a socket when [`Http::net`] is [`Net::Unix`]. Its form is checked.
    pub addr: String,
    /// The kind of socket.
    pub net: Net,
    /// Permission bits of a unix socket.
    pub socketmode: u32,
    /// The URL under which clients reach the server, without a `/` at its end.
    pub host: Option<String>,
    /// What stands before `v2/` in every path; begins and ends with `/`.
    pub prefix: String,
    /// Whether a `Location` is a path when [`Http::host`] is unset.
    pub relativeurls: bool,
    /// Added to every response. The names and values are valid; a name may occur more than once.
    pub headers: Vec<(String, String)>,
    /// How long requests in flight may go on after a signal to stop.
    pub draintimeout: Duration,
    /// `http.debug`.
    pub debug: Debug,
    /// `http.tls`; nothing where the server speaks plain HTTP.
    pub tls: Option<Tls>,
    /// `http.http2`.
    pub http2: Http2,
    /// `http.h2c`.
    pub h2c: H2c,
    /// How long a request may go without a byte in either direction.
    pub idletimeout: Duration,
    /// How long a client may take to send the headers of a request.
    pub headertimeout: Duration,
    /// How long a connection without a request is kept.
    pub keepalivetimeout: Duration,
    /// Connections served at once.
    pub maxconnections: usize,
    /// Proxies that are believed about where a request comes from.
    pub trustedproxies: Vec<IpNet>,
    /// The largest header section of a request, in bytes.
    pub maxheaderbytes: usize,
    /// How long a request waits over a limit before it is answered 503.
    pub waittimeout: Duration,
}

/// The kind of socket that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// TCP.
    Tcp,
    /// A unix socket in the file system.
    Unix,
}

/// `http.debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// `HOST:PORT` of a second listener for health and debugging.
    pub addr: Option<String>,
    /// `http.debug.prometheus`: the path of metrics there; nothing where they are switched off.
    pub metrics: Option<String>,
    /// `http.debug.prometheus.repositories`
    pub repositories: usize,
}

/// `http.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where the certificate comes from.
    pub certificate: Certificate,
    /// The files of those who sign clients' certificates; empty: clients need none.
    pub clientcas: Vec<PathBuf>,
    /// What is asked of clients where there are [`Tls::clientcas`].
    pub clientauth: ClientAuth,
    /// The oldest version that is spoken.
    pub minimumtls: MinimumTls,
    /// Names of the cipher suites that are spoken, all known; empty: all.
    pub ciphersuites: Vec<String>,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// From files.
    Files {
        /// The certificate and its chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// From an ACME server.
    LetsEncrypt(LetsEncrypt),
}

/// `http.tls.letsencrypt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetsEncrypt {
    /// The folder of the account and the certificates.
    pub cachefile: PathBuf,
    /// The hosts that certificates are ordered for: at least one, in lower case, none twice.
    pub hosts: Vec<String>,
    /// Where the ACME server may write to.
    pub email: Option<String>,
    /// The directory of the ACME server.
    pub directoryurl: String,
}

/// What is asked of clients' certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Every client has one that is valid.
    Require,
    /// A client may have none.
    IfGiven,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimumTls {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// `http.http2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// HTTP/2 is not offered on TLS connections.
    pub disabled: bool,
}

/// `http.h2c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct H2c {
    /// HTTP/2 with prior knowledge is served on plain connections.
    pub enabled: bool,
}

/// `health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `health.storagedriver`; nothing where it is switched off.
    pub storagedriver: Option<StorageDriver>,
    /// `health.file`, `health.http` and `health.tcp`, no two of the same name.
    pub checks: Vec<Check>,
}

/// `health.storagedriver`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageDriver {
    /// From one look to the next.
    pub interval: Duration,
    /// How often in a row it has to fail; at least once.
    pub threshold: usize,
}

/// `catalog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The largest page of the catalog.
    pub maxentries: usize,
}

/// `tags`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// `tags.maxtags`: the largest page of a tag list.
    pub maxentries: usize,
    /// Tags that do not move once they are set.
    pub immutable: Vec<ImmutableTags>,
}

/// `validation`. With `validation.disabled` the rules beneath that it switches off are already switched off here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// `validation.manifests`.
    pub manifests: Manifests,
}

/// `validation.manifests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifests {
    /// The largest manifest, in bytes.
    pub maxsize: u64,
    /// The most `tag` parameters in one PUT.
    pub maxtags: usize,
    /// Whether nothing that a manifest is made of has to be there.
    pub sparse: bool,
    /// `validation.manifests.urls`.
    pub urls: Urls,
    /// `validation.manifests.indexes`.
    pub indexes: Indexes,
}

/// Which `urls` the descriptors of a manifest may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// One of these must match; empty: nothing is allowed, or everything where `deny` is given.
    pub allow: Vec<Pattern>,
    /// None of these may match.
    pub deny: Vec<Pattern>,
}

impl Urls {
    /// Whether a manifest may carry this URL.
    pub fn permits(&self, url: &str) -> bool {
        let allowed = match self.allow.as_slice() {
            [] => !self.deny.is_empty(),
            patterns => patterns.iter().any(|pattern| pattern.matches(url)),
        };
        allowed && !self.deny.iter().any(|pattern| pattern.matches(url))
    }
}

/// `validation.manifests.indexes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexes {
    /// Which children of an index must be in the repository when the index is pushed.
    pub platforms: Platforms,
}

/// Which children of an index must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// Every child.
    All,
    /// No child.
    None,
    /// The children for these platforms.
    List(Vec<Platform>),
}

/// A platform, in the words of the OCI image index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `platform.architecture`, such as `amd64`.
    pub architecture: String,
    /// `platform.os`, such as `linux`.
    pub os: String,
}

/// `auth.token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where clients get their tokens.
    pub realm: Realm,
    /// The name of this registry: what tokens have as their audience.
    pub service: String,
    /// What tokens have as their issuer.
    pub issuer: String,
    /// Certificates in PEM. This or `jwks` is given, or both.
    pub rootcertbundle: Option<PathBuf>,
    /// The path or the URL of a set of JSON web keys.
    pub jwks: Option<String>,
    /// The names of the algorithms with which tokens may be signed, at least one.
    pub signingalgorithms: Vec<&'static str>,
}

/// Where clients get their tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realm {
    /// At this URL.
    Url(String),
    /// At this path, which begins with `/`, of the host that the request named.
    Path(String),
}

/// One of `auth.issuers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// What it is called here.
    pub name: String,
    /// Its URL, character by character as it stands in its tokens; https, or on loopback.
    pub url: String,
    /// For whom its tokens must be meant.
    pub audience: String,
}

/// `storage.quota`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How large all payloads together may be, in bytes; 0 is no bound.
    pub size: u64,
    /// What each repository may hold.
    pub repositories: Vec<RepositoryQuota>,
}

/// `retention`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From the end of one look to the beginning of the next; zero is never.
    pub interval: Duration,
    /// What keeps which tags.
    pub rules: Vec<RetentionRule>,
}

/// `notifications`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// `notifications.events.includereferences`: whether the event of a manifest has the descriptors in it.
    pub includereferences: bool,
    /// The most events that are kept for endpoints that cannot be reached.
    pub backlog: usize,
    /// Those that are not disabled.
    pub endpoints: Vec<NotifiedEndpoint>,
}

/// One of `notifications.endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifiedEndpoint {
    /// What it is called in the store and in the log; its URL where it was given no name.
    pub name: String,
    /// Whether it is told nothing.
    pub disabled: bool,
    /// Where events are sent.
    pub url: String,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// How long a request may take.
    pub timeout: Duration,
    /// After how many failures in a row there is a pause before each request.
    pub threshold: usize,
    /// That pause.
    pub backoff: Duration,
    /// Media types whose events are not sent.
    pub ignoredmediatypes: Vec<String>,
    /// Actions whose events are not sent.
    pub ignoredactions: Vec<String>,
}
