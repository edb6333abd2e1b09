//! The kinds of values that settings have: what each accepts, and how it is read from YAML.

use std::fmt;
use std::time::Duration;

use super::access;
use super::check::{self, Check};
use super::collections::{self, items, text};
use super::health_checks::{self, Subject};
use super::notifications;
use super::problem::{Fault, Findings};
use super::quotas;
use super::retention;
use super::tree::{Content, Node};
use super::units::{parse_duration, parse_size, show_duration, show_size};
use super::value::Value;

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
    /// How much repositories may hold.
    Quotas,
    /// Which tags stay.
    RetentionRules,
    /// Mappings with `name`, `url`, and how events are sent there.
    Endpoints,
    /// What `health` looks at.
    Checks(Subject),
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
            Self::Fields => return collections::read_fields(&self.to_string(), key, node, findings),
            Self::Headers => return collections::read_headers(&self.to_string(), key, node, findings),
            Self::Patterns => return collections::read_patterns(&self.to_string(), key, node, findings),
            Self::Platforms => return collections::read_platforms(&self.to_string(), key, node, findings),
            Self::Policies => return access::read_policies(&self.to_string(), key, node, findings),
            Self::Groups => return access::read_groups(&self.to_string(), key, node, findings),
            Self::ImmutableTags => return access::read_immutable(&self.to_string(), key, node, findings),
            Self::Networks => return access::read_networks(key, node, findings),
            Self::Words(words) => return self.read_words(words, key, node, findings),
            Self::Issuers => return access::read_issuers(&self.to_string(), key, node, findings),
            Self::Quotas => return quotas::read_quotas(&self.to_string(), key, node, findings),
            Self::RetentionRules => return retention::read_rules(&self.to_string(), key, node, findings),
            Self::Endpoints => return notifications::read_endpoints(&self.to_string(), key, node, findings),
            Self::Checks(subject) => return health_checks::read(*subject, key, node, findings),
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
        for item in items(&self.to_string(), key, node, findings)? {
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
        for item in items(&self.to_string(), key, node, findings)? {
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
            Self::Quotas => f.write_str("a list of mappings with where, size and tags"),
            Self::RetentionRules => f.write_str("a list of mappings with where and what stays there"),
            Self::Endpoints => f.write_str("a list of mappings with name and url"),
            Self::Checks(subject) => f.write_str(subject.what()),
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
