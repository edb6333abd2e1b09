//! Holdfast's own token server: what it grants, and the tokens that it signs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::observe::metrics::metrics;
use crate::oci::RepositoryName;

use super::policy::Policies;
use super::token::{
    Access, Algorithms, Issued, Issuer, KeyError, Scope, TokenError, TrustedKeys, Verified, Verifier,
};
use super::{Action, Caller, Identity};

/// What stands in its tokens as their issuer.
const ISSUER: &str = "holdfast";

/// For whom they are meant: the `service` of its challenges. Two registries tell each other's apart by their keys.
pub(super) const SERVICE: &str = "holdfast";

/// For how long an upload can go on with the token that it began with.
const LONGEST_UPLOAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// Issues tokens and verifies them.
pub(super) struct TokenServer {
    pub(super) issuer: Arc<Issuer>,
    verifier: Verifier,
    lifetime: Duration,
}

impl TokenServer {
    /// With keys in a folder that others may not read, which is made where there is none.
    pub(super) fn open(
        folder: &std::path::Path,
        lifetime: Duration,
        rotation: Duration,
    ) -> Result<Self, KeyError> {
        let longest = lifetime.max(LONGEST_UPLOAD);
        let issuer = Issuer::open(ISSUER.to_owned(), folder, rotation, longest, SystemTime::now())?;
        let verifier = Verifier::new(
            vec![ISSUER.to_owned()],
            SERVICE.to_owned(),
            Algorithms::named(["ES256"]),
            TrustedKeys::of([issuer.source()]),
        );
        Ok(Self { issuer: Arc::new(issuer), verifier, lifetime })
    }

    /// Who a token of ours was issued to, and what it says.
    pub(super) fn verify(&self, token: &str) -> Result<(Identity, Verified), TokenError> {
        let verified = self.verifier.verify(token, SystemTime::now())?;
        let identity = serde_json::from_value(verified.own.clone());
        let identity = identity.map_err(|_| TokenError::Malformed("it does not say who it is for"))?;
        Ok((identity, verified))
    }

    /// A token for what somebody asks for, as far as they may have it.
    pub(super) fn issue(
        &self,
        caller: &Caller,
        asked: &[Scope],
        policies: Option<&Policies>,
    ) -> Result<(Issued, Access), KeyError> {
        let access: Access = asked.iter().filter_map(|scope| grant(caller, scope)).collect();
        let own = serde_json::to_value(told(&caller.identity, policies));
        let own = own.map_err(|_| KeyError::Made("it cannot say who it is for"))?;
        let subject = match &caller.identity {
            Identity::Anonymous => String::new(),
            identity => identity.to_string(),
        };
        let issued = self.issuer.issue(&subject, SERVICE, &access, &own, self.lifetime, SystemTime::now())?;
        metrics().tokens_issued.inc();
        Ok((issued, access))
    }
}

/// What of a scope somebody may have; `None` if it is nothing.
fn grant(caller: &Caller, asked: &Scope) -> Option<Scope> {
    let actions: Vec<&str> = match asked.kind.as_str() {
        "repository" => repository_actions(caller, asked, &asked.name.parse().ok()?),
        "registry" if asked.name == "catalog" && asked.has("*") && caller.may_list() => vec!["*"],
        _ => Vec::new(),
    };
    let granted = Scope { actions: actions.into_iter().map(str::to_owned).collect(), ..asked.clone() };
    (!granted.actions.is_empty()).then_some(granted)
}

/// Clients know pull, push and delete. Whoever pushes or deletes and may move immutable tags can do so without asking for it.
fn repository_actions(caller: &Caller, asked: &Scope, repository: &RepositoryName) -> Vec<&'static str> {
    let is_asked = |action: &Action| match action {
        Action::Overwrite => ["push", "delete", "overwrite"].iter().any(|name| asked.has(name)),
        action => asked.has(action.as_str()),
    };
    let granted = Action::ALL.into_iter().filter(is_asked).filter(|action| caller.may(*action, repository));
    granted.map(Action::as_str).collect()
}

/// An identity as a token carries it: of a job's claims those that a policy asks for.
fn told(identity: &Identity, policies: Option<&Policies>) -> Identity {
    let mut told = identity.clone();
    if let Identity::Workload(workload) = &mut told {
        workload.claims.retain(|name, _| policies.is_some_and(|policies| policies.ask_for(name)));
    }
    told
}
