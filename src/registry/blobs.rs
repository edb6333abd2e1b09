//! Blobs of a repository: looking, pulling, mounting, deleting.

use std::sync::Arc;

use crate::oci::{Digest, RepositoryName};
use crate::store::{
    Accepted, Change, Decision, Decline, NeedKind, Operation, Payload, PayloadError, Slot, Tables, Write,
};

use super::{Error, Occasion, Referenced, Registry, blocking};

/// Where a mounted blob comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    Repository(RepositoryName),
    /// Any repository, for those who may pull from all of them.
    Anywhere,
}

/// How many of the repositories that hold a blob are looked at for one that somebody may pull from.
const HOLDERS: usize = 1_000;

impl Registry {
    /// The size of a blob in bytes.
    pub fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
        let row = self.store.read().blob_in(repository, digest)?;
        Ok(row.ok_or_else(|| unknown(repository, digest))?.size)
    }

    /// The size of a blob in bytes, told to somebody who will rely on the blob's being there. A damaged one is not there,
    /// so that it is pushed again.
    pub async fn vouch_for_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
        let question = self.store.leases().ask(digest).await;
        let row = self.store.read().blob_in(repository, digest)?.filter(|row| !row.is_damaged);
        let size = row.ok_or_else(|| unknown(repository, digest))?.size;
        question.answer();
        Ok(size)
    }

    /// Opens a blob to be pulled.
    pub async fn open_blob(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Arc<Payload>, Error> {
        if let Some(payload) = self.store.opened_blob(repository, digest)? {
            return Ok(payload);
        }
        let (registry, name, digest) = (Arc::clone(self), repository.clone(), *digest);
        let opened = blocking(move || registry.store.open_blob(&name, &digest)).await;
        opened.map_err(|error| self.unopened(digest, error))?.ok_or_else(|| unknown(repository, &digest))
    }

    /// Why a pull could not be begun.
    pub(super) fn unopened(self: &Arc<Self>, digest: Digest, error: PayloadError) -> Error {
        if error.is_damage() {
            self.suspect(digest, &error);
        }
        unreadable(digest, error)
    }

    /// Lets a repository hold a blob that another one holds. `false` if that one does not, or does not exist.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        source: MountSource,
        occasion: Option<Arc<Occasion>>,
    ) -> Result<bool, Error> {
        let from = match &source {
            _ if occasion.is_none() => None,
            MountSource::Repository(from) => Some(from.clone()),
            MountSource::Anywhere => self.store.read().repositories_of(digest, 1)?.pop(),
        };
        let mount = MountBlob { repository: repository.clone(), digest: *digest, source };
        self.submit_request(mount, occasion, from).await
    }

    /// A repository that holds a blob and that somebody may pull from, looked for among a thousand.
    pub fn readable_holder(
        &self,
        digest: &Digest,
        may_pull: impl Fn(&RepositoryName) -> bool,
    ) -> Result<Option<RepositoryName>, Error> {
        Ok(self.store.read().repositories_of(digest, HOLDERS)?.into_iter().find(may_pull))
    }

    /// Takes a blob out of a repository.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        occasion: Option<Arc<Occasion>>,
    ) -> Result<(), Error> {
        let Some(referenced) = self.settings.deletion() else {
            return Err(Error::DeleteDisabled);
        };
        let delete = DeleteBlob { repository: repository.clone(), digest: *digest, referenced };
        self.submit_request(delete, occasion, None).await
    }
}

/// Why a payload cannot be had.
pub(super) fn unreadable(digest: Digest, error: PayloadError) -> Error {
    match error {
        source if source.is_damage() => Error::Damaged { digest, source },
        PayloadError::Io(error) => error.into(),
        PayloadError::Metadata(error) => error.into(),
        source => Error::Damaged { digest, source },
    }
}

pub(super) fn unknown(repository: &RepositoryName, digest: &Digest) -> Error {
    Error::BlobUnknown { repository: repository.clone(), digest: *digest }
}

struct MountBlob {
    repository: RepositoryName,
    digest: Digest,
    source: MountSource,
}

impl Operation for MountBlob {
    type Outcome = bool;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { repository, digest, source } = self;
        let is_held = match source {
            MountSource::Repository(from) => tables.blob_link(&from, &digest)?.is_some(),
            MountSource::Anywhere => tables.is_blob_held(&digest)?,
        };
        // A damaged one cannot be had: the client uploads it, which heals it for everybody.
        let is_mounted = is_held && tables.is_sound(&digest)?;
        let mounted = Change::BlobLinked { repository, digest, at: slot.now };
        Ok(Accepted::new(is_mounted.then_some(mounted).into_iter().collect(), is_mounted))
    }
}

struct DeleteBlob {
    repository: RepositoryName,
    digest: Digest,
    referenced: Referenced,
}

impl Operation for DeleteBlob {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { repository, digest, referenced } = self;
        if tables.blob_link(&repository, &digest)?.is_none() {
            return Err(Decline::Refused(unknown(&repository, &digest)));
        }
        referenced.check(tables, &repository, NeedKind::Blob, &digest)?;
        let is_last = tables.holders(&digest, 2)? == 1;
        let mut changes = vec![Change::BlobUnlinked { repository, digest }];
        changes.extend(is_last.then_some(Change::BlobRemoved { digest }));
        Ok(Accepted::new(changes, ()))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

impl Referenced {
    /// Refuses the deletion of what manifests of the repository are made of, naming some of them.
    pub(super) fn check(
        self,
        tables: &Tables<Write<'_>>,
        repository: &RepositoryName,
        kind: NeedKind,
        digest: &Digest,
    ) -> Result<(), Decline<Error>> {
        const NAMED: usize = 5;
        if self == Self::Allow {
            return Ok(());
        }
        let by = tables.needed_by(repository, kind, digest, NAMED)?;
        if by.is_empty() {
            return Ok(());
        }
        Err(Decline::Refused(Error::StillNeeded {
            repository: repository.clone(),
            kind,
            digest: *digest,
            by,
        }))
    }
}
