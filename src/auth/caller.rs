//! Somebody who asks, with what they may do.

use std::sync::Arc;

use crate::oci::RepositoryName;

use super::policy::Policies;
use super::token::Access;
use super::{Action, Identity};

/// Who a request comes from, and the bounds of what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Identity,
    pub proof: Proof,
    rights: Rights,
    /// What their token, or their robot account, permits; all else is denied whatever the policies say.
    bounds: Option<Arc<Access>>,
}

/// How somebody has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Not at all.
    None,
    /// By a name and a password.
    Password,
    /// By a bearer token.
    Token {
        /// Its BLAKE3 hash.
        hash: [u8; blake3::OUT_LEN],
        /// Whether it has expired. It is good for the upload that it began, and for nothing else.
        expired: bool,
    },
}

#[derive(Debug, Clone)]
enum Rights {
    /// There are no policies, and they were let in.
    Everything,
    /// There are no policies, and they have not said who they are; or they are a job, which only policies tell from others.
    Nothing,
    /// What the policies say.
    Policies(Arc<Policies>),
}

impl Caller {
    /// Somebody who may do what the policies let them, within the bounds; where there are no policies, everything, once they have
    /// said who they are.
    pub(super) fn new(
        identity: Identity,
        proof: Proof,
        policies: Option<Arc<Policies>>,
        bounds: Option<Arc<Access>>,
    ) -> Self {
        let rights = match (policies, &identity) {
            (Some(policies), _) => Rights::Policies(policies),
            (None, Identity::Anonymous) if bounds.is_none() => Rights::Nothing,
            (None, Identity::Workload(_)) => Rights::Nothing,
            (None, _) => Rights::Everything,
        };
        Self { identity, proof, rights, bounds }
    }

    /// Whoever it is, where there are no logins.
    pub fn anyone() -> Self {
        Self::new(Identity::Anyone, Proof::None, None, None)
    }

    /// Whether this may be done to that repository.
    pub fn may(&self, action: Action, repository: &RepositoryName) -> bool {
        let bounded = self.bounds.as_ref().is_none_or(|access| access.permits(repository, action.as_str()));
        bounded && self.rights_permit(action, repository.as_str())
    }

    fn rights_permit(&self, action: Action, repository: &str) -> bool {
        match (&self.rights, action) {
            (Rights::Policies(policies), _) => policies.permit(&self.identity, action, repository),
            // Immutable means something without policies too: there, only a token can allow it.
            (Rights::Everything, Action::Overwrite) => self.bounds.is_some(),
            (Rights::Everything, _) => true,
            (Rights::Nothing, _) => false,
        }
    }

    /// Whether repositories may be listed at all.
    pub fn may_list(&self) -> bool {
        let bounded = self.bounds.as_ref().is_none_or(|access| access.permits_on("registry", "catalog", "*"));
        bounded
            && match &self.rights {
                Rights::Policies(policies) => policies.permit_somewhere(&self.identity, Action::List),
                Rights::Everything => true,
                Rights::Nothing => false,
            }
    }

    /// Whether a repository stands in the listing, for those who may list.
    pub fn sees(&self, repository: &str) -> bool {
        self.rights_permit(Action::List, repository) && self.rights_permit(Action::Pull, repository)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Scope;
    use super::*;

    const HASH: [u8; 32] = [0; 32];

    fn access(scopes: &str) -> Option<Arc<Access>> {
        let scopes = Scope::parse_all([scopes]).expect("scopes");
        Some(Arc::new(scopes.into_iter().collect()))
    }

    #[test]
    fn without_policies_everybody_may_do_everything_but_strangers_may_do_nothing() {
        let name = "app".parse().expect("a name");
        let may = |identity, action| Caller::new(identity, Proof::None, None, None).may(action, &name);
        for action in [Action::Pull, Action::Push, Action::Delete, Action::List] {
            assert!(may(Identity::User("alice".to_owned()), action));
            assert!(may(Identity::Anyone, action));
            assert!(!may(Identity::Anonymous, action), "{action}");
        }
        assert!(!may(Identity::workload("github", serde_json::Map::new()), Action::Pull));
        assert!(!may(Identity::Anyone, Action::Overwrite));
        assert!(!Caller::new(Identity::Anonymous, Proof::None, None, None).may_list());
    }

    #[test]
    fn a_token_permits_what_it_names_and_no_more() {
        let proof = Proof::Token { hash: HASH, expired: false };
        let name = |text: &str| text.parse().expect("a name");
        let caller = |scopes| Caller::new(Identity::User("alice".to_owned()), proof, None, access(scopes));
        let pulls = caller("repository:app:pull");
        assert!(pulls.may(Action::Pull, &name("app")));
        assert!(!pulls.may(Action::Push, &name("app")));
        assert!(!pulls.may(Action::Pull, &name("other")));
        assert!(!pulls.may_list());
        assert!(!pulls.may(Action::Overwrite, &name("app")));
        assert!(caller("repository:app:*").may(Action::Overwrite, &name("app")));
        assert!(caller("registry:catalog:*").may_list());
        let nobody = Caller::new(Identity::Anonymous, proof, None, access("repository:app:pull"));
        assert!(nobody.may(Action::Pull, &name("app")), "a token without a subject counts as well");
    }

    #[test]
    fn policies_bound_a_token() {
        let proof = Proof::Token { hash: HASH, expired: false };
        let nothing = Some(Arc::new(Policies::default()));
        let caller =
            Caller::new(Identity::Robot("ci".to_owned()), proof, nothing, access("repository:app:*"));
        assert!(!caller.may(Action::Pull, &"app".parse().expect("a name")));
    }
}
