//! Several clients at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::client::Client;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::support::Registry;

/// As many as there are.
const CLIENTS: u64 = 4;

/// Clients that have not begun yet.
pub(crate) fn clients() -> Vec<Client> {
    let mut random = Random::of_now();
    (0..CLIENTS).map(|number| Client::new(number, Random::new(random.below(u64::MAX)))).collect()
}

/// Clients at work, each in a thread of its own, until the registry ends or they are told to stop.
pub(crate) struct Load {
    threads: Vec<JoinHandle<Client>>,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub(crate) fn begin(registry: &Registry, clients: Vec<Client>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ledgers = clients.iter().map(|client| Arc::clone(&client.ledger)).collect();
        let work = |mut client: Client| {
            let (registry, stop) = (registry.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) && client.act(&registry).is_some() {}
                client
            })
        };
        let threads = clients.into_iter().map(work).collect();
        Self { threads, ledgers, stop }
    }

    /// Lets them work for a time between these two, in milliseconds.
    pub(crate) fn goes_on(&self, random: &mut Random, least: u64, most: u64) {
        std::thread::sleep(Duration::from_millis(least + random.below(most - least)));
        assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a client has given up");
    }

    /// Does `copy` while they go on; their books from before it to after it.
    pub(crate) fn while_keeping_book(&self, copy: impl FnOnce()) -> Vec<Ledger> {
        self.ledgers.iter().for_each(|ledger| ledger.lock().unwrap().keep_past());
        copy();
        self.ledgers.iter().map(|ledger| ledger.lock().unwrap().clone()).collect()
    }

    /// Waits for the clients, whose registry has ended or who are told to stop.
    pub(crate) fn end(self) -> Vec<Client> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}
