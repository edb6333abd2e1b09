//! What is taken in at once: bounded, and in an order in which nothing comes before what it is made of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::oci::{Digest, RepositoryName};
use crate::store::{Landed, Offered};

use super::steps::{BlobTaken, Brought, ManifestTaken, TakeBlob, TakeManifest};
use super::{Import, ImportError};

/// The most blobs, manifests, and bytes of manifests of a batch.
const BLOBS: usize = 256;
const MANIFESTS: usize = 512;
const MANIFEST_BYTES: usize = 4 << 20;
/// The most bytes of payloads that the source hands over at once, for it is told how far it is in between.
const HANDED_BYTES: u64 = 1 << 30;

/// A blob that a repository is to hold.
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Its payload, where one is to be brought.
    pub(super) payload: Option<Payload>,
}

/// A payload that is to be brought.
pub(super) struct Payload {
    /// That it has to have, in bytes.
    pub(super) size: u64,
    /// The file that has it; else the source hands it over.
    pub(super) path: Option<PathBuf>,
    /// Whether its bytes are compared with its digest.
    pub(super) is_verified: bool,
}

/// A payload that has come.
struct Come {
    landed: Landed,
    size: u64,
    is_verified: bool,
    /// The file that had it.
    path: Option<PathBuf>,
}

/// Blobs and manifests of one repository that are to be taken in.
#[derive(Default)]
pub(super) struct Batch {
    blobs: Vec<Wanted>,
    known: HashSet<Digest>,
    /// By how high a manifest stands above those that it is made of.
    manifests: BTreeMap<u32, Vec<TakeManifest>>,
    handed_bytes: u64,
    manifest_count: usize,
    manifest_bytes: usize,
}

/// What did not come of it, and why.
#[derive(Default)]
pub(super) struct Failures {
    pub(super) blobs: HashMap<Digest, String>,
    pub(super) manifests: Vec<Lacking>,
}

/// A manifest that did not come.
pub(super) struct Lacking {
    pub(super) digest: Digest,
    /// What it lacks.
    pub(super) blobs: Vec<Digest>,
}

impl Batch {
    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    pub(super) fn add_blob(&mut self, blob: Wanted) {
        if self.known.insert(blob.digest) {
            let payload = blob.payload.as_ref().filter(|payload| payload.path.is_none());
            self.handed_bytes += payload.map_or(0, |payload| payload.size);
            self.blobs.push(blob);
        }
    }

    pub(super) fn add_manifest(&mut self, height: u32, manifest: TakeManifest) {
        self.manifest_count += 1;
        self.manifest_bytes += manifest.bytes.len();
        self.manifests.entry(height).or_default().push(manifest);
    }

    pub(super) fn is_full(&self) -> bool {
        self.blobs.len() >= BLOBS
            || self.handed_bytes >= HANDED_BYTES
            || self.manifest_count >= MANIFESTS
            || self.manifest_bytes >= MANIFEST_BYTES
    }
}

impl Import<'_> {
    /// Takes everything in.
    pub(super) fn take(&mut self, name: &RepositoryName, batch: Batch) -> Result<Failures, ImportError> {
        let mut failures = Failures::default();
        self.take_blobs(name, batch.blobs, &mut failures)?;
        self.origin.check()?;
        for manifests in batch.manifests.into_values() {
            self.take_manifests(manifests, &mut failures)?;
        }
        self.tell_progress();
        Ok(failures)
    }

    fn take_blobs(
        &mut self,
        name: &RepositoryName,
        blobs: Vec<Wanted>,
        failures: &mut Failures,
    ) -> Result<(), ImportError> {
        let digests: Vec<_> = blobs.iter().map(|blob| blob.digest).collect();
        let mut come = self.bring(name, blobs, failures)?;
        let step = |digest: &Digest| {
            let file = come.get(digest).map(|come| Brought {
                file: come.landed.file,
                size: come.size,
                is_verified: come.is_verified,
            });
            TakeBlob { repository: name.clone(), digest: *digest, file }
        };
        let steps = digests.iter().map(step).collect();
        for (digest, taken) in digests.into_iter().zip(self.submit_all(steps)?) {
            match (taken, come.remove(&digest)) {
                (BlobTaken::Missing, _) => {
                    failures.blobs.entry(digest).or_insert_with(|| "it is missing".to_owned());
                    continue;
                }
                (BlobTaken::Linked, Some(come)) => self.intake.discard(&come.landed),
                (BlobTaken::Added, Some(come)) => self.note_added(&come),
                (_, None) => {}
            }
            self.report.blobs += 1;
        }
        Ok(())
    }

    /// Brings the payloads that are to be brought: those that lie in files, and those that the source hands over.
    fn bring(
        &mut self,
        name: &RepositoryName,
        blobs: Vec<Wanted>,
        failures: &mut Failures,
    ) -> Result<HashMap<Digest, Come>, ImportError> {
        let (mut offered, mut asked) = (Vec::new(), Vec::new());
        for Wanted { digest, payload } in blobs {
            match payload {
                Some(Payload { size, path: Some(path), is_verified }) => {
                    offered.push(Offered { digest, size, path, is_verified });
                }
                Some(Payload { size, path: None, .. }) => asked.push((digest, size)),
                None => {}
            }
        }
        let taken = self.intake.take(&offered)?;
        self.tell_setbacks();
        let handed = self.hand_over(name, &asked)?;
        let offered = offered.into_iter().zip(taken).map(|(offered, taken)| {
            let Offered { digest, size, path, is_verified } = offered;
            (digest, taken.map(|landed| Come { landed, size, is_verified, path: Some(path) }))
        });
        let handed = asked.into_iter().zip(handed).map(|((digest, size), taken)| {
            (digest, taken.map(|landed| Come { landed, size, is_verified: true, path: None }))
        });
        let mut come = HashMap::new();
        for (digest, one) in offered.chain(handed) {
            self.report.objects_done += 1;
            match one {
                Ok(one) => drop(come.insert(digest, one)),
                Err(problem) => drop(failures.blobs.insert(digest, problem)),
            }
        }
        Ok(come)
    }

    fn hand_over(
        &self,
        name: &RepositoryName,
        asked: &[(Digest, u64)],
    ) -> Result<Vec<Result<Landed, String>>, ImportError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.origin.hand_over(self.intake, name, asked)?)
    }

    fn note_added(&mut self, come: &Come) {
        self.report.note_payload(come.landed.method, come.size);
        self.report.unverified += u64::from(!come.is_verified);
        if let Some(path) = come.path.as_ref().filter(|_| self.options.removes_source) {
            self.remove_source(path);
        }
    }

    /// The store has the payload durably by now.
    fn remove_source(&mut self, path: &Path) {
        if let Err(error) = std::fs::remove_file(path) {
            self.note(format!("{} was taken over, but cannot be removed: {error}", path.display()));
        }
    }

    fn take_manifests(
        &mut self,
        manifests: Vec<TakeManifest>,
        failures: &mut Failures,
    ) -> Result<(), ImportError> {
        let digests: Vec<_> = manifests.iter().map(|manifest| manifest.digest).collect();
        for (digest, taken) in digests.into_iter().zip(self.submit_all(manifests)?) {
            self.report.objects_done += 1;
            match taken {
                ManifestTaken::Put => self.report.manifests.new += 1,
                ManifestTaken::Present => self.report.manifests.present += 1,
                ManifestTaken::Lacking(blobs) => failures.manifests.push(Lacking { digest, blobs }),
            }
        }
        Ok(())
    }
}
