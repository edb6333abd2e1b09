//! The walk through the tree: every key is a setting, is known otherwise, or is an error.

use std::collections::BTreeMap;

use super::foreign::{Asked, Foreign, Treatment};
use super::kind::switch_of;
use super::problem::{Fault, Findings, Origin};
use super::schema::{self, Known};
use super::settings::Level;
use super::table::Setting;
use super::tree::{Content, Entry, Node};
use super::value::Value;

/// The settings that somebody gave, by their keys.
pub(super) type Given = BTreeMap<&'static str, (Value, Origin)>;

/// How many unknown keys are compared with all known ones.
const MOST_SUGGESTIONS: usize = 50;

/// Reads every setting in the tree. What is wrong, and what deserves a note, becomes a finding.
pub(super) fn settings_of(tree: &Node, findings: &mut Findings) -> Given {
    let mut walk = Walk { given: Given::new(), findings };
    walk.section("", tree);
    walk.given
}

struct Walk<'a> {
    given: Given,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn section(&mut self, section: &str, node: &Node) {
        let named = node.named_alone().filter(|_| schema::NAMED.contains(&section));
        match (&node.content, named) {
            (Content::Null, _) => {}
            (Content::Map(entries), _) => {
                entries.iter().for_each(|entry| self.entry(section, entry));
            }
            (_, Some(entry)) => self.entry(section, &entry),
            _ => self.findings.problem(&node.origin, section, node.mismatch("a mapping of keys")),
        }
    }

    fn entry(&mut self, section: &str, entry: &Entry) {
        let key = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
        match schema::find(&key) {
            Some(Known::Section) => {
                self.section(&key, &entry.node);
                self.asking(&key, &entry.origin);
            }
            Some(Known::Foreign(foreign)) => self.foreign(foreign, entry),
            Some(Known::Setting(setting)) => self.setting(setting, &entry.node),
            None => self.unknown(&key, &entry.origin, schema::nearest),
        }
    }

    /// A section that is there and says nothing would leave open what it was to close.
    fn asking(&mut self, section: &str, origin: &Origin) {
        let is_given = |key: &&&str| schema::is_beneath(key, section);
        if schema::ASKING.contains(&section) && !self.given.keys().any(|key| is_given(&key)) {
            let message = "the section is empty: give its keys, or remove it".to_owned();
            self.findings.problem(origin, section, Fault::Value(message));
        }
    }

    fn setting(&mut self, setting: &'static Setting, node: &Node) {
        if matches!(node.content, Content::Null) {
            return;
        }
        if let Some(value) = setting.kind.read(setting.key, node, self.findings) {
            self.given.insert(setting.key, (value, node.origin.clone()));
        }
    }

    fn unknown(&mut self, key: &str, origin: &Origin, nearest: impl Fn(&str) -> Option<String>) {
        let few = self.findings.problems.len() < MOST_SUGGESTIONS;
        let nearest = if few { nearest(key) } else { None };
        self.findings.problem(origin, key, Fault::Unknown { nearest });
    }

    fn foreign(&mut self, foreign: &Foreign, entry: &Entry) {
        let has_effect = has_effect(&entry.node);
        let mut note = |level, message| {
            self.findings.note(level, &entry.origin, foreign.key, message);
        };
        match &foreign.treatment {
            Treatment::Needless(why) => note(Level::Info, format!("not needed: {why}")),
            Treatment::Without(why) if has_effect => {
                note(Level::Warn, format!("has no effect: {why}"));
            }
            Treatment::Unsupported { asked, instead } if asks(asked, &entry.node) => {
                self.findings.problem(&entry.origin, foreign.key, Fault::Unsupported(instead));
            }
            Treatment::Unsupported { asked: Asked::Keyed(keys), .. } if has_effect => {
                note(Level::Info, format!("has no effect without {}", keys.join(" or ")));
            }
            Treatment::Without(_) | Treatment::Unsupported { .. } => {}
        }
        if !foreign.keys.is_empty() {
            self.keys_beneath(foreign, "", &entry.node);
        }
    }

    /// Finds misspelt keys beneath a foreign one, and beneath the section of it that is named.
    fn keys_beneath(&mut self, foreign: &Foreign, section: &str, node: &Node) {
        let Content::Map(entries) = &node.content else {
            return;
        };
        for entry in entries {
            let key = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
            if foreign.keys.iter().any(|known| schema::is_beneath(known, &key)) {
                self.keys_beneath(foreign, &key, &entry.node);
            } else if !foreign.keys.contains(&key.as_str()) {
                self.unknown(&format!("{}.{key}", foreign.key), &entry.origin, schema::nearest);
            }
        }
    }
}

/// Whether something asks for what holdfast cannot do.
fn asks(asked: &Asked, node: &Node) -> bool {
    match asked {
        Asked::Named => true,
        Asked::Valued => has_effect(node),
        Asked::Keyed(keys) => keys.iter().any(|key| node.get(&[key]).is_some_and(has_effect)),
    }
}

/// Whether a value is other than false, nothing, or something that is marked as switched off.
fn has_effect(node: &Node) -> bool {
    let switch = |key: &str| match &node.get(&[key])?.content {
        Content::Scalar { text, .. } => switch_of(text),
        _ => None,
    };
    match &node.content {
        Content::Null => false,
        Content::Scalar { text, .. } => !text.is_empty() && switch_of(text) != Some(false),
        Content::List(nodes) => nodes.iter().any(has_effect),
        Content::Map(_) if switch("disabled") == Some(true) || switch("enabled") == Some(false) => false,
        Content::Map(entries) => entries.iter().any(|entry| has_effect(&entry.node)),
    }
}
