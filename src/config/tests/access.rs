//! Policies, groups, immutable tags, trusted proxies.

use super::*;
use crate::auth::{Action, Identity, policy::Policies};

fn policies(text: &str) -> Result<Policies, Errors> {
    let loaded = load(&format!("auth: {text}\n"))?;
    Ok(Policies { list: loaded.config.auth.policies, groups: loaded.config.auth.groups })
}

#[test]
fn policies_are_read_in_full_or_in_short() {
    let policies = policies(
        "
  groups: {devs: [alice, bob]}
  issuers: [{name: github, url: 'https://token.example.com', audience: r}]
  policies:
    - {who: anonymous, may: pull, where: public/**}
    - who: [group:devs, 'robot:ci']
      may: [pull, push]
      where: [team/**, shared/*]
    - who: {issuer: github, claims: {repository: team/app, ref: refs/heads/main}}
      may: admin
      where: team/app",
    )
    .unwrap();
    let may = |who: &str, action, at| policies.permit(&who.parse().unwrap(), action, at);
    assert!(may("user:alice", Action::Push, "team/app"));
    assert!(may("robot:ci", Action::Push, "shared/x"));
    assert!(!may("user:alice", Action::Delete, "team/app"));
    assert!(may("anonymous", Action::Pull, "public/x"));
    let claims = serde_json::json!({"repository": "team/app", "ref": "refs/heads/main"});
    let job = Identity::workload("github", claims.as_object().cloned().unwrap());
    assert!(policies.permit(&job, Action::Delete, "team/app"));
}

#[test]
fn what_is_shown_reads_back_the_same() {
    let text = "auth:
  groups: {devs: [alice]}
  issuers: [{name: ci, url: 'https://token.example.com', audience: r}]
  policies:
    - {who: [group:devs, {issuer: ci, claims: {'a b': 'x*'}}], may: [push, pull], where: [team/**]}
tags: {immutable: [{where: '**', tags: ['v*', stable]}]}
http: {trustedproxies: [10.0.0.0/8, '::1']}
";
    let loaded = load(text).unwrap();
    let again = load(&loaded.to_yaml()).unwrap();
    assert_eq!(loaded.config.auth, again.config.auth);
    assert_eq!(loaded.config.tags, again.config.tags);
    assert_eq!(loaded.config.http.trustedproxies, again.config.http.trustedproxies);
}

#[test]
fn a_mistake_in_a_policy_is_an_error_that_says_where() {
    for (text, said) in [
        ("{policies: [{who: alice, may: pull, where: '**'}]}", "is nobody: write user:NAME"),
        ("{policies: [{who: user:a, may: read, where: '**'}]}", "is no action"),
        ("{policies: [{who: user:a, may: pull, where: 'team**'}]}", "stands alone between slashes"),
        ("{policies: [{who: user:a, may: pull}]}", "where is missing"),
        ("{policies: [{who: user:a, may: [], where: a}]}", ""),
        ("{policies: [{who: user:a, may: pull, where: a, when: now}]}", "there is no such key"),
        ("{policies: [{who: group:devs, may: pull, where: a}]}", "there is no group devs"),
        ("{policies: [{who: {issuer: x, claims: {a: b}}, may: pull, where: a}]}", "there is no issuer x"),
        ("{policies: [{who: {issuer: x, claims: {}}, may: pull, where: a}]}", "at least one claim"),
        ("{policies: {who: user:a}}", "expected a list"),
        ("{groups: {devs: []}}", ""),
    ] {
        let errors = policies(text).err().unwrap_or_else(|| panic!("{text} was taken"));
        assert!(errors.to_string().contains(said), "{text}: {errors}");
    }
}

#[test]
fn proxies_are_addresses_and_networks() {
    let errors = load("http: {trustedproxies: [10.0.0.0/33, proxy]}\n").unwrap_err();
    assert_eq!(errors.problems().len(), 2, "{errors}");
    assert!(load("http: {trustedproxies: [192.0.2.1, 2001:db8::/32]}\n").is_ok());
}
