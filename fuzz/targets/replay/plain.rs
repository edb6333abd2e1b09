//! The tables, kept plainly: what each change means, told a second time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use holdfast::oci::{Digest, RepositoryName, Tag};
use holdfast::store::{Change, Need, NeedKind, PayloadId, UploadRow};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plain {
    /// Their sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// Since when.
    pub links: BTreeMap<(RepositoryName, Digest), u64>,
    pub manifests: BTreeMap<(RepositoryName, Digest), PlainManifest>,
    /// The manifest, and when it was set.
    pub tags: BTreeMap<(RepositoryName, Tag), (Digest, u64)>,
    pub uploads: BTreeMap<PayloadId, UploadRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlainManifest {
    pub bytes: Bytes,
    pub media_type: String,
    pub needs: Vec<Need>,
    pub subject: Option<Digest>,
    pub artifact_type: Option<String>,
    pub annotations: Option<BTreeMap<String, String>>,
    pub pushed: u64,
}

impl Plain {
    pub fn is_linked(&self, repository: &RepositoryName, digest: Digest) -> bool {
        self.links.contains_key(&(repository.clone(), digest))
    }

    pub fn has_manifest(&self, repository: &RepositoryName, digest: Digest) -> bool {
        self.manifests.contains_key(&(repository.clone(), digest))
    }

    pub fn holders(&self, digest: Digest) -> usize {
        self.links.keys().filter(|(_, linked)| *linked == digest).count()
    }

    /// The repositories that have a manifest.
    pub fn catalog(&self) -> BTreeSet<&RepositoryName> {
        self.manifests.keys().map(|(name, _)| name).collect()
    }

    pub fn change(&mut self, change: &Change) {
        match change.clone() {
            Change::BlobAdded { digest, size, .. } | Change::BlobLogged { digest, size, .. } => {
                self.blobs.insert(digest, size);
            }
            Change::BlobRemoved { digest } => drop(self.blobs.remove(&digest)),
            Change::BlobLinked { repository, digest, at } => {
                self.links.insert((repository, digest), at.0);
            }
            Change::BlobUnlinked { repository, digest } => {
                self.links.remove(&(repository.clone(), digest));
                self.do_without(&repository, NeedKind::Blob, digest);
            }
            Change::ManifestPut { .. } => self.put(change.clone()),
            Change::ManifestDeleted { repository, digest, at } => {
                self.take_out(&repository, digest, at.0);
                self.do_without(&repository, NeedKind::Manifest, digest);
                self.tags.retain(|(name, _), (target, _)| *name != repository || *target != digest);
            }
            Change::TagSet { repository, tag, digest, at } => {
                self.tags.insert((repository, tag), (digest, at.0));
            }
            Change::TagDeleted { repository, tag } => drop(self.tags.remove(&(repository, tag))),
            Change::UploadMarked { id, upload } => drop(self.uploads.insert(id, upload)),
            Change::UploadEnded { id } => drop(self.uploads.remove(&id)),
            // Where payloads lie is not told here.
            Change::PayloadSettled { .. } | Change::FileUnlinked { .. } => {}
        }
    }

    fn put(&mut self, change: Change) {
        let Change::ManifestPut {
            repository,
            digest,
            media_type,
            bytes,
            needs,
            subject,
            artifact_type,
            annotations,
            at,
        } = change
        else {
            return;
        };
        self.take_out(&repository, digest, at.0);
        let manifest = PlainManifest {
            bytes: Vec::from(bytes).into(),
            media_type: media_type.as_str().to_owned(),
            needs,
            subject,
            artifact_type,
            annotations,
            pushed: at.0,
        };
        self.manifests.insert((repository, digest), manifest);
    }

    /// The blobs that only this manifest needed count as just pushed.
    fn take_out(&mut self, repository: &RepositoryName, digest: Digest, at: u64) {
        let Some(manifest) = self.manifests.remove(&(repository.clone(), digest)) else { return };
        for need in manifest.needs.iter().filter(|need| need.kind == NeedKind::Blob) {
            if !self.is_needed(repository, need.digest)
                && let Some(since) = self.links.get_mut(&(repository.clone(), need.digest))
            {
                *since = at;
            }
        }
    }

    fn is_needed(&self, repository: &RepositoryName, blob: Digest) -> bool {
        let needs = |need: &Need| need.present && need.kind == NeedKind::Blob && need.digest == blob;
        self.manifests
            .iter()
            .any(|((name, _), manifest)| name == repository && manifest.needs.iter().any(needs))
    }

    /// Manifests are made of something that has gone.
    fn do_without(&mut self, repository: &RepositoryName, kind: NeedKind, digest: Digest) {
        for ((name, _), manifest) in &mut self.manifests {
            let needs = manifest.needs.iter_mut().filter(|need| need.kind == kind && need.digest == digest);
            needs.filter(|_| name == repository).for_each(|need| need.present = false);
        }
    }
}
