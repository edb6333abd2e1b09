//! Listings: tags, repositories, referrers. Each is one ordered scan, and costs what it returns.

use crate::oci::{Digest, RepositoryName};
use crate::store::Referrer;

use super::{Error, Registry};

/// A page of names in bytewise order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub names: Vec<String>,
    /// Whether there are names behind it.
    pub has_more: bool,
}

impl Page {
    /// Takes a name; `false` once the page is full and there is at least one more.
    fn take(&mut self, name: &str, limit: usize) -> bool {
        self.has_more = self.names.len() == limit;
        if !self.has_more {
            self.names.push(name.to_owned());
        }
        !self.has_more
    }
}

/// A page of referrers, in the order of their digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Referrers {
    pub entries: Vec<Referrer>,
    /// Whether there are referrers behind it.
    pub has_more: bool,
}

impl Registry {
    /// At most `limit` tags of a repository, from behind `last`, which need not exist.
    pub fn list_tags(&self, repository: &RepositoryName, last: &str, limit: usize) -> Result<Page, Error> {
        self.expect_repository(repository)?;
        let mut page = Page::default();
        if limit > 0 {
            self.store.read().tags_after(repository, last, |tag| page.take(tag, limit))?;
        }
        Ok(page)
    }

    /// At most `limit` repositories that have a manifest and are to be seen, from behind `last`, which need not exist.
    pub fn list_repositories(
        &self,
        last: &str,
        limit: usize,
        is_seen: impl Fn(&str) -> bool,
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        if limit > 0 {
            self.store.read().repositories_after(last, |name| !is_seen(name) || page.take(name, limit))?;
        }
        Ok(page)
    }

    /// The referrers of a manifest that have one of `artifact_types`, or all if none is named: at most `limit` of them,
    /// and no more than make about `max_bytes` of JSON, from behind `last`.
    pub fn list_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_types: &[String],
        last: Option<&Digest>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Referrers, Error> {
        let mut page = Referrers::default();
        let mut bytes = 0;
        self.store.read().referrers_after(repository, subject, last, |referrer| {
            let artifact_type = referrer.row.artifact_type.as_ref();
            let is_wanted =
                artifact_types.is_empty() || artifact_type.is_some_and(|own| artifact_types.contains(own));
            if !is_wanted {
                return true;
            }
            let size = json_size(&referrer);
            page.has_more =
                page.entries.len() == limit || (!page.entries.is_empty() && bytes + size > max_bytes);
            if !page.has_more {
                bytes += size;
                page.entries.push(referrer);
            }
            !page.has_more
        })?;
        Ok(page)
    }
}

/// About how large a referrer's entry is in JSON, in bytes; rather more than less.
fn json_size(referrer: &Referrer) -> usize {
    const FIXED: usize = 400;
    let annotations = referrer.row.annotations.iter().flatten();
    let annotations: usize = annotations.map(|(key, value)| key.len() + 2 * value.len() + 8).sum();
    FIXED + annotations + referrer.row.artifact_type.as_ref().map_or(0, String::len)
}
