//! A checked value of a setting, and how it is written down again.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;

use super::access;
use super::notifications;
use super::pattern::Pattern;
use super::quotas;
use super::retention;
use super::settings::{NotifiedEndpoint, Platform, TrustedIssuer};
use super::units::{show_duration, show_size};
use super::yaml::show_text;
use crate::auth::policy::Policy;
use crate::health::{Check, Probe};
use crate::registry::{ImmutableTags, RepositoryQuota, RetentionRule};

/// A value of one of the kinds that settings have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Switch(bool),
    Count(usize),
    Size(u64),
    Duration(Duration),
    Mode(u32),
    Choice(&'static str),
    Text(String),
    Texts(Vec<String>),
    Fields(BTreeMap<String, String>),
    Headers(Vec<(String, String)>),
    Patterns(Vec<Pattern>),
    Platforms(Vec<Platform>),
    Policies(Vec<Policy>),
    Groups(BTreeMap<String, Vec<String>>),
    ImmutableTags(Vec<ImmutableTags>),
    Networks(Vec<IpNet>),
    Words(Vec<&'static str>),
    Issuers(Vec<TrustedIssuer>),
    Endpoints(Vec<NotifiedEndpoint>),
    Quotas(Vec<RepositoryQuota>),
    RetentionRules(Vec<RetentionRule>),
    Checks(Vec<Check>),
}

/// What is written in the place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// Parts of names whose values are not shown.
const SECRET_NAMES: &[&str] =
    &["secret", "password", "token", "apikey", "authorization", "cookie", "credential"];

impl Value {
    /// The value on one line of YAML that reads back the same, secrets hidden.
    pub(super) fn to_yaml(&self) -> String {
        match self {
            Self::Switch(on) => on.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Size(bytes) => show_size(*bytes),
            Self::Duration(duration) => show_duration(*duration),
            Self::Mode(mode) => format!("\"{mode:04o}\""),
            Self::Choice(choice) => (*choice).to_owned(),
            Self::Text(text) => show_text(text),
            Self::Texts(texts) => flow_list(texts.iter().map(|text| show_text(text))),
            Self::Fields(fields) => flow_map(fields.iter().map(|(name, value)| (name, shown(name, value)))),
            Self::Headers(headers) => show_headers(headers),
            Self::Patterns(patterns) => flow_list(patterns.iter().map(|pattern| show_text(pattern.as_str()))),
            Self::Platforms(platforms) => flow_list(platforms.iter().map(show_platform)),
            Self::Policies(policies) => flow_list(policies.iter().map(access::show_policy)),
            Self::Groups(groups) => {
                flow_map(groups.iter().map(|(name, members)| (name, access::show_names(members))))
            }
            Self::ImmutableTags(rules) => flow_list(rules.iter().map(access::show_immutable)),
            Self::Networks(networks) => {
                flow_list(networks.iter().map(|network| show_text(&network.to_string())))
            }
            Self::Words(words) => flow_list(words.iter().map(|word| (*word).to_owned())),
            Self::Issuers(issuers) => flow_list(issuers.iter().map(show_issuer)),
            Self::Quotas(list) => flow_list(list.iter().map(quotas::show_quota)),
            Self::RetentionRules(rules) => flow_list(rules.iter().map(retention::show_rule)),
            Self::Endpoints(endpoints) => flow_list(endpoints.iter().map(notifications::show_endpoint)),
            Self::Checks(checks) => flow_list(checks.iter().map(show_check)),
        }
    }
}

fn show_platform(platform: &Platform) -> String {
    format!("{{architecture: {}, os: {}}}", show_text(&platform.architecture), show_text(&platform.os))
}

fn show_issuer(issuer: &TrustedIssuer) -> String {
    let [name, url, audience] = [&issuer.name, &issuer.url, &issuer.audience].map(|text| show_text(text));
    format!("{{name: {name}, url: {url}, audience: {audience}}}")
}

fn show_check(check: &Check) -> String {
    let interval = show_duration(check.interval);
    let how_often = format!(
        "timeout: {}, interval: {interval}, threshold: {}",
        show_duration(check.timeout),
        check.threshold
    );
    match &check.probe {
        Probe::Http { url, headers, status } => {
            let headers = flow_map(by_name(headers));
            format!("{{uri: {}, headers: {headers}, statuscode: {status}, {how_often}}}", show_text(url))
        }
        Probe::Tcp(address) => format!("{{addr: {}, {how_often}}}", show_text(address)),
        Probe::File(_) | Probe::Own(_) => {
            format!("{{file: {}, interval: {interval}}}", show_text(&check.name))
        }
    }
}

fn shown(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if SECRET_NAMES.iter().any(|part| name.contains(part)) { HIDDEN.to_owned() } else { show_text(value) }
}

/// Headers with lists of their values, secrets hidden.
pub(super) fn show_headers(headers: &[(String, String)]) -> String {
    flow_map(by_name(headers))
}

/// Header names in their order with the list of their values.
fn by_name(headers: &[(String, String)]) -> Vec<(&String, String)> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in headers {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let values = |name: &String| {
        flow_list(headers.iter().filter(|(other, _)| other == name).map(|(name, value)| shown(name, value)))
    };
    names.into_iter().map(|name| (name, values(name))).collect()
}

fn flow_list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn flow_map<'a>(entries: impl IntoIterator<Item = (&'a String, String)>) -> String {
    let entries: Vec<String> =
        entries.into_iter().map(|(name, value)| format!("{}: {value}", show_text(name))).collect();
    format!("{{{}}}", entries.join(", "))
}
