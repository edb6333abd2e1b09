//! Whether a tag stays.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::immutable::{attached_to, is_attached};
use crate::store::{Access, MetadataError, ServedTime, Tables, TagRow, Timestamp};

use super::{Keeping, RetentionRule};

/// When a tag was set, as far as that says which of two was set later: the time of serving is kept in steps, and within one of them
/// the clock decides.
type Place = (ServedTime, Timestamp);

/// The rules that are about one repository, as of one moment.
pub(super) struct Judge {
    repository: RepositoryName,
    rules: Vec<Ranked>,
    now: ServedTime,
}

/// A rule, and the newest of the tags that it is about.
struct Ranked {
    rule: RetentionRule,
    newest: BinaryHeap<Reverse<(Place, Tag)>>,
    names: HashSet<Tag>,
}

impl Judge {
    /// `None` if no rule is about the repository.
    pub(super) fn about(
        repository: &RepositoryName,
        rules: &[RetentionRule],
        now: ServedTime,
    ) -> Option<Self> {
        let is_about = |rule: &&RetentionRule| rule.at.iter().any(|glob| glob.matches(repository.as_str()));
        let ranked = |rule: &RetentionRule| Ranked {
            rule: rule.clone(),
            newest: BinaryHeap::new(),
            names: HashSet::new(),
        };
        let rules: Vec<Ranked> = rules.iter().filter(is_about).map(ranked).collect();
        (!rules.is_empty()).then(|| Self { repository: repository.clone(), rules, now })
    }

    /// Whether it matters which tags are the newest.
    pub(super) fn ranks(&self) -> bool {
        self.rules.iter().any(|ranked| ranked.rule.last.is_some())
    }

    /// Takes a tag into account. All have to be, before any is judged.
    pub(super) fn rank(&mut self, tag: &Tag, row: &TagRow) {
        self.rules
            .iter_mut()
            .filter(|ranked| ranked.rule.is_about(tag))
            .for_each(|ranked| ranked.rank(tag, row));
    }

    /// Whether a rule is about the tag.
    pub(super) fn is_about(&self, tag: &Tag) -> bool {
        is_attached(tag) || self.rules.iter().any(|ranked| ranked.rule.is_about(tag))
    }

    /// Why the tag stays; `None` if it does not.
    pub(super) fn keeping<A: Access>(
        &self,
        tables: &Tables<A>,
        tag: &Tag,
        row: &TagRow,
    ) -> Result<Option<Keeping>, MetadataError> {
        if let Some(image) = attached_to(tag) {
            let is_there = tables.manifest(&self.repository, &image)?.is_some();
            return Ok(is_there.then_some(Keeping::Attached));
        }
        let pulled = self.pulled(tables, &row.digest)?;
        let about = self.rules.iter().filter(|ranked| ranked.rule.is_about(tag));
        Ok(about.into_iter().find_map(|ranked| self.kept_by(ranked, tag, row, pulled)))
    }

    /// How long ago the image was pulled.
    fn pulled<A: Access>(
        &self,
        tables: &Tables<A>,
        digest: &Digest,
    ) -> Result<Option<Duration>, MetadataError> {
        let row = tables.manifest(&self.repository, digest)?;
        Ok(row.and_then(|row| row.pulled).map(|at| self.now.since(at)))
    }

    fn kept_by(&self, ranked: &Ranked, tag: &Tag, row: &TagRow, pulled: Option<Duration>) -> Option<Keeping> {
        let RetentionRule { last, matching, pushed_within, pulled_within, .. } = &ranked.rule;
        if let Some(glob) = matching.iter().find(|glob| glob.matches(tag.as_str())) {
            return Some(Keeping::Matching(glob.as_str().to_owned()));
        }
        if let Some(count) = last.filter(|_| ranked.names.contains(tag)) {
            return Some(Keeping::Last(count));
        }
        let pushed = self.now.since(row.since);
        if let Some(within) = pushed_within.filter(|within| pushed <= *within) {
            return Some(Keeping::Pushed { ago: pushed, within });
        }
        let (within, ago) = (*pulled_within).zip(pulled)?;
        (ago <= within).then_some(Keeping::Pulled { ago, within })
    }
}

impl Ranked {
    fn rank(&mut self, tag: &Tag, row: &TagRow) {
        let Some(count) = self.rule.last else { return };
        self.newest.push(Reverse(((row.since, row.set), tag.clone())));
        self.names.insert(tag.clone());
        if self.newest.len() > count
            && let Some(Reverse((_, oldest))) = self.newest.pop()
        {
            self.names.remove(&oldest);
        }
    }
}

impl RetentionRule {
    /// Whether it is about the tag. What is attached to an image goes with that, whatever rules say.
    fn is_about(&self, tag: &Tag) -> bool {
        !is_attached(tag) && self.tags.iter().any(|glob| glob.matches(tag.as_str()))
    }
}
