//! Tags that do not move once they are set, but by those who may overwrite them.

use std::sync::Arc;

use crate::oci::{Digest, Glob, RepositoryName, Tag};
use crate::store::{Access, Decline, Tables, Write};

use super::Error;

/// Tags of these names in these repositories do not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImmutableTags {
    /// In repositories that one of these matches.
    pub at: Vec<Glob>,
    /// Tags that one of these matches.
    pub tags: Vec<Glob>,
}

/// The tags that somebody who asks for a change must leave alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard(Option<Arc<[ImmutableTags]>>);

/// How tags begin that stand for what was attached to an image (cosign's signatures, the referrers' tag schema). They come and go
/// with it.
const ATTACHED: &str = "sha256-";

impl ImmutableTags {
    fn mean(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let meant = |glob: &&Glob| glob.as_str().starts_with(ATTACHED) || !is_attached(tag);
        self.tags.iter().filter(meant).any(|glob| glob.matches(tag.as_str()))
            && self.at.iter().any(|glob| glob.matches(repository.as_str()))
    }
}

/// Whether a tag is the digest of an image in the form of a tag, perhaps with a suffix such as `.sig`.
pub(super) fn is_attached(tag: &Tag) -> bool {
    attached_to(tag).is_some()
}

/// The image that a tag is attached to.
pub(super) fn attached_to(tag: &Tag) -> Option<Digest> {
    const HEX: usize = 64;
    let rest = tag.as_str().strip_prefix(ATTACHED)?;
    let (hex, suffix) = rest.split_at_checked(HEX)?;
    let is_alone = suffix.is_empty() || suffix.starts_with('.');
    format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok().filter(|_| is_alone)
}

impl Guard {
    /// For somebody who may overwrite all tags, or none that is immutable.
    pub(super) fn new(rules: &Arc<[ImmutableTags]>, may_overwrite: bool) -> Self {
        Self((!may_overwrite && !rules.is_empty()).then(|| Arc::clone(rules)))
    }

    /// Whether it refuses nothing.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn protects(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.0.iter().flat_map(|rules| rules.iter()).any(|rule| rule.mean(repository, tag))
    }

    /// Refuses to let a tag point elsewhere than it does now. Setting it once more to what it is does no harm, so that a push can be
    /// repeated.
    pub(super) fn check_set<A: Access>(
        &self,
        tables: &Tables<A>,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Decline<Error>> {
        if !self.protects(repository, tag) {
            return Ok(());
        }
        match tables.tag(repository, tag)? {
            Some(row) if row.digest != *digest => Err(refused(repository, tag, row.digest)),
            _ => Ok(()),
        }
    }

    /// Refuses to delete a tag.
    pub(super) fn check_deleted(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        current: &Digest,
    ) -> Result<(), Decline<Error>> {
        match self.protects(repository, tag) {
            true => Err(refused(repository, tag, *current)),
            false => Ok(()),
        }
    }

    /// Refuses to delete a manifest along with a tag that must stay.
    pub(super) fn check_manifest_deleted(
        &self,
        tables: &Tables<Write<'_>>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), Decline<Error>> {
        if self.0.is_none() {
            return Ok(());
        }
        for tag in tables.tags_of(repository, digest, usize::MAX)? {
            self.check_deleted(repository, &tag, digest)?;
        }
        Ok(())
    }
}

fn refused(repository: &RepositoryName, tag: &Tag, current: Digest) -> Decline<Error> {
    Decline::Refused(Error::TagImmutable { repository: repository.clone(), tag: tag.clone(), current })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(at: &str, tags: &str) -> ImmutableTags {
        let glob = |text| vec![Glob::parse(text).expect("a pattern")];
        ImmutableTags { at: glob(at), tags: glob(tags) }
    }

    fn means(rule: &ImmutableTags, repository: &str, tag: &str) -> bool {
        rule.mean(&repository.parse().expect("a name"), &tag.parse().expect("a tag"))
    }

    #[test]
    fn a_rule_means_tags_of_a_name_in_repositories_of_a_name() {
        let releases = rule("team/**", "v*");
        assert!(means(&releases, "team/app", "v1.0"));
        assert!(!means(&releases, "team/app", "latest"));
        assert!(!means(&releases, "other/app", "v1.0"));
    }

    #[test]
    fn what_is_attached_to_an_image_is_not_meant_unless_it_is_named() {
        let hex = "0123456789abcdef".repeat(4);
        let everything = rule("**", "*");
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
            assert!(!means(&everything, "app", &tag), "{tag}");
            assert!(means(&rule("**", "sha256-*"), "app", &tag), "{tag}");
        }
        for tag in ["sha256-", "sha256-abc", &format!("sha256-{hex}x"), "latest.sig"] {
            assert!(means(&everything, "app", tag), "{tag}");
        }
    }

    #[test]
    fn nothing_is_kept_from_those_who_may_overwrite() {
        let rules: Arc<[ImmutableTags]> = [rule("**", "*")].into();
        let (name, tag) = ("app".parse().expect("a name"), "v1".parse().expect("a tag"));
        assert!(Guard::new(&rules, false).protects(&name, &tag));
        assert!(!Guard::new(&rules, true).protects(&name, &tag));
    }
}
