//! `auth`: what is in force of it, and whether it fits together.

use std::path::PathBuf;

use super::{InForce, mistyped};
use crate::auth::policy::{Claims, Subject};
use crate::config::check;
use crate::config::problem::{Fault, Findings};
use crate::config::settings::{Auth, FailedLogins, Htpasswd, Level, Realm, Token, TokenServer};
use crate::config::table::SIGNING_ALGORITHMS;
use crate::config::value::Value;

impl InForce {
    /// What concerns several settings of `auth` at once. A part of what it takes to log in must not come to nothing.
    pub(super) fn check_auth(&self, findings: &mut Findings) {
        self.check_subjects(findings);
        self.check_htpasswd(findings);
        self.check_token(findings);
        self.check_issuers(findings);
    }

    /// A policy for a group or an issuer that is not there is a misspelt one.
    fn check_subjects(&self, findings: &mut Findings) {
        let auth = self.auth();
        for subject in auth.policies.iter().flat_map(|policy| &policy.who) {
            let message = match subject {
                Subject::Group(name) if !auth.groups.contains_key(name) => {
                    format!("there is no group {name}: name its users in auth.groups")
                }
                Subject::Workload(Claims { issuer, .. })
                    if !auth.issuers.iter().any(|known| known.name == *issuer) =>
                {
                    format!("there is no issuer {issuer}: add it to auth.issuers")
                }
                _ => continue,
            };
            findings.problem(self.origin_of("auth.policies"), "auth.policies", Fault::Value(message));
        }
    }

    /// An issuer that is public vouches for everybody: only policies tell one job from another.
    fn check_issuers(&self, findings: &mut Findings) {
        let auth = self.auth();
        if !auth.issuers.is_empty() && auth.policies.is_empty() {
            let message = "they are needed with auth.issuers: they say which jobs may do what".to_owned();
            findings.problem(self.origin_of("auth.issuers"), "auth.policies", Fault::Value(message));
        }
    }

    /// A realm without a file of users would let everybody in.
    fn check_htpasswd(&self, findings: &mut Findings) {
        const REALM: &str = "auth.htpasswd.realm";
        let (realm, path) = (self.origin_of(REALM), self.origin_of("auth.htpasswd.path"));
        if realm.is_set() && !path.is_set() {
            let message = "it is needed: the file of those who may log in".to_owned();
            findings.problem(realm, "auth.htpasswd.path", Fault::Value(message));
        }
        if check::names_a_scheme(self.text(REALM)) {
            let message =
                "some clients are misled by the words basic and bearer here: choose others if logins fail";
            findings.note(Level::Info, realm, REALM, message.to_owned());
        }
    }

    /// A part of `auth.token` is as good as none: the rest must be there as well.
    fn check_token(&self, findings: &mut Findings) {
        let Some(asking) = self.asking_for_tokens() else {
            return;
        };
        let mut missing = |key: &str, message: &str| {
            findings.problem(self.origin_of(asking), key, Fault::Value(message.to_owned()));
        };
        let is_empty = |key: &str| self.text(key).is_empty();
        if is_empty("auth.token.realm") && !self.switch("auth.token.autoredirect") {
            missing("auth.token.realm", "it is needed: the URL at which clients get their tokens");
        }
        if is_empty("auth.token.service") {
            missing(
                "auth.token.service",
                "it is needed: the name of this registry, which tokens have as audience",
            );
        }
        if is_empty("auth.token.issuer") {
            missing("auth.token.issuer", "it is needed: the name that tokens have as issuer");
        }
        if is_empty("auth.token.rootcertbundle") && is_empty("auth.token.jwks") {
            missing("auth.token", "it needs rootcertbundle or jwks: without a key no token can be verified");
        }
    }

    /// The first key of `auth.token` that has a value.
    fn asking_for_tokens(&self) -> Option<&'static str> {
        const TEXTS: &[&str] = &[
            "auth.token.realm",
            "auth.token.service",
            "auth.token.issuer",
            "auth.token.rootcertbundle",
            "auth.token.jwks",
        ];
        let redirect = "auth.token.autoredirect";
        let text = TEXTS.iter().copied().find(|key| !self.text(key).is_empty());
        text.or_else(|| self.switch(redirect).then_some(redirect))
    }

    pub(super) fn auth(&self) -> Auth {
        Auth {
            htpasswd: Htpasswd {
                realm: self.text("auth.htpasswd.realm").to_owned(),
                path: self.text_if_set("auth.htpasswd.path").map(PathBuf::from),
            },
            policies: match self.value("auth.policies") {
                Value::Policies(policies) => policies.clone(),
                other => mistyped("auth.policies", other),
            },
            groups: match self.value("auth.groups") {
                Value::Groups(groups) => groups.clone(),
                other => mistyped("auth.groups", other),
            },
            failedlogins: FailedLogins {
                limit: self.count("auth.failedlogins.limit"),
                window: self.duration("auth.failedlogins.window"),
            },
            tokenserver: TokenServer {
                lifetime: self.duration("auth.tokenserver.lifetime"),
                rotation: self.duration("auth.tokenserver.rotation"),
            },
            robots: self.text_if_set("auth.robots.path").map(PathBuf::from),
            token: self.asking_for_tokens().map(|_| self.token()),
            issuers: match self.value("auth.issuers") {
                Value::Issuers(issuers) => issuers.clone(),
                other => mistyped("auth.issuers", other),
            },
        }
    }

    fn token(&self) -> Token {
        Token {
            realm: match self.switch("auth.token.autoredirect") {
                true => Realm::Path(self.text("auth.token.autoredirectpath").to_owned()),
                false => Realm::Url(self.text("auth.token.realm").to_owned()),
            },
            service: self.text("auth.token.service").to_owned(),
            issuer: self.text("auth.token.issuer").to_owned(),
            rootcertbundle: self.text_if_set("auth.token.rootcertbundle").map(PathBuf::from),
            jwks: self.text_if_set("auth.token.jwks"),
            signingalgorithms: match self.value("auth.token.signingalgorithms") {
                Value::Words(words) if words.is_empty() => SIGNING_ALGORITHMS.to_vec(),
                Value::Words(words) => words.clone(),
                other => mistyped("auth.token.signingalgorithms", other),
            },
        }
    }
}
