//! The lives of one store, each of which ends by force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use futures_util::future::join_all;
use holdfast::oci::Algorithm;
use holdfast::store::simulated::Simulated;
use holdfast::store::{Incoming, PayloadId, Resumed, ServedTime, Store, SurveyOptions, Timestamp, UploadRow};
use tokio::runtime::Runtime;

use super::goods::{GOODS, LARGEST_LOGGED, content};
use super::plain::Plain;
use super::step::{Act, Ledger, Step};
use super::{lines, open};

/// The most lives of a story.
const LIVES: usize = 4;

pub struct Lives {
    machine: Simulated,
    runtime: Runtime,
    ledger: Arc<Mutex<Ledger>>,
    /// The uploads of this life that go on.
    uploads: BTreeMap<PayloadId, Incoming>,
}

impl Lives {
    pub fn new(machine: Simulated) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ledger = Ledger { states: vec![Plain::default()], acknowledged: 0 };
        Self { machine, runtime, ledger: Arc::new(Mutex::new(ledger)), uploads: BTreeMap::new() }
    }

    pub fn live(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        for _ in 0..LIVES {
            if input.is_empty() {
                break;
            }
            if input.ratio(1, 3)? {
                self.machine.stop_after(input.int_in_range(0..=40)?);
            }
            let store = self.open();
            if let Some(store) = &store {
                self.live_once(store, input)?;
            }
            match input.arbitrary()? {
                true => self.machine.kill(),
                false => self.machine.cut(input.arbitrary()?),
            }
            // Only now, for a store that is closed in good order makes a checkpoint.
            self.uploads.clear();
        }
        Ok(())
    }

    /// Works until it is time to end by force.
    fn live_once(&mut self, store: &Store, input: &mut Unstructured<'_>) -> Result<()> {
        if input.ratio(1, 2)? {
            self.machine.stop_after(input.int_in_range(0..=120)?);
        }
        while !input.is_empty() && !self.machine.has_stopped() {
            match input.int_in_range(0..=15)? {
                0 => break,
                // Time for settling and checkpoints.
                1 => std::thread::sleep(Duration::from_millis(4)),
                2 => self.mark(store, input)?,
                3 => self.end_upload(store, input)?,
                4..=6 => self.work(store, input, 3)?,
                _ => self.work(store, input, 1)?,
            }
        }
        Ok(())
    }

    /// Two more starts, in which nothing fails; between them the store is closed in good order.
    pub fn come_back(&mut self) {
        self.uploads.clear();
        self.machine.kill();
        for _ in 0..2 {
            assert!(self.open().is_some());
            self.uploads.clear();
        }
    }

    /// Opens the store and compares it. `None` if the machine has stopped by then.
    fn open(&mut self) -> Option<Store> {
        let mut store = match open(&self.machine) {
            Ok(store) => store,
            Err(_) if self.machine.has_stopped() => return None,
            Err(error) => panic!("the store could not be opened: {error}"),
        };
        let survey = store.survey(SurveyOptions { is_thorough: true });
        let found = lines::found(&store.read());
        if self.machine.has_stopped() {
            self.machine.kill();
            drop(store);
            return None;
        }
        let violations = survey.unwrap().violations;
        assert!(violations.is_empty(), "{violations:?}");
        self.recognise(&found.unwrap());
        let resumed = store.take_resumed().into_iter();
        self.uploads = resumed.map(|Resumed { id, incoming, .. }| (id, incoming)).collect();
        let ledger = self.ledger.lock().unwrap();
        assert!(self.uploads.keys().eq(ledger.now().uploads.keys()), "uploads are lost");
        drop(ledger);
        Some(store)
    }

    /// Which state this is; it is the only one from now on.
    fn recognise(&mut self, found: &BTreeSet<String>) {
        let mut ledger = self.ledger.lock().unwrap();
        let possible = &ledger.states[ledger.acknowledged..];
        let Some(state) = possible.iter().rfind(|state| lines::expected(state) == *found) else {
            let expected = lines::expected(&possible[0]);
            let lost: Vec<_> = expected.difference(found).collect();
            let strange: Vec<_> = found.difference(&expected).collect();
            panic!(
                "of {} states none was found; of the acknowledged one {lost:#?} is lost, {strange:#?} is strange",
                possible.len()
            );
        };
        *ledger = Ledger { states: vec![state.clone()], acknowledged: 0 };
    }

    /// Does at most `most` things at once.
    fn work(&mut self, store: &Store, input: &mut Unstructured<'_>, most: usize) -> Result<()> {
        let (mut steps, mut files) = (Vec::new(), Vec::new());
        for _ in 0..input.int_in_range(1..=most)? {
            match Step::choose(input)? {
                Step::Push { repository, blob, .. }
                    if GOODS.blobs[blob].bytes.len() as u64 > LARGEST_LOGGED =>
                {
                    // In flight until it is named, or found to be one too many.
                    let Some((file, incoming)) = settle(store, blob) else { return Ok(()) };
                    files.push(incoming);
                    steps.push(Step::Push { repository, blob, file: Some(file) });
                }
                step => steps.push(step),
            }
        }
        self.submit(store, steps);
        Ok(())
    }

    fn submit(&mut self, store: &Store, steps: Vec<Step>) {
        let wait = Duration::from_secs(10);
        let acts = steps.into_iter().map(|step| Act { step, ledger: Arc::clone(&self.ledger) });
        let outcomes = self.runtime.block_on(join_all(acts.map(|act| store.submit(act, wait))));
        let mut ledger = self.ledger.lock().unwrap();
        for outcome in outcomes {
            match outcome {
                Ok(state) => ledger.acknowledged = ledger.acknowledged.max(state),
                Err(_) if self.machine.has_stopped() => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let found = lines::found(&store.read());
        if !self.machine.has_stopped() {
            assert_eq!(ledger.acknowledged, ledger.states.len() - 1);
            assert_eq!(found.unwrap(), lines::expected(ledger.now()), "live");
        }
    }

    /// Begins an upload, or sends more bytes to one, and makes that durable.
    fn mark(&mut self, store: &Store, input: &mut Unstructured<'_>) -> Result<()> {
        let number = input.int_in_range(0..=self.uploads.len())?;
        let id = self.uploads.keys().nth(number).copied().unwrap_or_else(PayloadId::random);
        let incoming = self.uploads.entry(id).or_insert_with(|| store.incoming(id, Algorithm::Sha256));
        let length = usize::try_from(incoming.length()).unwrap() + input.int_in_range(1..=3_000)?;
        let more = content(7, length).slice(usize::try_from(incoming.length()).unwrap()..);
        let Ok(mark) = incoming.append(&[more]).and_then(|()| incoming.mark()) else { return Ok(()) };
        let row = UploadRow {
            repository: GOODS.repositories[0].clone(),
            algorithm: mark.algorithm,
            offset: mark.offset,
            hash_state: mark.hash_state,
            started: Timestamp(1),
            touched: ServedTime(u64::from(input.arbitrary::<u8>()?)),
            owner: None,
        };
        self.submit(store, vec![Step::Mark { id, row }]);
        Ok(())
    }

    fn end_upload(&mut self, store: &Store, input: &mut Unstructured<'_>) -> Result<()> {
        let number = input.choose_index(self.uploads.len().max(1))?;
        let Some(id) = self.uploads.keys().nth(number).copied() else { return Ok(()) };
        self.submit(store, vec![Step::End { id }]);
        let discarded = self.uploads.remove(&id).map_or(Ok(()), Incoming::discard);
        assert!(discarded.is_ok() || self.machine.has_stopped());
        Ok(())
    }
}

/// Gives a payload a file of its own. `None` if the machine stops.
fn settle(store: &Store, blob: usize) -> Option<(PayloadId, Incoming)> {
    let (file, blob) = (PayloadId::random(), &GOODS.blobs[blob]);
    let mut incoming = store.incoming(file, blob.digest.algorithm());
    incoming.append(std::slice::from_ref(&blob.bytes)).ok()?;
    store.settle(&mut incoming, file, &blob.digest).ok()?;
    Some((file, incoming))
}
