//! The kinds of values that settings have: what each accepts, and how it is read from YAML.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::access;
use super::check;
use super::pattern::Pattern;
use super::problem::{Fault, Findings};
use super::settings::{Platform, TrustedIssuer};
use super::tree::{Content, Entry, Node};
use super::units::{parse_duration, parse_size, show_duration, show_size};
use super::value::Value;

/// Accepts a text, perhaps in another form, or says what is wrong with it.
pub(super) type Check = fn(&str) -> Result<String, String>;

/// A kind of value. Bounds include their ends.
pub(super) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A number.
    Count { least: usize, most: usize },
    /// Bytes.
    Size { least: u64, most: u64 },
    /// A time.
    Duration { least: Duration, most: Duration },
    /// Permission bits, in octal.
    Mode,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A text that the function accepts, perhaps in another form.
    Text { what: &'static str, check: Check },
    /// A list of texts, each of which the function accepts, perhaps in another form.
    Texts { what: &'static str, check: Check },
    /// Names with a text each.
    Fields,
    /// Names of response headers with a value or a list of values each.
    Headers,
    /// Regular expressions.
    Patterns,
    /// Mappings with `architecture` and `os`.
    Platforms,
    /// Who may do what where.
    Policies,
    /// Names of groups with the names of users.
    Groups,
    /// Tags that do not move.
    ImmutableTags,
    /// Addresses and networks.
    Networks,
    /// Some of some words.
    Words(&'static [&'static str]),
    /// Mappings with `name`, `url` and `audience`.
    Issuers,
}

impl Kind {
    /// Whether a value is one scalar.
    pub(super) fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Switch
                | Self::Count { .. }
                | Self::Size { .. }
                | Self::Duration { .. }
                | Self::Mode
                | Self::Choice(_)
                | Self::Text { .. }
        )
    }

    /// Reads a value that is not null. Everything that is wrong with it becomes a finding.
    pub(super) fn read(&self, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
        let read = match self {
            Self::Switch => self.read_switch(node),
            Self::Choice(words) => self.read_choice(words, node),
            Self::Texts { check, .. } => return self.read_texts(*check, key, node, findings),
            Self::Fields => return read_fields(key, node, findings),
            Self::Headers => return read_headers(key, node, findings),
            Self::Patterns => return read_patterns(key, node, findings),
            Self::Platforms => return read_platforms(key, node, findings),
            Self::Policies => return access::read_policies(key, node, findings),
            Self::Groups => return access::read_groups(key, node, findings),
            Self::ImmutableTags => return access::read_immutable(key, node, findings),
            Self::Networks => return access::read_networks(key, node, findings),
            Self::Words(words) => return self.read_words(words, key, node, findings),
            Self::Issuers => return read_issuers(key, node, findings),
            Self::Count { .. }
            | Self::Size { .. }
            | Self::Duration { .. }
            | Self::Mode
            | Self::Text { .. } => self.scalar(node).and_then(|text| self.parse(text).map_err(Fault::Value)),
        };
        read.map_err(|fault| findings.problem(&node.origin, key, fault)).ok()
    }

    fn parse(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Count { least, most } => {
                let count = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
                within(count, *least, *most, usize::to_string).map(Value::Count)
            }
            Self::Size { least, most } => {
                within(parse_size(text)?, *least, *most, |bytes| show_size(*bytes)).map(Value::Size)
            }
            Self::Duration { least, most } => {
                within(parse_duration(text)?, *least, *most, |time| show_duration(*time)).map(Value::Duration)
            }
            Self::Mode => check::mode(text).map(Value::Mode),
            Self::Text { check, .. } => check(text).map(Value::Text),
            _ => Err(format!("{text:?} is not {self}")),
        }
    }

    fn scalar<'a>(&self, node: &'a Node) -> Result<&'a str, Fault> {
        match &node.content {
            Content::Scalar { text, .. } => Ok(text),
            _ => Err(node.mismatch(&self.to_string())),
        }
    }

    /// Plain words count, as they do for distribution; quoted ones are text.
    fn read_switch(&self, node: &Node) -> Result<Value, Fault> {
        let Content::Scalar { text, plain } = &node.content else {
            return Err(node.mismatch(&self.to_string()));
        };
        match (switch_of(text), plain) {
            (Some(on), true) => Ok(Value::Switch(on)),
            (Some(_), false) => {
                Err(Fault::Value(format!("{text:?} in quotes is a text: leave the quotes out")))
            }
            _ => Err(node.mismatch(&self.to_string())),
        }
    }

    fn read_choice(&self, words: &[&'static str], node: &Node) -> Result<Value, Fault> {
        let text = self.scalar(node)?;
        let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        word.map(|word| Value::Choice(word)).ok_or_else(|| node.mismatch(&self.to_string()))
    }

    fn read_words(
        &self,
        words: &[&'static str],
        key: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<Value> {
        let mut chosen = Vec::new();
        for item in items(self, key, node, findings)? {
            let word = text(key, item, findings)?;
            match words.iter().find(|known| **known == word) {
                Some(known) => chosen.push(*known),
                None => {
                    let message = format!("{word:?} cannot stand here: write {}", listed(words));
                    findings.problem(&item.origin, key, Fault::Value(message));
                }
            }
        }
        Some(Value::Words(chosen))
    }

    fn read_texts(&self, check: Check, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
        let mut texts = Vec::new();
        for item in items(self, key, node, findings)? {
            match text(key, item, findings).map(check) {
                None => {}
                Some(Ok(text)) => texts.push(text),
                Some(Err(message)) => findings.problem(&item.origin, key, Fault::Value(message)),
            }
        }
        Some(Value::Texts(texts))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("true or false"),
            Self::Count { least, most } => write!(f, "a number from {least} to {most}"),
            Self::Size { least, most } => {
                write!(f, "a size from {} to {}", show_size(*least), show_size(*most))
            }
            Self::Duration { least, most } => {
                write!(f, "a duration from {} to {}", show_duration(*least), show_duration(*most))
            }
            Self::Mode => f.write_str("permission bits in octal"),
            Self::Choice(words) => f.write_str(&listed(words)),
            Self::Text { what, .. } | Self::Texts { what, .. } => f.write_str(what),
            Self::Fields => f.write_str("a mapping of names to texts"),
            Self::Headers => f.write_str("a mapping of header names to lists of values"),
            Self::Patterns => f.write_str("a list of regular expressions"),
            Self::Platforms => f.write_str("a list of mappings with architecture and os"),
            Self::Policies => f.write_str("a list of mappings with who, may and where"),
            Self::Groups => f.write_str("a mapping of names of groups to lists of users"),
            Self::ImmutableTags => f.write_str("a list of mappings with where and tags"),
            Self::Networks => f.write_str("a list of addresses and networks"),
            Self::Words(words) => write!(f, "a list of {}", listed(words)),
            Self::Issuers => f.write_str("a list of mappings with name, url and audience"),
        }
    }
}

/// `a, b or c`
fn listed(words: &[&str]) -> String {
    match words {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        words => words.concat(),
    }
}

/// What a word says of a switch, YAML 1.1's words included.
pub(super) fn switch_of(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

fn within<T: Copy + PartialOrd>(
    value: T,
    least: T,
    most: T,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value < least {
        Err(format!("{} is too small: the least is {}", show(&value), show(&least)))
    } else if value > most {
        Err(format!("{} is too large: the most is {}", show(&value), show(&most)))
    } else {
        Ok(value)
    }
}

pub(super) fn entries<'a>(
    kind: &Kind,
    key: &str,
    node: &'a Node,
    findings: &mut Findings,
) -> Option<&'a [Entry]> {
    match &node.content {
        Content::Map(entries) => Some(entries),
        _ => {
            findings.problem(&node.origin, key, node.mismatch(&kind.to_string()));
            None
        }
    }
}

pub(super) fn items<'a>(
    kind: &Kind,
    key: &str,
    node: &'a Node,
    findings: &mut Findings,
) -> Option<&'a [Node]> {
    match &node.content {
        Content::List(nodes) => Some(nodes),
        _ => {
            findings.problem(&node.origin, key, node.mismatch(&kind.to_string()));
            None
        }
    }
}

pub(super) fn text<'a>(key: &str, node: &'a Node, findings: &mut Findings) -> Option<&'a str> {
    match &node.content {
        Content::Scalar { text, .. } => Some(text),
        _ => {
            findings.problem(&node.origin, key, node.mismatch("a text"));
            None
        }
    }
}

fn read_fields(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut fields = BTreeMap::new();
    for entry in entries(&Kind::Fields, key, node, findings)? {
        if let Some(value) = text(&format!("{key}.{}", entry.key), &entry.node, findings) {
            fields.insert(entry.key.clone(), value.to_owned());
        }
    }
    Some(Value::Fields(fields))
}

fn read_headers(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for entry in entries(&Kind::Headers, key, node, findings)? {
        let key = format!("{key}.{}", entry.key);
        let again = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&entry.key));
        if let Err(message) = check::header_name(&entry.key, again) {
            findings.problem(&entry.origin, &key, Fault::Value(message));
        }
        for value in header_values(&entry.node) {
            if let Some(text) = text(&key, value, findings) {
                match check::header_value(text) {
                    Ok(()) => headers.push((entry.key.clone(), text.to_owned())),
                    Err(message) => findings.problem(&value.origin, &key, Fault::Value(message)),
                }
            }
        }
    }
    Some(Value::Headers(headers))
}

fn header_values(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    }
}

fn read_patterns(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut patterns = Vec::new();
    for item in items(&Kind::Patterns, key, node, findings)? {
        match text(key, item, findings).map(Pattern::parse) {
            None => {}
            Some(Ok(pattern)) => patterns.push(pattern),
            Some(Err(message)) => findings.problem(&item.origin, key, Fault::Value(message)),
        }
    }
    Some(Value::Patterns(patterns))
}

fn read_platforms(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut platforms = Vec::new();
    for item in items(&Kind::Platforms, key, node, findings)? {
        platforms.extend(read_platform(key, item, findings));
    }
    Some(Value::Platforms(platforms))
}

fn read_platform(key: &str, node: &Node, findings: &mut Findings) -> Option<Platform> {
    let (mut architecture, mut os) = (None, None);
    for entry in entries(&Kind::Platforms, key, node, findings)? {
        let key = format!("{key}.{}", entry.key);
        match entry.key.as_str() {
            "architecture" => architecture = text(&key, &entry.node, findings),
            "os" => os = text(&key, &entry.node, findings),
            _ => {
                let message = "there is no such key; a platform has `architecture` and `os`".to_owned();
                findings.problem(&entry.origin, &key, Fault::Value(message));
            }
        }
    }
    match (architecture, os) {
        (Some(architecture), Some(os)) => {
            Some(Platform { architecture: architecture.to_owned(), os: os.to_owned() })
        }
        _ => {
            let message = "a platform needs both architecture and os".to_owned();
            findings.problem(&node.origin, key, Fault::Value(message));
            None
        }
    }
}

fn read_issuers(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut issuers: Vec<TrustedIssuer> = Vec::new();
    for item in items(&Kind::Issuers, key, node, findings)? {
        if let Some(issuer) = read_issuer(key, item, findings) {
            if issuers.iter().any(|other| other.name == issuer.name) {
                let message =
                    format!("the name {:?} was given before: each issuer needs one of its own", issuer.name);
                findings.problem(&item.origin, key, Fault::Value(message));
            }
            issuers.push(issuer);
        }
    }
    Some(Value::Issuers(issuers))
}

fn read_issuer(key: &str, node: &Node, findings: &mut Findings) -> Option<TrustedIssuer> {
    let (mut name, mut url, mut audience) = (None, None, None);
    for entry in entries(&Kind::Issuers, key, node, findings)? {
        let key = format!("{key}.{}", entry.key);
        let (field, check): (_, Check) = match entry.key.as_str() {
            "name" => (&mut name, check::word),
            "url" => (&mut url, check::issuer_url),
            "audience" => (&mut audience, check::not_empty),
            _ => {
                let message = "there is no such key; an issuer has `name`, `url` and `audience`".to_owned();
                findings.problem(&entry.origin, &key, Fault::Value(message));
                continue;
            }
        };
        match check(text(&key, &entry.node, findings)?) {
            Ok(checked) => *field = Some(checked),
            Err(message) => {
                findings.problem(&entry.node.origin, &key, Fault::Value(message));
                return None;
            }
        }
    }
    match (name, url, audience) {
        (Some(name), Some(url), Some(audience)) => Some(TrustedIssuer { name, url, audience }),
        _ => {
            let message = "an issuer needs name, url and audience".to_owned();
            findings.problem(&node.origin, key, Fault::Value(message));
            None
        }
    }
}
