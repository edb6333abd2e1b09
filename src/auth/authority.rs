//! Who gets in, and what is asked of those who do not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;

use crate::observe::Peer;

use super::Identity;
use super::caller::Caller;
use super::credentials::{self, Credentials, CredentialsError};
use super::failures::FailureLimit;
use super::passwords::{Passwords, Rejected};
use super::policy::Policies;
use super::remembered::Remembered;
use super::watched::FileError;

/// How long a password that was verified counts as such.
const PASSWORD_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How people log in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth.htpasswd`
    pub htpasswd: Option<HtpasswdSettings>,
    /// `auth.policies` and `auth.groups`; none: whoever gets in may do everything.
    pub policies: Option<Policies>,
    /// `auth.failedlogins`
    pub failures: FailureLimit,
    /// How long a login waits while others are verified.
    pub wait: Duration,
}

/// `auth.htpasswd`
#[derive(Debug, Clone)]
pub struct HtpasswdSettings {
    pub path: PathBuf,
    pub realm: String,
}

/// Knows who is who.
pub struct Authority {
    /// `None`: nobody is asked, everybody may do everything.
    logins: Option<Logins>,
}

struct Logins {
    realm: String,
    passwords: Option<Passwords>,
    policies: Option<Arc<Policies>>,
    remembered: Remembered<Identity>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("there were too many failed logins of this user from here: try again in {} seconds", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error("too many want to log in at once; try again")]
    Busy,
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
    pub fn new(settings: Settings) -> Result<Self, FileError> {
        let Settings { htpasswd, policies, failures, wait } = settings;
        if htpasswd.is_none() && policies.is_none() {
            return Ok(Self::open());
        }
        let realm = htpasswd.as_ref().map_or_else(String::new, |htpasswd| htpasswd.realm.clone());
        let passwords = htpasswd.map(|htpasswd| Passwords::open(&htpasswd.path, failures, wait));
        let logins = Logins {
            realm,
            passwords: passwords.transpose()?,
            policies: policies.map(Arc::new),
            remembered: Remembered::new(),
        };
        Ok(Self { logins: Some(logins) })
    }

    /// Whether anybody is asked who they are.
    pub fn asks(&self) -> bool {
        self.logins.is_some()
    }

    /// Who a request comes from.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller, Rejection> {
        let Some(logins) = &self.logins else {
            return Ok(Caller::anyone());
        };
        let identity = match credentials::header(headers)? {
            None => Identity::Anonymous,
            Some(value) => logins.identify(value, peer).await?,
        };
        Ok(Caller::new(identity, logins.policies.clone()))
    }

    /// The challenge for somebody who has to log in (RFC 9110, section 11.6.1).
    pub fn challenge(&self) -> String {
        let realm = self.logins.as_ref().map_or("", |logins| &logins.realm);
        format!("Basic realm=\"{realm}\"")
    }
}

impl Logins {
    /// Whose credentials these are.
    async fn identify(&self, value: &str, peer: Peer) -> Result<Identity, Rejection> {
        let version = self.passwords.as_ref().map_or(0, Passwords::version);
        let name = self.remembered.name(value);
        if let Some(identity) = self.remembered.find(name, version) {
            return Ok(identity);
        }
        match (Credentials::parse(value)?, &self.passwords) {
            (Credentials::Basic { name: user, password }, Some(passwords)) => {
                let _lane = passwords.lane(name.number()).await;
                if let Some(identity) = self.remembered.find(name, version) {
                    return Ok(identity);
                }
                let number = self.remembered.name(&user).number();
                passwords.verify(&user, &password, peer, number).await?;
                let identity = Identity::User(user);
                self.remembered.insert(name, version, identity.clone(), PASSWORD_LIFETIME);
                Ok(identity)
            }
            _ => Err(Rejection::Wrong),
        }
    }
}
