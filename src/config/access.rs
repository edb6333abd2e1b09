//! The lists of access control: policies, groups, immutable tags, trusted proxies.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use ipnet::IpNet;

use super::check::{self, Check};
use super::collections::{entries, items, text};
use super::problem::{Fault, Findings};
use super::settings::TrustedIssuer;
use super::tree::{Content, Entry, Node};
use super::value::Value;
use super::yaml::show_text;
use crate::auth::Action;
use crate::auth::policy::{Claims, Policy, Subject};
use crate::oci::Glob;
use crate::registry::ImmutableTags;

/// `admin`, which stands for all actions.
const ADMIN: &str = "admin";

/// One value, or a list of them.
fn one_or_more(node: &Node) -> &[Node] {
    match &node.content {
        Content::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    }
}

/// Reads texts with a reader of their own. `None` if any is wrong, or there is none.
fn read_all<T>(
    key: &str,
    node: &Node,
    findings: &mut Findings,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    let nodes = one_or_more(node);
    for node in nodes {
        match read(text(key, node, findings)?) {
            Ok(value) => all.push(value),
            Err(message) => findings.problem(&node.origin, key, Fault::Value(message)),
        }
    }
    if nodes.is_empty() {
        let message = "the list is empty: name at least one, or leave the entry out".to_owned();
        findings.problem(&node.origin, key, Fault::Value(message));
    }
    (all.len() == nodes.len() && !all.is_empty()).then_some(all)
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Patterns, at least one.
pub(super) fn read_globs(key: &str, node: &Node, findings: &mut Findings) -> Option<Vec<Glob>> {
    read_all(key, node, findings, glob)
}

fn glob(text: &str) -> Result<Glob, String> {
    Glob::parse(text).map_err(|error| error.to_string())
}

/// The entries of a mapping by their names, each of which must be known and there.
fn fields<'a, const N: usize>(
    what: &str,
    key: &str,
    node: &'a Node,
    names: [&str; N],
    findings: &mut Findings,
) -> Option<[&'a Entry; N]> {
    let entries = entries(what, key, node, findings)?;
    let mut is_whole = true;
    for entry in entries.iter().filter(|entry| !names.contains(&entry.key.as_str())) {
        let message = format!("there is no such key; here stand {}", names.join(", "));
        findings.problem(&entry.origin, &format!("{key}.{}", entry.key), Fault::Value(message));
        is_whole = false;
    }
    let found = names.map(|name| entries.iter().find(|entry| entry.key == name));
    if let Some((name, _)) = names.iter().zip(&found).find(|(_, entry)| entry.is_none()) {
        findings.problem(&node.origin, key, Fault::Value(format!("{name} is missing")));
    }
    let found: Vec<&Entry> = found.into_iter().flatten().collect();
    found.try_into().ok().filter(|_| is_whole)
}

/// `auth.policies`.
pub(super) fn read_policies(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let policies = items(what, key, node, findings)?;
    let read: Vec<Policy> =
        policies.iter().filter_map(|node| read_policy(what, key, node, findings)).collect();
    // A list with a mistake in it is no list: without one of its entries it would say something else.
    (read.len() == policies.len()).then_some(Value::Policies(read))
}

fn read_policy(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Policy> {
    let [who, may, at] = fields(what, key, node, ["who", "may", "where"], findings)?;
    let subjects: Vec<Option<Subject>> = one_or_more(&who.node)
        .iter()
        .map(|node| read_subject(what, &format!("{key}.who"), node, findings))
        .collect();
    let actions = read_all(&format!("{key}.may"), &may.node, findings, |text| match text {
        ADMIN => Ok(Action::ALL.to_vec()),
        text => {
            parsed(text).map(|action| vec![action]).map_err(|error| format!("{error}, and {ADMIN} for all"))
        }
    });
    let at = read_all(&format!("{key}.where"), &at.node, findings, glob);
    let mut may = actions?.concat();
    may.sort_unstable();
    may.dedup();
    Some(Policy { who: subjects.into_iter().collect::<Option<_>>()?, may, at: at? })
}

fn read_subject(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Subject> {
    if let Content::Scalar { text, .. } = &node.content {
        let subject = parsed::<Subject>(text);
        return subject.map_err(|error| findings.problem(&node.origin, key, Fault::Value(error))).ok();
    }
    let [issuer, claims] = fields(what, key, node, ["issuer", "claims"], findings)?;
    let issuer = text(&format!("{key}.issuer"), &issuer.node, findings)?.to_owned();
    let key = format!("{key}.claims");
    let mut globs = BTreeMap::new();
    for entry in entries(what, &key, &claims.node, findings)? {
        let read = text(&key, &entry.node, findings).map(glob)?;
        match read {
            Ok(glob) => _ = globs.insert(entry.key.clone(), glob),
            Err(message) => findings.problem(&entry.origin, &key, Fault::Value(message)),
        }
    }
    if globs.is_empty() {
        let message =
            "at least one claim must be named: without one everybody whom the issuer knows would be meant";
        findings.problem(&claims.origin, &key, Fault::Value(message.to_owned()));
        return None;
    }
    Some(Subject::Workload(Claims { issuer, claims: globs }))
}

/// `auth.issuers`.
pub(super) fn read_issuers(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut issuers: Vec<TrustedIssuer> = Vec::new();
    for item in items(what, key, node, findings)? {
        if let Some(issuer) = read_issuer(what, key, item, findings) {
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

fn read_issuer(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<TrustedIssuer> {
    let [name, url, audience] = fields(what, key, node, ["name", "url", "audience"], findings)?;
    let mut read = |entry: &Entry, check: Check| {
        let key = format!("{key}.{}", entry.key);
        let checked = check(text(&key, &entry.node, findings)?);
        checked.map_err(|message| findings.problem(&entry.node.origin, &key, Fault::Value(message))).ok()
    };
    let (name, url) = (read(name, check::word)?, read(url, check::issuer_url)?);
    Some(TrustedIssuer { name, url, audience: read(audience, check::not_empty)? })
}

/// `auth.groups`.
pub(super) fn read_groups(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let mut groups = BTreeMap::new();
    for entry in entries(what, key, node, findings)? {
        let members =
            read_all(&format!("{key}.{}", entry.key), &entry.node, findings, |name| Ok(name.to_owned()));
        groups.insert(entry.key.clone(), members?);
    }
    Some(Value::Groups(groups))
}

/// `tags.immutable`.
pub(super) fn read_immutable(what: &str, key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    let rules = items(what, key, node, findings)?;
    let mut read = Vec::new();
    for node in rules {
        let [at, tags] = fields(what, key, node, ["where", "tags"], findings)?;
        let at = read_all(&format!("{key}.where"), &at.node, findings, glob)?;
        let tags = read_all(&format!("{key}.tags"), &tags.node, findings, glob)?;
        read.push(ImmutableTags { at, tags });
    }
    Some(Value::ImmutableTags(read))
}

/// `http.trustedproxies`.
pub(super) fn read_networks(key: &str, node: &Node, findings: &mut Findings) -> Option<Value> {
    if matches!(&node.content, Content::List(nodes) if nodes.is_empty()) {
        return Some(Value::Networks(Vec::new()));
    }
    read_all(key, node, findings, network).map(Value::Networks)
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or(address);
    network.map_err(|_| format!("{text:?} is no address and no network such as 10.0.0.0/8"))
}

fn flow(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn show_globs(globs: &[Glob]) -> String {
    flow(globs.iter().map(|glob| show_text(glob.as_str())))
}

pub(super) fn show_policy(policy: &Policy) -> String {
    let who = flow(policy.who.iter().map(show_subject));
    let may = flow(policy.may.iter().map(ToString::to_string));
    format!("{{who: {who}, may: {may}, where: {}}}", show_globs(&policy.at))
}

fn show_subject(subject: &Subject) -> String {
    let Subject::Workload(Claims { issuer, claims }) = subject else {
        return show_text(&subject.to_string());
    };
    let claims: Vec<String> = claims
        .iter()
        .map(|(name, glob)| format!("{}: {}", show_text(name), show_text(glob.as_str())))
        .collect();
    format!("{{issuer: {}, claims: {{{}}}}}", show_text(issuer), claims.join(", "))
}

pub(super) fn show_immutable(rule: &ImmutableTags) -> String {
    format!("{{where: {}, tags: {}}}", show_globs(&rule.at), show_globs(&rule.tags))
}

pub(super) fn show_names(names: &[String]) -> String {
    flow(names.iter().map(|name| show_text(name)))
}
