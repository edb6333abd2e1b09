//! Values that are mappings and lists.

use std::collections::BTreeMap;

use super::check;
use super::pattern::Pattern;
use super::problem::{Fault, Findings};
use super::settings::Platform;
use super::tree::{Content, Entry, Node};
use super::value::Value;

/// The entries of a mapping. Anything else becomes a finding, as does in the other two what is not asked for.
pub(super) fn entries<'a>(
    what: &str,
    key: &str,
    node: &'a Node,
    findings: &mut Findings,
) -> Option<&'a [Entry]> {
    match &node.content {
        Content::Map(entries) => Some(entries),
        _ => {
            findings.problem(&node.origin, key, node.mismatch(what));
            None
        }
    }
}

/// The items of a list.
pub(super) fn items<'a>(
    what: &str,
    key: &str,
    node: &'a Node,
    findings: &mut Findings,
) -> Option<&'a [Node]> {
    match &node.content {
        Content::List(nodes) => Some(nodes),
        _ => {
            findings.problem(&node.origin, key, node.mismatch(what));
            None
        }
    }
}

/// A scalar.
pub(super) fn text<'a>(key: &str, node: &'a Node, findings: &mut Findings) -> Option<&'a str> {
    match &node.content {
        Content::Scalar { text, .. } => Some(text),
        _ => {
            findings.problem(&node.origin, key, node.mismatch("a text"));
            None
        }
    }
}

pub(super) fn read_fields(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut fields = BTreeMap::new();
    for entry in entries(what, key, node, findings)? {
        if let Some(value) = text(&format!("{key}.{}", entry.key), &entry.node, findings) {
            fields.insert(entry.key.clone(), value.to_owned());
        }
    }
    Some(Value::Fields(fields))
}

pub(super) fn read_headers(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for entry in entries(what, key, node, findings)? {
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

pub(super) fn read_patterns(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut patterns = Vec::new();
    for item in items(what, key, node, findings)? {
        match text(key, item, findings).map(Pattern::parse) {
            None => {}
            Some(Ok(pattern)) => patterns.push(pattern),
            Some(Err(message)) => findings.problem(&item.origin, key, Fault::Value(message)),
        }
    }
    Some(Value::Patterns(patterns))
}

pub(super) fn read_platforms(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut platforms = Vec::new();
    for item in items(what, key, node, findings)? {
        platforms.extend(read_platform(what, key, item, findings));
    }
    Some(Value::Platforms(platforms))
}

fn read_platform(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Platform> {
    let (mut architecture, mut os) = (None, None);
    for entry in entries(what, key, node, findings)? {
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
