//! The `access` claim: what a token permits.

use serde::{Deserialize, Deserializer, Serialize};

use super::scope::Scope;
use crate::oci::RepositoryName;

/// Actions on resources, at most one entry for each resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Access(Vec<Scope>);

impl Access {
    /// Whether an action on a repository is permitted.
    pub fn permits(&self, repository: &RepositoryName, action: &str) -> bool {
        self.permits_on("repository", repository.as_str(), action)
    }

    /// Whether an action on a resource of any type is permitted: the catalog is listed with `registry`, `catalog`, `*`.
    pub fn permits_on(&self, kind: &str, name: &str, action: &str) -> bool {
        self.0.iter().any(|entry| entry.kind == kind && entry.name == name && entry.has(action))
    }

    /// What both permit. An entry of which no action is left goes.
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.iter().flat_map(|one| other.0.iter().filter_map(|two| common(one, two))).collect()
    }

    /// What either permits.
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// The entries, in the order in which their resources came.
    pub fn entries(&self) -> &[Scope] {
        &self.0
    }
}

/// The actions that two scopes share, if they are about the same resource and share any.
fn common(one: &Scope, two: &Scope) -> Option<Scope> {
    let shared = one.actions.iter().filter(|action| two.has(action));
    let of_star = two.actions.iter().filter(|action| one.has(action));
    let actions = shared.chain(of_star).cloned().collect();
    let scope = Scope { actions, ..one.clone() };
    (one.is_about_same(two) && !scope.actions.is_empty()).then_some(scope)
}

impl FromIterator<Scope> for Access {
    /// Entries about the same resource become one.
    fn from_iter<Scopes: IntoIterator<Item = Scope>>(scopes: Scopes) -> Self {
        let mut entries: Vec<Scope> = Vec::new();
        for scope in scopes {
            match entries.iter_mut().find(|entry| entry.is_about_same(&scope)) {
                Some(entry) => entry.actions.extend(scope.actions),
                None => entries.push(scope),
            }
        }
        Self(entries)
    }
}

impl<'de> Deserialize<'de> for Access {
    /// `null` permits nothing, as a claim that is not there does.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scopes: Option<Vec<Scope>> = Option::deserialize(deserializer)?;
        Ok(scopes.unwrap_or_default().into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn access(scopes: &str) -> Access {
        Scope::parse_all([scopes]).unwrap().into_iter().collect()
    }

    fn repository(name: &str) -> RepositoryName {
        name.parse().unwrap()
    }

    #[test]
    fn what_is_named_is_permitted_and_nothing_else() {
        let access = access("repository:team/app:pull registry:catalog:*");
        assert!(access.permits(&repository("team/app"), "pull"));
        assert!(!access.permits(&repository("team/app"), "push"));
        assert!(!access.permits(&repository("team/app2"), "pull"));
        assert!(!access.permits(&repository("catalog"), "pull"));
        assert!(access.permits_on("registry", "catalog", "*"));
    }

    #[test]
    fn a_star_among_the_actions_permits_every_one_and_is_no_pattern_of_names() {
        let access = access("repository:team/app:* repository:team/*:pull");
        assert!(access.permits(&repository("team/app"), "delete"));
        assert!(!access.permits(&repository("team/other"), "pull"));
    }

    #[test]
    fn the_claim_is_read_as_token_servers_write_it() {
        let claim = r#"[{"type":"repository","class":"","name":"a","actions":["pull"]},
                        {"type":"repository","name":"a","actions":["push"],"more":1},
                        {"type":"repository","name":"b","actions":null},{"type":"repository","name":"c"}]"#;
        let access: Access = serde_json::from_str(claim).unwrap();
        assert!(access.permits(&repository("a"), "pull") && access.permits(&repository("a"), "push"));
        assert!(!access.permits(&repository("b"), "pull") && !access.permits(&repository("c"), "pull"));
        assert_eq!(serde_json::from_str::<Access>("null").unwrap(), Access::default());
        assert!(serde_json::from_str::<Access>(r#"[{"type":"repository"}]"#).is_err());
    }

    #[test]
    fn the_claim_is_written_as_the_specification_has_it() {
        let written = serde_json::to_string(&access("repository:team/app:pull,push")).unwrap();
        assert_eq!(written, r#"[{"type":"repository","name":"team/app","actions":["pull","push"]}]"#);
    }

    #[test]
    fn the_intersection_is_what_both_permit() {
        for (one, two, both) in [
            ("repository:a:pull,push", "repository:a:pull", "repository:a:pull"),
            ("repository:a:pull", "repository:a:push", ""),
            ("repository:a:pull repository:b:pull", "repository:b:pull", "repository:b:pull"),
            ("repository:a:*", "repository:a:pull", "repository:a:pull"),
            ("repository:a:pull", "repository:a:*", "repository:a:pull"),
            ("repository:a:*", "repository:a:*", "repository:a:*"),
            ("registry:a:pull", "repository:a:pull", ""),
            ("repository:a:", "repository:a:*", ""),
        ] {
            assert_eq!(access(one).intersection(&access(two)), access(both), "{one} and {two}");
        }
    }

    proptest! {
        #[test]
        fn intersection_and_union_permit_what_both_and_either_do(
            one in "(repository:[ab]:(pull|push|\\*)(,delete)? ){0,3}",
            two in "(repository:[ab]:(pull|push|\\*)(,delete)? ){0,3}",
        ) {
            let (one, two) = (access(&one), access(&two));
            for name in ["a", "b"] {
                for action in ["pull", "push", "delete", "other"] {
                    let asked = |access: &Access| access.permits(&repository(name), action);
                    prop_assert_eq!(asked(&one.intersection(&two)), asked(&one) && asked(&two));
                    prop_assert_eq!(asked(&one.union(&two)), asked(&one) || asked(&two));
                }
            }
        }
    }
}
