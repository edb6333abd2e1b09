//! At the door of every route: who asks, whether they may, and what those are told who may not.

use axum::http::request::Parts;

use super::Api;
use super::error::Error;
use super::links::Links;
use super::query::Query;
use super::route::{Route, Rule};
use super::source::source;
use crate::auth::{Action, Caller, Identity, Rejection};
use crate::observe::{Decision, Peer, audit};
use crate::registry::{self, Owner};

/// Somebody who was let in to a route.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) caller: Caller,
}

impl Guest {
    /// Whose an upload is that they begin; nobody's where nobody is asked.
    pub(super) fn owner(&self) -> Option<Owner> {
        match &self.caller.identity {
            Identity::Anyone => None,
            identity => Some(Owner { who: identity.to_string(), token: None }),
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

impl Api {
    /// Lets somebody in, or says why not.
    pub(super) async fn admit(&self, entry: &Entry<'_>) -> Result<Guest, Error> {
        if entry.rule == Rule::Open || !self.authority.asks() {
            return Ok(Guest { caller: Caller::anyone() });
        }
        let peer = source(&entry.parts.headers, entry.parts.extensions.get(), &self.settings.trusted_proxies);
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
                let is_stranger = caller.identity == Identity::Anonymous;
                let decision = if is_stranger { Decision::Asked } else { Decision::Refused };
                self.tell(entry, peer, Some(&caller), decision);
                Err(error)
            }
        }
    }

    /// Whether this caller may have what is asked for.
    fn decide(&self, entry: &Entry<'_>, caller: &Caller) -> Result<(), Error> {
        let is_stranger = caller.identity == Identity::Anonymous;
        match (entry.rule, entry.route.repository()) {
            (Rule::Open, _) => Ok(()),
            (Rule::Known, _) if is_stranger => Err(self.ask(entry, None)),
            (Rule::Known, _) => Ok(()),
            (Rule::May(_), None) if caller.may_list() => Ok(()),
            (Rule::May(action), Some(repository)) if caller.may(action, repository) => {
                self.check_owner(entry.route, caller)
            }
            (Rule::May(_), _) if is_stranger => Err(self.ask(entry, None)),
            // Whoever may not see something is not told whether it exists.
            (Rule::May(Action::Pull), Some(repository)) => Err(entry.route.unknown(repository)),
            (Rule::May(action), repository) => Err(Error::Denied {
                who: caller.identity.to_string(),
                action,
                repository: repository.cloned(),
            }),
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
        match rejection {
            Rejection::Busy => Error::LoginsBusy,
            rejection => self.ask(entry, Some(rejection)),
        }
    }

    /// Asks for credentials, or for other ones.
    fn ask(&self, entry: &Entry<'_>, why: Option<Rejection>) -> Error {
        let _ = (entry.links, entry.query);
        Error::Unauthorized { challenge: self.authority.challenge(), why }
    }

    fn tell(&self, entry: &Entry<'_>, from: Peer, caller: Option<&Caller>, decision: Decision) {
        let who = caller.map_or_else(|| "unknown".to_owned(), |caller| caller.identity.to_string());
        audit(decision, &who, &entry.parts.method, entry.parts.uri.path(), entry.rule.as_str(), from);
    }
}
