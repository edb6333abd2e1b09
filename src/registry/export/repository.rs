//! One repository: what of it is exported, and what is left out.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::oci::{Digest, Manifest, RepositoryName, Tag};
use crate::store::{BroughtOut, ManifestRow, Need, NeedKind};

use super::report::LeftOut;
use super::shape::{Exported, ExportedManifest};
use super::{Export, ExportError};
use crate::registry::pages::{PAGE, Place, manifests_behind};

/// How deep indexes may lie in one another.
const DEEPEST: u32 = 64;
/// How many tags are told of a manifest that is left out, and how many of the indexes above one are looked at.
const TOLD: usize = 100;

/// What has become of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Exported,
    LeftOut,
    /// It is not here, or not any more.
    Gone,
}

/// A manifest as it was at one moment.
struct Found {
    row: ManifestRow,
    bytes: Vec<u8>,
    needs: Vec<Need>,
}

/// A repository that is being exported.
struct Source<'e, 'a> {
    export: &'e mut Export<'a>,
    name: &'e RepositoryName,
    states: HashMap<Digest, State>,
    exported: Exported,
}

impl Export<'_> {
    pub(super) fn export_repository(&mut self, name: &RepositoryName) -> Result<(), ExportError> {
        let store = &self.registry.store;
        let is_here = |other: &RepositoryName| {
            self.is_wanted(other) && store.read().has_manifests(other).unwrap_or(true)
        };
        if let Some(reason) = self.shape.objection(name, &is_here) {
            let repository = name.clone();
            return self.leave_out(LeftOut { repository, manifest: None, reason, tags: Vec::new() });
        }
        self.shape.begin(&mut self.outlet, name)?;
        let mut source = Source { export: self, name, states: HashMap::new(), exported: Exported::default() };
        source.export_tags()?;
        source.export_manifests()?;
        let exported = source.exported;
        self.report.removed += self.shape.end(&mut self.outlet, name, &exported)?;
        self.report.repositories += 1;
        self.report.manifests += exported.manifests.len() as u64;
        self.report.tags += exported.tags.len() as u64;
        Ok(())
    }
}

impl Source<'_, '_> {
    /// Each tag as it points when it is read.
    fn export_tags(&mut self) -> Result<(), ExportError> {
        let mut last = String::new();
        loop {
            let page = self.export.registry.store.read().tag_rows_after(self.name, &last, PAGE)?;
            let Some((end, _)) = page.last() else { return Ok(()) };
            last = end.to_string();
            for (tag, row) in page {
                if self.visit(row.digest, 0)? == State::Exported {
                    self.exported.tags.insert(tag, row.digest);
                }
            }
        }
    }

    /// What no tag leads to.
    fn export_manifests(&mut self) -> Result<(), ExportError> {
        let mut place = Some(Place::default());
        while let Some(last) = place {
            let (page, next) = manifests_behind(&self.export.registry.store.read(), self.name, &last)?;
            for (digest, _) in page {
                self.visit(digest, 0)?;
            }
            place = next;
        }
        Ok(())
    }

    /// Exports a manifest, and before it what it is made of.
    fn visit(&mut self, digest: Digest, depth: u32) -> Result<State, ExportError> {
        if let Some(state) = self.states.get(&digest) {
            return Ok(*state);
        }
        let state = match self.find(&digest)? {
            None => State::Gone,
            Some(found) => self.export(digest, &found, depth)?,
        };
        self.states.insert(digest, state);
        Ok(state)
    }

    fn find(&self, digest: &Digest) -> Result<Option<Found>, ExportError> {
        let tables = self.export.registry.store.read();
        let (Some(row), Some(bytes)) = (tables.manifest(self.name, digest)?, tables.manifest_bytes(digest)?)
        else {
            return Ok(None);
        };
        Ok(Some(Found { row, bytes: bytes.to_vec(), needs: tables.needs(self.name, digest)? }))
    }

    fn export(&mut self, digest: Digest, found: &Found, depth: u32) -> Result<State, ExportError> {
        if depth > DEEPEST {
            return self.leave_out(digest, "indexes lie too deep in one another".to_owned());
        }
        let (mut reasons, mut is_sparse) = (self.objection(&digest).into_iter().collect::<Vec<_>>(), false);
        for need in &found.needs {
            match need.kind {
                NeedKind::Blob => reasons.extend(self.export_blob(need)?),
                NeedKind::Manifest => is_sparse |= self.visit(need.digest, depth + 1)? != State::Exported,
            }
        }
        // What it is made of goes no sooner than it does.
        if (is_sparse || !reasons.is_empty()) && self.find(&digest)?.is_none() {
            return Ok(State::Gone);
        }
        if !reasons.is_empty() {
            return self.leave_out(digest, reasons.join("; "));
        }
        let Export { shape, outlet, report, .. } = &mut *self.export;
        outlet.put(&found.bytes, &shape.payload(self.name, &digest))?;
        shape.link_manifest(outlet, self.name, &digest)?;
        report.sparse_indexes += u64::from(is_sparse);
        report.referrers += u64::from(found.row.subject.is_some());
        self.note(digest, found);
        Ok(State::Exported)
    }

    /// Exports a blob. Returns why it cannot be exported, if it has to.
    fn export_blob(&mut self, need: &Need) -> Result<Option<String>, ExportError> {
        let Need { digest, present, .. } = need;
        if let Some(reason) = self.objection(digest) {
            return Ok(present.then(|| format!("its blob {digest}: {reason}")));
        }
        let Export { shape, outlet, .. } = &mut *self.export;
        let reason = match outlet.payload(self.name, digest, &shape.payload(self.name, digest))? {
            BroughtOut::There => {
                shape.link_blob(outlet, self.name, digest)?;
                return Ok(None);
            }
            BroughtOut::Gone => "it is missing".to_owned(),
            BroughtOut::Lost(reason) => reason,
        };
        Ok(present.then(|| format!("its blob {digest}: {reason}")))
    }

    fn objection(&self, digest: &Digest) -> Option<String> {
        let algorithm = digest.algorithm();
        let is_known = self.export.shape.knows(algorithm);
        (!is_known).then(|| format!("distribution cannot serve {} digests", algorithm.as_str()))
    }

    fn note(&mut self, digest: Digest, found: &Found) {
        let media_type = found.row.media_type;
        let parsed = Manifest::parse(&found.bytes, Some(media_type.as_str())).ok();
        let artifact_type = parsed.and_then(|manifest| manifest.artifact_type);
        let is_referrer = found.row.subject.is_some();
        let artifact_type = artifact_type.filter(|_| is_referrer);
        let children = found.needs.iter().filter(|need| need.kind == NeedKind::Manifest);
        self.exported.children.extend(children.map(|need| need.digest));
        let exported = ExportedManifest { media_type, size: found.row.size, artifact_type };
        self.exported.manifests.insert(digest, exported);
    }

    fn leave_out(&mut self, digest: Digest, reason: String) -> Result<State, ExportError> {
        let tags = self.broken_by(digest)?;
        let repository = self.name.clone();
        self.export.leave_out(LeftOut { repository, manifest: Some(digest), reason, tags })?;
        Ok(State::LeftOut)
    }

    /// The tags of a manifest, and of the indexes that it is part of.
    fn broken_by(&self, digest: Digest) -> Result<Vec<Tag>, ExportError> {
        let tables = self.export.registry.store.read();
        let (mut seen, mut next, mut tags) = (HashSet::from([digest]), VecDeque::from([digest]), Vec::new());
        while let Some(digest) = next.pop_front().filter(|_| tags.len() < TOLD) {
            tags.extend(tables.tags_of(self.name, &digest, TOLD)?);
            let above = tables.needed_by(self.name, NeedKind::Manifest, &digest, TOLD)?;
            next.extend(above.into_iter().filter(|above| seen.insert(*above)));
        }
        tags.truncate(TOLD);
        Ok(tags)
    }
}
