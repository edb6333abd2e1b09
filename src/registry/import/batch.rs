//! What is taken in at once: bounded, and in an order in which nothing comes before what it is made of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::oci::{Digest, RepositoryName};
use crate::store::{Landed, Offered};

use super::steps::{BlobTaken, Brought, ManifestTaken, TakeBlob, TakeManifest};
use super::{Import, ImportError};

/// The most blobs, manifests, and bytes of manifests of a batch.
const BLOBS: usize = 256;
const MANIFESTS: usize = 512;
const MANIFEST_BYTES: usize = 4 << 20;

/// A blob that a repository is to hold.
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Its payload, where one is to be brought.
    pub(super) payload: Option<Offered>,
}

/// Blobs and manifests of one repository that are to be taken in.
#[derive(Default)]
pub(super) struct Batch {
    blobs: Vec<Wanted>,
    known: HashSet<Digest>,
    /// By how high a manifest stands above those that it is made of.
    manifests: BTreeMap<u32, Vec<TakeManifest>>,
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
            self.blobs.push(blob);
        }
    }

    pub(super) fn add_manifest(&mut self, height: u32, manifest: TakeManifest) {
        self.manifest_count += 1;
        self.manifest_bytes += manifest.bytes.len();
        self.manifests.entry(height).or_default().push(manifest);
    }

    pub(super) fn is_full(&self) -> bool {
        self.blobs.len() >= BLOBS || self.manifest_count >= MANIFESTS || self.manifest_bytes >= MANIFEST_BYTES
    }
}

impl Import<'_> {
    /// Takes everything in.
    pub(super) fn take(&mut self, name: &RepositoryName, batch: Batch) -> Result<Failures, ImportError> {
        let mut failures = Failures::default();
        self.take_blobs(name, batch.blobs, &mut failures)?;
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
        let mut landed = self.bring(blobs, failures)?;
        let step = |digest: &Digest| {
            let file = landed.get(digest).map(|(landed, Offered { size, is_verified, .. })| Brought {
                file: landed.file,
                size: *size,
                is_verified: *is_verified,
            });
            TakeBlob { repository: name.clone(), digest: *digest, file }
        };
        let steps = digests.iter().map(step).collect();
        for (digest, taken) in digests.into_iter().zip(self.submit_all(steps)?) {
            match (taken, landed.remove(&digest)) {
                (BlobTaken::Missing, _) => {
                    failures.blobs.entry(digest).or_insert_with(|| "it is missing".to_owned());
                    continue;
                }
                (BlobTaken::Linked, Some((landed, _))) => self.intake.discard(&landed),
                (BlobTaken::Added, Some((landed, offered))) => self.note_added(&landed, &offered),
                (_, None) => {}
            }
            self.report.blobs += 1;
        }
        Ok(())
    }

    /// Brings the payloads that are to be brought.
    fn bring(
        &mut self,
        blobs: Vec<Wanted>,
        failures: &mut Failures,
    ) -> Result<HashMap<Digest, (Landed, Offered)>, ImportError> {
        let offered: Vec<_> = blobs.into_iter().filter_map(|blob| blob.payload).collect();
        let taken = self.intake.take(&offered)?;
        self.tell_setbacks();
        let mut landed = HashMap::new();
        for (offered, one) in offered.into_iter().zip(taken) {
            self.report.objects_done += 1;
            match one {
                Ok(one) => drop(landed.insert(offered.digest, (one, offered))),
                Err(problem) => drop(failures.blobs.insert(offered.digest, problem)),
            }
        }
        Ok(landed)
    }

    fn note_added(&mut self, landed: &Landed, offered: &Offered) {
        self.report.note_payload(landed.method, offered.size);
        self.report.unverified += u64::from(!offered.is_verified);
        if self.options.removes_source {
            self.remove_source(&offered.path);
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
