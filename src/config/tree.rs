//! The values of a configuration as a tree, and how one is laid over another's.

use super::problem::{Fault, Findings, Origin};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    /// A plain scalar may be a number or a switch, a quoted one is text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn empty_map(origin: Origin) -> Self {
        Self { origin, content: Content::Map(Vec::new()) }
    }

    pub(super) fn text(origin: Origin, text: &str) -> Self {
        Self { origin, content: Content::Scalar { text: text.to_owned(), plain: false } }
    }

    /// What is here, for a message. Scalars that are short are shown.
    fn describe(&self) -> String {
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Scalar { text, .. } if text.len() > 60 => "a long text".to_owned(),
            Content::Scalar { text, plain: true } => format!("`{text}`"),
            Content::Scalar { text, plain: false } => format!("the text {text:?}"),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a mapping".to_owned(),
        }
    }

    /// That this is not what belongs here.
    pub(super) fn mismatch(&self, expected: &str) -> Fault {
        Fault::Type { expected: expected.to_owned(), found: self.describe() }
    }

    /// How many values this is, those within included.
    pub(super) fn size(&self) -> usize {
        match &self.content {
            Content::Null | Content::Scalar { .. } => 1,
            Content::List(nodes) => 1 + nodes.iter().map(Self::size).sum::<usize>(),
            Content::Map(entries) => 1 + entries.iter().map(|entry| entry.node.size()).sum::<usize>(),
        }
    }

    /// The value at the end of a way of keys.
    pub(super) fn get(&self, keys: &[&str]) -> Option<&Self> {
        let Some((key, rest)) = keys.split_first() else {
            return Some(self);
        };
        let Content::Map(entries) = &self.content else {
            return None;
        };
        entries.iter().find(|entry| entry.key == *key)?.node.get(rest)
    }

    /// Puts a node at the end of a way, making what is missing on it. Where the way leads through something that is
    /// neither a mapping nor a list, that is a finding.
    pub(super) fn set(&mut self, steps: &[Step], node: Self, findings: &mut Findings) {
        let origin = node.origin.clone();
        if let Err(message) = self.put(steps, node) {
            findings.problem(&origin, "", Fault::Value(message));
        }
    }

    fn put(&mut self, steps: &[Step], node: Self) -> Result<(), String> {
        let Some((step, rest)) = steps.split_first() else {
            *self = node;
            return Ok(());
        };
        let next = match step {
            Step::Key(key) => self.entry(key, &node.origin)?,
            Step::Index(index) => self.item(*index, &node.origin)?,
        };
        next.put(rest, node)
    }

    /// The value of a key, whose capitals do not matter, in what is or becomes a mapping.
    fn entry(&mut self, key: &str, origin: &Origin) -> Result<&mut Self, String> {
        self.become_map()?;
        let Content::Map(entries) = &mut self.content else {
            return Err("there is no mapping".to_owned());
        };
        let known = entries.iter().position(|entry| entry.key.eq_ignore_ascii_case(key));
        let index = known.unwrap_or(entries.len());
        if known.is_none() {
            entries.push(Entry::named(key, origin));
        }
        entries.get_mut(index).map(|entry| &mut entry.node).ok_or_else(|| "there is no entry".to_owned())
    }

    fn become_map(&mut self) -> Result<(), String> {
        let entries = match &self.content {
            Content::Map(_) => return Ok(()),
            Content::Null => Vec::new(),
            Content::Scalar { .. } => self.named_alone().into_iter().collect(),
            Content::List(_) => {
                return Err(format!("{} has a list where this sets a key", self.origin));
            }
        };
        self.content = Content::Map(entries);
        Ok(())
    }

    /// An item of what is or becomes a list, or the place behind its last.
    fn item(&mut self, index: usize, origin: &Origin) -> Result<&mut Self, String> {
        if matches!(self.content, Content::Null) {
            self.content = Content::List(Vec::new());
        }
        let Content::List(nodes) = &mut self.content else {
            return Err(format!("{} has no list where this sets item {index}", self.origin));
        };
        let length = nodes.len();
        if index == length {
            nodes.push(Self { origin: origin.clone(), content: Content::Null });
        }
        nodes
            .get_mut(index)
            .ok_or_else(|| format!("the list has {length} items, so the next is {length}, not {index}"))
    }

    /// What a scalar in the place of a section says: the name of one key in it.
    pub(super) fn named_alone(&self) -> Option<Entry> {
        match &self.content {
            Content::Scalar { text, .. } => Some(Entry::named(text, &self.origin)),
            _ => None,
        }
    }
}

impl Entry {
    /// A key without a value.
    fn named(key: &str, origin: &Origin) -> Self {
        let node = Node { origin: origin.clone(), content: Content::Null };
        Self { key: key.to_owned(), origin: origin.clone(), node }
    }
}

/// A step from a mapping or a list to something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    /// The steps of a key in full.
    pub(super) fn all(key: &str) -> Vec<Self> {
        key.split('.').map(|part| Self::Key(part.to_owned())).collect()
    }
}
