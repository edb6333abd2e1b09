//! YAML as a tree that knows where each value stands.
//!
//! The tree is what a configuration needs and no more: one document of scalars, lists and mappings with text for
//! keys. Aliases and merge keys are resolved while reading, within [`MOST_NODES`], so that a few lines cannot
//! unfold into gigabytes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::problem::{Dialect, Fault, Findings, Origin};
use super::tree::{Content, Entry, Node};

/// Bound on the values of one document, aliases unfolded.
const MOST_NODES: usize = 10_000;
/// Bound on how deep values are nested.
const DEEPEST: usize = 32;

/// What a text was read from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Default(Dialect),
    File(Arc<Path>),
    Variable(Arc<str>),
}

impl Source {
    fn at(&self, span: Span) -> Origin {
        match self {
            Self::Default(dialect) => Origin::Default(*dialect),
            Self::File(path) => Origin::File {
                path: Arc::clone(path),
                line: Some(span.start.line()),
                column: Some(span.start.col() + 1),
            },
            Self::Variable(name) => Origin::Variable(Arc::clone(name)),
        }
    }
}

/// Reads one document. A duplicate key is a finding and reading goes on; after any other the result is `None`.
/// An empty text is [`Content::Null`].
pub(super) fn parse(text: &str, source: &Source, findings: &mut Findings) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        source,
        findings,
        anchors: HashMap::new(),
        path: Vec::new(),
        nodes: 0,
    };
    match reader.document() {
        Ok(node) => Some(node),
        Err(Broken { origin, message }) => {
            findings.problem(&origin, "", Fault::Syntax(message));
            None
        }
    }
}

/// Why reading cannot go on.
struct Broken {
    origin: Origin,
    message: String,
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    source: &'a Source,
    findings: &'a mut Findings,
    anchors: HashMap<usize, Node>,
    /// The keys that lead to where reading is.
    path: Vec<String>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Broken> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self.broken(span, "a second document begins; a configuration is one"));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                Event::StreamEnd => {
                    let empty = Node { origin: self.source.at(span), content: Content::Null };
                    return Ok(root.unwrap_or(empty));
                }
                _ => return Err(self.broken(span, "a value stands outside of the document")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Err(self.broken(Span::default(), "the document ends too early")),
        }
    }

    fn scan_error(&self, error: &ScanError) -> Broken {
        let message = if error.info().contains("tab") {
            format!("{} (indent with spaces)", error.info())
        } else {
            error.info().to_owned()
        };
        self.broken(Span::empty(*error.marker()), &message)
    }

    fn broken(&self, span: Span, message: &str) -> Broken {
        Broken { origin: self.source.at(span), message: message.to_owned() }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Broken> {
        self.count(1, span)?;
        if depth > DEEPEST {
            return Err(self.broken(span, &format!("more than {DEEPEST} levels")));
        }
        let (content, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = self.is_text_by_tag(tag.as_deref(), span)?;
                (scalar(&text, style == ScalarStyle::Plain && !tagged_text), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.is_text_by_tag(tag.as_deref(), span)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.is_text_by_tag(tag.as_deref(), span)?;
                (self.map(depth)?, anchor)
            }
            _ => return Err(self.broken(span, "a value is missing")),
        };
        let node = Node { origin: self.source.at(span), content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Broken> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(self.broken(span, &format!("more than {MOST_NODES} values, aliases unfolded")));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Broken> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.broken(span, "an alias stands inside of what it names"));
        };
        self.count(node.size(), span)?;
        Ok(node)
    }

    /// Whether a tag makes a plain scalar a text; refuses tags that mean nothing here.
    fn is_text_by_tag(&self, tag: Option<&Tag>, span: Span) -> Result<bool, Broken> {
        match tag {
            None => Ok(false),
            Some(tag) if !tag.is_yaml_core_schema() => Err(self.broken(span, "tags have no meaning here")),
            Some(tag) => Ok(tag.suffix == "str"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Content, Broken> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(nodes)),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (key, style, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, style, ..), span) => (key.into_owned(), style, span),
                (_, span) => return Err(self.broken(span, "a key must be a text")),
            };
            let (event, value_span) = self.next()?;
            self.path.push(key.clone());
            let node = self.node(event, value_span, depth + 1)?;
            if style == ScalarStyle::Plain && key == "<<" {
                merged.extend(self.merge(node, span)?);
            } else {
                let origin = self.source.at(span);
                self.insert(&mut entries, Entry { key, origin, node });
            }
            self.path.pop();
        }
        merged.retain(|entry: &Entry| !entries.iter().any(|known| known.key == entry.key));
        entries.append(&mut merged);
        Ok(Content::Map(entries))
    }

    fn insert(&mut self, entries: &mut Vec<Entry>, entry: Entry) {
        match entries.iter().find(|known| known.key == entry.key) {
            None => entries.push(entry),
            Some(known) => {
                let first = known.origin.line().unwrap_or(1);
                let key = self.path.join(".");
                self.findings.problem(&entry.origin, &key, Fault::Duplicate { first });
            }
        }
    }

    /// The entries that a merge key brings in: those of a mapping, or of several, the first winning.
    fn merge(&self, node: Node, span: Span) -> Result<Vec<Entry>, Broken> {
        match node.content {
            Content::Map(entries) => Ok(entries),
            Content::List(nodes) => {
                let parts: Result<Vec<_>, _> =
                    nodes.into_iter().map(|node| self.merge_one(node, span)).collect();
                Ok(first_of_each(parts?.into_iter().flatten()))
            }
            _ => Err(self.broken(span, "a merge key takes a mapping")),
        }
    }

    fn merge_one(&self, node: Node, span: Span) -> Result<Vec<Entry>, Broken> {
        match node.content {
            Content::Map(entries) => Ok(entries),
            _ => Err(self.broken(span, "a merge key takes a mapping, or a list of mappings")),
        }
    }
}

/// The entries without those whose key came before.
fn first_of_each(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut firsts: Vec<Entry> = Vec::new();
    for entry in entries {
        if !firsts.iter().any(|known| known.key == entry.key) {
            firsts.push(entry);
        }
    }
    firsts
}

fn scalar(text: &str, plain: bool) -> Content {
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Content::Null;
    }
    Content::Scalar { text: text.to_owned(), plain }
}

/// Writes a text as a YAML scalar: plain where that is the same text, else in double quotes.
pub(super) fn show_text(text: &str) -> String {
    let starts_plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.');
    let goes_on_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let plain = text.starts_with(starts_plain)
        && text.chars().all(goes_on_plain)
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
        && !text.starts_with("..");
    if plain { text.to_owned() } else { quote(text) }
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
