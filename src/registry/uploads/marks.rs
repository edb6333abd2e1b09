//! Marks: the points from which uploads go on after a restart.
//!
//! A mark vouches for the bytes below it. So bytes below it are never replaced: whoever goes back behind a mark takes it
//! back first, durably, or ends the session.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::registry::{Error, Registry, blocking};
use crate::store::{
    Accepted, Change, Decision, Incoming, Mark, Operation, OwnerRow, PayloadId, Slot, Tables, UploadRow,
    Write,
};

use super::EndUpload;
use super::session::{Held, Session};

impl Registry {
    /// Marks every session where it stands.
    pub(in crate::registry) async fn park_uploads(&self) {
        // Many at once, so that they share the writer's commits.
        const AT_ONCE: usize = 32;
        let sessions = stream::iter(self.uploads.sessions.all());
        sessions.for_each_concurrent(AT_ONCE, |session| self.park_upload(session)).await;
    }

    async fn park_upload(&self, session: Arc<Session>) {
        let parked = match session.hold(&self.uploads.sessions, self.settings.wait).await {
            Ok(mut held) => match held.take() {
                Some(incoming) => self.park(held, incoming).await,
                None => Ok(()),
            },
            Err(Error::UploadUnknown { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = parked {
            tracing::warn!(upload = %session.id, %error, "an upload could not be parked and will be gone");
        }
    }

    /// Puts a session back with its mark where it stands. An error says that it has ended instead: its bytes could not be
    /// synced, and are never trusted again, or a mark beyond them could not be taken back.
    pub(super) async fn park(&self, mut held: Held, mut incoming: Incoming) -> Result<(), Error> {
        let length = incoming.length();
        if length == 0 {
            self.remove_mark(held.session()).await?;
        } else if length != held.session().marked() {
            let (same, mark) = blocking(move || {
                let mark = incoming.mark();
                (incoming, mark)
            })
            .await;
            incoming = same;
            self.move_mark(held.session(), mark?).await?;
        }
        held.put_back(incoming);
        Ok(())
    }

    /// Records a mark that may lie behind the one before. Only then is it needed; otherwise the old one will do.
    async fn move_mark(&self, session: &Session, mark: Mark) -> Result<(), Error> {
        let offset = mark.offset;
        match self.record_mark(session, mark).await {
            Err(error) if session.marked() <= offset => {
                tracing::warn!(upload = %session.id, %error, "an upload could not be marked");
                Ok(())
            }
            recorded => recorded,
        }
    }

    /// Records from where an upload can be continued.
    pub(super) async fn record_mark(&self, session: &Session, mark: Mark) -> Result<(), Error> {
        let offset = mark.offset;
        let upload = UploadRow {
            repository: session.repository.clone(),
            algorithm: mark.algorithm,
            offset,
            hash_state: mark.hash_state,
            started: session.started,
            touched: session.touched(),
            owner: session.owner.clone().map(OwnerRow::from),
        };
        let recorded = self.submit(MarkUpload { id: session.id, upload }).await;
        match &recorded {
            Ok(()) => session.set_marked(offset),
            Err(Error::OutcomeUnknown) => session.set_marked(session.marked().max(offset)),
            Err(_) => {}
        }
        recorded
    }

    /// Nothing of this session outlives a restart from now on.
    pub(super) async fn remove_mark(&self, session: &Session) -> Result<(), Error> {
        if session.marked() > 0 {
            self.submit(EndUpload { id: session.id }).await?;
            session.set_marked(0);
        }
        Ok(())
    }
}

struct MarkUpload {
    id: PayloadId,
    upload: UploadRow,
}

impl Operation for MarkUpload {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, _tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { id, upload } = self;
        Ok(Accepted::new(vec![Change::UploadMarked { id, upload }], ()))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
