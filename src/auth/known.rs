//! Finding out whose credentials these are.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::observe::Peer;
use crate::observe::metrics::{Login, metrics};

use super::Identity;
use super::authority::Rejection;
use super::caller::{Caller, Proof};
use super::credentials::Credentials;
use super::foreign_tokens::ForeignTokens;
use super::identity::Workload;
use super::password::Passwords;
use super::password::users::ROBOT_PREFIX;
use super::policy::Policies;
use super::remembered::{Name, Remembered};
use super::robots::Robots;
use super::token::{Access, Identities, TokenError};
use super::token_server::TokenServer;

/// How long a password, or an identity token, that was verified counts as such.
const LOGIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How long a bearer token that was verified counts as such; never beyond its own end.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// Every way to log in.
pub(super) struct Logins {
    pub(super) realm: String,
    pub(super) passwords: Option<Passwords>,
    pub(super) robots: Robots,
    pub(super) identities: Option<Identities>,
    pub(super) foreign: Option<ForeignTokens>,
    pub(super) own: Option<TokenServer>,
    /// What was read of them last, where there were any at the start.
    pub(super) policies: Option<RwLock<Arc<Policies>>>,
    pub(super) remembered: Remembered<Known>,
}

/// Somebody whose credentials were verified.
#[derive(Debug, Clone)]
pub(super) struct Known {
    identity: Identity,
    proof: Proof,
    bounds: Option<Arc<Access>>,
}

impl Known {
    /// Somebody without credentials.
    pub(super) fn stranger() -> Self {
        Self { identity: Identity::Anonymous, proof: Proof::None, bounds: None }
    }

    fn by_password(identity: Identity, bounds: Option<Arc<Access>>) -> Self {
        Self { identity, proof: Proof::Password, bounds }
    }
}

impl Logins {
    pub(super) fn caller(&self, known: Known) -> Caller {
        Caller::new(known.identity, known.proof, self.policies(), known.bounds)
    }

    /// The policies in force.
    pub(super) fn policies(&self) -> Option<Arc<Policies>> {
        let policies = self.policies.as_ref()?;
        Some(Arc::clone(&policies.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The number of what the files of users and robots say; it changes with them.
    fn version(&self) -> u64 {
        self.passwords.as_ref().map_or(0, Passwords::version) + self.robots.version()
    }

    /// Whose credentials these are.
    pub(super) async fn identify(&self, value: &str, peer: Peer) -> Result<Known, Rejection> {
        let (version, name) = (self.version(), self.remembered.name(value));
        if let Some(known) = self.recall(name, version) {
            return Ok(known);
        }
        counted(match Credentials::parse(value) {
            Err(error) => Err(error.into()),
            Ok(Credentials::Basic { name: user, password }) => {
                self.identify_by_password(name, version, &user, &password, peer).await
            }
            Ok(Credentials::Bearer(token)) => match self.identify_by_token(&token).await {
                Err(error) => Err(rejected(error)),
                Ok((known, lifetime)) => {
                    self.remembered.insert(name, version, known.clone(), lifetime);
                    Ok(known)
                }
            },
        })
    }

    /// Who was found a moment ago to have these credentials.
    fn recall(&self, name: Name, version: u64) -> Option<Known> {
        let known = self.remembered.find(name, version)?;
        metrics().logins.of(Login::Remembered).inc();
        Some(known)
    }

    /// As [`identify`](Self::identify), for who wants a token: an identity token will do as a bearer.
    pub(super) async fn identify_for_token(&self, value: &str, peer: Peer) -> Result<Known, Rejection> {
        match (Credentials::parse(value)?, &self.identities) {
            (Credentials::Bearer(token), Some(identities)) => {
                counted(job(identities, &token).await.map(|(known, _)| known).map_err(rejected))
            }
            (Credentials::Bearer(_), None) => counted(Err(Rejection::Wrong)),
            (Credentials::Basic { name, password }, _) => self.log_in(&name, &password, peer).await,
        }
    }

    /// Whose name and password these are.
    pub(super) async fn log_in(&self, user: &str, password: &str, peer: Peer) -> Result<Known, Rejection> {
        let name = self.remembered.name(&format!("{} {user}{password}", user.len()));
        let version = self.version();
        match self.recall(name, version) {
            Some(known) => Ok(known),
            None => counted(self.identify_by_password(name, version, user, password, peer).await),
        }
    }

    async fn identify_by_password(
        &self,
        name: Name,
        version: u64,
        user: &str,
        password: &str,
        peer: Peer,
    ) -> Result<Known, Rejection> {
        // Nobody guesses what robots and jobs come with: failures need not be counted.
        if let Some(robot) = user.strip_prefix(ROBOT_PREFIX) {
            let bounds = self.robots.verify(robot, password).map_err(|()| Rejection::Wrong)?;
            return Ok(Known::by_password(Identity::Robot(robot.to_owned()), bounds));
        }
        if let Some(identities) = self.identities.as_ref().filter(|_| is_token(password)) {
            let (known, lifetime) = job(identities, password).await.map_err(rejected)?;
            self.remembered.insert(name, version, known.clone(), lifetime);
            return Ok(known);
        }
        let passwords = self.passwords.as_ref().ok_or(Rejection::Wrong)?;
        let _lane = passwords.lane(name.number()).await?;
        if let Some(known) = self.remembered.find(name, version) {
            return Ok(known);
        }
        let number = self.remembered.name(user).number();
        passwords.verify((user, password), peer, name, number).await?;
        let known = Known::by_password(Identity::User(user.to_owned()), None);
        self.remembered.insert(name, version, known.clone(), LOGIN_LIFETIME);
        Ok(known)
    }

    /// Whose token this is, and for how long that need not be asked again.
    async fn identify_by_token(&self, token: &str) -> Result<(Known, Duration), TokenError> {
        let (identity, bounds, verified) = match (&self.own, &self.foreign) {
            (Some(own), _) => {
                let (identity, verified) = own.verify(token)?;
                let bounds = self.still_known(&identity, &verified.access)?;
                (identity, bounds, verified)
            }
            (None, Some(foreign)) => {
                let verified = foreign.verifier.verify_with_new_keys(token, SystemTime::now()).await?;
                let identity = match verified.subject.as_str() {
                    "" => Identity::Anonymous,
                    subject => Identity::User(subject.to_owned()),
                };
                (identity, verified.access.clone(), verified)
            }
            (None, None) => return Err(TokenError::Malformed("nobody's tokens count here")),
        };
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        let proof = Proof::Token { hash, expired: verified.expired };
        let left = verified.expires.duration_since(SystemTime::now()).unwrap_or_default();
        Ok((Known { identity, proof, bounds: Some(Arc::new(bounds)) }, left.min(TOKEN_LIFETIME)))
    }

    /// What a token of ours permits its owner, who must still be there: those who were removed are out at once.
    fn still_known(&self, identity: &Identity, access: &Access) -> Result<Access, TokenError> {
        const GONE: TokenError = TokenError::Malformed("the account that it was issued to is gone");
        match identity {
            Identity::User(name) => {
                let is_there = self.passwords.as_ref().is_some_and(|passwords| passwords.has(name));
                is_there.then(|| access.clone()).ok_or(GONE)
            }
            Identity::Robot(name) => match self.robots.still(name).map_err(|()| GONE)? {
                Some(bounds) => Ok(access.intersection(&bounds)),
                None => Ok(access.clone()),
            },
            _ => Ok(access.clone()),
        }
    }
}

/// A job by its identity token, and for how long that need not be asked again.
async fn job(identities: &Identities, token: &str) -> Result<(Known, Duration), TokenError> {
    let now = SystemTime::now();
    let proved = identities.verify(token, now).await?;
    let left = proved.expires.duration_since(now).unwrap_or_default();
    let workload = Workload { issuer: proved.issuer_name, subject: proved.subject, claims: proved.claims };
    let known = Known::by_password(Identity::Workload(Box::new(workload)), None);
    Ok((known, left.min(LOGIN_LIFETIME)))
}

/// Counts what came of credentials that had to be looked at.
fn counted(found: Result<Known, Rejection>) -> Result<Known, Rejection> {
    let outcome = match &found {
        Ok(_) => Login::Verified,
        Err(Rejection::Busy) => Login::Busy,
        Err(_) => Login::Refused,
    };
    metrics().logins.of(outcome).inc();
    found
}

/// Whether a password looks like a token: three parts with dots between, the first a JSON object in base64.
fn is_token(password: &str) -> bool {
    password.starts_with("eyJ") && password.matches('.').count() == 2
}

/// The client learns no more than that its token will not do.
fn rejected(error: TokenError) -> Rejection {
    tracing::info!(%error, "a token was refused");
    Rejection::Token(error)
}
