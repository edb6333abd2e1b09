//! At the door of every route: who asks, whether they may, and what those are told who may not.

use axum::http::request::Parts;

use super::Api;
use super::error::Error;
use super::links::Links;
use super::query::Query;
use super::route::{Route, Rule};
use super::source::source;
use crate::auth::{Action, Caller, Challenge, Identity, Proof, Rejection};
use crate::observe::{Decision, Peer, audit};
use crate::oci::RepositoryName;
use crate::registry::{self, Owner};

/// Somebody who was let in to a route.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) caller: Caller,
}

impl Guest {
    /// Who it is, if anybody has proved that.
    pub(super) fn name(&self) -> Option<String> {
        match &self.caller.identity {
            Identity::Anyone | Identity::Anonymous => None,
            identity => Some(identity.to_string()),
        }
    }

    /// Whose an upload is that they begin; nobody's where nobody is asked.
    pub(super) fn owner(&self) -> Option<Owner> {
        let token = match self.caller.proof {
            Proof::Token { hash, .. } => Some(hash),
            Proof::Password | Proof::None => None,
        };
        match &self.caller.identity {
            Identity::Anyone => None,
            identity => Some(Owner { who: identity.to_string(), token }),
        }
    }
}

/// What is asked for at the door.
pub(super) struct Entry<'a> {
    pub(super) route: &'a Route,
    pub(super) rule: Rule,
    pub(super) parts: &'a Parts,
    pub(super) query: &'a Query,
    pub(super) links: &'a Links,
}

impl Entry<'_> {
    /// What a token has to permit for this, as scopes with spaces between.
    fn scope(&self) -> Option<String> {
        let Rule::May(action) = self.rule else {
            return None;
        };
        let Some(repository) = self.route.repository() else {
            return Some("registry:catalog:*".to_owned());
        };
        let actions = match action {
            Action::Push => "pull,push",
            action => action.as_str(),
        };
        let from = self.query.get("from").and_then(|from| from.parse::<RepositoryName>().ok());
        let from = from.filter(|from| self.query.get("mount").is_some() && from != repository);
        let source = from.map(|from| format!(" repository:{from}:pull")).unwrap_or_default();
        Some(format!("repository:{repository}:{actions}{source}"))
    }
}

impl Api {
    /// Lets somebody in, or says why not.
    pub(super) async fn admit(&self, entry: &Entry<'_>) -> Result<Guest, Error> {
        if entry.rule == Rule::Open || !self.authority.asks() {
            return Ok(Guest { caller: Caller::anyone() });
        }
        let peer = self.source(entry.parts);
        let caller = self.authority.authenticate(&entry.parts.headers, peer).await;
        let caller = caller.map_err(|rejection| {
            self.tell(entry, peer, None, Decision::Refused);
            self.rejected(entry, rejection)
        })?;
        match self.decide(entry, &caller) {
            Ok(()) => {
                if entry.rule.is_write() {
                    self.tell(entry, peer, Some(&caller), Decision::Granted);
                }
                Ok(Guest { caller })
            }
            Err(error) => {
                let is_stranger = caller.proof == Proof::None;
                let decision = if is_stranger { Decision::Asked } else { Decision::Refused };
                self.tell(entry, peer, Some(&caller), decision);
                Err(error)
            }
        }
    }

    /// Where a request comes from.
    pub(super) fn source(&self, parts: &Parts) -> Peer {
        source(&parts.headers, parts.extensions.get(), &self.settings.trusted_proxies)
    }

    /// Whether this caller may have what is asked for.
    fn decide(&self, entry: &Entry<'_>, caller: &Caller) -> Result<(), Error> {
        if let Proof::Token { hash, expired: true } = caller.proof {
            return self.decide_expired(entry, caller, hash);
        }
        match (entry.rule, entry.route.repository()) {
            (Rule::Open, _) => Ok(()),
            (Rule::Known, _) if caller.proof == Proof::None => Err(self.ask(entry, false, None, None)),
            (Rule::Known, _) => Ok(()),
            (Rule::May(_), None) if caller.may_list() => Ok(()),
            (Rule::May(action), Some(repository)) if caller.may(action, repository) => {
                self.check_owner(entry.route, caller)
            }
            (Rule::May(action), repository) => Err(self.denied(entry, caller, action, repository)),
        }
    }

    /// A token that has expired is good for the upload that it began.
    fn decide_expired(&self, entry: &Entry<'_>, caller: &Caller, hash: [u8; 32]) -> Result<(), Error> {
        if let Route::Upload { repository, id } = entry.route
            && let Ok(Some(owner)) = self.registry.upload_owner(repository, *id)
            && owner.token == Some(hash)
            && owner.who == caller.identity.to_string()
        {
            return Ok(());
        }
        Err(self.ask(entry, true, Some("invalid_token"), None))
    }

    /// Whoever has no credentials, or a token, may ask for better ones. Whoever may not see something is not told whether it exists.
    fn denied(
        &self,
        entry: &Entry<'_>,
        caller: &Caller,
        action: Action,
        repository: Option<&RepositoryName>,
    ) -> Error {
        match (caller.proof, repository) {
            (Proof::None, _) => self.ask(entry, false, None, None),
            (Proof::Token { .. }, _) => self.ask(entry, true, Some("insufficient_scope"), None),
            (Proof::Password, Some(repository)) if action == Action::Pull => entry.route.unknown(repository),
            (Proof::Password, repository) => {
                Error::Denied { who: caller.identity.to_string(), action, repository: repository.cloned() }
            }
        }
    }

    /// An upload that somebody else has begun does not exist.
    fn check_owner(&self, route: &Route, caller: &Caller) -> Result<(), Error> {
        let Route::Upload { repository, id } = route else {
            return Ok(());
        };
        match self.registry.upload_owner(repository, *id) {
            Ok(Some(owner)) if owner.who != caller.identity.to_string() => {
                let error = registry::Error::UploadUnknown { repository: repository.clone(), id: *id };
                Err(Error::Upload { repository: repository.clone(), error })
            }
            // What is unknown the handler says in its own words.
            _ => Ok(()),
        }
    }

    fn rejected(&self, entry: &Entry<'_>, rejection: Rejection) -> Error {
        let invalid = matches!(rejection, Rejection::Token(_)).then_some("invalid_token");
        match rejection {
            Rejection::Busy => Error::LoginsBusy,
            rejection => self.ask(entry, invalid.is_some(), invalid, Some(rejection)),
        }
    }

    /// Asks for credentials, or for better ones.
    fn ask(
        &self,
        entry: &Entry<'_>,
        with_token: bool,
        error: Option<&'static str>,
        why: Option<Rejection>,
    ) -> Error {
        let mut challenge = self.authority.challenge(with_token);
        if let Challenge::Bearer(bearer) = &mut challenge {
            bearer.scope = entry.scope();
            bearer.error = error;
        }
        let (host, own) = entry.links.token_server(entry.parts);
        Error::Unauthorized { challenge: challenge.header(&host, &own), why }
    }

    fn tell(&self, entry: &Entry<'_>, from: Peer, caller: Option<&Caller>, decision: Decision) {
        let who = caller.map_or_else(|| "unknown".to_owned(), |caller| caller.identity.to_string());
        audit(decision, &who, &entry.parts.method, entry.parts.uri.path(), entry.rule.as_str(), from);
    }
}
