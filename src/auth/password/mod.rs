//! Logins by password: bounded in how many are verified at once, and in how often somebody may be wrong.

mod failures;
mod htpasswd;
pub mod users;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::observe::Peer;

use super::file::FileError;
use super::remembered::Name;
use super::watched::Watched;
use failures::{Failures, Standing};
use htpasswd::Htpasswd;

pub use failures::FailureLimit;

/// The users of `auth.htpasswd.path`.
pub(super) struct Passwords {
    users: Watched<Htpasswd>,
    failures: Failures,
    /// How many passwords are hashed at once: each takes a processor for a tenth of a second.
    hashing: Arc<Semaphore>,
    /// Requests with the same credentials, of which the first is to do the work for all.
    lanes: [Mutex<()>; LANES],
    wait: Duration,
}

const LANES: usize = 64;

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    /// There is no such user, or they have another password.
    Wrong,
    /// They were wrong too often, and have to wait so long.
    TooOften(Duration),
    /// There is too much to do.
    Busy,
}

impl Passwords {
    pub(super) fn open(path: &Path, limit: FailureLimit, wait: Duration) -> Result<Self, FileError> {
        let users = Watched::open(path, Htpasswd::parse)?;
        let (content, _) = users.current();
        for line in &content.unusable {
            tracing::warn!(
                file = %path.display(), line,
                "this user cannot log in: only bcrypt and Argon2 are supported; set the password anew with holdfast user passwd"
            );
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            users,
            failures: Failures::new(limit),
            hashing: Arc::new(Semaphore::new((processors / 2).max(1))),
            lanes: [const { Mutex::const_new(()) }; LANES],
            wait,
        })
    }

    /// The number of what the file says now; it grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.users.current().1
    }

    /// Whether there is a user of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.users.current().0.has(name)
    }

    /// Waits for others with the same credentials, which `number` follows from.
    pub(super) async fn lane(&self, number: usize) -> Result<MutexGuard<'_, ()>, Rejected> {
        let lane = self.lanes.get(number % LANES).ok_or(Rejected::Busy)?;
        tokio::time::timeout(self.wait, lane.lock()).await.map_err(|_| Rejected::Busy)
    }

    /// Verifies a user's password that comes from there in these credentials. `number` is random, and always the same for the same
    /// user.
    pub(super) async fn verify(
        &self,
        (user, password): (&str, &str),
        peer: Peer,
        credentials: Name,
        number: usize,
    ) -> Result<(), Rejected> {
        let (users, version) = self.users.current();
        match self.failures.standing(user, peer, credentials, version) {
            Standing::Open => {}
            Standing::Wrong => return Err(Rejected::Wrong),
            Standing::Closed(wait) => return Err(Rejected::TooOften(wait)),
        }
        let is_right = self.hash(users, user, password, number).await?;
        match is_right {
            true => self.failures.succeeded(user, peer),
            false => self.failures.failed(user, peer, credentials, version),
        }
        is_right.then_some(()).ok_or(Rejected::Wrong)
    }

    /// Whether this is the user's password, found out on a thread of its own, of which there are few.
    async fn hash(
        &self,
        users: Arc<Htpasswd>,
        user: &str,
        password: &str,
        number: usize,
    ) -> Result<bool, Rejected> {
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.hashing).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Rejected::Busy);
        };
        let (user, password) = (user.to_owned(), password.to_owned());
        let hashing = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            users.verify(&user, &password, number)
        });
        hashing.await.map_err(|_| Rejected::Busy)
    }
}
