//! The settings of holdfast: the one home of every key, its kind, its default and what it means.
//!
//! The loader, the environment, the suggestions for misspelt keys, `config/holdfast.yml`, the tables of
//! `docs/CONFIGURATION.md` and `holdfast config` all read this table, so none of them can say anything else.
//! The order is the order of the example file: what belongs to one section stands together.

use std::time::Duration;

use super::check::{self, Check};
use super::health_checks::Subject;
use super::kind::Kind;
use super::problem::Dialect;

/// A key with everything that is to be known about it.
pub(super) struct Setting {
    /// The key in full, its parts joined by dots.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// What holds when nobody sets it, in YAML.
    pub(super) default: &'static str,
    /// What distribution does when the key is left out.
    pub(super) distribution: Theirs,
    /// What the setting does, and what happens at its edges. Sentences.
    pub(super) meaning: &'static str,
}

/// How a default of distribution's stands to holdfast's.
pub(super) enum Theirs {
    /// It is the same.
    Same,
    /// Distribution has no such key.
    NoSuchKey,
    /// It is this YAML, and holds for a file with `version: 0.1`.
    Holds(&'static str),
    /// It is something else, and holdfast's holds all the same.
    Differs {
        theirs: &'static str,
        #[cfg_attr(not(test), expect(dead_code, reason = "for the test that writes the documentation"))]
        why: &'static str,
    },
}

impl Setting {
    /// What holds where nobody sets it, in YAML, and whose default that is.
    pub(super) fn default_in(&self, dialect: Dialect) -> (&'static str, Dialect) {
        match (dialect, &self.distribution) {
            (Dialect::Distribution, Theirs::Holds(theirs)) => (theirs, dialect),
            (Dialect::Distribution, Theirs::Same) => (self.default, dialect),
            _ => (self.default, Dialect::Holdfast),
        }
    }
}

const fn count(least: usize, most: usize) -> Kind {
    Kind::Count { least, most }
}

const fn size(least: u64, most: u64) -> Kind {
    Kind::Size { least, most }
}

/// Bounds in seconds.
const fn duration(least: u64, most: u64) -> Kind {
    Kind::Duration { least: Duration::from_secs(least), most: Duration::from_secs(most) }
}

const fn text(what: &'static str, check: Check) -> Kind {
    Kind::Text { what, check }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: u64 = 3600;
const WEEK: u64 = 168 * HOUR;

/// The algorithms with which tokens may be signed.
pub(super) const SIGNING_ALGORITHMS: &[&str] =
    &["EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "PS512"];

/// Every setting.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "log.level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        distribution: Theirs::Same,
        meaning: "The least severe events that are logged, to standard error.",
    },
    Setting {
        key: "log.formatter",
        kind: Kind::Choice(&["text", "json"]),
        default: "text",
        distribution: Theirs::Same,
        meaning: "The form of a logged event: a line for people, or a JSON object. Distribution's logstash is not \
                  supported.",
    },
    Setting {
        key: "log.fields",
        kind: Kind::Fields,
        default: "{}",
        distribution: Theirs::Same,
        meaning: "Names and texts that are added to every logged event.",
    },
    Setting {
        key: "log.accesslog.disabled",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether the line that each request leaves on standard output is left out.",
    },
    Setting {
        key: "log.accesslog.formatter",
        kind: Kind::Choice(&["combined", "json"]),
        default: "combined",
        distribution: Theirs::NoSuchKey,
        meaning: "The form of that line: Apache's, or a JSON object, which says more.",
    },
    Setting {
        key: "tracing.endpoint",
        kind: text("a URL, or nothing", check::http_url_if_any),
        default: "\"\"",
        distribution: Theirs::NoSuchKey,
        meaning: "Where traces of requests are sent, by OTLP over HTTP (protobuf), such as http://collector:4318/v1/traces. Without it \
                  nothing is traced. The OTEL_… variables of distribution 3 set this section as well.",
    },
    Setting {
        key: "tracing.headers",
        kind: Kind::Headers,
        default: "{}",
        distribution: Theirs::NoSuchKey,
        meaning: "Headers of the requests that send them.",
    },
    Setting {
        key: "tracing.timeout",
        kind: Kind::Duration { least: Duration::from_millis(1), most: Duration::from_secs(60) },
        default: "10s",
        distribution: Theirs::NoSuchKey,
        meaning: "How long such a request may take. What it carries is then given up.",
    },
    Setting {
        key: "tracing.samplingratio",
        kind: text("a number from 0 to 1", check::share),
        default: "1",
        distribution: Theirs::NoSuchKey,
        meaning: "Which share of the requests is traced. One that is a part of a trace is traced if its traceparent says so.",
    },
    Setting {
        key: "tracing.servicename",
        kind: text("a text", check::not_empty),
        default: "holdfast",
        distribution: Theirs::NoSuchKey,
        meaning: "What traces call this registry (service.name).",
    },
    Setting {
        key: "tracing.attributes",
        kind: Kind::Fields,
        default: "{}",
        distribution: Theirs::NoSuchKey,
        meaning: "More attributes of the resource that traces are of, such as {deployment.environment: production}.",
    },
    Setting {
        key: "storage.filesystem.rootdirectory",
        kind: text("the path of a folder", check::folder),
        default: "holdfast-data",
        distribution: Theirs::Holds("/var/lib/registry"),
        meaning: "The folder that holds everything. A relative path starts at the folder in which the server was \
                  started. A folder that does not exist is made.",
    },
    Setting {
        key: "storage.delete.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::Holds("false"),
        meaning: "Whether blobs, manifests and tags can be deleted through the API. If not, a deletion is answered \
                  405 UNSUPPORTED.",
    },
    Setting {
        key: "storage.delete.referenced",
        kind: Kind::Choice(&["refuse", "allow"]),
        default: "refuse",
        distribution: Theirs::Differs {
            theirs: "allow",
            why: "a deletion that breaks an image which can still be pulled is refused with 405, and the error names \
                  the image; scripts that rely on it set `allow`",
        },
        meaning: "What happens when a blob or manifest is deleted that a manifest of the same repository needs: it is \
                  refused, or it goes and leaves that manifest incomplete.",
    },
    Setting {
        key: "storage.lockwait",
        kind: duration(0, 24 * HOUR),
        default: "30s",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a start waits for another process to let go of the folder before it gives up. With 0s it \
                  does not wait.",
    },
    Setting {
        key: "storage.metadata.cachesize",
        kind: size(MIB, 1024 * GIB),
        default: "64MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "Memory for pages of the metadata. Worth raising when the metadata is much larger and look-ups reach \
                  the disk.",
    },
    Setting {
        key: "storage.log.checkpointinterval",
        kind: Kind::Duration { least: Duration::from_millis(1), most: Duration::from_secs(60) },
        default: "100ms",
        distribution: Theirs::NoSuchKey,
        meaning: "The least time between two checkpoints of the metadata while there is something to write. Longer means \
                  less work, more to replay after a crash, and a metadata file that grows faster. They are rarer while \
                  the disk does not keep up.",
    },
    Setting {
        key: "storage.log.maxpayload",
        kind: size(0, 16 * MIB),
        default: "256KiB",
        distribution: Theirs::NoSuchKey,
        meaning: "The largest blob that is made durable in the write-ahead log and moved into a file of its own later. Larger \
                  ones are written to their files at once.",
    },
    Setting {
        key: "storage.log.segmentsize",
        kind: size(64 * KIB, 4 * GIB),
        default: "64MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How large a file of the write-ahead log becomes before the next is begun.",
    },
    Setting {
        key: "storage.log.settleinterval",
        kind: Kind::Duration { least: Duration::from_millis(1), most: Duration::from_secs(60) },
        default: "100ms",
        distribution: Theirs::NoSuchKey,
        meaning: "How long the write-ahead log rests before blobs are moved out of it while no push comes in. While pushes \
                  come in, that waits until the log is a quarter full, takes half of the time until it is half full, \
                  and all of it from then on.",
    },
    Setting {
        key: "storage.log.archivesize",
        kind: size(0, GIB),
        default: "16MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How much of what has changed, blobs left out, is kept in the archive at the least before it is merged into \
                  a new snapshot of the metadata. With a snapshot that is larger, as much as that.",
    },
    Setting {
        key: "storage.log.size",
        kind: size(MIB, 1024 * GIB),
        default: "1GiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How large the write-ahead log becomes before pushes have to wait for blobs to be moved out of it, for \
                  `http.waittimeout` at the most, then get 503. Where the disk has room, a quarter as much again is kept \
                  in files that are written over next.",
    },
    Setting {
        key: "storage.floor.space",
        kind: size(0, 1024 * GIB),
        default: "256MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How much of the disk stays free for deletions, checkpoints and the moving of blobs out of the log: a push \
                  that would leave less is answered 507. A twentieth of the disk, if that is less.",
    },
    Setting {
        key: "storage.floor.files",
        kind: count(0, 1_000_000_000),
        default: "1000",
        distribution: Theirs::NoSuchKey,
        meaning: "How many files could still be created on the disk before pushes are answered 507. A twentieth of those that \
                  the disk can have, if that is less.",
    },
    Setting {
        key: "storage.floor.ballast",
        kind: size(0, 1024 * GIB),
        default: "64MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "The size of a file that is given up when others have filled the disk below the floor, so that deletions can \
                  still make room. A twentieth of the disk, if that is less; 0 for none.",
    },
    Setting {
        key: "storage.uploads.memory",
        kind: size(0, 64 * GIB),
        default: "64MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How much memory the small blobs that are coming in may take, all together. Beyond it they are written to \
                  files as they come.",
    },
    Setting {
        key: "storage.uploads.markinterval",
        kind: size(64 * KIB, GIB * 1024),
        default: "64MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How many bytes of an upload come in between two points from which it can go on after a crash. \
                  Smaller means more syncs of the disk.",
    },
    Setting {
        key: "storage.uploads.maxconcurrent",
        kind: count(1, 1_000_000),
        default: "256",
        distribution: Theirs::NoSuchKey,
        meaning: "How many request bodies are received at once. More of them wait for `http.waittimeout`, then get \
                  503.",
    },
    Setting {
        key: "storage.uploads.maxsize",
        kind: size(0, 1 << 50),
        default: "0",
        distribution: Theirs::NoSuchKey,
        meaning: "The largest blob that is taken in; a larger one is answered 413, as soon as it is known. 0 is no bound.",
    },
    Setting {
        key: "storage.quota.size",
        kind: size(0, 1 << 60),
        default: "0",
        distribution: Theirs::NoSuchKey,
        meaning: "How large all blobs together may be; what would come to more is answered 403 (`DENIED`). What repositories share \
                  counts once. 0 is no bound. SIGHUP changes it.",
    },
    Setting {
        key: "storage.quota.repositories",
        kind: Kind::Quotas,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "How much each repository may hold. Each entry has `where`, patterns of repositories, and `size` or `tags` or both; \
                  of several that match, each counts. `size` is that of a repository's blobs and manifests, those included that \
                  others hold as well. What would come to more is answered 403 (`DENIED`). SIGHUP changes it.",
    },
    Setting {
        key: "storage.gc.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether what nothing refers to is collected now and then, while the server runs: blobs that no manifest of \
                  their repository is made of, images that their index has left behind. `holdfast gc` collects in any \
                  case.",
    },
    Setting {
        key: "storage.gc.interval",
        kind: duration(1, 52 * WEEK),
        default: "1h",
        distribution: Theirs::NoSuchKey,
        meaning: "How long after one collection the next one begins.",
    },
    Setting {
        key: "storage.gc.grace",
        kind: duration(0, 520 * WEEK),
        default: "24h",
        distribution: Theirs::NoSuchKey,
        meaning: "How long something is kept that nothing refers to, from when it was last pushed, mounted, or referred to. Only \
                  the time counts in which the server runs. Never shorter than the lease.",
    },
    Setting {
        key: "storage.gc.lease",
        kind: duration(0, WEEK),
        default: "1h",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a client that was told that a blob or a manifest is there may rely on it. Nothing is collected before \
                  so much time has passed since a start.",
    },
    Setting {
        key: "storage.gc.deleteuntagged",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether manifests without a tag are collected as well, unless an index, a subject that is there or a referrer \
                  with a tag needs them.",
    },
    Setting {
        key: "storage.scrub.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether all blobs are read now and then and compared with their digests, while the server runs. One that is \
                  damaged is not served until somebody pushes it again. `holdfast scrub` does so in any case.",
    },
    Setting {
        key: "storage.scrub.interval",
        kind: duration(1, 520 * WEEK),
        default: "168h",
        distribution: Theirs::NoSuchKey,
        meaning: "How long after one scrub the next one begins. The first one begins this long after a start, or ten minutes if \
                  that is sooner, and with the first blob: how far the one before had come is not kept.",
    },
    Setting {
        key: "storage.scrub.rate",
        kind: size(0, GIB << 10),
        default: "20MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "How much is read at the most, in bytes a second. A small blob counts as 64 KiB. 0 is no bound.",
    },
    Setting {
        key: "storage.maintenance.readonly.enabled",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether clients may change nothing: pushes and deletes are answered 405, pulls go on. The registry goes on to \
                  settle, scrub and collect. SIGHUP changes it.",
    },
    Setting {
        key: "storage.maintenance.uploadpurging.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::Same,
        meaning: "Whether uploads are ended with which nobody goes on.",
    },
    Setting {
        key: "storage.maintenance.uploadpurging.age",
        kind: duration(1, 520 * WEEK),
        default: "168h",
        distribution: Theirs::Same,
        meaning: "For how long nobody has gone on with them. Only the time counts in which the server runs.",
    },
    Setting {
        key: "storage.maintenance.uploadpurging.interval",
        kind: duration(1, 52 * WEEK),
        default: "24h",
        distribution: Theirs::Same,
        meaning: "How often it is looked for them.",
    },
    Setting {
        key: "storage.maintenance.uploadpurging.dryrun",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether the log only says how many there are.",
    },
    Setting {
        key: "storage.pulls.openfiles",
        kind: count(0, 1_000_000),
        default: "512",
        distribution: Theirs::NoSuchKey,
        meaning: "How many blobs' files are kept open for those who pull them next. Each takes a descriptor.",
    },
    Setting {
        key: "storage.pulls.sendfile",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether the system sends blobs from their files without copying them, to clients that speak HTTP/1.1 \
                  over TCP. Without it their pages are copied into the socket.",
    },
    Setting {
        key: "storage.pulls.verify",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether blobs that are pulled whole are compared with their digests on their way out: a damaged one is cut off \
                  before its last byte, and not served from then on until somebody pushes it again. HEAD and ranges of a part \
                  are answered without. Such pulls are not sent by `storage.pulls.sendfile`, and cost up to nine times the \
                  processor.",
    },
    Setting {
        key: "storage.writer.groupsize",
        kind: count(1, 100_000),
        default: "256",
        distribution: Theirs::NoSuchKey,
        meaning: "The most operations that are made durable together. With 1 each has a commit of its own.",
    },
    Setting {
        key: "storage.writer.queue",
        kind: count(1, 10_000_000),
        default: "4096",
        distribution: Theirs::NoSuchKey,
        meaning: "The most operations that wait to be made durable. More of them wait for `http.waittimeout`, then \
                  get 503.",
    },
    Setting {
        key: "auth.htpasswd.realm",
        kind: text("a text without quotes", check::htpasswd_realm),
        default: "holdfast",
        distribution: Theirs::Differs {
            theirs: "nothing, and it has to be set",
            why: "a name will do for most",
        },
        meaning: "What people are told that they log in to.",
    },
    Setting {
        key: "auth.htpasswd.path",
        kind: text("the path of a file, or nothing", check::path_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "The file of those who may log in, a NAME:HASH on each line, with hashes of bcrypt or Argon2: `holdfast user \
                  add` writes it. It is read again when it changes. With a file everybody has to log in, and without \
                  `auth.policies` may do everything then.",
    },
    Setting {
        key: "auth.token.realm",
        kind: text("a URL", check::realm),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "Where clients get their tokens from another server, such as https://auth.example.com/token. With this section \
                  a request needs a token of that server's, whose access claim says what it may do.",
    },
    Setting {
        key: "auth.token.service",
        kind: text("a text", check::quotable),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "The name of this registry: clients send it to the token server, and tokens must have it as their audience.",
    },
    Setting {
        key: "auth.token.issuer",
        kind: text("a text", check::quotable),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "The name of the token server: tokens must have it as their issuer.",
    },
    Setting {
        key: "auth.token.rootcertbundle",
        kind: text("the path of a file", check::path_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "A file with certificates in PEM. Tokens are signed with the key of one of them, or carry a chain of certificates \
                  that leads to one. It is read again when it changes.",
    },
    Setting {
        key: "auth.token.jwks",
        kind: text("the path of a file, or a URL", check::jwks),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "A set of JSON web keys with which tokens may be signed: a file, which is read again when it changes, or a URL, \
                  which is https (or on loopback) and asked every 15 minutes, and when a token names a key that is not known.",
    },
    Setting {
        key: "auth.token.signingalgorithms",
        kind: Kind::Words(SIGNING_ALGORITHMS),
        default: "[]",
        distribution: Theirs::Same,
        meaning: "The algorithms with which tokens may be signed; an empty list is all of them. Distribution's HS256, HS384 and \
                  HS512 verify no token there either, for its keys are public ones; its ES512 is not supported.",
    },
    Setting {
        key: "auth.token.autoredirect",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether clients get their tokens from the host under which they reach the registry, at autoredirectpath, in \
                  the place of realm.",
    },
    Setting {
        key: "auth.token.autoredirectpath",
        kind: text("a path", check::url_path),
        default: "/auth/token",
        distribution: Theirs::Same,
        meaning: "Where on that host.",
    },
    Setting {
        key: "auth.issuers",
        kind: Kind::Issuers,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "Whose identity tokens (OpenID Connect) are trusted, so that CI needs no stored secret: each with the name by which \
                  it goes here, its URL exactly as it stands in its tokens, which is https (or on loopback), and the audience \
                  for which they must be meant, such as {name: github, url: \"https://token.actions.githubusercontent.com\", \
                  audience: registry.example.com}.",
    },
    Setting {
        key: "auth.tokenserver.lifetime",
        kind: duration(60, 24 * HOUR),
        default: "15m",
        distribution: Theirs::NoSuchKey,
        meaning: "How long the tokens are valid that the server issues itself, at /v2/token, unless `auth.token` names another \
                  server. An upload goes on with the token that it began with.",
    },
    Setting {
        key: "auth.tokenserver.rotation",
        kind: duration(HOUR, 520 * WEEK),
        default: "720h",
        distribution: Theirs::NoSuchKey,
        meaning: "After which time a new key signs them. The keys lie in the folder of the data.",
    },
    Setting {
        key: "auth.robots.path",
        kind: text("the path of a file, or nothing", check::path_if_any),
        default: "\"\"",
        distribution: Theirs::NoSuchKey,
        meaning: "The file of robot accounts, which `holdfast robot` changes and which is read again when it changes: robots.json \
                  in the folder of the data, if nothing else is named.",
    },
    Setting {
        key: "auth.policies",
        kind: Kind::Policies,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "Who may do what where. From the first entry on, whatever no entry grants is denied. `who`: user:NAME, \
                  group:NAME, robot:NAME, authenticated (every user and robot), anonymous (which is everybody), or {issuer: NAME, claims: {NAME: \
                  PATTERN}}. `may`: pull, push, delete, overwrite (immutable tags), list (in the catalog), or admin for all of them. \
                  `where`: patterns of repositories, in which * stands for a part of a component and ** for any number of \
                  components. `holdfast policy test` explains decisions.",
    },
    Setting {
        key: "auth.groups",
        kind: Kind::Groups,
        default: "{}",
        distribution: Theirs::NoSuchKey,
        meaning: "Groups of users, for policies, such as {developers: [alice, bob]}.",
    },
    Setting {
        key: "auth.failedlogins.limit",
        kind: count(0, 1_000_000),
        default: "10",
        distribution: Theirs::NoSuchKey,
        meaning: "How many wrong passwords a user may come with from one address, before passwords that were not verified before \
                  are not looked at any more; 0 is no limit. One that is repeated counts once. Others, and who was let in \
                  already, do not notice.",
    },
    Setting {
        key: "auth.failedlogins.window",
        kind: duration(1, 24 * HOUR),
        default: "5m",
        distribution: Theirs::NoSuchKey,
        meaning: "In which time, and how long until they may try again.",
    },
    Setting {
        key: "http.addr",
        kind: text("an address", check::not_empty),
        default: "127.0.0.1:5000",
        distribution: Theirs::Differs {
            theirs: "a random port of every interface",
            why: "nobody can want an address that changes with every start",
        },
        meaning: "Where the server listens: HOST:PORT, [IPv6]:PORT, or :PORT for every interface, IPv6 and IPv4. Port \
                  0 takes a free one, which the log names. With `http.net: unix` the path of the socket.",
    },
    Setting {
        key: "http.net",
        kind: Kind::Choice(&["tcp", "unix"]),
        default: "tcp",
        distribution: Theirs::Same,
        meaning: "The kind of socket that is listened on.",
    },
    Setting {
        key: "http.socketmode",
        kind: Kind::Mode,
        default: "\"0660\"",
        distribution: Theirs::NoSuchKey,
        meaning: "Who may connect to a unix socket.",
    },
    Setting {
        key: "http.host",
        kind: text("a URL, or nothing", check::url_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "The URL under which clients reach the server, such as https://registry.example.com. When it is set, \
                  each Location is absolute and begins with it.",
    },
    Setting {
        key: "http.prefix",
        kind: text("a path", check::prefix),
        default: "/",
        distribution: Theirs::Same,
        meaning: "The path under which the API lies: with /images/ its root is /images/v2/. The slashes at both ends \
                  may be left out.",
    },
    Setting {
        key: "http.relativeurls",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::Differs {
            theirs: "false",
            why: "a Location that is a path works behind every proxy; one made from the request's Host breaks behind \
                  a proxy that changes it",
        },
        meaning: "Whether a Location is a path, when `http.host` is not set. If not, it is an absolute URL made from \
                  what the request says about its host.",
    },
    Setting {
        key: "http.headers",
        kind: Kind::Headers,
        default: "{}",
        distribution: Theirs::Same,
        meaning: "Headers that are added to every response, each with a list of values, such as \
                  {X-Content-Type-Options: [nosniff]}.",
    },
    Setting {
        key: "http.draintimeout",
        kind: duration(0, 24 * HOUR),
        default: "8s",
        distribution: Theirs::Differs {
            theirs: "0s",
            why: "what is in flight when the server is told to stop is finished; 8s stays below the 10s after which \
                  docker kills",
        },
        meaning: "How long requests in flight may go on after SIGTERM or SIGINT. With 0s they are cut off at once. \
                  What an upload has brought in by then is kept.",
    },
    Setting {
        key: "http.debug.addr",
        kind: text("an address, or nothing", check::address_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "The address of a second listener, for health checks and debugging. Keep it from the public.",
    },
    Setting {
        key: "http.debug.prometheus.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::Holds("false"),
        meaning: "Whether the debug listener, where there is one, serves metrics in Prometheus's text form and in OpenMetrics's.",
    },
    Setting {
        key: "http.debug.prometheus.path",
        kind: text("a path", check::metrics_path),
        default: "/metrics",
        distribution: Theirs::Same,
        meaning: "Where.",
    },
    Setting {
        key: "http.debug.prometheus.repositories",
        kind: count(0, 1_000),
        default: "20",
        distribution: Theirs::NoSuchKey,
        meaning: "How many repositories have metrics of their own, which are the largest ones. They are looked for once a minute at \
                  the most.",
    },
    Setting {
        key: "http.tls.certificate",
        kind: text("the path of a file, or nothing", check::file_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "A file in PEM with the server's certificate, and behind it those that lead to its root. With it the \
                  server speaks TLS, and nothing else, on its listener. It is read again when it changes, and so are the \
                  other files of this section: connections go on meanwhile.",
    },
    Setting {
        key: "http.tls.key",
        kind: text("the path of a file, or nothing", check::file_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "A file in PEM with the certificate's private key (PKCS#8, PKCS#1 or SEC1), without a passphrase.",
    },
    Setting {
        key: "http.tls.clientcas",
        kind: Kind::Texts { what: "a list of paths of files", check: check::file },
        default: "[]",
        distribution: Theirs::Same,
        meaning: "Files in PEM with the certificates of those who sign clients' certificates. With any, clients have to show a \
                  certificate that one of them has signed.",
    },
    Setting {
        key: "http.tls.clientauth",
        kind: text("require-and-verify-client-cert or verify-client-cert-if-given", check::client_auth),
        default: "require-and-verify-client-cert",
        distribution: Theirs::Same,
        meaning: "Whether `http.tls.clientcas` shuts clients without a certificate out, or only those with a wrong one. \
                  Distribution's request-client-cert and require-any-client-cert, which take certificates that nobody has \
                  signed, are refused.",
    },
    Setting {
        key: "http.tls.minimumtls",
        kind: text("tls1.2 or tls1.3", check::minimum_tls),
        default: "tls1.2",
        distribution: Theirs::Same,
        meaning: "The oldest version of TLS that is spoken. The newest is 1.3.",
    },
    Setting {
        key: "http.tls.ciphersuites",
        kind: Kind::Texts { what: "a list of names of cipher suites", check: check::cipher_suite },
        default: "[]",
        distribution: Theirs::Same,
        meaning: "The cipher suites that are spoken, under the names that distribution has for them; all nine that there are \
                  where the list is empty. A list without one for TLS 1.3 says nothing of TLS 1.3, whose three stay.",
    },
    Setting {
        key: "http.tls.letsencrypt.cachefile",
        kind: text("the path of a folder, or nothing", check::file_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "A folder, whatever its name says, for certificates that are ordered by ACME, from Let's Encrypt or another \
                  server, instead of `http.tls.certificate`. Setting it agrees to that server's terms of service. It is made with \
                  mode 700, and has to survive restarts: how many certificates are issued in a week is limited. Distribution's \
                  own can be taken over.",
    },
    Setting {
        key: "http.tls.letsencrypt.hosts",
        kind: Kind::Texts { what: "a list of names of hosts", check: check::public_host },
        default: "[]",
        distribution: Theirs::Same,
        meaning: "The hosts that certificates are ordered for, one each, and renewed when a third of their time is left. Each has to \
                  lead to this registry from everywhere, with its port 443: there the server is asked whether the host is its own \
                  (TLS-ALPN-01). Whoever asks for another host is shown the certificate of the first. In distribution no hosts \
                  mean any; here they are needed.",
    },
    Setting {
        key: "http.tls.letsencrypt.email",
        kind: text("an address of mail, or nothing", check::email_if_any),
        default: "\"\"",
        distribution: Theirs::Same,
        meaning: "Where the ACME server may write to; it is told when the account is made.",
    },
    Setting {
        key: "http.tls.letsencrypt.directoryurl",
        kind: text("an https URL", check::directory_url),
        default: check::LETS_ENCRYPT,
        distribution: Theirs::Same,
        meaning: "The directory of the ACME server. When it changes, certificates from elsewhere go on until those of this one are \
                  there. `SSL_CERT_FILE` names the roots for a server of your own.",
    },
    Setting {
        key: "http.http2.disabled",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether HTTP/2 is left out of what is offered on TLS connections. Plain connections know `http.h2c`.",
    },
    Setting {
        key: "http.h2c.enabled",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether HTTP/2 with prior knowledge is served on plain connections, beside HTTP/1.1.",
    },
    Setting {
        key: "http.idletimeout",
        kind: duration(1, WEEK),
        default: "15m",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a request may go without a byte in either direction. An upload that stalls for longer is \
                  answered 408 and can be resumed. A request as a whole may take any time.",
    },
    Setting {
        key: "http.headertimeout",
        kind: duration(1, WEEK),
        default: "30s",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a client may take to send the headers of a request.",
    },
    Setting {
        key: "http.keepalivetimeout",
        kind: duration(1, WEEK),
        default: "15m",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a connection is kept without a request. Keep it longer than a proxy in front does, so that \
                  the proxy closes first.",
    },
    Setting {
        key: "http.maxconnections",
        kind: count(1, 10_000_000),
        default: "16384",
        distribution: Theirs::NoSuchKey,
        meaning: "How many connections are served at once. More of them are not accepted until one ends.",
    },
    Setting {
        key: "http.trustedproxies",
        kind: Kind::Networks,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "Addresses and networks of proxies, whose X-Forwarded-For is believed about where a request comes from. A unix \
                  socket counts as such a proxy when there is any.",
    },
    Setting {
        key: "http.maxheaderbytes",
        kind: size(8 * KIB, 16 * MIB),
        default: "64KiB",
        distribution: Theirs::NoSuchKey,
        meaning: "The largest header section of a request; a larger one is answered 431.",
    },
    Setting {
        key: "http.waittimeout",
        kind: duration(0, HOUR),
        default: "10s",
        distribution: Theirs::NoSuchKey,
        meaning: "How long a request waits when a limit is reached, before it is answered 503 with Retry-After. Many \
                  clients give up after 30s.",
    },
    Setting {
        key: "notifications.events.includereferences",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether the event of a manifest has the descriptors of what the manifest is made of.",
    },
    Setting {
        key: "notifications.endpoints",
        kind: Kind::Endpoints,
        default: "[]",
        distribution: Theirs::Same,
        meaning: "Whom events are sent to, each with `url`, and if wanted `name`, `headers`, `timeout` (1s), `threshold` (10 \
                  failures in a row, after which there is a pause before each request), `backoff` (that pause, 1s), \
                  `ignoredmediatypes`, `ignore` with `mediatypes` and `actions`, and `disabled`. Each is told everything from the \
                  start on at which it was first named, in order, and at least once.",
    },
    Setting {
        key: "notifications.backlog",
        kind: count(1, 10_000_000),
        default: "100000",
        distribution: Theirs::NoSuchKey,
        meaning: "How many events are kept for an endpoint that cannot be reached. When there are more the oldest are lost, which \
                  is logged. One takes about 500 bytes.",
    },
    Setting {
        key: "health.storagedriver.enabled",
        kind: Kind::Switch,
        default: "true",
        distribution: Theirs::Holds("false"),
        meaning: "Whether it is looked now and then whether the folder of the data answers. While it does not, or another check of \
                  this section fails, every request is answered 503 UNAVAILABLE, and /debug/health on the debug listener \
                  (`http.debug.addr`) says why.",
    },
    Setting {
        key: "health.storagedriver.interval",
        kind: Kind::Duration { least: Duration::from_millis(10), most: Duration::from_secs(WEEK) },
        default: "10s",
        distribution: Theirs::Same,
        meaning: "How often.",
    },
    Setting {
        key: "health.storagedriver.threshold",
        kind: count(0, 1_000_000),
        default: "3",
        distribution: Theirs::Holds("0"),
        meaning: "How often in a row it has to have no answer; 0 is 1.",
    },
    Setting {
        key: "health.file",
        kind: Kind::Checks(Subject::File),
        default: "[]",
        distribution: Theirs::Same,
        meaning: "Files that take the registry out of service while they are there, such as {file: /run/holdfast.down, interval: 10s}.",
    },
    Setting {
        key: "health.http",
        kind: Kind::Checks(Subject::Http),
        default: "[]",
        distribution: Theirs::Same,
        meaning: "URLs that have to answer a HEAD with statuscode (200) within timeout (5s), every interval (10s); it fails when they do \
                  not threshold times in a row (1). Proxies and roots are those of all calls.",
    },
    Setting {
        key: "health.tcp",
        kind: Kind::Checks(Subject::Tcp),
        default: "[]",
        distribution: Theirs::Same,
        meaning: "The same for addresses, HOST:PORT, to which a connection can be made.",
    },
    Setting {
        key: "catalog.maxentries",
        kind: count(1, 1_000_000),
        default: "1000",
        distribution: Theirs::Same,
        meaning: "The largest page of the list of repositories.",
    },
    Setting {
        key: "tags.maxtags",
        kind: count(1, 10_000_000),
        default: "100000",
        distribution: Theirs::Differs {
            theirs: "1000 since 3.1, no limit before",
            why: "clients that do not follow Link headers lose the tags behind the first page",
        },
        meaning: "The largest page of a list of tags.",
    },
    Setting {
        key: "tags.immutable",
        kind: Kind::ImmutableTags,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "Tags that are neither moved nor deleted once they are set, but by those whom a policy lets `overwrite`. Each \
                  entry has `where`, patterns of repositories, and `tags`, patterns of tags. Signatures and the like, tags that \
                  begin with sha256- and a digest, are not meant unless a pattern begins with sha256- too.",
    },
    Setting {
        key: "retention.interval",
        kind: duration(0, 520 * WEEK),
        default: "24h",
        distribution: Theirs::NoSuchKey,
        meaning: "How long after one look at the tags that a rule is about the next one begins; the first comes so long after a \
                  start. With 0s only `holdfast retention` removes any.",
    },
    Setting {
        key: "retention.rules",
        kind: Kind::RetentionRules,
        default: "[]",
        distribution: Theirs::NoSuchKey,
        meaning: "Which tags stay. Each rule has `where`, patterns of repositories, perhaps `tags`, patterns of the tags that it is \
                  about (all of them), and what keeps one: `last`, the newest so many; `matching`, patterns; `pushedwithin` and \
                  `pulledwithin`, how long ago. Tags that a rule is about and none keeps are removed, with their image if it has no other \
                  tag and no index needs it. `holdfast retention --dry-run` tells of each tag why.",
    },
    Setting {
        key: "validation.disabled",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::Same,
        meaning: "Whether the rules of `validation.manifests.urls` and `validation.manifests.indexes` are switched \
                  off: every URL is allowed, and no child of an index has to exist. The limits, and the check that \
                  an image's config and layers exist, stay.",
    },
    Setting {
        key: "validation.manifests.maxsize",
        kind: size(4 * KIB, 64 * MIB),
        default: "4MiB",
        distribution: Theirs::NoSuchKey,
        meaning: "The largest manifest that is accepted; a larger one is answered 413. Many clients read no more than \
                  4MiB.",
    },
    Setting {
        key: "validation.manifests.maxtags",
        kind: count(1, 10_000),
        default: "64",
        distribution: Theirs::NoSuchKey,
        meaning: "How many tags one PUT of a manifest may set with `tag` parameters.",
    },
    Setting {
        key: "validation.manifests.sparse",
        kind: Kind::Switch,
        default: "false",
        distribution: Theirs::NoSuchKey,
        meaning: "Whether manifests are accepted although what they are made of was never pushed: images without their \
                  config and layers, indexes without their images. Who pulls one fails at what is missing.",
    },
    Setting {
        key: "validation.manifests.urls.allow",
        kind: Kind::Patterns,
        default: "[\".*\"]",
        distribution: Theirs::Holds("[]"),
        meaning: "Regular expressions, one of which must match each URL in a manifest (`urls` of a layer). An empty \
                  list allows none, or all but those denied when `deny` is given.",
    },
    Setting {
        key: "validation.manifests.urls.deny",
        kind: Kind::Patterns,
        default: "[]",
        distribution: Theirs::Same,
        meaning: "Regular expressions, none of which may match a URL in a manifest.",
    },
    Setting {
        key: "validation.manifests.indexes.platforms",
        kind: Kind::Choice(&["all", "none", "list"]),
        default: "all",
        distribution: Theirs::Same,
        meaning: "Which children of an index must be in the repository when the index is pushed: all, none, or those \
                  for the platforms of `platformlist`.",
    },
    Setting {
        key: "validation.manifests.indexes.platformlist",
        kind: Kind::Platforms,
        default: "[]",
        distribution: Theirs::Same,
        meaning: "The platforms for `platforms: list`, each with `architecture` and `os`, such as {architecture: \
                  amd64, os: linux}.",
    },
];
