//! One upload session, and who has it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

use crate::oci::RepositoryName;
use crate::store::{Incoming, PayloadId, Resumed, ServedClock, ServedTime, Timestamp};

use super::super::Error;
use super::Owner;

/// How long the one who has a session may stay without a byte while another request wants it: its connection is
/// most likely gone, and the other one is the same client coming back.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The sessions that have not ended.
pub(super) struct Sessions(StdMutex<HashMap<PayloadId, Arc<Session>>>);

impl Sessions {
    pub(super) fn new(sessions: impl IntoIterator<Item = Session>) -> Self {
        let sessions = sessions.into_iter().map(|session| (session.id, Arc::new(session)));
        Self(StdMutex::new(sessions.collect()))
    }

    pub(super) fn insert(&self, session: Session) {
        self.lock().insert(session.id, Arc::new(session));
    }

    pub(super) fn get(&self, id: PayloadId) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PayloadId, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session.
pub(super) struct Session {
    pub(super) id: PayloadId,
    pub(super) repository: RepositoryName,
    pub(super) started: Timestamp,
    pub(super) owner: Option<Owner>,
    clock: ServedClock,
    /// When something was last done with it, a [`ServedTime`].
    touched: AtomicU64,
    /// How many bytes it has, for those who only want to know.
    offset: AtomicU64,
    /// From where it may go on after a restart; 0 without a mark. Only whoever has the session changes it.
    marked: AtomicU64,
    /// `None` once the session has ended.
    incoming: Arc<Mutex<Option<Incoming>>>,
    /// How many requests want what another one has.
    waiting: AtomicUsize,
    wanted: Notify,
}

impl Session {
    pub(super) fn new(
        id: PayloadId,
        repository: RepositoryName,
        incoming: Incoming,
        clock: ServedClock,
        owner: Option<Owner>,
    ) -> Self {
        Self {
            id,
            repository,
            started: Timestamp::now(),
            owner,
            clock,
            touched: AtomicU64::new(clock.now().0),
            offset: AtomicU64::new(incoming.length()),
            marked: AtomicU64::new(0),
            incoming: Arc::new(Mutex::new(Some(incoming))),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
        }
    }

    pub(super) fn resume(upload: Resumed, clock: ServedClock) -> Self {
        let Resumed { id, row, incoming } = upload;
        let owner = row.owner.map(Owner::from);
        let (marked, touched) = (AtomicU64::new(row.offset), AtomicU64::new(row.touched.0));
        Self {
            started: row.started,
            marked,
            touched,
            ..Self::new(id, row.repository, incoming, clock, owner)
        }
    }

    /// Has the session to itself, after at most `wait`. Whoever has it and gets no bytes lets it go.
    pub(super) async fn hold(
        self: &Arc<Self>,
        sessions: &Arc<Sessions>,
        wait: Duration,
    ) -> Result<Held, Error> {
        let waiting = Waiting::new(self);
        let guard = tokio::time::timeout(wait, Arc::clone(&self.incoming).lock_owned()).await;
        drop(waiting);
        let guard = guard.map_err(|_| Error::UploadBusy)?;
        if guard.is_none() {
            return Err(super::unknown(&self.repository, self.id));
        }
        Ok(Held { session: Arc::clone(self), sessions: Arc::clone(sessions), guard })
    }

    /// Has the session to itself, if nobody else has it now.
    pub(super) fn try_hold(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Option<Held> {
        let guard = Arc::clone(&self.incoming).try_lock_owned().ok().filter(|guard| guard.is_some())?;
        Some(Held { session: Arc::clone(self), sessions: Arc::clone(sessions), guard })
    }

    /// For how long nothing was done with it.
    pub(super) fn idle(&self) -> Duration {
        self.clock.now().since(self.touched())
    }

    pub(super) fn touched(&self) -> ServedTime {
        ServedTime(self.touched.load(Ordering::Acquire))
    }

    /// How many bytes it has, waiting a moment for a request that may be just ending; `None` if it has ended. Disturbs
    /// nobody.
    pub(super) async fn settled_offset(&self) -> Option<u64> {
        const MOMENT: Duration = Duration::from_millis(500);
        match tokio::time::timeout(MOMENT, self.incoming.lock()).await {
            Ok(incoming) => incoming.as_ref().map(Incoming::length),
            Err(_) => Some(self.offset()),
        }
    }

    /// How many bytes it has, or had a moment ago.
    pub(super) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    pub(super) fn marked(&self) -> u64 {
        self.marked.load(Ordering::Acquire)
    }

    pub(super) fn set_marked(&self, offset: u64) {
        self.marked.store(offset, Ordering::Release);
    }

    pub(super) fn publish_offset(&self, offset: u64) {
        self.touched.store(self.clock.now().0, Ordering::Release);
        self.offset.store(offset, Ordering::Release);
    }

    /// Resolves when somebody has wanted the session for longer than [`PATIENCE`].
    pub(super) async fn is_wanted_long(&self) {
        loop {
            let wanted = self.wanted.notified();
            if self.waiting.load(Ordering::SeqCst) == 0 {
                wanted.await;
            }
            tokio::time::sleep(PATIENCE).await;
            if self.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
        }
    }
}

/// A request that waits for a session.
struct Waiting<'a>(&'a Session);

impl<'a> Waiting<'a> {
    fn new(session: &'a Session) -> Self {
        session.waiting.fetch_add(1, Ordering::SeqCst);
        session.wanted.notify_waiters();
        Self(session)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A session that this request alone has. A session that is not put back, for whatever reason, has ended.
pub(super) struct Held {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    guard: OwnedMutexGuard<Option<Incoming>>,
}

impl Held {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// How many bytes the session has.
    pub(super) fn offset(&self) -> u64 {
        self.guard.as_ref().map_or(0, Incoming::length)
    }

    /// The error for who asks for a session that has ended.
    pub(super) fn unknown(&self) -> Error {
        super::unknown(&self.session.repository, self.session.id)
    }

    pub(super) fn take(&mut self) -> Option<Incoming> {
        self.guard.take()
    }

    pub(super) fn put_back(&mut self, incoming: Incoming) {
        self.session.publish_offset(incoming.length());
        *self.guard = Some(incoming);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.guard.is_none() {
            self.sessions.lock().remove(&self.session.id);
        }
    }
}
