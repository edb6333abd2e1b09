//! The keys of distribution's that are no settings of holdfast: every one that a 2.x or 3.x release has known.
//!
//! None of them is passed over in silence. What holdfast has no need of is accepted with a note that says why; what
//! it cannot do yet is an error, as soon as it is asked for.

/// A key of distribution's, with all beneath it.
pub(super) struct Foreign {
    /// The key in full.
    pub(super) key: &'static str,
    /// The keys beneath it, in full from there; empty if anything may stand there.
    pub(super) keys: &'static [&'static str],
    pub(super) treatment: Treatment,
}

/// What holdfast does about a key of distribution's.
pub(super) enum Treatment {
    /// It is accepted and has no effect; the text says why.
    Needless(&'static str),
    /// The same, but whoever set it may miss something.
    Without(&'static str),
    /// It is an error if it asks for something.
    Unsupported {
        /// What counts as asking.
        asked: Asked,
        /// What to do instead.
        instead: &'static str,
    },
}

/// When a key asks for what holdfast cannot do yet.
pub(super) enum Asked {
    /// As soon as it stands there, even without a value.
    Named,
    /// When there is a value other than false, nothing, or what is itself marked as disabled.
    Valued,
    /// When one of these keys beneath has such a value.
    Keyed(&'static [&'static str]),
}

const fn needless(key: &'static str, keys: &'static [&'static str], why: &'static str) -> Foreign {
    Foreign { key, keys, treatment: Treatment::Needless(why) }
}

const fn without(key: &'static str, keys: &'static [&'static str], why: &'static str) -> Foreign {
    Foreign { key, keys, treatment: Treatment::Without(why) }
}

const fn unsupported(key: &'static str, instead: &'static str) -> Foreign {
    Foreign { key, keys: &[], treatment: Treatment::Unsupported { asked: Asked::Valued, instead } }
}

const fn unsupported_by_name(key: &'static str, instead: &'static str) -> Foreign {
    Foreign { key, keys: &[], treatment: Treatment::Unsupported { asked: Asked::Named, instead } }
}

const fn unsupported_if(
    key: &'static str,
    keys: &'static [&'static str],
    asked_by: &'static [&'static str],
    instead: &'static str,
) -> Foreign {
    Foreign { key, keys, treatment: Treatment::Unsupported { asked: Asked::Keyed(asked_by), instead } }
}

const FOLDER: &str = "payloads lie in a folder: use storage.filesystem";
const LOGINS: &str = "put a proxy that asks for logins in front, and remove the section";

/// Every such key.
pub(super) const FOREIGN: &[Foreign] = &[
    needless("loglevel", &[], "the older name of log.level"),
    without("log.reportcaller", &[], "log lines do not name the place in the source"),
    unsupported("log.hooks", "have the log's reader send mail, and remove the hooks"),
    needless(
        "storage.filesystem.maxthreads",
        &[],
        "the number of threads that wait for the disk follows from the limits on requests",
    ),
    needless(
        "storage.cache",
        &["blobdescriptor", "blobdescriptorsize", "layerinfo"],
        "the metadata is in the store itself, one look-up away",
    ),
    needless("storage.tag", &["concurrencylimit"], "which tags point at a manifest is one look-up"),
    needless("storage.redirect", &["disable"], "payloads are always sent by the server itself"),
    unsupported_by_name("storage.azure", FOLDER),
    unsupported_by_name("storage.gcs", FOLDER),
    unsupported_by_name(
        "storage.inmemory",
        "use storage.filesystem with a folder in memory, such as one in /dev/shm",
    ),
    unsupported_by_name("storage.oss", FOLDER),
    unsupported_by_name("storage.rados", FOLDER),
    unsupported_by_name("storage.s3", FOLDER),
    unsupported_by_name("storage.s3aws", FOLDER),
    unsupported_by_name("storage.s3goamz", FOLDER),
    unsupported_by_name("storage.swift", FOLDER),
    needless("auth.none", &[], "nobody is asked to log in"),
    unsupported_by_name("auth.silly", LOGINS),
    unsupported("middleware", "remove the section"),
    unsupported("reporting", "remove the section; errors are in the log"),
    needless("http.secret", &[], "uploads are kept by the server, so no secret has to sign their state"),
    needless("redis", REDIS, "the metadata is in the store itself, one look-up away"),
    unsupported_if(
        "proxy",
        &["remoteurl", "username", "password", "exec.command", "exec.lifetime", "ttl", "cachewritetimeout"],
        &["remoteurl"],
        "remove the section: this registry is no pull-through cache",
    ),
    without(
        "compatibility",
        &["schema1.enabled", "schema1.signingkeyfile", "schema1.disablesignaturestore"],
        "manifests of Docker schema 1 are refused, as distribution refuses them since 3.0",
    ),
    needless("validation.enabled", &[], "it is deprecated and decides nothing; validation.disabled does"),
    unsupported("policy.repository.classes", "remove the list: every kind of image is accepted"),
];

/// Of 2.x (`addr`, `pool`) and of 3.x (the rest).
const REDIS: &[&str] = &[
    "addr",
    "pool.maxidle",
    "pool.maxactive",
    "pool.idletimeout",
    "addrs",
    "clientname",
    "db",
    "protocol",
    "username",
    "password",
    "sentinelusername",
    "sentinelpassword",
    "maxretries",
    "minretrybackoff",
    "maxretrybackoff",
    "dialtimeout",
    "readtimeout",
    "writetimeout",
    "contexttimeoutenabled",
    "poolfifo",
    "poolsize",
    "pooltimeout",
    "minidleconns",
    "maxidleconns",
    "maxactiveconns",
    "connmaxidletime",
    "connmaxlifetime",
    "maxredirects",
    "readonly",
    "routebylatency",
    "routerandomly",
    "mastername",
    "disableidentity",
    "identitysuffix",
    "unstableresp3",
    "tls.enabled",
    "tls.certificate",
    "tls.key",
    "tls.rootcas",
    "tls.clientcas",
];
