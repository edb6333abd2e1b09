//! `storage.quota.repositories`: how much repositories may hold.

use super::access::read_globs;
use super::collections::{entries, items, text};
use super::problem::{Fault, Findings};
use super::tree::Node;
use super::units::{parse_size, show_size};
use super::value::Value;
use super::yaml::show_text;
use crate::oci::Glob;
use crate::registry::RepositoryQuota;

pub(super) fn read_quotas(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let nodes = items(what, key, node, findings)?;
    let read: Vec<RepositoryQuota> =
        nodes.iter().filter_map(|node| read_quota(what, key, node, findings)).collect();
    // With a mistake in one of them there is an error anyway.
    Some(Value::Quotas(read))
}

fn read_quota(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<RepositoryQuota> {
    let mut quota = RepositoryQuota { at: Vec::new(), size: None, tags: None };
    for entry in entries(what, key, node, findings)? {
        let key = format!("{key}.{}", entry.key);
        let read = match entry.key.as_str() {
            "where" => {
                quota.at = read_globs(&key, &entry.node, findings)?;
                continue;
            }
            "size" => text(&key, &entry.node, findings)
                .map(|text| parse_size(text).map(|size| quota.size = Some(size))),
            "tags" => {
                text(&key, &entry.node, findings).map(|text| count(text).map(|tags| quota.tags = Some(tags)))
            }
            _ => Some(Err("there is no such key; here stand where, size, tags".to_owned())),
        };
        if let Some(Err(message)) = read {
            findings.problem(&entry.origin, &key, Fault::Value(message));
        }
    }
    let missing = match (quota.at.is_empty(), quota.size.or(quota.tags)) {
        (true, _) => "where is missing: patterns of the repositories that are meant",
        (false, None) => "size or tags is missing: how much each of them may hold",
        (false, Some(_)) => return Some(quota),
    };
    findings.problem(&node.origin, key, Fault::Value(missing.to_owned()));
    None
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

pub(super) fn show_quota(quota: &RepositoryQuota) -> String {
    let globs: Vec<String> = quota.at.iter().map(Glob::as_str).map(show_text).collect();
    let size = quota.size.map(|size| format!(", size: {}", show_size(size))).unwrap_or_default();
    let tags = quota.tags.map(|tags| format!(", tags: {tags}")).unwrap_or_default();
    format!("{{where: [{}]{size}{tags}}}", globs.join(", "))
}
