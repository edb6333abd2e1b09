//! Holding a call: whoever makes it waits until it is let go, so that a test decides what happens meanwhile.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::plan::Call;

/// Which call is held: by its kind, the path that it is about, and the name of the thread that makes it.
type Which = dyn Fn(Call, &Path, &str) -> bool + Send + Sync;

/// All calls that are held on one machine, or are to be.
#[derive(Default)]
pub(super) struct Holds {
    all: Mutex<Vec<Arc<State>>>,
}

struct State {
    which: Box<Which>,
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Awaited,
    Reached,
    LetGo,
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holds")
    }
}

impl Holds {
    pub(super) fn add(&self, which: impl Fn(Call, &Path, &str) -> bool + Send + Sync + 'static) -> Held {
        let state =
            State { which: Box::new(which), stage: Mutex::new(Stage::Awaited), changed: Condvar::new() };
        let state = Arc::new(state);
        self.all().push(Arc::clone(&state));
        Held { state }
    }

    /// Waits here for as long as this call is held.
    pub(super) fn pass(&self, kind: Call, path: &Path) {
        let thread = thread::current();
        let name = thread.name().unwrap_or_default();
        let state = {
            let mut all = self.all();
            let found = all.iter().position(|state| (state.which)(kind, path, name));
            found.map(|index| all.remove(index))
        };
        if let Some(state) = state {
            state.enter(Stage::Reached);
            let stage = state.stage();
            let wait = state.changed.wait_while(stage, |stage| *stage != Stage::LetGo);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<State>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that was let go before it came is not held.
    fn enter(&self, stage: Stage) {
        let mut now = self.stage();
        if *now != Stage::LetGo {
            *now = stage;
        }
        self.changed.notify_all();
    }
}

/// A call that is held, or will be when it comes: the first one of those that were meant. Dropping this lets it go.
pub struct Held {
    state: Arc<State>,
}

impl Held {
    /// Waits until the call has come. `false` if it has not within `wait`.
    pub fn is_reached_within(&self, wait: Duration) -> bool {
        let stage = self.state.stage();
        let waited = self.state.changed.wait_timeout_while(stage, wait, |stage| *stage == Stage::Awaited);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Stage::Reached
    }

    pub fn let_go(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.state.enter(Stage::LetGo);
    }
}
