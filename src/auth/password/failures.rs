//! Failed logins, counted for each user and source together, so that passwords cannot be tried out.
//!
//! Only credentials that are not verified yet are limited, and one that is repeated counts once: a stale secret in a CI job must
//! not lock out everybody behind the same address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::remembered::Name;
use crate::observe::Peer;

/// So many pairs of user and source are kept in mind at the most.
const MOST: usize = 100_000;

/// How many wrong passwords are too many (`auth.failedlogins`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimit {
    /// So many within the window are let pass; 0 for any number.
    pub most: u32,
    pub window: Duration,
}

pub(super) struct Failures {
    limit: FailureLimit,
    /// The hash function of names and sources is keyed, so that nobody can choose names that are confused with another's.
    counts: Mutex<HashMap<(String, Source), Count>>,
}

/// An address; of IPv6, the network that one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(Option<IpAddr>);

/// What somebody was wrong with.
struct Count {
    /// Each once, for who repeats a password tries nothing out; with the version of the file of users in which it was wrong.
    wrong: Vec<(Name, u64)>,
    began: Instant,
}

/// Whether a password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is.
    Open,
    /// It was wrong a while ago, and is still.
    Wrong,
    /// There were too many others. They may try again after this time.
    Closed(Duration),
}

impl Source {
    fn of(peer: Peer) -> Self {
        const NETWORK: u128 = !0 << 64;
        Self(match peer {
            Peer::Address(IpAddr::V6(address)) => {
                Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)))
            }
            Peer::Address(address) => Some(address),
            Peer::Local => None,
        })
    }
}

impl Failures {
    pub(super) fn new(limit: FailureLimit) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// Whether this user's password, known by the name of the credentials, is looked at when it comes from there.
    pub(super) fn standing(&self, user: &str, peer: Peer, credentials: Name, version: u64) -> Standing {
        let counts = self.lock();
        let Some(count) = counts.get(&(user.to_owned(), Source::of(peer))) else {
            return Standing::Open;
        };
        match self.limit.window.checked_sub(count.began.elapsed()) {
            Some(_) if count.wrong.contains(&(credentials, version)) => Standing::Wrong,
            Some(left) if count.wrong.len() >= self.limit.most as usize => Standing::Closed(left),
            _ => Standing::Open,
        }
    }

    /// A password was wrong.
    pub(super) fn failed(&self, user: &str, peer: Peer, credentials: Name, version: u64) {
        if self.limit.most == 0 {
            return;
        }
        let mut counts = self.lock();
        if counts.len() >= MOST {
            counts.retain(|_, count| count.began.elapsed() < self.limit.window);
        }
        if counts.len() >= MOST {
            counts.clear();
        }
        let new = || Count { wrong: Vec::new(), began: Instant::now() };
        let count = counts.entry((user.to_owned(), Source::of(peer))).or_insert_with(new);
        if count.began.elapsed() >= self.limit.window {
            *count = new();
        }
        count.wrong.push((credentials, version));
    }

    /// A password was right.
    pub(super) fn succeeded(&self, user: &str, peer: Peer) {
        if self.limit.most > 0 {
            self.lock().remove(&(user.to_owned(), Source::of(peer)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, Source), Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::remembered::Remembered;

    fn from(address: &str) -> Peer {
        Peer::Address(address.parse().expect("an address"))
    }

    /// Passwords by number, none of which is right.
    struct Trial {
        failures: Failures,
        names: Remembered<()>,
    }

    impl Trial {
        fn new(most: u32, window: Duration) -> Self {
            Self { failures: Failures::new(FailureLimit { most, window }), names: Remembered::new() }
        }

        fn standing(&self, user: &str, address: &str, password: usize) -> Standing {
            self.failures.standing(user, from(address), self.names.name(&password.to_string()), 0)
        }

        fn fail(&self, user: &str, address: &str, password: usize) {
            self.failures.failed(user, from(address), self.names.name(&password.to_string()), 0);
        }
    }

    #[test]
    fn a_user_has_to_wait_at_one_source_and_nobody_else() {
        let trial = Trial::new(3, Duration::from_millis(300));
        for password in 0..3 {
            assert_eq!(trial.standing("alice", "10.0.0.1", password), Standing::Open);
            trial.fail("alice", "10.0.0.1", password);
        }
        assert!(matches!(trial.standing("alice", "10.0.0.1", 3), Standing::Closed(_)));
        assert_eq!(trial.standing("bob", "10.0.0.1", 3), Standing::Open);
        assert_eq!(trial.standing("alice", "10.0.0.2", 3), Standing::Open);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(trial.standing("alice", "10.0.0.1", 3), Standing::Open);
        trial.fail("alice", "10.0.0.1", 3);
        assert_eq!(trial.standing("alice", "10.0.0.1", 4), Standing::Open, "a new window has begun");
    }

    #[test]
    fn one_stale_password_counts_once_however_often_it_comes() {
        let trial = Trial::new(2, Duration::from_secs(60));
        trial.fail("ci", "10.0.0.1", 1);
        assert_eq!(trial.standing("ci", "10.0.0.1", 1), Standing::Wrong);
        assert_eq!(trial.standing("ci", "10.0.0.1", 2), Standing::Open, "the right one may come yet");
        let name = trial.names.name("1");
        let changed = trial.failures.standing("ci", from("10.0.0.1"), name, 1);
        assert_eq!(changed, Standing::Open, "another file of users may have it");
    }

    #[test]
    fn what_was_wrong_before_the_file_changed_is_looked_at_whatever_was_wrong_since() {
        let trial = Trial::new(5, Duration::from_secs(60));
        trial.fail("ci", "10.0.0.1", 1);
        let (peer, name) = (from("10.0.0.1"), |password: &str| trial.names.name(password));
        trial.failures.failed("ci", peer, name("2"), 1);
        assert_eq!(trial.failures.standing("ci", peer, name("1"), 1), Standing::Open);
        assert_eq!(trial.failures.standing("ci", peer, name("2"), 1), Standing::Wrong);
    }

    #[test]
    fn whoever_gets_in_begins_anew() {
        let trial = Trial::new(2, Duration::from_secs(60));
        trial.fail("alice", "10.0.0.1", 1);
        trial.failures.succeeded("alice", from("10.0.0.1"));
        trial.fail("alice", "10.0.0.1", 2);
        assert_eq!(trial.standing("alice", "10.0.0.1", 3), Standing::Open);
    }

    #[test]
    fn another_address_of_the_same_network_is_the_same_source() {
        let trial = Trial::new(1, Duration::from_secs(60));
        trial.fail("alice", "2001:db8::1", 1);
        assert!(matches!(trial.standing("alice", "2001:db8::ffff", 2), Standing::Closed(_)));
        assert_eq!(trial.standing("alice", "2001:db8:0:1::1", 2), Standing::Open);
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let trial = Trial::new(1, Duration::from_secs(60));
        (0..MOST + 10).for_each(|number| trial.fail(&number.to_string(), "10.0.0.1", 0));
        assert!(trial.failures.lock().len() <= MOST);
    }
}
