//! Leases: whoever was told that something is there may rely on it for a while.
//!
//! A client asks with HEAD whether a blob is there, is told yes, does not push it, and names it in a manifest much later.
//! Whoever collects what nothing refers to must not come between the two, and a question must not become a write. So
//! there is one small table in memory, and an order: a question is noted first, reads then, and becomes a lease if the answer
//! is yes; a removal says first that something is leaving, keeps what is leased or asked for, and only then decides. Of the two
//! whichever comes second sees the other: a removal finds the question, a question finds the departure and waits for its
//! end before it reads.
//!
//! Leases die with the process, so nothing may be removed within one lease of a start.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::oci::Digest;

/// The most leases of one generation; beyond them everything counts as leased.
const MOST: usize = 1 << 20;

/// What is leased, and what is leaving.
#[derive(Debug)]
pub struct Leases {
    lease: Duration,
    /// Until then leases of an earlier process may be relied on, of which nobody knows.
    nothing_leaves_before: Instant,
    /// Digests stand in the tables by a keyed hash: one too many kept for a while does no harm, and memory is small.
    hash: RandomState,
    tables: Mutex<TablesOfLeases>,
}

#[derive(Debug)]
struct TablesOfLeases {
    /// Leases of now, and of the generation before, which end when the next generation begins.
    current: HashSet<u64>,
    previous: HashSet<u64>,
    /// When the current generation began.
    since: Instant,
    /// How many ask at the moment.
    asked: HashMap<u64, u32>,
    leaving: HashMap<u64, watch::Receiver<()>>,
}

impl Leases {
    /// Each lease lasts for `lease` at least, and for twice as long at most.
    pub fn new(lease: Duration) -> Self {
        let now = Instant::now();
        Self { nothing_leaves_before: now.checked_add(lease).unwrap_or(now), ..Self::without_past(lease) }
    }

    /// Those of somebody who was there from the beginning.
    fn without_past(lease: Duration) -> Self {
        let tables = TablesOfLeases {
            current: HashSet::new(),
            previous: HashSet::new(),
            since: Instant::now(),
            asked: HashMap::new(),
            leaving: HashMap::new(),
        };
        let nothing_leaves_before = tables.since;
        Self { lease, nothing_leaves_before, hash: RandomState::new(), tables: Mutex::new(tables) }
    }

    /// How long a lease lasts, at the least.
    pub fn duration(&self) -> Duration {
        self.lease
    }

    /// Notes that somebody asks for a digest. Only what is read after this may be relied on, and only if the question is then
    /// [`answered`](Question::answer) with yes.
    pub async fn ask(self: &Arc<Self>, digest: &Digest) -> Question {
        let (question, leaving) = self.enter(self.hash.hash_one(digest));
        if let Some(mut leaving) = leaving {
            // It ends with an error, when the departure is dropped.
            let _ = leaving.changed().await;
        }
        question
    }

    fn enter(self: &Arc<Self>, key: u64) -> (Question, Option<watch::Receiver<()>>) {
        let mut tables = self.lock();
        *tables.asked.entry(key).or_default() += 1;
        let leaving = tables.leaving.get(&key).cloned();
        (Question { leases: Arc::clone(self), key }, leaving)
    }

    /// Says that a digest may be about to go. `None` if it is leased, or may be, or is leaving already: then it stays. Whoever removes it
    /// holds this until the removal can be read, or has not happened.
    pub fn leave(self: &Arc<Self>, digest: &Digest) -> Option<Departure> {
        if Instant::now() < self.nothing_leaves_before {
            return None;
        }
        let key = self.hash.hash_one(digest);
        let mut tables = self.lock();
        let is_full = tables.current.len() >= MOST || tables.previous.len() >= MOST;
        let is_leased = is_full || tables.current.contains(&key) || tables.previous.contains(&key);
        if is_leased || tables.asked.contains_key(&key) || tables.leaving.contains_key(&key) {
            return None;
        }
        let (end, ended) = watch::channel(());
        tables.leaving.insert(key, ended);
        Some(Departure { leases: Arc::clone(self), key, _end: end })
    }

    fn lock(&self) -> MutexGuard<'_, TablesOfLeases> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let age = tables.since.elapsed();
        if age >= self.lease {
            let ended = std::mem::take(&mut tables.current);
            tables.previous = if age >= 2 * self.lease { HashSet::new() } else { ended };
            tables.since = Instant::now();
        }
        tables
    }
}

/// Somebody asks whether something is there. Until this is dropped it does not leave.
#[derive(Debug)]
pub struct Question {
    leases: Arc<Leases>,
    key: u64,
}

impl Question {
    /// The answer is yes: a lease begins.
    pub fn answer(self) {
        let mut tables = self.leases.lock();
        if tables.current.len() < MOST {
            tables.current.insert(self.key);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut tables = self.leases.lock();
        if let Entry::Occupied(mut asked) = tables.asked.entry(self.key) {
            *asked.get_mut() -= 1;
            if *asked.get() == 0 {
                asked.remove();
            }
        }
    }
}

/// Something is about to go. Questions for it wait until this is dropped.
#[derive(Debug)]
pub struct Departure {
    leases: Arc<Leases>,
    key: u64,
    _end: watch::Sender<()>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.leases.lock().leaving.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::oci::Algorithm;
    use crate::store::Hasher;

    fn digest(text: &str) -> Digest {
        Hasher::digest(Algorithm::Sha256, text.as_bytes())
    }

    fn leases() -> Arc<Leases> {
        Arc::new(Leases::without_past(Duration::from_secs(3_600)))
    }

    #[tokio::test]
    async fn what_is_leased_does_not_leave() {
        let leases = leases();
        leases.ask(&digest("asked for")).await.answer();
        assert!(leases.leave(&digest("asked for")).is_none());
        assert!(leases.leave(&digest("forgotten")).is_some());
    }

    #[tokio::test]
    async fn what_was_not_there_is_not_leased_once_its_question_is_over() {
        let leases = leases();
        let (first, second) = (leases.ask(&digest("absent")).await, leases.ask(&digest("absent")).await);
        drop(first);
        assert!(leases.leave(&digest("absent")).is_none(), "somebody asks");
        drop(second);
        assert!(leases.leave(&digest("absent")).is_some());
    }

    #[tokio::test]
    async fn who_asks_for_what_is_leaving_waits_until_it_has_gone_or_stays() {
        let leases = leases();
        let departure = leases.leave(&digest("leaving")).expect("nobody asked for it");
        assert!(leases.leave(&digest("leaving")).is_none(), "it is leaving already");
        let asked = tokio::spawn({
            let leases = Arc::clone(&leases);
            async move { leases.ask(&digest("leaving")).await.answer() }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!asked.is_finished());
        drop(departure);
        asked.await.expect("it ends");
        assert!(leases.leave(&digest("leaving")).is_none(), "it is leased from the question on");
    }

    #[tokio::test]
    async fn a_lease_lasts_for_its_time_and_not_for_ever() {
        let leases = Arc::new(Leases::without_past(Duration::from_millis(200)));
        leases.ask(&digest("asked for")).await.answer();
        assert!(leases.leave(&digest("asked for")).is_none());
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert!(leases.leave(&digest("asked for")).is_some());
    }

    #[tokio::test]
    async fn within_a_lease_of_a_start_nothing_leaves() {
        let leases = Arc::new(Leases::new(Duration::from_millis(200)));
        assert!(leases.leave(&digest("forgotten")).is_none());
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(leases.leave(&digest("forgotten")).is_some());
    }

    /// A removal and a question race for the same thing, again and again: whoever was told yes finds it.
    #[test]
    fn whoever_is_told_yes_finds_it_there_however_the_two_race() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for round in 0..3_000 {
            let (leases, is_there) = (leases(), AtomicBool::new(true));
            let digest = digest(&round.to_string());
            let told = std::thread::scope(|scope| {
                scope.spawn(|| {
                    if let Some(departure) = leases.leave(&digest) {
                        is_there.store(false, Ordering::SeqCst);
                        drop(departure);
                    }
                });
                runtime.block_on(async {
                    let question = leases.ask(&digest).await;
                    let told = is_there.load(Ordering::SeqCst);
                    if told {
                        question.answer();
                    }
                    told
                })
            });
            assert!(!told || is_there.load(Ordering::SeqCst), "told yes in round {round}, and it has gone");
        }
    }
}
