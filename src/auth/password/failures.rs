//! Failed logins, counted for each user and source together, so that passwords cannot be tried out.
//!
//! Only credentials that are not verified yet are limited: one stale secret in a CI job must not lock out everybody behind the
//! same address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::observe::Peer;

/// So many pairs of user and source are kept in mind at the most.
const MOST: usize = 100_000;

/// How many failures are too many (`auth.failedlogins`).
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

struct Count {
    failures: u32,
    began: Instant,
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

    /// How long this user has to wait who comes from there; `None` where nothing stands in the way.
    pub(super) fn wait(&self, name: &str, peer: Peer) -> Option<Duration> {
        if self.limit.most == 0 {
            return None;
        }
        let counts = self.lock();
        let count = counts.get(&(name.to_owned(), Source::of(peer)))?;
        let left = self.limit.window.checked_sub(count.began.elapsed())?;
        (count.failures >= self.limit.most).then_some(left)
    }

    /// A password was wrong.
    pub(super) fn failed(&self, name: &str, peer: Peer) {
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
        let count = counts.entry((name.to_owned(), Source::of(peer)));
        let count = count.or_insert_with(|| Count { failures: 0, began: Instant::now() });
        if count.began.elapsed() >= self.limit.window {
            *count = Count { failures: 0, began: Instant::now() };
        }
        count.failures = count.failures.saturating_add(1);
    }

    /// A password was right.
    pub(super) fn succeeded(&self, name: &str, peer: Peer) {
        if self.limit.most > 0 {
            self.lock().remove(&(name.to_owned(), Source::of(peer)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, Source), Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Peer {
        Peer::Address(address.parse().expect("an address"))
    }

    #[test]
    fn a_user_has_to_wait_at_one_source_and_nobody_else() {
        let limit = FailureLimit { most: 3, window: Duration::from_millis(300) };
        let failures = Failures::new(limit);
        for _ in 0..3 {
            assert_eq!(failures.wait("alice", from("10.0.0.1")), None);
            failures.failed("alice", from("10.0.0.1"));
        }
        assert!(failures.wait("alice", from("10.0.0.1")).is_some());
        assert_eq!(failures.wait("bob", from("10.0.0.1")), None);
        assert_eq!(failures.wait("alice", from("10.0.0.2")), None);
        std::thread::sleep(limit.window);
        assert_eq!(failures.wait("alice", from("10.0.0.1")), None);
        failures.failed("alice", from("10.0.0.1"));
        assert_eq!(failures.wait("alice", from("10.0.0.1")), None, "a new window has begun");
    }

    #[test]
    fn whoever_gets_in_begins_anew() {
        let failures = Failures::new(FailureLimit { most: 2, window: Duration::from_secs(60) });
        failures.failed("alice", Peer::Local);
        failures.succeeded("alice", Peer::Local);
        failures.failed("alice", Peer::Local);
        assert_eq!(failures.wait("alice", Peer::Local), None);
    }

    #[test]
    fn another_address_of_the_same_network_is_the_same_source() {
        let failures = Failures::new(FailureLimit { most: 1, window: Duration::from_secs(60) });
        failures.failed("alice", from("2001:db8::1"));
        assert!(failures.wait("alice", from("2001:db8::ffff")).is_some());
        assert!(failures.wait("alice", from("2001:db8:0:1::1")).is_none());
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let failures = Failures::new(FailureLimit { most: 1, window: Duration::from_secs(60) });
        (0..MOST + 10).for_each(|number| failures.failed(&number.to_string(), Peer::Local));
        assert!(failures.lock().len() <= MOST);
    }
}
