//! A disk of tests: it forgets what was not synced when its power is cut, and fails when it is told to.
//!
//! It keeps two images, as a machine does. Calls read and change the **cache**; only syncs carry anything to the
//! **disk**, a file's sync its bytes and length, a folder's sync the names in it. From there three things can happen:
//!
//! - [`kill`](Simulated::kill) ends the process: the cache stays, and what was not synced stays so.
//! - [`cut`](Simulated::cut) ends the machine: what was synced is there, and of the rest any part, by blocks of 512
//!   bytes, lengths and names. A block that is not there has its old bytes or zeros, never another file's.
//! - A planned call [fails](Simulated::fail): a write leaves a part of its bytes, a file's sync marks clean what it has
//!   lost, so that the cache is better than the disk from then on and no later sync mends it.
//!
//! After a kill or a cut whatever was open is dead: the calls of the process that is gone answer errors. Everything
//! that is left to chance comes from seeds. Calls from several threads at once are served in the order that they come.

mod content;
mod hold;
mod names;
mod plan;
mod random;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Barrier, Disk, DiskFile, Rule, Space};
use content::Content;
pub use hold::Held;
use hold::Holds;
use names::{FileNumber, Names};
pub use plan::{Call, Failure};
use plan::{Plan, Verdict};
pub use random::Random;

/// The machine with the disk; clones are the same one.
#[derive(Debug, Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
    holds: Arc<Holds>,
}

#[derive(Debug, Clone)]
struct State {
    names: Names,
    files: BTreeMap<FileNumber, Content>,
    /// Files are numbered in the order of their creation.
    next_file: u64,
    /// How many processes have come and gone.
    life: u64,
    plan: Plan,
    random: Random,
    left_out: Option<Rule>,
    space: Space,
    /// Whether everything can be synced with one call.
    has_barrier: bool,
}

impl Simulated {
    /// An empty disk, with the folder `/` alone.
    pub fn new(seed: u64) -> Self {
        let state = State {
            names: Names::new(),
            files: BTreeMap::new(),
            next_file: 0,
            life: 0,
            plan: Plan::default(),
            random: Random::new(seed),
            has_barrier: seed % 2 == 1,
            left_out: None,
            space: Space::UNKNOWN,
        };
        Self { state: Arc::new(Mutex::new(state)), holds: Arc::default() }
    }

    /// Another machine in the same state, for which chance has other things in store.
    pub fn copy(&self, seed: u64) -> Self {
        let state = State { random: Random::new(seed), ..self.lock().clone() };
        Self { state: Arc::new(Mutex::new(state)), holds: Arc::default() }
    }

    /// The disk as the process sees it that lives now.
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(SimulatedDisk { machine: self.clone(), life: self.lock().life })
    }

    /// Ends the process that uses the disk, and every plan.
    pub fn kill(&self) {
        self.lock().begin_life();
    }

    /// Cuts the power: what was not synced survives as `seed` has it.
    pub fn cut(&self, seed: u64) {
        let mut state = self.lock();
        let mut random = Random::new(seed);
        let chance = random.survival();
        state.names.cut(&mut random, chance);
        let chance = random.survival();
        for content in state.files.values_mut() {
            content.cut(&mut random, chance);
        }
        state.begin_life();
    }

    /// Turns a byte of a file over, for good and with nobody being told.
    pub fn rot(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut state = self.lock();
        let number = state.names.file(path)?;
        state.content(number).map(|content| content.rot(offset))
    }

    /// Lets every read fail from now on that goes over a byte of a file (`EIO`), for good.
    pub fn break_at(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut state = self.lock();
        let number = state.names.file(path)?;
        state.content(number).and_then(|content| content.break_at(offset))
    }

    /// Lets the machine stand still at the changing call that comes after `calls` others: it may have happened or not,
    /// and all calls fail from then on, until there is a kill or a cut.
    pub fn stop_after(&self, calls: usize) {
        self.lock().plan.stop_after(calls);
    }

    /// Holds the next call that is meant: by its kind, the path that it is about, and the name of the thread that makes it.
    /// A file goes by the name under which it was opened.
    pub fn hold(&self, which: impl Fn(Call, &Path, &str) -> bool + Send + Sync + 'static) -> Held {
        self.holds.add(which)
    }

    /// Whether the machine stands still.
    pub fn has_stopped(&self) -> bool {
        self.lock().plan.has_stopped()
    }

    /// Lets a call of this kind fail, the one that comes after `calls` others of that kind.
    pub fn fail(&self, kind: Call, calls: u64, failure: Failure) {
        self.lock().plan.fail(kind, calls, failure);
    }

    /// Whether a planned failure has come to pass.
    pub fn has_failed(&self) -> bool {
        self.lock().plan.has_failed()
    }

    /// How many calls of this kind there have been since the last kill or cut.
    pub fn calls(&self, kind: Call) -> u64 {
        self.lock().plan.calls(kind)
    }

    /// The calls since then that change anything.
    pub fn changes(&self) -> Vec<Call> {
        self.lock().plan.changes().to_vec()
    }

    /// Has the store break a rule from now on, or keep all again.
    pub fn leave_out(&self, rule: Option<Rule>) {
        self.lock().left_out = rule;
    }

    /// Says whether everything can be synced with one call, which the seed has decided so far.
    pub fn set_barrier(&self, has_one: bool) {
        self.lock().has_barrier = has_one;
    }

    /// Has the disk say that so much room is left. It does not keep to it.
    pub fn set_space(&self, space: Space) {
        self.lock().space = space;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the plan has for a call of a process. `failing` is what becomes of the disk if the call fails.
    fn call<T>(
        &self,
        life: u64,
        (kind, path): (Call, &Path),
        work: impl FnOnce(&mut State) -> io::Result<T>,
        failing: impl FnOnce(&mut State),
    ) -> io::Result<T> {
        self.holds.pass(kind, path);
        let mut state = self.lock();
        if state.life != life {
            return Err(standstill());
        }
        let State { plan, random, .. } = &mut *state;
        match plan.next(kind, random) {
            Verdict::Go => work(&mut state),
            Verdict::Fail(error) => {
                failing(&mut state);
                Err(error)
            }
            Verdict::Stop { happens } => {
                if happens {
                    drop(work(&mut state));
                }
                Err(standstill())
            }
        }
    }
}

impl State {
    fn begin_life(&mut self) {
        self.life += 1;
        self.plan = Plan::default();
        let named = self.names.files();
        self.files.retain(|number, _| named.contains(number));
    }

    fn content(&mut self, number: FileNumber) -> io::Result<&mut Content> {
        self.files.get_mut(&number).ok_or_else(|| io::Error::other("no such file on the simulated disk"))
    }
}

/// The disk of one life.
#[derive(Debug)]
struct SimulatedDisk {
    machine: Simulated,
    life: u64,
}

impl SimulatedDisk {
    fn call<T>(
        &self,
        kind: Call,
        path: &Path,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.machine.call(self.life, (kind, path), work, |_| {})
    }

    fn open_as(&self, kind: Call, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.opened(path, self.call(kind, path, |state| state.names.file(path))?))
    }

    fn opened(&self, path: &Path, number: FileNumber) -> Arc<dyn DiskFile> {
        let (machine, path) = (self.machine.clone(), path.to_owned());
        Arc::new(SimulatedFile { machine, life: self.life, path, number })
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let created = self.call(Call::Create, path, |state| {
            let number = FileNumber(state.next_file);
            state.names.create_file(path, number)?;
            state.next_file += 1;
            state.files.insert(number, Content::default());
            Ok(number)
        });
        Ok(self.opened(path, created?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_as(Call::Open, path)
    }

    fn open_for_reading(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_as(Call::OpenForReading, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, to, |state| state.names.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Link, to, |state| {
            let number = state.names.file(from)?;
            state.names.create_file(to, number)
        })
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Unlink, path, |state| state.names.unlink(path))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.call(Call::CreateFolder, path, |state| state.names.create_folder(path))
    }

    /// A failed sync of a folder loses no name: file systems journal them, and stop altogether when they cannot.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call(Call::SyncFolder, path, |state| state.names.sync(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.call(Call::List, folder, |state| state.names.list(folder))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.call(Call::Length, path, |state| {
            let number = state.names.file(path)?;
            Ok(state.content(number)?.length())
        })
    }

    /// Half of all machines have one.
    fn barrier(&self, _folder: &Path) -> io::Result<Option<Box<dyn Barrier>>> {
        let has_one = self.machine.lock().has_barrier;
        Ok(has_one.then(|| {
            Box::new(SimulatedBarrier { machine: self.machine.clone(), life: self.life }) as Box<dyn Barrier>
        }))
    }

    fn space(&self, _folder: &Path) -> io::Result<Space> {
        Ok(self.machine.lock().space)
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.machine.lock().left_out != Some(rule)
    }
}

/// The call that syncs everything, of one life.
#[derive(Debug)]
struct SimulatedBarrier {
    machine: Simulated,
    life: u64,
}

impl Barrier for SimulatedBarrier {
    fn is_light(&self) -> bool {
        true
    }

    /// A file whose bytes are lost says so once more to whoever syncs it; those of payloads nobody syncs again.
    fn sync(&self) -> io::Result<()> {
        let sync = |state: &mut State| {
            state.files.values_mut().for_each(Content::sync);
            state.names.sync_all();
            Ok(())
        };
        let fail = |state: &mut State| {
            let lost = state.names.files_below(Path::new("/blobs"));
            let State { files, random, .. } = state;
            files
                .iter_mut()
                .filter(|(number, _)| lost.contains(number))
                .for_each(|(_, content)| content.fail_sync(random));
        };
        self.machine.call(self.life, (Call::SyncAll, Path::new("/")), sync, fail)
    }
}

/// An open file of one life.
#[derive(Debug)]
struct SimulatedFile {
    machine: Simulated,
    life: u64,
    /// Under which it was opened.
    path: PathBuf,
    number: FileNumber,
}

impl SimulatedFile {
    fn call<T>(
        &self,
        kind: Call,
        work: impl FnOnce(&mut Content) -> io::Result<T>,
        failing: impl FnOnce(&mut Content, &mut Random),
    ) -> io::Result<T> {
        let fail = |state: &mut State| {
            let State { files, random, .. } = state;
            if let Some(content) = files.get_mut(&self.number) {
                failing(content, random);
            }
        };
        self.machine.call(self.life, (kind, &self.path), |state| work(state.content(self.number)?), fail)
    }

    fn simple<T>(&self, kind: Call, work: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        self.call(kind, work, |_, _| {})
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.simple(Call::Read, |content| content.read(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let torn = |content: &mut Content, random: &mut Random| {
            let length = if random.chance(25) { bytes.len() } else { random.below(bytes.len() + 1) };
            let (written, _) = bytes.split_at(length);
            // The call fails anyway.
            let _ = content.write(written, offset);
        };
        self.call(Call::Write, |content| content.write(bytes, offset), torn)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write_at(&bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.simple(Call::Length, |content| Ok(content.length()))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.simple(Call::SetLength, |content| content.set_length(length))
    }

    /// What is taken is not counted.
    fn allocate(&self, _length: u64) -> io::Result<()> {
        self.simple(Call::Allocate, |_| Ok(()))
    }

    fn sync(&self) -> io::Result<()> {
        let sync = |content: &mut Content| {
            content.sync();
            Ok(())
        };
        self.call(Call::Sync, sync, Content::fail_sync)
    }

    /// What has been written back by then is up to the cut.
    fn start_writeback(&self, _offset: u64, _length: u64) -> io::Result<()> {
        self.call(Call::StartWriteback, |_| Ok(()), Content::fail_sync)
    }

    fn write_back(&self, offset: u64, length: u64) -> io::Result<()> {
        self.start_writeback(offset, length)
    }
}

/// What the calls of a process answer that stands still or is gone.
fn standstill() -> io::Error {
    io::Error::other("the simulated machine stands still")
}
