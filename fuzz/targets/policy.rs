//! Policies: what they decide is what a plain reading of them finds, and no entry takes away what another one gives.

use holdfast::auth::policy::{Policies, Policy, Subject, Verdict};
use holdfast::auth::{Action, Identity};
use holdfast::config::{Config, Flags, Sources};
use holdfast::oci::{Glob, RepositoryName};

/// The list, the groups, who asks (a name, or claims as JSON of whoever is called github), and for which repository, with NUL
/// between.
pub fn policy(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut next = || parts.next().unwrap_or_default().into_owned();
    let (list, groups, who, repository) = (next(), next(), next(), next());
    let issuers = r#"[{name: github, url: "https://issuer.example.com", audience: a}]"#.to_owned();
    let environment = vec![
        ("REGISTRY_AUTH_POLICIES".to_owned(), list),
        ("REGISTRY_AUTH_GROUPS".to_owned(), groups),
        ("REGISTRY_AUTH_ISSUERS".to_owned(), issuers),
    ];
    let loaded = Config::load(Sources { file: None, environment, flags: Flags::default() });
    let (Ok(loaded), Some(who), Ok(repository)) = (loaded, identity(&who), repository.parse()) else {
        return;
    };
    let auth = loaded.config.auth;
    let policies = Policies { list: auth.policies, groups: auth.groups };
    Action::ALL.iter().for_each(|action| decide(&policies, &who, *action, &repository));
}

fn identity(text: &str) -> Option<Identity> {
    let claims = || serde_json::from_str(text).ok().map(|claims| Identity::workload("github", claims));
    text.parse().ok().or_else(claims)
}

fn decide(policies: &Policies, who: &Identity, action: Action, repository: &RepositoryName) {
    let permitted = policies.permit(who, action, repository.as_str());
    let granting = |policy: &&Policy| grants(policies, policy, who, action, repository.as_str());
    if policies.list.iter().all(is_short) {
        assert_eq!(
            permitted,
            policies.list.iter().any(|policy| granting(&policy)),
            "{policies:?} {who} {action} {repository}"
        );
    }
    match policies.explain(who, action, repository) {
        Verdict::Granted { number, policy } => {
            assert!(permitted && policies.list.get(number - 1) == Some(policy));
        }
        Verdict::Denied { .. } => assert!(!permitted),
    }
    assert!(!permitted || policies.permit_somewhere(who, action));
    if policies.permit(&Identity::Anonymous, action, repository.as_str()) {
        assert!(permitted && policies.admit_strangers(), "what everybody may, {who} may");
    }
    let mut fewer = policies.clone();
    fewer.list.pop();
    assert!(permitted || !fewer.permit(who, action, repository.as_str()), "an entry took something away");
}

/// Whether the plain reading, which tries everything, is soon done.
fn is_short(policy: &Policy) -> bool {
    let claims = |subject: &Subject| match subject {
        Subject::Workload(claims) => claims.claims.values().cloned().collect(),
        _ => Vec::new(),
    };
    let globs = policy.at.iter().cloned().chain(policy.who.iter().flat_map(claims));
    globs.into_iter().all(|glob: Glob| glob.as_str().matches('*').count() <= 6)
}

fn grants(policies: &Policies, policy: &Policy, who: &Identity, action: Action, repository: &str) -> bool {
    let is_about = |subject: &Subject| match (subject, who) {
        (Subject::Anonymous, _) => true,
        (Subject::Authenticated, who) => matches!(who, Identity::User(_) | Identity::Robot(_)),
        (Subject::User(one), Identity::User(other)) | (Subject::Robot(one), Identity::Robot(other)) => {
            one == other
        }
        (Subject::Group(group), Identity::User(user)) => policies
            .groups
            .iter()
            .any(|(name, members)| name == group && members.iter().any(|member| member == user)),
        (Subject::Workload(claims), Identity::Workload(job)) => {
            let says = |(name, glob): (&String, &Glob)| {
                texts(&job.claims[name]).iter().any(|text| is_match(glob, text))
            };
            claims.issuer == job.issuer
                && claims
                    .claims
                    .iter()
                    .all(|(name, glob)| job.claims.contains_key(name) && says((name, glob)))
        }
        _ => false,
    };
    policy.who.iter().any(is_about)
        && policy.may.contains(&action)
        && policy.at.iter().any(|glob| is_match(glob, repository))
}

/// What a claim says, as texts.
fn texts(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Null | serde_json::Value::Object(_) => Vec::new(),
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(values) => {
            values.iter().filter(|value| !value.is_array()).flat_map(texts).collect()
        }
        other => vec![other.to_string()],
    }
}

fn is_match(glob: &Glob, text: &str) -> bool {
    let (pattern, text): (Vec<&str>, Vec<&str>) =
        (glob.as_str().split('/').collect(), text.split('/').collect());
    path(&pattern, &text)
}

fn path(pattern: &[&str], text: &[&str]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ["**", rest @ ..] => (0..=text.len()).any(|taken| path(rest, &text[taken..])),
        [first, rest @ ..] => text
            .split_first()
            .is_some_and(|(head, tail)| component(first.as_bytes(), head.as_bytes()) && path(rest, tail)),
    }
}

fn component(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| component(rest, &text[taken..])),
        [first, rest @ ..] => {
            text.split_first().is_some_and(|(head, tail)| head == first && component(rest, tail))
        }
    }
}
