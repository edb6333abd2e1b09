//! Who gets in, and what is asked of those who do not.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use futures_util::future::{OptionFuture, join};

use crate::observe::Peer;
use crate::outgoing::Outgoing;

use super::caller::Caller;
use super::challenge::{Bearer, Challenge};
use super::credentials::{self, CredentialsError};
use super::file::FileError;
use super::foreign_tokens::{ForeignTokens, TokenSettings};
use super::known::{Known, Logins};
use super::password::{FailureLimit, Passwords, Rejected};
use super::policy::Policies;
use super::remembered::Remembered;
use super::robots::Robots;
use super::token::{Access, Identities, IdentityIssuer, Issued, KeyError, Scope, TokenError};
use super::token_server::TokenServer;

/// How people log in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth.htpasswd`
    pub htpasswd: Option<PathBuf>,
    /// `auth.htpasswd.realm`: what a challenge says that one logs in to.
    pub realm: String,
    /// `auth.token`: tokens of another server count, and none of our own.
    pub token: Option<TokenSettings>,
    /// `auth.issuers`
    pub issuers: Vec<IdentityIssuer>,
    /// `auth.policies` and `auth.groups`; none: whoever gets in may do everything.
    pub policies: Option<Policies>,
    /// The file of robot accounts.
    pub robots: PathBuf,
    /// The folder of the keys that sign our own tokens.
    pub keys: PathBuf,
    /// `auth.tokenserver.lifetime`
    pub lifetime: Duration,
    /// `auth.tokenserver.rotation`: how long a key signs.
    pub rotation: Duration,
    /// `auth.failedlogins`
    pub failures: FailureLimit,
    /// How long a login waits while others are verified.
    pub wait: Duration,
}

/// Why logins cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(
        "{0}; nobody could log in: holdfast user add NAME --file PATH makes a file of users (auth.htpasswd.path)"
    )]
    Users(FileError),
    #[error(transparent)]
    Robots(FileError),
    #[error("tokens can be neither signed nor verified: {0}")]
    Keys(#[from] KeyError),
}

/// Knows who is who.
pub struct Authority {
    /// `None`: nobody is asked, everybody may do everything.
    logins: Option<Logins>,
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("there were too many failed logins of this user from here: try again in {} seconds", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error("too many want to log in at once; try again")]
    Busy,
    /// Why is for the log.
    #[error("the token is not valid here: ask for a new one")]
    Token(#[source] TokenError),
}

impl From<Rejected> for Rejection {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Wrong => Self::Wrong,
            Rejected::TooOften(wait) => Self::TooOften(wait),
            Rejected::Busy => Self::Busy,
        }
    }
}

impl Authority {
    /// One that asks nobody.
    pub fn open() -> Self {
        Self { logins: None }
    }

    /// One that asks as the settings say; nobody, if they know of no way to log in.
    pub fn new(settings: &Settings) -> Result<Self, AuthorityError> {
        let Settings { htpasswd, realm, token, issuers, policies, robots, keys, .. } = settings;
        let asks = htpasswd.is_some() || policies.is_some() || token.is_some() || !issuers.is_empty();
        if !asks {
            return Ok(Self::open());
        }
        let passwords = htpasswd.as_ref().map(|path| Passwords::open(path, settings.failures, settings.wait));
        let outgoing = Outgoing::default();
        let (foreign, own) = match token {
            Some(token) => (Some(ForeignTokens::new(token, &outgoing)?), None),
            None => (None, Some(TokenServer::open(keys, settings.lifetime, settings.rotation)?)),
        };
        let logins = Logins {
            realm: realm.clone(),
            passwords: passwords.transpose().map_err(AuthorityError::Users)?,
            robots: Robots::open(robots).map_err(AuthorityError::Robots)?,
            identities: match issuers.is_empty() {
                true => None,
                false => Some(Identities::of(issuers.clone(), &outgoing)?),
            },
            foreign,
            own,
            policies: policies.clone().map(|policies| RwLock::new(Arc::new(policies))),
            remembered: Remembered::new(),
        };
        Ok(Self { logins: Some(logins) })
    }

    /// Whether anybody is asked who they are.
    pub fn asks(&self) -> bool {
        self.logins.is_some()
    }

    /// Whether tokens can be had here.
    pub fn issues_tokens(&self) -> bool {
        self.logins.as_ref().is_some_and(|logins| logins.own.is_some())
    }

    /// Who a request comes from.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller, Rejection> {
        let Some(logins) = &self.logins else {
            return Ok(Caller::anyone());
        };
        let known = match credentials::header(headers)? {
            None => Known::stranger(),
            Some(value) => logins.identify(value, peer).await?,
        };
        Ok(logins.caller(known))
    }

    /// Who wants a token: as for any other request, but that as a bearer an identity token counts, and none of our own.
    pub async fn authenticate_for_token(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller, Rejection> {
        let Some(logins) = &self.logins else {
            return Ok(Caller::anyone());
        };
        let known = match credentials::header(headers)? {
            None => Known::stranger(),
            Some(value) => logins.identify_for_token(value, peer).await?,
        };
        Ok(logins.caller(known))
    }

    /// Who wants a token and has put their name and password into a form.
    pub async fn log_in(&self, name: &str, password: &str, peer: Peer) -> Result<Caller, Rejection> {
        match &self.logins {
            Some(logins) => Ok(logins.caller(logins.log_in(name, password, peer).await?)),
            None => Ok(Caller::anyone()),
        }
    }

    /// A token of our own for what somebody asks for, as far as they may have it; `None` where another server issues them.
    pub fn issue(&self, caller: &Caller, asked: &[Scope]) -> Option<Result<(Issued, Access), KeyError>> {
        let logins = self.logins.as_ref()?;
        let own = logins.own.as_ref()?;
        Some(own.issue(caller, asked, logins.policies().as_deref()))
    }

    /// The keys that our own tokens are verified with, as a set of JSON web keys (RFC 7517).
    pub fn jwks(&self) -> Option<String> {
        Some(self.logins.as_ref()?.own.as_ref()?.issuer.jwks())
    }

    /// What somebody has to log in with. Where strangers may have something it is a token, which they get too: clients that are
    /// not logged in stop at any other challenge. Where jobs log in it is one as well, for what they log in with ends before a
    /// long push does. `with_token` is for those who come with one.
    pub fn challenge(&self, with_token: bool) -> Challenge {
        let Some(logins) = &self.logins else {
            return Challenge::Basic { realm: String::new() };
        };
        if let Some(foreign) = &logins.foreign {
            return Challenge::Bearer(foreign.bearer());
        }
        let strangers = logins.policies().is_some_and(|policies| policies.admit_strangers());
        match strangers || logins.identities.is_some() || with_token {
            true => Challenge::Bearer(Bearer::own()),
            false => Challenge::Basic { realm: logins.realm.clone() },
        }
    }

    /// The challenge of the token server itself.
    pub fn password_challenge(&self) -> Challenge {
        Challenge::Basic {
            realm: self.logins.as_ref().map_or_else(String::new, |logins| logins.realm.clone()),
        }
    }

    /// Puts other policies in force, from the next request on. `false` where there were none at the start, or are none any more: what
    /// everybody may do then is not decided in passing.
    pub fn renew_policies(&self, policies: Policies) -> bool {
        let in_force = self.logins.as_ref().and_then(|logins| logins.policies.as_ref());
        match in_force {
            Some(in_force) if !policies.list.is_empty() => {
                *in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
                true
            }
            _ => false,
        }
    }

    /// Keeps keys fresh, for as long as it is polled. Does not return.
    pub async fn run(&self) {
        if let Some(logins) = &self.logins {
            let own = OptionFuture::from(logins.own.as_ref().map(|own| own.issuer.run()));
            let foreign = OptionFuture::from(logins.foreign.as_ref().map(|foreign| foreign.verifier.run()));
            let identities = OptionFuture::from(logins.identities.as_ref().map(Identities::run));
            join(join(own, foreign), identities).await;
        }
        std::future::pending::<()>().await;
    }

    /// Which rule is in force, in words for the log.
    pub fn rule(&self) -> String {
        let Some(logins) = &self.logins else {
            return "nobody has to log in, and everybody may do everything".to_owned();
        };
        let who = match (&logins.foreign, &logins.passwords) {
            (Some(foreign), _) => format!("tokens of {} are needed", foreign.issuer),
            (None, Some(_)) => "users of auth.htpasswd log in".to_owned(),
            (None, None) => "robot accounts and jobs of auth.issuers log in".to_owned(),
        };
        let what = match (logins.policies(), &logins.foreign) {
            (Some(policies), None) => {
                format!("the {} entries of auth.policies say what they may do", policies.list.len())
            }
            (Some(policies), Some(_)) => format!(
                "what their access claim and the {} entries of auth.policies allow they may do",
                policies.list.len()
            ),
            (None, Some(_)) => "their access claim says what they may do".to_owned(),
            (None, None) => "whoever is let in may do everything".to_owned(),
        };
        format!("{who}; {what}")
    }
}
