//! Policies: who may do what where.
//!
//! There is one list. Whatever some entry grants is granted, everything else is denied: the order does not matter, and no
//! entry takes away what another one gives.

mod subject;

use std::fmt;

use crate::oci::{Glob, RepositoryName};

use super::{Action, Identity};

pub use subject::{Claims, Groups, Subject, SubjectError};

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whom it is about: any of these.
    pub who: Vec<Subject>,
    /// What they may do.
    pub may: Vec<Action>,
    /// Where: in repositories that one of these matches.
    pub at: Vec<Glob>,
}

/// The list, with the groups that it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    pub list: Vec<Policy>,
    pub groups: Groups,
}

/// What became of a question, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// This entry, counted from one, grants it.
    Granted { number: usize, policy: &'a Policy },
    /// These entries are about whoever asks, and none grants it.
    Denied { about: Vec<usize> },
}

impl Policies {
    /// Whether somebody may do this to that repository.
    pub fn permit(&self, who: &Identity, action: Action, repository: &str) -> bool {
        self.list.iter().any(|policy| policy.grants(who, &self.groups, action, repository))
    }

    /// Whether somebody may do this to any repository at all.
    pub fn permit_somewhere(&self, who: &Identity, action: Action) -> bool {
        self.list.iter().any(|policy| policy.may.contains(&action) && policy.is_about(who, &self.groups))
    }

    /// Whether any entry is about those without credentials.
    pub fn admit_strangers(&self) -> bool {
        self.list.iter().any(|policy| policy.who.contains(&Subject::Anonymous))
    }

    /// Whether any entry asks for a claim of this name.
    pub(super) fn ask_for(&self, claim: &str) -> bool {
        let asks = |subject: &Subject| matches!(subject, Subject::Workload(Claims { claims, .. }) if claims.contains_key(claim));
        self.list.iter().any(|policy| policy.who.iter().any(asks))
    }

    /// As [`permit`](Self::permit), with the reason.
    pub fn explain(&self, who: &Identity, action: Action, repository: &RepositoryName) -> Verdict<'_> {
        let numbered = || (1..).zip(&self.list);
        let granting =
            numbered().find(|(_, policy)| policy.grants(who, &self.groups, action, repository.as_str()));
        match granting {
            Some((number, policy)) => Verdict::Granted { number, policy },
            None => {
                let about = numbered().filter(|(_, policy)| policy.is_about(who, &self.groups));
                Verdict::Denied { about: about.map(|(number, _)| number).collect() }
            }
        }
    }
}

impl Policy {
    fn is_about(&self, who: &Identity, groups: &Groups) -> bool {
        self.who.iter().any(|subject| subject.is(who, groups))
    }

    fn grants(&self, who: &Identity, groups: &Groups, action: Action, repository: &str) -> bool {
        // What costs least is asked first.
        self.may.contains(&action)
            && self.is_about(who, groups)
            && self.at.iter().any(|glob| glob.matches(repository))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        let who = list(self.who.iter().map(ToString::to_string).collect());
        let may = list(self.may.iter().map(ToString::to_string).collect());
        let at = list(self.at.iter().map(ToString::to_string).collect());
        write!(formatter, "{who} may {may} in {at}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(who: &[&str], may: &[Action], at: &str) -> Policy {
        Policy {
            who: who.iter().map(|who| who.parse().expect("a subject")).collect(),
            may: may.to_vec(),
            at: vec![Glob::parse(at).expect("a pattern")],
        }
    }

    fn policies() -> Policies {
        let groups = Groups::from([("devs".to_owned(), vec!["alice".to_owned(), "bob".to_owned()])]);
        let list = vec![
            policy(&["anonymous"], &[Action::Pull], "public/**"),
            policy(&["group:devs"], &[Action::Pull, Action::Push], "team/**"),
            policy(&["user:alice"], &Action::ALL, "**"),
            policy(&["authenticated"], &[Action::Pull], "shared/*"),
        ];
        Policies { list, groups }
    }

    #[test]
    fn what_no_entry_grants_is_denied() {
        let policies = policies();
        let may = |who: &str, action, at| policies.permit(&who.parse().expect("an identity"), action, at);
        assert!(may("user:bob", Action::Push, "team/app"));
        assert!(!may("user:bob", Action::Delete, "team/app"));
        assert!(!may("user:bob", Action::Push, "teams/app"));
        assert!(may("user:alice", Action::Delete, "anything/at/all"));
        assert!(may("anonymous", Action::Pull, "public/app"));
        assert!(!may("anonymous", Action::Pull, "shared/app"));
        assert!(may("robot:ci", Action::Pull, "shared/app"));
        assert!(!may("robot:alice", Action::Push, "team/app"), "a robot is no user of its name");
        assert!(!Policies::default().permit(&Identity::User("alice".to_owned()), Action::Pull, "a"));
    }

    #[test]
    fn what_everybody_may_those_who_log_in_may_as_well() {
        assert!(policies().permit(&Identity::User("carol".to_owned()), Action::Pull, "public/app"));
    }

    #[test]
    fn a_verdict_names_the_entry() {
        let policies = policies();
        let repository = "team/app".parse().expect("a name");
        let bob = Identity::User("bob".to_owned());
        let granted = policies.explain(&bob, Action::Push, &repository);
        assert!(matches!(granted, Verdict::Granted { number: 2, .. }), "{granted:?}");
        let denied = policies.explain(&bob, Action::Delete, &repository);
        assert_eq!(denied, Verdict::Denied { about: vec![1, 2, 4] });
    }
}
