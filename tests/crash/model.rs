//! What a registry has to hold, kept plainly.
//!
//! Each thing that can be asked for is a fact of its own, with the set of answers that would be right. What was
//! acknowledged leaves one; what was in flight when the machine went may have happened or not, which leaves two; and
//! whatever is found in the next life is the one from then on.

use std::collections::{BTreeMap, BTreeSet};

use holdfast::store::PayloadId;

use crate::goods::GOODS;

/// Something to be asked for; numbers are those of [`GOODS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// Whether a repository holds a blob.
    Blob { repository: usize, blob: usize },
    /// Whether a repository holds a manifest.
    Manifest { repository: usize, manifest: usize },
    /// Which manifest a tag of a repository points at.
    Tag { repository: usize, tag: usize },
}

/// The answer: `None` if there is no such thing; of what is there, its manifest if it is a tag, or else 0.
pub(crate) type Answer = Option<usize>;

/// A change of a fact.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    Set(Fact, Answer),
    /// The tags that point at a manifest go with it.
    DropTags {
        repository: usize,
        manifest: usize,
    },
}

/// An upload session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) repository: usize,
    pub(crate) blob: usize,
    /// How many bytes were sent, all of which may have arrived.
    pub(crate) sent: usize,
    /// From where on, at the latest, a restart lets it go on; with 0 it may be gone.
    pub(crate) promised: usize,
    /// Whether its end was in flight.
    pub(crate) may_have_ended: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    facts: BTreeMap<Fact, BTreeSet<Answer>>,
    pub(crate) sessions: BTreeMap<PayloadId, Session>,
    /// Sessions whose end was acknowledged, with their repositories.
    pub(crate) ended: Vec<(usize, PayloadId)>,
}

impl Model {
    /// The answers that would be right.
    pub(crate) fn answers(&self, fact: Fact) -> BTreeSet<Answer> {
        self.facts.get(&fact).cloned().unwrap_or_else(|| BTreeSet::from([None]))
    }

    /// Whether it is sure that there is such a thing.
    pub(crate) fn is_there(&self, fact: Fact) -> bool {
        !self.answers(fact).contains(&None)
    }

    pub(crate) fn holds_blob(&self, repository: usize, blob: usize) -> bool {
        self.is_there(Fact::Blob { repository, blob })
    }

    pub(crate) fn holds_manifest(&self, repository: usize, manifest: usize) -> bool {
        self.is_there(Fact::Manifest { repository, manifest })
    }

    /// Whether a manifest of the repository needs the blob.
    pub(crate) fn needs_blob(&self, repository: usize, blob: usize) -> bool {
        let mut manifests = GOODS.manifests.iter().enumerate();
        manifests.any(|(number, manifest)| {
            manifest.blobs.contains(&blob) && self.holds_manifest(repository, number)
        })
    }

    /// Whether an index of the repository needs the manifest.
    pub(crate) fn needs_manifest(&self, repository: usize, manifest: usize) -> bool {
        let mut indexes = GOODS.manifests.iter().enumerate();
        indexes.any(|(number, index)| {
            index.manifests.contains(&manifest) && self.holds_manifest(repository, number)
        })
    }

    /// What nothing surely needs may be gone, and what only that needs.
    pub(crate) fn make_unneeded_dispensable(&mut self) {
        loop {
            let is_dispensable = |fact: &Fact| self.is_there(*fact) && !self.is_needed(*fact);
            let dispensable: Vec<_> = self.facts.keys().copied().filter(is_dispensable).collect();
            if dispensable.is_empty() {
                return;
            }
            for fact in dispensable {
                self.facts.entry(fact).or_default().insert(None);
            }
        }
    }

    fn is_needed(&self, fact: Fact) -> bool {
        match fact {
            Fact::Blob { repository, blob } => self.needs_blob(repository, blob),
            Fact::Manifest { repository, manifest } => {
                let is_its =
                    |tag| self.answers(Fact::Tag { repository, tag }) == BTreeSet::from([Some(manifest)]);
                self.needs_manifest(repository, manifest) || (0..GOODS.tags.len()).any(is_its)
            }
            Fact::Tag { .. } => true,
        }
    }

    /// It has happened.
    pub(crate) fn make_certain(&mut self, effects: &[Effect]) {
        for (fact, changed) in self.changed(effects) {
            self.facts.insert(fact, changed);
        }
    }

    /// It may have happened.
    pub(crate) fn make_possible(&mut self, effects: &[Effect]) {
        for (fact, changed) in self.changed(effects) {
            let unchanged = self.answers(fact);
            self.facts.insert(fact, unchanged.union(&changed).copied().collect());
        }
    }

    /// This is how it is from now on.
    pub(crate) fn find(&mut self, fact: Fact, answer: Answer) {
        self.facts.insert(fact, BTreeSet::from([answer]));
    }

    fn changed(&self, effects: &[Effect]) -> Vec<(Fact, BTreeSet<Answer>)> {
        let mut changed = Vec::new();
        for effect in effects {
            match *effect {
                Effect::Set(fact, answer) => changed.push((fact, BTreeSet::from([answer]))),
                Effect::DropTags { repository, manifest } => {
                    let tags = (0..GOODS.tags.len()).map(|tag| Fact::Tag { repository, tag });
                    let dropped = |answer: Answer| answer.filter(|target| *target != manifest);
                    changed
                        .extend(tags.map(|tag| (tag, self.answers(tag).into_iter().map(dropped).collect())));
                }
            }
        }
        changed
    }
}
