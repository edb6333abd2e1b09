//! Whom a policy is about.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::auth::identity::{Identity, Workload};
use crate::oci::Glob;

/// Names of groups, with the names of their users.
pub type Groups = BTreeMap<String, Vec<String>>;

/// Somebody, or everybody of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Everybody, with credentials or without.
    Anonymous,
    /// Every user and robot of this registry. Jobs are none: at a public issuer everybody can have one.
    Authenticated,
    /// The user of this name.
    User(String),
    /// The users of this group.
    Group(String),
    /// The robot account of this name.
    Robot(String),
    /// Jobs of a CI system.
    Workload(Claims),
}

/// Jobs whose identity token comes from this issuer and says all of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The name of one of `auth.issuers`.
    pub issuer: String,
    /// Names of claims, with what each of them has to match. One of a list's values is enough.
    pub claims: BTreeMap<String, Glob>,
}

/// A text that names no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is nobody: write user:NAME, group:NAME, robot:NAME, authenticated, anonymous, or {{issuer: NAME, claims: {{...}}}}"
)]
pub struct SubjectError(String);

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        match text.split_once(':') {
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("robot", name)) if !name.is_empty() => Ok(Self::Robot(name.to_owned())),
            None if text == "anonymous" => Ok(Self::Anonymous),
            None if text == "authenticated" => Ok(Self::Authenticated),
            _ => Err(SubjectError(text.to_owned())),
        }
    }
}

impl Subject {
    pub(super) fn is(&self, who: &Identity, groups: &Groups) -> bool {
        match (self, who) {
            (Self::Anonymous, _) => true,
            (Self::Authenticated, who) => matches!(who, Identity::User(_) | Identity::Robot(_)),
            (Self::User(own), Identity::User(name)) | (Self::Robot(own), Identity::Robot(name)) => {
                own == name
            }
            (Self::Group(group), Identity::User(name)) => {
                groups.get(group).is_some_and(|members| members.contains(name))
            }
            (Self::Workload(claims), Identity::Workload(workload)) => claims.are_those_of(workload),
            _ => false,
        }
    }
}

impl Claims {
    fn are_those_of(&self, workload: &Workload) -> bool {
        let says = |(name, glob): (&String, &Glob)| {
            workload.claims.get(name).is_some_and(|value| is_match(glob, value))
        };
        self.issuer == workload.issuer && self.claims.iter().all(says)
    }
}

fn is_match(glob: &Glob, value: &Value) -> bool {
    match value {
        Value::String(text) => glob.matches(text),
        Value::Bool(_) | Value::Number(_) => glob.matches(&value.to_string()),
        Value::Array(values) => values.iter().any(|value| !value.is_array() && is_match(glob, value)),
        Value::Null | Value::Object(_) => false,
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => formatter.write_str("anonymous"),
            Self::Authenticated => formatter.write_str("authenticated"),
            Self::User(name) => write!(formatter, "user:{name}"),
            Self::Group(name) => write!(formatter, "group:{name}"),
            Self::Robot(name) => write!(formatter, "robot:{name}"),
            Self::Workload(Claims { issuer, claims }) => {
                let claims: Vec<String> =
                    claims.iter().map(|(name, glob)| format!("{name}={glob}")).collect();
                write!(formatter, "jobs of {issuer} with {}", claims.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(issuer: &str, claims: &Value) -> Identity {
        let claims = claims.as_object().cloned().unwrap_or_default();
        Identity::Workload(Box::new(Workload {
            issuer: issuer.to_owned(),
            subject: "job".to_owned(),
            claims,
        }))
    }

    fn subject(claims: &[(&str, &str)]) -> Subject {
        let glob = |text: &str| Glob::parse(text).expect("a pattern");
        let claims = claims.iter().map(|(name, text)| ((*name).to_owned(), glob(text))).collect();
        Subject::Workload(Claims { issuer: "github".to_owned(), claims })
    }

    #[test]
    fn a_job_is_known_by_all_of_its_claims() {
        let groups = Groups::new();
        let main = subject(&[("repository", "team/app"), ("ref", "refs/heads/*")]);
        let on = |branch: &str| json!({"repository": "team/app", "ref": branch});
        assert!(main.is(&job("github", &on("refs/heads/main")), &groups));
        assert!(!main.is(&job("github", &on("refs/tags/v1")), &groups));
        assert!(!main.is(&job("gitlab", &on("refs/heads/main")), &groups));
        assert!(!main.is(&job("github", &json!({"repository": "team/app"})), &groups));
        assert!(!main.is(&Identity::User("team/app".to_owned()), &groups));
        assert!(!Subject::Authenticated.is(&job("github", &on("refs/heads/main")), &groups));
    }

    #[test]
    fn claims_are_texts_numbers_truths_or_lists_of_them() {
        let groups = Groups::new();
        let says = |own: &str, value: Value| {
            subject(&[("claim", own)]).is(&job("github", &json!({ "claim": value })), &groups)
        };
        assert!(says("true", json!(true)));
        assert!(says("42", json!(42)));
        assert!(says("b", json!(["a", "b"])));
        assert!(!says("**", json!(null)));
        assert!(!says("**", json!({"a": 1})));
        assert!(!says("**", json!([["a"]])));
    }
}
