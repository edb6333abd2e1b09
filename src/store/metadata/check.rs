//! Walks every table and proves that they agree with one another, some rows at a time.
//!
//! A walk holds no snapshot from one page to the next. A row is compared with others of the same snapshot, which was made
//! by whole groups of changes, so nothing that moves meanwhile looks like a violation.

use std::fmt;
use std::ops::Bound;

use redb::{Key, ReadableTable, Value};

use crate::oci::{Digest, RepositoryName};
use crate::store::hasher::Hasher;

use super::MetadataError;
use super::change::NeedKind;
use super::encoding::decode;
use super::events::EventRow;
use super::keys::{DigestKey, digest_from_key, id_from_key};
use super::mend::Remedy;
use super::rows::{BlobRow, LinkRow, ManifestRow, Place, ReferrerRow, TagRow, UploadRow};
use super::tables::{Access, Tables};
use super::usage::UsageRow;

/// How many rows are looked at in one snapshot.
const PAGE: usize = 256;

/// One thing that must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Violation {
    text: String,
    remedy: Option<Remedy>,
}

impl Violation {
    /// What makes it hold again, if that follows from other rows.
    pub(in crate::store) fn remedy(&self) -> Option<&Remedy> {
        self.remedy.as_ref()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How far a walk has come.
#[derive(Debug, Default)]
pub(in crate::store) struct Cursor {
    /// The table, in the order in which they are walked.
    table: usize,
    /// The key of the row that was looked at last, in redb's form.
    last: Option<Vec<u8>>,
}

/// What was found in some rows.
#[derive(Debug, Default)]
pub(in crate::store) struct Page {
    /// Payloads that should be there.
    pub(in crate::store) blobs: Vec<(Digest, BlobRow)>,
    pub(in crate::store) repositories: u64,
    pub(in crate::store) manifests: u64,
    pub(in crate::store) tags: u64,
    pub(in crate::store) uploads: u64,
    pub(in crate::store) violations: Vec<Violation>,
}

impl Page {
    fn expect(&mut self, holds: bool, text: impl FnOnce() -> String) {
        self.expect_or_mend(holds, text, || None);
    }

    fn expect_or_mend(
        &mut self,
        holds: bool,
        text: impl FnOnce() -> String,
        remedy: impl FnOnce() -> Option<Remedy>,
    ) {
        if !holds {
            self.violations.push(Violation { text: text(), remedy: remedy() });
        }
    }

    /// The part of a key, or a row, that has to be readable.
    fn readable<T>(&mut self, parsed: Option<T>, table: &str, key: &dyn fmt::Debug) -> Option<T> {
        self.expect(parsed.is_some(), || format!("{table}: the row at {key:?} cannot be read"));
        parsed
    }
}

impl<A: Access> Tables<A> {
    /// Looks at the next rows; `None` behind the last. Errors are the database's; what the tables get wrong is in the page.
    pub(in crate::store) fn check_some(&self, cursor: &mut Cursor) -> Result<Option<Page>, MetadataError> {
        let mut page = Page::default();
        let found = &mut page;
        match cursor.table {
            0 => walk(&self.blobs, cursor, |key, row| self.check_blob(key, row, found)),
            1 => walk(&self.log_payloads, cursor, |key, digest| self.check_log_payload(key, digest, found)),
            2 => walk(&self.doomed_files, cursor, |key, ()| self.check_doomed_file(key, found)),
            3 => walk(&self.blob_links, cursor, |key, row| self.check_blob_link(key, row, found)),
            4 => walk(&self.blob_holders, cursor, |key, ()| self.check_blob_holder(key, found)),
            5 => walk(&self.manifests, cursor, |key, row| self.check_manifest(key, row, found)),
            6 => walk(&self.manifest_holders, cursor, |key, ()| self.check_manifest_holder(key, found)),
            7 => walk(&self.manifest_bytes, cursor, |key, bytes| self.check_bytes(key, bytes, found)),
            8 => walk(&self.catalog, cursor, |name, ()| self.check_repository(name, found)),
            9 => walk(&self.tags, cursor, |key, row| self.check_tag(key, row, found)),
            10 => walk(&self.tags_by_manifest, cursor, |key, ()| self.check_tag_of_manifest(key, found)),
            11 => walk(&self.needs, cursor, |key, present| self.check_need(key, present, found)),
            12 => walk(&self.needed_by, cursor, |key, ()| self.check_needed(key, found)),
            13 => walk(&self.referrers, cursor, |key, row| self.check_referrer(key, row, found)),
            14 => walk(&self.uploads, cursor, |key, row| check_upload(key, row, found)),
            15 => walk(&self.usage, cursor, |name, row| self.check_usage(name, row, found)),
            16 => {
                self.check_payload_bytes(found)?;
                *cursor = Cursor { table: 17, last: None };
                Ok(())
            }
            17 => {
                let newest = self.outbox()?.newest;
                walk(&self.events, cursor, |number, row| check_event(number, row, newest, found))
            }
            _ => return Ok(None),
        }?;
        Ok(Some(page))
    }

    fn check_blob(&self, key: &[u8], row: &[u8], page: &mut Page) -> Result<(), MetadataError> {
        let row = digest_from_key(key).zip(decode::<BlobRow>("blobs", row).ok());
        let Some((digest, row)) = page.readable(row, "blobs", &key) else { return Ok(()) };
        let is_held = self.is_blob_held(&digest)?;
        page.expect(is_held, || format!("no repository holds the blob {digest}"));
        match row.place {
            Place::Log { segment, offset } => {
                let is_listed = self.log_payloads.get((segment, offset))?.is_some();
                page.expect(is_listed, || format!("log_payloads lacks {digest}"));
            }
            Place::File { id } => {
                let is_upload = self.uploads.get(&id.as_bytes()[..])?.is_some();
                page.expect(!is_upload, || format!("{digest} lies in the file of an upload that goes on"));
            }
        }
        page.blobs.push((digest, row));
        Ok(())
    }

    fn check_log_payload(
        &self,
        (segment, offset): (u64, u64),
        digest: &[u8],
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let row = self.blobs.get(digest)?.and_then(|row| decode::<BlobRow>("blobs", row.value()).ok());
        let is_there = row.is_some_and(|row| row.place == (Place::Log { segment, offset }));
        page.expect(is_there, || format!("log_payloads has {} too many", show(digest)));
        Ok(())
    }

    fn check_doomed_file(&self, key: (&[u8], &[u8]), page: &mut Page) -> Result<(), MetadataError> {
        let doomed = digest_from_key(key.0).zip(id_from_key(key.1));
        let Some((digest, file)) = page.readable(doomed, "doomed_files", &key) else { return Ok(()) };
        let is_place = self.blob(&digest)?.is_some_and(|row| row.place == Place::File { id: file });
        page.expect_or_mend(
            !is_place,
            || format!("the file of {digest} is to be unlinked, but serves it"),
            || Some(Remedy::Spare { digest, file }),
        );
        Ok(())
    }

    fn check_blob_link(
        &self,
        (name, digest): (&str, &[u8]),
        row: &[u8],
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        page.readable(decode::<LinkRow>("blob_links", row).ok(), "blob_links", &(name, digest));
        let is_payload = self.blobs.get(digest)?.is_some();
        page.expect(is_payload, || format!("{name} holds the blob {}, which is not there", show(digest)));
        let is_mirrored = self.blob_holders.get((digest, name))?.is_some();
        page.expect_or_mend(
            is_mirrored,
            || format!("blob_holders lacks {} of {name}", show(digest)),
            || Remedy::holder(name, digest),
        );
        self.expect_usage(name, page)
    }

    fn check_blob_holder(&self, (digest, name): (&[u8], &str), page: &mut Page) -> Result<(), MetadataError> {
        let is_mirrored = self.blob_links.get((name, digest))?.is_some();
        page.expect_or_mend(
            is_mirrored,
            || format!("blob_holders has {} of {name} too many", show(digest)),
            || Remedy::holder(name, digest),
        );
        Ok(())
    }

    fn check_manifest(
        &self,
        (name, digest): (&str, &[u8]),
        row: &[u8],
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        page.manifests += 1;
        let row = decode::<ManifestRow>("manifests", row).ok();
        let Some(row) = page.readable(row, "manifests", &(name, digest)) else { return Ok(()) };
        let size = self.manifest_bytes.get(digest)?.map(|bytes| bytes.value().len() as u64);
        page.expect(size == Some(row.size), || {
            let digest = show(digest);
            format!("{name} holds the manifest {digest} of {} bytes, but {size:?} are there", row.size)
        });
        let remedy = || Remedy::manifest(name, digest);
        let is_mirrored = self.manifest_holders.get((digest, name))?.is_some();
        let text = || format!("manifest_holders lacks {} of {name}", show(digest));
        page.expect_or_mend(is_mirrored, text, remedy);
        let is_listed = self.catalog.get(name)?.is_some();
        page.expect_or_mend(is_listed, || format!("the catalog lacks {name}"), remedy);
        if let Some(subject) = row.subject {
            let is_listed = self.referrers.get((name, &*DigestKey::new(&subject), digest))?.is_some();
            page.expect(is_listed, || format!("{name}: {} is no referrer of {subject}", show(digest)));
        }
        Ok(())
    }

    fn check_manifest_holder(
        &self,
        (digest, name): (&[u8], &str),
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let is_mirrored = self.manifests.get((name, digest))?.is_some();
        page.expect(is_mirrored, || format!("manifest_holders has {} of {name} too many", show(digest)));
        Ok(())
    }

    fn check_bytes(&self, key: &[u8], bytes: &[u8], page: &mut Page) -> Result<(), MetadataError> {
        let digest = page.readable(digest_from_key(key), "manifest_bytes", &key);
        let Some(digest) = digest else { return Ok(()) };
        let found = Hasher::digest(digest.algorithm(), bytes);
        page.expect(found == digest, || format!("the bytes of manifest {digest} are those of {found}"));
        let holder = self.manifest_holders.range((key, "")..)?.next().transpose()?;
        let is_held = holder.is_some_and(|(holder, _)| holder.value().0 == key);
        page.expect(is_held, || format!("no repository holds the manifest {digest}"));
        Ok(())
    }

    fn check_repository(&self, name: &str, page: &mut Page) -> Result<(), MetadataError> {
        page.repositories += 1;
        page.readable(name.parse::<RepositoryName>().ok(), "catalog", &name);
        let first = self.manifests.range((name, &[][..])..)?.next().transpose()?;
        let has_manifest = first.is_some_and(|(manifest, _)| manifest.value().0 == name);
        page.expect(has_manifest, || format!("the catalog lists {name}, which has no manifest"));
        self.expect_usage(name, page)
    }

    fn check_tag(&self, (name, tag): (&str, &str), row: &[u8], page: &mut Page) -> Result<(), MetadataError> {
        page.tags += 1;
        let row = decode::<TagRow>("tags", row).ok();
        let Some(TagRow { digest, .. }) = page.readable(row, "tags", &(name, tag)) else { return Ok(()) };
        let key = DigestKey::new(&digest);
        let is_there = self.manifests.get((name, &*key))?.is_some();
        page.expect(is_there, || format!("{name}:{tag} points at {digest}, which is not there"));
        let is_mirrored = self.tags_by_manifest.get((name, &*key, tag))?.is_some();
        page.expect_or_mend(
            is_mirrored,
            || format!("tags_by_manifest lacks {name}:{tag}"),
            || Remedy::tag(name, tag, &key),
        );
        Ok(())
    }

    fn check_tag_of_manifest(
        &self,
        (name, digest, tag): (&str, &[u8], &str),
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let row = self.tags.get((name, tag))?;
        let row = row.and_then(|row| decode::<TagRow>("tags", row.value()).ok());
        let is_mirrored = row.map(|row| row.digest) == digest_from_key(digest);
        page.expect_or_mend(
            is_mirrored,
            || format!("tags_by_manifest has {name}:{tag} at {} too many", show(digest)),
            || Remedy::tag(name, tag, digest),
        );
        Ok(())
    }

    fn check_need(
        &self,
        (name, manifest, kind, digest): (&str, &[u8], u8, &[u8]),
        present: bool,
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let by = || format!("{name}: the manifest {}", show(manifest));
        let is_there = self.manifests.get((name, manifest))?.is_some();
        page.expect(is_there, || format!("{} has needs, but is not there", by()));
        let is_mirrored = self.needed_by.get((name, kind, digest, manifest))?.is_some();
        page.expect_or_mend(
            is_mirrored,
            || format!("needed_by lacks {} of {}", show(digest), by()),
            || Remedy::manifest(name, manifest),
        );
        let (is_held, remedy) = match NeedKind::from_number(kind) {
            Some(NeedKind::Blob) => {
                (self.blob_links.get((name, digest))?.is_some(), Remedy::holder(name, digest))
            }
            Some(NeedKind::Manifest) => (self.manifests.get((name, digest))?.is_some(), None),
            None => (false, None),
        };
        page.expect_or_mend(
            is_held || !present,
            || format!("{} needs {}, which is not there", by(), show(digest)),
            || remedy,
        );
        Ok(())
    }

    fn check_needed(
        &self,
        (name, kind, digest, manifest): (&str, u8, &[u8], &[u8]),
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let is_mirrored = self.needs.get((name, manifest, kind, digest))?.is_some();
        page.expect(is_mirrored, || format!("needed_by has {} in {name} too many", show(digest)));
        Ok(())
    }

    /// One repository is counted in one snapshot, however large it is.
    fn check_usage(&self, name: &str, row: &[u8], page: &mut Page) -> Result<(), MetadataError> {
        let row = decode::<UsageRow>("usage", row).ok();
        let Some(row) = page.readable(row, "usage", &name) else { return Ok(()) };
        let counted = self.count_usage(name)?;
        page.expect_or_mend(
            row == counted,
            || format!("{name} is said to hold {row:?}, but holds {counted:?}"),
            || Remedy::usage(name),
        );
        Ok(())
    }

    fn expect_usage(&self, name: &str, page: &mut Page) -> Result<(), MetadataError> {
        let is_counted = self.usage.get(name)?.is_some();
        page.expect_or_mend(is_counted, || format!("usage lacks {name}"), || Remedy::usage(name));
        Ok(())
    }

    fn check_payload_bytes(&self, page: &mut Page) -> Result<(), MetadataError> {
        let (told, counted) = (self.payload_bytes()?, self.count_payload_bytes()?);
        page.expect_or_mend(
            told == counted,
            || format!("all payloads are said to have {told} bytes, but have {counted}"),
            || Some(Remedy::Usage { repository: None }),
        );
        Ok(())
    }

    fn check_referrer(
        &self,
        (name, subject, manifest): (&str, &[u8], &[u8]),
        row: &[u8],
        page: &mut Page,
    ) -> Result<(), MetadataError> {
        let row = decode::<ReferrerRow>("referrers", row).ok();
        page.readable(row, "referrers", &(name, subject, manifest));
        let row = self.manifests.get((name, manifest))?;
        let row = row.and_then(|row| decode::<ManifestRow>("manifests", row.value()).ok());
        let refers = row.and_then(|row| row.subject) == digest_from_key(subject);
        page.expect(refers, || format!("{name}: {} does not refer to {}", show(manifest), show(subject)));
        Ok(())
    }
}

fn check_upload(key: &[u8], row: &[u8], page: &mut Page) -> Result<(), MetadataError> {
    let row = id_from_key(key).zip(decode::<UploadRow>("uploads", row).ok());
    page.uploads += u64::from(page.readable(row, "uploads", &key).is_some());
    Ok(())
}

fn check_event(number: u64, row: &[u8], newest: u64, page: &mut Page) -> Result<(), MetadataError> {
    page.readable(decode::<EventRow>("events", row).ok(), "events", &number);
    page.expect(number <= newest, || format!("the event {number} comes after the newest one, {newest}"));
    Ok(())
}

/// Has the next rows of a table looked at, and notes how far that is: with fewer rows than a page has, at the next table.
fn walk<K: Key + 'static, V: Value + 'static>(
    table: &impl ReadableTable<K, V>,
    cursor: &mut Cursor,
    mut check: impl for<'a> FnMut(K::SelfType<'a>, V::SelfType<'a>) -> Result<(), MetadataError>,
) -> Result<(), MetadataError> {
    let last = cursor.last.take();
    let from = last.as_deref().map_or(Bound::Unbounded, |last| Bound::Excluded(K::from_bytes(last)));
    let mut rows = table.range::<K::SelfType<'_>>((from, Bound::Unbounded))?;
    for _ in 0..PAGE {
        let Some(entry) = rows.next() else {
            *cursor = Cursor { table: cursor.table + 1, last: None };
            return Ok(());
        };
        let (key, value) = entry?;
        cursor.last = Some(K::as_bytes(&key.value()).as_ref().to_vec());
        check(key.value(), value.value())?;
    }
    Ok(())
}

/// A digest in a key, for people.
fn show(key: &[u8]) -> String {
    digest_from_key(key).map_or_else(|| format!("{key:?}"), |digest| digest.to_string())
}
