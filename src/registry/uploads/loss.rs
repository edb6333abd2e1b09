//! Uploads that have lost bytes for which a mark vouches: somebody else has cut or removed their files.

use std::sync::Arc;

use crate::registry::{Error, Registry, blocking, joined};
use crate::store::{Fault, PayloadId, Repair, Severity};

use super::EndUpload;
use super::session::Held;

impl Registry {
    /// Finds the uploads that could not go on after a restart, and ends them if that is wanted.
    pub(in crate::registry) async fn check_uploads(
        self: &Arc<Self>,
        is_ending: bool,
    ) -> Result<Vec<Fault>, Error> {
        let registry = Arc::clone(self);
        let mut faults = Vec::new();
        for suspect in blocking(move || registry.store.lost_uploads()).await? {
            faults.extend(self.check_upload(suspect.id, is_ending).await?);
        }
        Ok(faults)
    }

    /// One that somebody has now is being received, finished or ended: its file and its mark are not looked at.
    async fn check_upload(self: &Arc<Self>, id: PayloadId, is_ending: bool) -> Result<Option<Fault>, Error> {
        let session = self.uploads.sessions.get(id);
        let held = match session.map(|session| session.try_hold(&self.uploads.sessions)) {
            Some(None) => return Ok(None),
            Some(Some(held)) => Some(held),
            None => None,
        };
        let registry = Arc::clone(self);
        let Some(lost) = blocking(move || registry.store.lost_upload(id)).await? else { return Ok(None) };
        let repair = match is_ending {
            true => self.end_lost_upload(id, held).await?,
            false => Repair::NotWanted,
        };
        Ok(Some(Fault { severity: self.severity_of_loss(), what: lost.to_string(), repair }))
    }

    /// In a store that nobody serves a crash may have left it so: one that had its payload's name already.
    fn severity_of_loss(&self) -> Severity {
        match self.store.is_at_rest() {
            true => Severity::Leftover,
            false => Severity::Wrong,
        }
    }

    async fn end_lost_upload(self: &Arc<Self>, id: PayloadId, held: Option<Held>) -> Result<Repair, Error> {
        match held.and_then(|mut held| held.take().map(|incoming| (held, incoming))) {
            Some((held, incoming)) => {
                let registry = Arc::clone(self);
                joined(tokio::spawn(async move { registry.end_upload(held, incoming).await })).await?;
            }
            None => self.submit(EndUpload { id }).await?,
        }
        Ok(Repair::Done("the upload is ended; its client begins again".to_owned()))
    }
}
