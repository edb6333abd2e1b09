//! The tables, kept plainly: what each change means, told a second time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use holdfast::oci::{Digest, RepositoryName, Tag};
use holdfast::store::{Change, Need, NeedKind, PayloadId, Standing, UploadRow, UsageRow};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plain {
    /// Their sizes, and whether they are damaged.
    pub blobs: BTreeMap<Digest, (u64, bool)>,
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
    /// When it was last pushed or left behind.
    pub since: u64,
    pub standing: Standing,
}

impl PlainManifest {
    /// What it was part of, about, or tagged with is gone.
    fn leave_behind(&mut self, age: u64) {
        self.since = age;
        if self.standing == Standing::Alone {
            self.standing = Standing::LeftBehind;
        }
    }
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

    /// What each repository holds, counted.
    pub fn usage(&self) -> BTreeMap<&RepositoryName, UsageRow> {
        let mut usage: BTreeMap<_, UsageRow> = BTreeMap::new();
        for (name, digest) in self.links.keys() {
            let row = usage.entry(name).or_default();
            row.blobs += 1;
            row.blob_bytes += self.blobs.get(digest).map_or(0, |(size, _)| *size);
        }
        for ((name, _), manifest) in &self.manifests {
            let row = usage.entry(name).or_default();
            row.manifests += 1;
            row.manifest_bytes += manifest.bytes.len() as u64;
        }
        for (name, _) in self.tags.keys() {
            usage.entry(name).or_default().tags += 1;
        }
        usage
    }

    /// Makes a change; `age` is from when on ages count that begin with it.
    pub fn change(&mut self, change: &Change, age: u64) {
        match change.clone() {
            Change::BlobAdded { digest, size, .. } | Change::BlobLogged { digest, size, .. } => {
                self.blobs.insert(digest, (size, false));
            }
            Change::BlobRemoved { digest } => drop(self.blobs.remove(&digest)),
            Change::PayloadDamaged { digest } => self.judge(digest, true),
            Change::PayloadSound { digest } => self.judge(digest, false),
            Change::BlobLinked { repository, digest, .. } => {
                self.links.insert((repository, digest), age);
            }
            Change::BlobUnlinked { repository, digest } => {
                self.links.remove(&(repository.clone(), digest));
                self.do_without(&repository, NeedKind::Blob, digest);
            }
            Change::ManifestPut { .. } => self.put(change.clone(), age),
            Change::ManifestDeleted { repository, digest, .. } => {
                self.take_out(&repository, digest, age);
                self.do_without(&repository, NeedKind::Manifest, digest);
                self.tags.retain(|(name, _), (target, _)| *name != repository || *target != digest);
                self.leave_behind(&repository, age, |other| other.subject == Some(digest));
            }
            Change::TagSet { repository, tag, digest, at } => {
                let before = self.tags.insert((repository.clone(), tag), (digest, at.0));
                if let Some((before, _)) = before.filter(|(before, _)| *before != digest) {
                    self.leave_one_behind(&repository, before, age);
                }
                if let Some(manifest) = self.manifests.get_mut(&(repository, digest)) {
                    manifest.standing = Standing::Tagged;
                }
            }
            Change::TagDeleted { repository, tag } => {
                if let Some((digest, _)) = self.tags.remove(&(repository.clone(), tag)) {
                    self.leave_one_behind(&repository, digest, age);
                }
            }
            Change::UploadMarked { id, upload } => drop(self.uploads.insert(id, upload)),
            Change::UploadEnded { id } => drop(self.uploads.remove(&id)),
            // Where payloads lie is not told here.
            Change::PayloadSettled { .. } | Change::FileUnlinked { .. } => {}
            // Nobody here makes these.
            Change::TimePassed { .. }
            | Change::ManifestAged { .. }
            | Change::EventRecorded { .. }
            | Change::EventsForgotten { .. }
            | Change::EndpointsTold { .. }
            | Change::UsageRecounted { .. }
            | Change::ManifestPulled { .. }
            | Change::TagAged { .. }
            | Change::BlobTaken { .. }
            | Change::Imported { .. } => {}
        }
    }

    fn judge(&mut self, digest: Digest, damage: bool) {
        if let Some((_, is_damaged)) = self.blobs.get_mut(&digest) {
            *is_damaged = damage;
        }
    }

    /// Whether a payload is there, and not damaged.
    pub fn is_sound(&self, digest: Digest) -> bool {
        self.blobs.get(&digest).is_some_and(|(_, is_damaged)| !is_damaged)
    }

    fn put(&mut self, change: Change, age: u64) {
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
        let before = self.take_out(&repository, digest, age);
        let standing = before.map_or(Standing::Alone, |before| before.standing);
        let manifest = PlainManifest {
            bytes: Vec::from(bytes).into(),
            media_type: media_type.as_str().to_owned(),
            needs,
            subject,
            artifact_type,
            annotations,
            pushed: at.0,
            since: age,
            standing,
        };
        self.manifests.insert((repository, digest), manifest);
    }

    /// The blobs that only this manifest needed count as just pushed; the manifests are left behind.
    fn take_out(&mut self, repository: &RepositoryName, digest: Digest, age: u64) -> Option<PlainManifest> {
        let manifest = self.manifests.remove(&(repository.clone(), digest))?;
        for need in manifest.needs.iter().filter(|need| need.kind == NeedKind::Manifest) {
            let needs = |other: &Need| other.kind == NeedKind::Manifest && other.digest == need.digest;
            let mut others = self.manifests.iter().filter(|((name, _), _)| name == repository);
            if !others.any(|(_, other)| other.needs.iter().any(needs)) {
                self.leave_one_behind(repository, need.digest, age);
            }
        }
        for need in manifest.needs.iter().filter(|need| need.kind == NeedKind::Blob) {
            if !self.is_needed(repository, need.digest)
                && let Some(since) = self.links.get_mut(&(repository.clone(), need.digest))
            {
                *since = age;
            }
        }
        Some(manifest)
    }

    fn leave_one_behind(&mut self, repository: &RepositoryName, digest: Digest, age: u64) {
        if let Some(manifest) = self.manifests.get_mut(&(repository.clone(), digest)) {
            manifest.leave_behind(age);
        }
    }

    fn leave_behind(
        &mut self,
        repository: &RepositoryName,
        age: u64,
        which: impl Fn(&PlainManifest) -> bool,
    ) {
        let manifests = self.manifests.iter_mut().filter(|((name, _), _)| name == repository);
        manifests
            .filter(|(_, manifest)| which(manifest))
            .for_each(|(_, manifest)| manifest.leave_behind(age));
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
