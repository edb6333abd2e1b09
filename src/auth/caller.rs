//! Somebody who asks, with what they may do.

use std::sync::Arc;

use crate::oci::RepositoryName;

use super::policy::Policies;
use super::{Action, Identity};

/// Who a request comes from, and the bounds of what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Identity,
    rights: Rights,
}

#[derive(Debug, Clone)]
enum Rights {
    /// There are no policies, and they were let in.
    Everything,
    /// There are no policies, and they have not said who they are.
    Nothing,
    /// What the policies say.
    Policies(Arc<Policies>),
}

impl Caller {
    /// Somebody who may do what the policies let them; where there are none, everything, once they have said who they are.
    pub(super) fn new(identity: Identity, policies: Option<Arc<Policies>>) -> Self {
        let rights = match (policies, &identity) {
            (Some(policies), _) => Rights::Policies(policies),
            (None, Identity::Anonymous) => Rights::Nothing,
            (None, _) => Rights::Everything,
        };
        Self { identity, rights }
    }

    /// Whoever it is, where there are no logins.
    pub fn anyone() -> Self {
        Self::new(Identity::Anyone, None)
    }

    /// Whether this may be done to that repository.
    pub fn may(&self, action: Action, repository: &RepositoryName) -> bool {
        self.may_by_name(action, repository.as_str())
    }

    /// As [`may`](Self::may), for a name that a table has.
    fn may_by_name(&self, action: Action, repository: &str) -> bool {
        match (&self.rights, action) {
            (Rights::Policies(policies), _) => policies.permit(&self.identity, action, repository),
            // Immutable means something without policies too: there, nobody is allowed.
            (Rights::Everything, Action::Overwrite) | (Rights::Nothing, _) => false,
            (Rights::Everything, _) => true,
        }
    }

    /// Whether repositories may be listed at all.
    pub fn may_list(&self) -> bool {
        match &self.rights {
            Rights::Policies(policies) => policies.permit_somewhere(&self.identity, Action::List),
            Rights::Everything => true,
            Rights::Nothing => false,
        }
    }

    /// Whether a repository stands in the listing.
    pub fn sees(&self, repository: &str) -> bool {
        self.may_by_name(Action::List, repository) && self.may_by_name(Action::Pull, repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_policies_everybody_may_do_everything_but_strangers_may_do_nothing() {
        let name = "app".parse().expect("a name");
        let may = |identity, action| Caller::new(identity, None).may(action, &name);
        for action in [Action::Pull, Action::Push, Action::Delete, Action::List] {
            assert!(may(Identity::User("alice".to_owned()), action));
            assert!(may(Identity::Anyone, action));
            assert!(!may(Identity::Anonymous, action), "{action}");
        }
        assert!(!may(Identity::Anyone, Action::Overwrite));
        assert!(!Caller::new(Identity::Anonymous, None).may_list());
    }
}
