//! `notifications.endpoints`: who is told of events.

use std::time::Duration;

use super::check;
use super::collections::{entries, items, text};
use super::kind::switch_of;
use super::problem::{Fault, Findings};
use super::settings::NotifiedEndpoint;
use super::tree::{Content, Entry, Node};
use super::units::{parse_duration, show_duration};
use super::value::{HIDDEN, Value, show_headers};
use super::yaml::show_text;

/// What happens, as endpoints name it in order not to be told.
const ACTIONS: &[&str] = &["pull", "push", "mount", "delete"];

/// Distribution's, for what an endpoint leaves out.
const TIMEOUT: Duration = Duration::from_secs(1);
const THRESHOLD: usize = 10;
const BACKOFF: Duration = Duration::from_secs(1);

pub(super) fn read_endpoints(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut endpoints: Vec<NotifiedEndpoint> = Vec::new();
    for item in items(what, key, node, findings)? {
        let Some(endpoint) = read_endpoint(what, key, item, findings) else {
            continue;
        };
        if endpoints.iter().any(|other| other.name == endpoint.name) {
            let message =
                format!("the name {:?} was given before: each endpoint needs one of its own", endpoint.name);
            findings.problem(&item.origin, key, Fault::Value(message));
        }
        endpoints.push(endpoint);
    }
    Some(Value::Endpoints(endpoints))
}

/// `None` for what is wrong with it, which is a finding then.
fn read_endpoint(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<NotifiedEndpoint> {
    let mut reader = Reader { endpoint: NotifiedEndpoint::default(), key, findings };
    for entry in entries(what, key, node, reader.findings)? {
        reader.read(entry);
    }
    let Reader { mut endpoint, .. } = reader;
    if let (false, Err(message)) = (endpoint.disabled, check::http_url(&endpoint.url)) {
        findings.problem(&node.origin, &format!("{key}.url"), Fault::Value(message));
        return None;
    }
    if endpoint.name.is_empty() {
        endpoint.name = bare_url(&endpoint.url);
    }
    Some(endpoint)
}

impl Default for NotifiedEndpoint {
    fn default() -> Self {
        Self {
            name: String::new(),
            disabled: false,
            url: String::new(),
            headers: Vec::new(),
            timeout: TIMEOUT,
            threshold: THRESHOLD,
            backoff: BACKOFF,
            ignoredmediatypes: Vec::new(),
            ignoredactions: Vec::new(),
        }
    }
}

/// One endpoint, key by key.
struct Reader<'a> {
    endpoint: NotifiedEndpoint,
    key: &'a str,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn read(&mut self, entry: &Entry) {
        let (key, node) = (format!("{}.{}", self.key, entry.key), &entry.node);
        if matches!(node.content, Content::Null) {
            return;
        }
        match entry.key.as_str() {
            "name" => self.text(&key, node, |text| Ok(text.to_owned()), |endpoint| &mut endpoint.name),
            "url" => self.text(&key, node, |text| Ok(text.to_owned()), |endpoint| &mut endpoint.url),
            "disabled" => self.text(&key, node, switch, |endpoint| &mut endpoint.disabled),
            "timeout" => self.text(&key, node, positive, |endpoint| &mut endpoint.timeout),
            "threshold" => self.text(&key, node, count, |endpoint| &mut endpoint.threshold),
            "backoff" => self.text(&key, node, positive, |endpoint| &mut endpoint.backoff),
            "headers" => self.headers(&key, node),
            "ignoredmediatypes" => {
                self.words(&key, node, |_| true, |endpoint| &mut endpoint.ignoredmediatypes);
            }
            "ignore" => self.ignore(&key, node),
            _ => self.unknown(
                &key,
                entry,
                "name, url, disabled, headers, timeout, threshold, backoff, ignoredmediatypes, ignore",
            ),
        }
    }

    fn ignore(&mut self, key: &str, node: &Node) {
        for entry in
            entries("a mapping with mediatypes and actions", key, node, self.findings).unwrap_or_default()
        {
            let (key, node) = (format!("{key}.{}", entry.key), &entry.node);
            match entry.key.as_str() {
                "mediatypes" => self.words(&key, node, |_| true, |endpoint| &mut endpoint.ignoredmediatypes),
                "actions" => {
                    let is_action = |word: &str| ACTIONS.contains(&word);
                    self.words(&key, node, is_action, |endpoint| &mut endpoint.ignoredactions);
                }
                _ => self.unknown(&key, entry, "mediatypes, actions"),
            }
        }
    }

    fn text<T>(
        &mut self,
        key: &str,
        node: &Node,
        parse: impl Fn(&str) -> Result<T, String>,
        field: impl Fn(&mut NotifiedEndpoint) -> &mut T,
    ) {
        match text(key, node, self.findings).map(parse) {
            None => {}
            Some(Ok(value)) => *field(&mut self.endpoint) = value,
            Some(Err(message)) => self.findings.problem(&node.origin, key, Fault::Value(message)),
        }
    }

    fn words(
        &mut self,
        key: &str,
        node: &Node,
        is_known: impl Fn(&str) -> bool,
        field: impl Fn(&mut NotifiedEndpoint) -> &mut Vec<String>,
    ) {
        for item in items("a list of texts", key, node, self.findings).unwrap_or_default() {
            match text(key, item, self.findings) {
                Some(word) if is_known(word) => field(&mut self.endpoint).push(word.to_owned()),
                Some(word) => {
                    let message = format!("{word:?} cannot stand here: write {}", ACTIONS.join(", "));
                    self.findings.problem(&item.origin, key, Fault::Value(message));
                }
                None => {}
            }
        }
    }

    fn headers(&mut self, key: &str, node: &Node) {
        let read = super::collections::read_headers(
            "a mapping of header names to lists of values",
            key,
            node,
            self.findings,
        );
        if let Some(Value::Headers(headers)) = read {
            self.endpoint.headers = headers;
        }
    }

    fn unknown(&mut self, key: &str, entry: &Entry, known: &str) {
        let message = format!("there is no such key; here stand {known}");
        self.findings.problem(&entry.origin, key, Fault::Value(message));
    }
}

/// An endpoint on one line, without what may be secret.
pub(super) fn show_endpoint(endpoint: &NotifiedEndpoint) -> String {
    let list = |words: &[String]| words.iter().map(|word| show_text(word)).collect::<Vec<_>>().join(", ");
    format!(
        "{{name: {}, disabled: {}, url: {}, headers: {}, timeout: {}, threshold: {}, backoff: {}, ignore: {{mediatypes: [{}], \
         actions: [{}]}}}}",
        show_text(&endpoint.name),
        endpoint.disabled,
        show_text(&show_url(&endpoint.url)),
        show_headers(&endpoint.headers),
        show_duration(endpoint.timeout),
        endpoint.threshold,
        show_duration(endpoint.backoff),
        list(&endpoint.ignoredmediatypes),
        list(&endpoint.ignoredactions),
    )
}

/// A URL with the name and password before its host hidden, and what stands behind a `?`.
fn show_url(url: &str) -> String {
    let (scheme, credentials, rest, query) = parts(url);
    let credentials = credentials.map(|_| format!("{HIDDEN}@")).unwrap_or_default();
    let query = query.map(|_| format!("?{HIDDEN}")).unwrap_or_default();
    format!("{scheme}{credentials}{rest}{query}")
}

/// The same without them.
fn bare_url(url: &str) -> String {
    let (scheme, _, rest, _) = parts(url);
    format!("{scheme}{rest}")
}

/// The scheme with its slashes, the name and password, the host and the path, and what stands behind a `?`.
fn parts(url: &str) -> (&str, Option<&str>, &str, Option<&str>) {
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    match authority.rfind('@') {
        Some(at) => (scheme, Some(&rest[..at]), &rest[at + 1..], query),
        None => (scheme, None, rest, query),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    switch_of(text).ok_or_else(|| format!("{text:?} is not true or false"))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
    Ok(if count == 0 { THRESHOLD } else { count })
}

/// As in distribution, nothing stands for the default.
fn positive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    Ok(if duration.is_zero() { TIMEOUT.max(BACKOFF) } else { duration })
}
