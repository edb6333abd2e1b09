//! The way of redb's bytes to their file, which redb does not wait for.
//!
//! A durable commit writes hundreds of pages and syncs twice, and until it is done nothing else can be committed. So
//! what redb writes is kept here, and a thread of its own brings it to the file: in order, so that whatever redb wrote before a
//! sync is durable before anything of what it wrote after. The file then has at any time what it would have had a moment
//! ago if redb had waited, and a crash leaves nothing that it would not have left then. Whoever needs to know that a
//! commit is durable [asks](WriteBehind::so_far), and waits for that alone.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::store::abort::AbortOnPanic;
use crate::store::ballast::Ballast;
use crate::store::disk::DiskFile;

/// Bytes on their way to a file. Dropping it does not end the way: see [`WriteBehind::close`].
#[derive(Debug)]
pub(super) struct WriteBehind {
    file: Arc<dyn DiskFile>,
    /// What a full disk gives back; `None` for a file that can do without.
    ballast: Option<Arc<Ballast>>,
    /// Whether syncs are done: see [`Rule::SyncMetadata`](crate::store::disk::Rule::SyncMetadata).
    syncs: bool,
    state: Mutex<State>,
    /// Told whenever there is something to do, and whenever something is done.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// In this order they go to the file. The first stays until it is there whole.
    runs: VecDeque<Arc<Run>>,
    /// Bytes of all runs.
    bytes: usize,
    /// How many syncs redb has asked for, and how many of them are done.
    asked: u64,
    done: u64,
    failure: Option<Failure>,
    is_closed: bool,
}

/// Writes that do not overlap, so that their order does not matter.
#[derive(Debug, Default)]
struct Run {
    /// By their offset.
    writes: BTreeMap<u64, Vec<u8>>,
    /// Whether the file is synced behind them. Nothing can be added then.
    is_synced: bool,
}

/// What has gone wrong with the file. Nothing is written after that.
#[derive(Debug)]
struct Failure {
    error: io::Error,
    was_sync: bool,
}

impl Failure {
    fn to_error(&self) -> io::Error {
        io::Error::new(self.error.kind(), self.error.to_string())
    }
}

/// What redb has synced up to some moment.
#[derive(Debug, Clone)]
pub(in crate::store) struct Durable {
    behind: Arc<WriteBehind>,
    syncs: u64,
}

impl Durable {
    /// Waits until it is durable.
    pub(in crate::store) fn wait(&self) -> io::Result<()> {
        self.behind.wait(|state| state.done >= self.syncs).map(drop)
    }

    /// Whether there is nothing left to wait for.
    pub(in crate::store) fn is_decided(&self) -> bool {
        let state = self.behind.lock();
        state.done >= self.syncs || state.failure.is_some()
    }
}

impl WriteBehind {
    /// The most bytes that wait, beyond a last write; whoever writes more waits for room.
    const MOST: usize = 8 << 20;
    /// From so many bytes on they go to the file though no sync was asked for.
    const MANY: usize = 4 << 20;

    pub(super) fn new(file: Arc<dyn DiskFile>, ballast: Option<Arc<Ballast>>, syncs: bool) -> Self {
        Self { file, ballast, syncs, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Starts the thread that brings everything to the file, until this is closed or something fails.
    pub(super) fn start(self: &Arc<Self>) -> io::Result<thread::JoinHandle<()>> {
        let behind = Arc::clone(self);
        thread::Builder::new().name("metadata".to_owned()).spawn(move || behind.work())
    }

    /// Whether a call has failed, and whether that was a sync.
    pub(super) fn has_failed(&self) -> Option<bool> {
        self.lock().failure.as_ref().map(|failure| failure.was_sync)
    }

    /// Remembers an error of a call that went to the file directly.
    pub(super) fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.fail(io::Error::new(error.kind(), error.to_string()), false);
        }
        result
    }

    /// Writes bytes, once everything is written that came before a sync.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.wait(|state| state.bytes < Self::MOST)?;
        state.put(offset, data);
        if state.bytes >= Self::MANY {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Has everything synced that was written, before anything that comes.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = self.wait(|_| true)?;
        state.open_run().is_synced = true;
        state.asked += 1;
        self.changed.notify_all();
        Ok(())
    }

    /// Reads what was written last.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        loop {
            let state = self.lock();
            match state.find(offset, out.len()) {
                Found::Nowhere => break,
                Found::Whole(bytes) => {
                    out.copy_from_slice(bytes);
                    return Ok(());
                }
                // Pages are read as they were written; what was not comes from the file, once that has it.
                Found::InPart => drop(state),
            }
            self.drain()?;
        }
        let read = self.file.read_exact_at(out, offset);
        self.note(read)
    }

    /// Waits until the file has everything, if not durably.
    pub(super) fn drain(&self) -> io::Result<()> {
        let mut state = self.lock();
        let runs = state.runs.len();
        if runs > 0 && !state.runs[runs - 1].is_synced {
            state.open_run().is_synced = true;
            state.asked += 1;
            self.changed.notify_all();
        }
        let asked = state.asked;
        drop(state);
        self.wait(|state| state.done >= asked).map(drop)
    }

    /// What redb has synced so far.
    pub(super) fn so_far(self: &Arc<Self>) -> Durable {
        Durable { behind: Arc::clone(self), syncs: self.lock().asked }
    }

    /// Lets the thread end once everything is done.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Brings one run after another to the file.
    fn work(&self) {
        let _guard = AbortOnPanic;
        while let Some(run) = self.next() {
            match self.carry_out(&run) {
                Ok(()) => self.note_done(&run),
                Err((error, was_sync)) => {
                    self.fail(error, was_sync);
                    return;
                }
            }
        }
    }

    /// The first run, once it is to be written; `None` when there is no more to do.
    fn next(&self) -> Option<Arc<Run>> {
        let is_wanted = |state: &State| {
            let is_synced = state.runs.front().is_some_and(|run| run.is_synced);
            is_synced || state.runs.len() > 1 || state.bytes >= Self::MANY || state.is_closed
        };
        let mut state = self.lock();
        while state.failure.is_none() && !is_wanted(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.runs.front().filter(|_| state.failure.is_none()).map(Arc::clone)
    }

    fn carry_out(&self, run: &Run) -> Result<(), (io::Error, bool)> {
        run.neighbours(|offset, slices| {
            let write = || self.file.write_vectored_at(slices, offset);
            match &self.ballast {
                Some(ballast) => ballast.relieve(write),
                None => write(),
            }
        })
        .map_err(|error| (error, false))?;
        match run.is_synced && self.syncs {
            true => self.file.sync().map_err(|error| (error, true)),
            false => Ok(()),
        }
    }

    fn note_done(&self, run: &Run) {
        let mut state = self.lock();
        state.runs.pop_front();
        state.bytes -= run.bytes();
        state.done += u64::from(run.is_synced);
        self.changed.notify_all();
    }

    fn fail(&self, error: io::Error, was_sync: bool) {
        let mut state = self.lock();
        if state.failure.as_ref().is_none_or(|failure| was_sync && !failure.was_sync) {
            state.failure = Some(Failure { error, was_sync });
        }
        self.changed.notify_all();
    }

    /// Waits until something is so; an error as soon as anything has failed.
    fn wait(&self, is_so: impl Fn(&State) -> bool) -> io::Result<MutexGuard<'_, State>> {
        let waits = |state: &mut State| state.failure.is_none() && !is_so(state);
        let state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            Some(failure) => Err(failure.to_error()),
            None => Ok(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The run that writes are added to, which nobody else has yet.
    fn open_run(&mut self) -> &mut Run {
        let last = self.runs.back_mut().and_then(Arc::get_mut);
        if last.is_none_or(|run| run.is_synced) {
            self.runs.push_back(Arc::default());
        }
        self.runs.back_mut().and_then(Arc::get_mut).expect("a run that was just looked at, or made")
    }

    fn put(&mut self, offset: u64, data: &[u8]) {
        if !self.open_run().takes(offset, data.len()) {
            self.runs.push_back(Arc::default());
        }
        let replaced = self.open_run().writes.insert(offset, data.to_vec());
        self.bytes += data.len() - replaced.map_or(0, |bytes| bytes.len());
    }

    /// What was written last to a range, of what the file may not have yet.
    fn find(&self, offset: u64, length: usize) -> Found<'_> {
        let found = self.runs.iter().rev().map(|run| run.find(offset, length));
        found.into_iter().find(|found| !matches!(found, Found::Nowhere)).unwrap_or(Found::Nowhere)
    }
}

/// Where the bytes of a range are.
enum Found<'a> {
    Nowhere,
    Whole(&'a [u8]),
    InPart,
}

impl Run {
    fn bytes(&self) -> usize {
        self.writes.values().map(Vec::len).sum()
    }

    /// Whether a write overlaps none, or replaces exactly one.
    fn takes(&self, offset: u64, length: usize) -> bool {
        let is_replaced = self.writes.get(&offset).is_some_and(|bytes| bytes.len() == length);
        is_replaced || matches!(self.find(offset, length), Found::Nowhere)
    }

    fn find(&self, offset: u64, length: usize) -> Found<'_> {
        let end = offset + length as u64;
        let Some((begin, bytes)) = self.writes.range(..end).next_back() else { return Found::Nowhere };
        if begin + bytes.len() as u64 <= offset {
            return Found::Nowhere;
        }
        let from = offset.checked_sub(*begin).and_then(|from| usize::try_from(from).ok());
        match from.and_then(|from| bytes.get(from..from + length)) {
            Some(bytes) => Found::Whole(bytes),
            None => Found::InPart,
        }
    }

    /// Gives all writes to `write`, those together that lie next to one another.
    fn neighbours(&self, mut write: impl FnMut(u64, &[IoSlice<'_>]) -> io::Result<()>) -> io::Result<()> {
        let (mut slices, mut begin, mut end) = (Vec::new(), 0, 0);
        for (offset, bytes) in &self.writes {
            if *offset != end && !slices.is_empty() {
                write(begin, &slices)?;
                slices.clear();
            }
            if slices.is_empty() {
                begin = *offset;
            }
            slices.push(IoSlice::new(bytes));
            end = offset + bytes.len() as u64;
        }
        if slices.is_empty() { Ok(()) } else { write(begin, &slices) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::disk::simulated::{Call, Failure, Random, Simulated};

    const PATH: &str = "/database";
    const PAGE: usize = 4096;
    const PAGES: usize = 16;

    /// A file of zeros that is there for good, and the way to it.
    fn begin(machine: &Simulated) -> (Arc<WriteBehind>, thread::JoinHandle<()>) {
        let file = machine.disk().create(Path::new(PATH)).expect("a file");
        file.set_length((PAGES * PAGE) as u64).and_then(|()| file.sync()).expect("synced");
        machine.disk().sync_folder(Path::new("/")).expect("named");
        let behind = Arc::new(WriteBehind::new(file, None, true));
        let thread = behind.start().expect("a thread");
        (behind, thread)
    }

    fn finish(behind: &WriteBehind, thread: thread::JoinHandle<()>) {
        behind.close();
        thread.join().expect("no panic");
    }

    #[test]
    fn what_was_written_is_read_wherever_it_is() {
        for seed in 0..50 {
            let (mut random, machine) = (Random::new(seed), Simulated::new(seed));
            let (behind, thread) = begin(&machine);
            let mut model = vec![0; PAGES * PAGE];
            for number in 0..200_u8 {
                let offset = random.below(PAGES - 2) * PAGE;
                let length = [320, PAGE, 2 * PAGE][random.below(3)];
                let range = offset..offset + length;
                if random.chance(40) {
                    model[range.clone()].fill(number);
                    behind.write(offset as u64, &model[range.clone()]).expect("written");
                }
                if random.chance(10) {
                    behind.sync().expect("asked for");
                }
                let mut found = vec![0xff; length];
                behind.read(offset as u64, &mut found).expect("read");
                assert_eq!(found, model[range], "seed {seed}, step {number}");
            }
            finish(&behind, thread);
            assert_eq!(machine.disk().read_whole(Path::new(PATH)).expect("there"), model, "seed {seed}");
        }
    }

    /// Each round writes its number into some pages, and syncs: whatever is there of a round, all rounds before it are there.
    #[test]
    fn a_cut_leaves_nothing_of_what_was_written_after_a_sync_without_all_that_was_before() {
        let mut cut_short = 0;
        for seed in 0..200 {
            let (mut random, machine) = (Random::new(seed), Simulated::new(seed));
            let (behind, thread) = begin(&machine);
            machine.stop_after(random.below(60));
            let mut rounds: Vec<Vec<usize>> = Vec::new();
            let mut waited = 0;
            for round in 1..=20_u8 {
                let pages: Vec<_> = (0..PAGES).filter(|_| random.chance(30)).collect();
                let written =
                    pages.iter().try_for_each(|page| behind.write((page * PAGE) as u64, &[round; PAGE]));
                rounds.push(pages);
                if written.and_then(|()| behind.sync()).is_err() {
                    break;
                }
                if random.chance(20) && behind.so_far().wait().is_ok() {
                    waited = round;
                }
            }
            finish(&behind, thread);
            machine.cut(seed);
            let found = machine.disk().read_whole(Path::new(PATH)).expect("there");
            let last = found.iter().copied().max().expect("bytes");
            assert!(last >= waited, "seed {seed}: {waited} was durable, {last} is there");
            cut_short += u32::from(usize::from(last) < rounds.len());
            for (round, pages) in (1..last).zip(&rounds) {
                for page in pages {
                    let bytes = &found[page * PAGE..(page + 1) * PAGE];
                    assert!(bytes.iter().all(|byte| *byte >= round), "seed {seed}: {last} without {round}");
                }
            }
        }
        assert!(cut_short > 50, "only {cut_short} were cut short");
    }

    #[test]
    fn after_a_sync_that_failed_nothing_is_written_any_more_and_nobody_is_told_that_it_was() {
        let machine = Simulated::new(0);
        let (behind, thread) = begin(&machine);
        machine.fail(Call::Sync, 0, Failure::Device);
        behind.write(0, &[1; PAGE]).and_then(|()| behind.sync()).expect("nobody waits");
        let durable = behind.so_far();
        durable.wait().expect_err("it failed");
        assert!(durable.is_decided());
        assert_eq!(behind.has_failed(), Some(true));
        behind.write(0, &[2; PAGE]).expect_err("nothing is written any more");
        behind.sync().expect_err("nor synced");
        finish(&behind, thread);
        assert_eq!(machine.disk().read_whole(Path::new(PATH)).expect("there")[0], 1);
    }

    #[test]
    fn what_does_not_fit_waits_until_the_file_has_some() {
        let machine = Simulated::new(0);
        let (behind, thread) = begin(&machine);
        let much = vec![7; WriteBehind::MANY];
        for number in 0..5 {
            behind.write(number * WriteBehind::MANY as u64, &much).expect("there is room again");
        }
        finish(&behind, thread);
        let length = machine.disk().length(Path::new(PATH)).expect("there");
        assert_eq!(length, 5 * WriteBehind::MANY as u64);
    }
}
