//! Who is asking: token servers and issuers of identities.

use super::*;
use crate::config::{Realm, Token};
use std::path::PathBuf;

const TOKEN: &str = "{realm: 'https://auth.example.com/token', service: registry, issuer: auth, rootcertbundle: /certs/auth.pem}";

fn token(text: &str) -> Token {
    load(&format!("auth: {{token: {text}}}\n"))
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config
        .auth
        .token
        .unwrap()
}

#[test]
fn without_the_section_no_token_counts() {
    for text in ["", "auth:\n", "auth: {}\n", "auth: none\n", "version: 0.1\n"] {
        let auth = load(text).unwrap().config.auth;
        assert_eq!((auth.token, auth.issuers), (None, Vec::new()), "{text}");
    }
}

#[test]
fn the_section_is_the_one_that_distribution_has() {
    let token = token(TOKEN);
    assert_eq!(token.realm, Realm::Url("https://auth.example.com/token".to_owned()));
    assert_eq!((token.service.as_str(), token.issuer.as_str()), ("registry", "auth"));
    assert_eq!(token.rootcertbundle, Some(PathBuf::from("/certs/auth.pem")));
    assert_eq!((token.jwks, token.signingalgorithms.len()), (None, 9));
}

#[test]
fn variables_alone_configure_it_as_they_do_for_distribution() {
    let loaded = load_variables(&[
        ("REGISTRY_AUTH", "token"),
        ("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/token?x=1"),
        ("REGISTRY_AUTH_TOKEN_SERVICE", "Docker registry"),
        ("REGISTRY_AUTH_TOKEN_ISSUER", "Acme auth server"),
        ("REGISTRY_AUTH_TOKEN_JWKS", "https://auth.example.com/keys"),
        ("REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS", "[ES256, RS256]"),
    ]);
    let token = loaded.unwrap_or_else(|errors| panic!("{errors}")).config.auth.token.unwrap();
    assert_eq!((token.service.as_str(), token.issuer.as_str()), ("Docker registry", "Acme auth server"));
    assert_eq!(token.jwks.as_deref(), Some("https://auth.example.com/keys"));
    assert_eq!(token.signingalgorithms, ["ES256", "RS256"]);
}

#[test]
fn a_section_that_says_nothing_does_not_leave_the_registry_open() {
    for text in ["token", "{token: }", "{token: {}}", "{token: {realm: }}"] {
        let messages = messages(load(&format!("auth: {text}\n")));
        assert!(
            messages[0].contains("auth.token: the section is empty: give its keys"),
            "{text}: {messages:?}"
        );
    }
    let messages = messages(load_variables(&[("REGISTRY_AUTH", "token")]));
    assert_eq!(messages, ["REGISTRY_AUTH: auth.token: the section is empty: give its keys, or remove it"]);
}

#[test]
fn whatever_is_missing_is_named() {
    let messages =
        messages(load("auth: {token: {signingalgorithms: [ES256], autoredirect: false, jwks: /k}}\n"));
    assert_eq!(messages.len(), 3, "{messages:?}");
    for (message, key) in messages.iter().zip(["realm", "service", "issuer"]) {
        assert!(
            message.starts_with(&format!("config.yml:1:71: auth.token.{key}: it is needed")),
            "{message}"
        );
    }
    let without_keys = TOKEN.replace(", rootcertbundle: /certs/auth.pem", "");
    let messages = self::messages(load(&format!("auth: {{token: {without_keys}}}\n")));
    assert!(messages[0].contains("auth.token: it needs rootcertbundle or jwks"), "{messages:?}");
}

#[test]
fn clients_may_be_sent_to_the_host_that_they_asked() {
    let text = "{service: s, issuer: i, jwks: /k, autoredirect: true}";
    assert_eq!(token(text).realm, Realm::Path("/auth/token".to_owned()));
    let text = text.replace("true", "true, realm: 'https://a/b', autoredirectpath: /t");
    assert_eq!(token(&text).realm, Realm::Path("/t".to_owned()));
}

#[test]
fn what_would_break_a_challenge_or_weaken_a_check_is_refused() {
    for (text, problem) in [
        ("realm: auth.example.com", "a URL begins with https://"),
        ("realm: 'https://a/\"b'", "visible ASCII"),
        ("realm: 'https://a b'", "a URL begins with https://"),
        ("service: 'a\\b'", "visible ASCII"),
        ("service: ä", "visible ASCII"),
        ("jwks: 'http://auth.example.com/keys'", "cannot be trusted"),
        ("jwks: 'http://localhost.example.com/keys'", "cannot be trusted"),
        ("signingalgorithms: [none]", "\"none\" cannot stand here"),
        (
            "signingalgorithms: [HS256]",
            "write EdDSA, RS256, RS384, RS512, ES256, ES384, PS256, PS384 or PS512",
        ),
        ("signingalgorithms: [ES512]", "\"ES512\" cannot stand here"),
        ("signingalgorithms: ES256", "a list of EdDSA"),
        ("autoredirectpath: token", "is no path of a URL"),
        ("relm: x", "did you mean `auth.token.realm`?"),
    ] {
        let messages = messages(load(&format!("auth: {{token: {{{text}}}}}\n")));
        assert!(messages.iter().any(|message| message.contains(problem)), "{text}: {messages:?}");
    }
}

#[test]
fn an_issuer_has_a_name_a_url_and_an_audience() {
    let text =
        "auth: {issuers: [{name: github, url: 'https://token.actions.githubusercontent.com', audience: r},
                                 {name: auth0, url: 'https://x.auth0.com/', audience: r}],
                       policies: [{who: anonymous, may: pull, where: a}]}\n";
    let loaded = load(text).unwrap();
    let urls: Vec<&str> = loaded.config.auth.issuers.iter().map(|issuer| issuer.url.as_str()).collect();
    assert_eq!(urls, ["https://token.actions.githubusercontent.com", "https://x.auth0.com/"]);
    assert_eq!(load(&loaded.to_yaml()).unwrap().config, loaded.config);
}

#[test]
fn issuers_may_be_given_by_variables() {
    let whole = "[{name: ci, url: 'http://127.0.0.1:8080', audience: r}]";
    let policies = ("REGISTRY_AUTH_POLICIES", "[{who: anonymous, may: pull, where: a}]");
    let by_whole = load_variables(&[("REGISTRY_AUTH_ISSUERS", whole), policies]).unwrap();
    let by_parts = load_variables(&[
        policies,
        ("REGISTRY_AUTH_ISSUERS_0_NAME", "ci"),
        ("REGISTRY_AUTH_ISSUERS_0_URL", "http://127.0.0.1:8080"),
        ("REGISTRY_AUTH_ISSUERS_0_AUDIENCE", "r"),
    ]);
    assert_eq!(by_whole.config.auth.issuers.len(), 1);
    assert_eq!(by_parts.unwrap().config.auth, by_whole.config.auth);
}

#[test]
fn an_issuer_alone_does_not_let_everybody_in_whom_it_knows() {
    let errors = load("auth: {issuers: [{name: a, url: 'https://a', audience: r}]}\n").unwrap_err();
    let [problem] = errors.problems() else { panic!("{errors}") };
    assert_eq!(problem.key, "auth.policies");
}

#[test]
fn an_issuer_that_is_not_whole_or_cannot_be_trusted_is_refused() {
    for (text, problem) in [
        ("{name: a, url: 'https://a'}", "audience is missing"),
        ("{name: a, url: 'http://a.example', audience: r}", "cannot be trusted"),
        ("{name: a, url: a.example, audience: r}", "is no URL"),
        ("{name: 'a b', url: 'https://a', audience: r}", "is no name"),
        ("{name: a, url: 'https://a', audience: ''}", "an empty text is none"),
        ("{name: a, url: 'https://a', audience: r, jwks: x}", "there is no such key"),
        (
            "{name: a, url: 'https://a', audience: r}, {name: a, url: 'https://b', audience: r}",
            "was given before",
        ),
        ("a", "expected a list of mappings with name, url and audience"),
    ] {
        let messages = messages(load(&format!("auth: {{issuers: [{text}]}}\n")));
        assert!(messages.iter().any(|message| message.contains(problem)), "{text}: {messages:?}");
    }
}
