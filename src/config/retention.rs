//! `retention.rules`: which tags stay.

use super::access::read_globs;
use super::collections::{entries, items, text};
use super::problem::{Fault, Findings};
use super::tree::Node;
use super::units::{parse_duration, show_duration};
use super::value::Value;
use super::yaml::show_text;
use crate::oci::Glob;
use crate::registry::RetentionRule;

pub(super) fn read_rules(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let nodes = items(what, key, node, findings)?;
    let read: Vec<RetentionRule> =
        nodes.iter().filter_map(|node| read_rule(what, key, node, findings)).collect();
    // A list with a mistake in it is no list: without one of its rules fewer tags would stay.
    (read.len() == nodes.len()).then_some(Value::RetentionRules(read))
}

fn read_rule(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<RetentionRule> {
    let mut rule = RetentionRule::default();
    for entry in entries(what, key, node, findings)? {
        let (key, node) = (format!("{key}.{}", entry.key), &entry.node);
        let globs = match entry.key.as_str() {
            "where" => &mut rule.at,
            "tags" => &mut rule.tags,
            "matching" => &mut rule.matching,
            other => {
                let value = text(&key, node, findings)?;
                if let Err(message) = read_bound(&mut rule, other, value) {
                    findings.problem(&entry.origin, &key, Fault::Value(message));
                    return None;
                }
                continue;
            }
        };
        *globs = read_globs(&key, node, findings)?;
    }
    let RetentionRule { last, matching, pushed_within, pulled_within, .. } = &rule;
    let keeps = last.is_some() || !matching.is_empty() || pushed_within.or(*pulled_within).is_some();
    let missing = match (rule.at.is_empty(), keeps) {
        (true, _) => "where is missing: patterns of the repositories that are meant",
        (false, false) => {
            "nothing would stay: say which tags do, with last, matching, pushedwithin or pulledwithin"
        }
        (false, true) => {
            if rule.tags.is_empty() {
                rule.tags.extend(Glob::parse("*"));
            }
            return Some(rule);
        }
    };
    findings.problem(&node.origin, key, Fault::Value(missing.to_owned()));
    None
}

fn read_bound(rule: &mut RetentionRule, key: &str, text: &str) -> Result<(), String> {
    const MOST: usize = 100_000;
    match key {
        "last" => {
            let count = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
            match count {
                1..=MOST => rule.last = Some(count),
                _ => return Err(format!("{count} is not from 1 to {MOST}")),
            }
        }
        "pushedwithin" => rule.pushed_within = Some(parse_duration(text)?),
        "pulledwithin" => rule.pulled_within = Some(parse_duration(text)?),
        _ => {
            let known = "where, tags, last, matching, pushedwithin, pulledwithin";
            return Err(format!("there is no such key; here stand {known}"));
        }
    }
    Ok(())
}

pub(super) fn show_rule(rule: &RetentionRule) -> String {
    let globs = |globs: &[Glob]| {
        let shown: Vec<String> = globs.iter().map(Glob::as_str).map(show_text).collect();
        format!("[{}]", shown.join(", "))
    };
    let mut shown = format!("{{where: {}, tags: {}", globs(&rule.at), globs(&rule.tags));
    if let Some(count) = rule.last {
        shown.push_str(&format!(", last: {count}"));
    }
    if !rule.matching.is_empty() {
        shown.push_str(&format!(", matching: {}", globs(&rule.matching)));
    }
    for (key, within) in [("pushedwithin", rule.pushed_within), ("pulledwithin", rule.pulled_within)] {
        if let Some(within) = within {
            shown.push_str(&format!(", {key}: {}", show_duration(within)));
        }
    }
    shown.push('}');
    shown
}
