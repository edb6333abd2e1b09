//! The lists of `health`: what is to be there, or to answer, for the registry to serve.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check::{self, Check as TextCheck};
use super::collections::{entries, items};
use super::kind::Kind;
use super::problem::{Fault, Findings};
use super::tree::{Content, Node};
use super::value::Value;
use crate::health::{Check, Probe};

/// What the checks of a list look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    File,
    Http,
    Tcp,
}

const INTERVAL: Kind =
    Kind::Duration { least: Duration::from_millis(10), most: Duration::from_secs(7 * 24 * 3600) };
const TIMEOUT: Kind = Kind::Duration { least: Duration::ZERO, most: Duration::from_secs(3600) };
const THRESHOLD: Kind = Kind::Count { least: 0, most: 1_000_000 };

const fn text(what: &'static str, check: TextCheck) -> Kind {
    Kind::Text { what, check }
}

const FILE: &[(&str, Kind)] = &[("file", text("the path of a file", check::file)), ("interval", INTERVAL)];

const HTTP: &[(&str, Kind)] = &[
    ("uri", text("a URL", check::probed_url)),
    ("headers", Kind::Headers),
    ("statuscode", Kind::Count { least: 0, most: 599 }),
    ("timeout", TIMEOUT),
    ("interval", INTERVAL),
    ("threshold", THRESHOLD),
];

const TCP: &[(&str, Kind)] = &[
    ("addr", text("an address", check::address)),
    ("timeout", TIMEOUT),
    ("interval", INTERVAL),
    ("threshold", THRESHOLD),
];

impl Subject {
    /// The keys of a check; the first one has to be there, and names it.
    fn keys(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::File => FILE,
            Self::Http => HTTP,
            Self::Tcp => TCP,
        }
    }

    /// What a list of them is.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::File => "a list of mappings with file and interval",
            Self::Http => "a list of mappings with uri, headers, statuscode, timeout, interval and threshold",
            Self::Tcp => "a list of mappings with addr, timeout, interval and threshold",
        }
    }
}

/// Reads a list of checks.
pub(super) fn read(subject: Subject, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut checks: Vec<Check> = Vec::new();
    for item in items(subject.what(), key, node, findings)? {
        if let Some(check) = read_check(subject, key, item, findings) {
            if checks.iter().any(|other| other.name == check.name) {
                let message = format!("{:?} is checked already: leave one of the two out", check.name);
                findings.problem(&item.origin, key, Fault::Value(message));
            }
            checks.push(check);
        }
    }
    Some(Value::Checks(checks))
}

fn read_check(subject: Subject, key: &str, node: &Node, findings: &mut Findings) -> Option<Check> {
    let keys = subject.keys();
    let mut given = BTreeMap::new();
    for entry in entries(subject.what(), key, node, findings)? {
        let inner = format!("{key}.{}", entry.key);
        let Some((name, kind)) = keys.iter().find(|(name, _)| *name == entry.key) else {
            let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no such key; here stand {}", names.join(", "));
            findings.problem(&entry.origin, &inner, Fault::Value(message));
            continue;
        };
        if !matches!(entry.node.content, Content::Null) {
            given.extend(kind.read(&inner, &entry.node, findings).map(|value| (*name, value)));
        }
    }
    let [(name, _), ..] = keys else { return None };
    let Some(Value::Text(target)) = given.remove(name) else {
        findings.problem(&node.origin, key, Fault::Value(format!("{name} is missing")));
        return None;
    };
    Some(check_of(subject, target, given))
}

/// With distribution's defaults, but that no check waits for ever.
fn check_of(subject: Subject, target: String, mut given: BTreeMap<&'static str, Value>) -> Check {
    let mut duration = |key, default| match given.remove(key) {
        Some(Value::Duration(duration)) if !duration.is_zero() => duration,
        _ => default,
    };
    let interval = duration("interval", Check::INTERVAL);
    let timeout = duration("timeout", Check::TIMEOUT);
    let mut count = |key| match given.remove(key) {
        Some(Value::Count(count)) => count,
        _ => 0,
    };
    let threshold = count("threshold").max(1);
    let status = match u16::try_from(count("statuscode")) {
        Ok(status) if status > 0 => status,
        _ => 200,
    };
    let headers = match given.remove("headers") {
        Some(Value::Headers(headers)) => headers,
        _ => Vec::new(),
    };
    let name = target.clone();
    let probe = match subject {
        Subject::File => Probe::File(target.into()),
        Subject::Http => Probe::Http { url: target, headers, status },
        Subject::Tcp => Probe::Tcp(target),
    };
    Check { name, probe, interval, timeout, threshold }
}
