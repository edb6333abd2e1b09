//! All rows of all tables as text, as the store has them and as they should be; but for where payloads lie, which is up
//! to the store.

use std::collections::BTreeSet;

use holdfast::oci::Digest;
use holdfast::store::{DumpedRow, MetadataError, NeedKind, ReferrerRow, Snapshot, Standing, UploadRow};

use super::plain::{Plain, PlainManifest};

/// The rows that the store has.
pub fn found(tables: &Snapshot) -> Result<BTreeSet<String>, MetadataError> {
    let lines = tables.dump()?.iter().map(|row| line(tables, row)).collect::<Result<Vec<_>, _>>()?;
    let payloads = format!("payloads = {}", tables.payload_bytes()?);
    Ok(lines.into_iter().flatten().chain([payloads]).collect())
}

fn line(tables: &Snapshot, row: &DumpedRow) -> Result<Option<String>, MetadataError> {
    let key: Vec<_> = row.key.split(' ').collect();
    let value = match (row.table, &key[..]) {
        ("log_payloads" | "doomed_files" | "state", _) => return Ok(None),
        ("blobs", [digest]) => {
            let row = tables.blob(&digest.parse().unwrap())?.unwrap();
            format!("{} {}", row.size, row.is_damaged)
        }
        ("blob_links", [name, digest]) => {
            let link = tables.blob_link(&name.parse().unwrap(), &digest.parse().unwrap());
            link?.unwrap().since.0.to_string()
        }
        ("manifests", [name, digest]) => {
            let found = tables.manifest(&name.parse().unwrap(), &digest.parse().unwrap())?.unwrap();
            let (media_type, age) = (found.media_type.as_str(), (found.since.0, found.standing));
            manifest(media_type, found.size, found.subject, found.pushed.0, age)
        }
        ("tags", [name, tag]) => {
            let row = tables.tag(&name.parse().unwrap(), &tag.parse().unwrap())?.unwrap();
            format!("{} {}", row.digest, row.set.0)
        }
        ("referrers", [name, subject, digest]) => {
            let mut found = None;
            let digest: Digest = digest.parse().unwrap();
            let each = |entry: holdfast::store::Referrer| {
                found = found.take().or((entry.digest == digest).then_some(entry.row));
                found.is_none()
            };
            tables.referrers_after(&name.parse().unwrap(), &subject.parse().unwrap(), None, each)?;
            referrer(&found.unwrap())
        }
        ("usage", [name]) => format!("{:?}", tables.usage(&name.parse().unwrap())?),
        ("uploads", [id]) => upload(&tables.upload(id.parse().unwrap())?.unwrap()),
        _ => row.value.clone(),
    };
    Ok(Some(format!("{} {} = {value}", row.table, row.key)))
}

fn manifest(
    media_type: &str,
    size: u64,
    subject: Option<Digest>,
    pushed: u64,
    age: (u64, Standing),
) -> String {
    format!("{media_type} {size} {subject:?} {pushed} {age:?}")
}

fn referrer(row: &ReferrerRow) -> String {
    format!("{} {} {:?} {:?}", row.media_type.as_str(), row.size, row.artifact_type, row.annotations)
}

fn upload(row: &UploadRow) -> String {
    format!("{row:?}")
}

/// The rows that there should be.
pub fn expected(plain: &Plain) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (digest, (size, is_damaged)) in &plain.blobs {
        lines.insert(format!("blobs {digest} = {size} {is_damaged}"));
    }
    for ((name, digest), since) in &plain.links {
        lines.insert(format!("blob_links {name} {digest} = {since}"));
        lines.insert(format!("blob_holders {digest} {name} = "));
    }
    for name in plain.catalog() {
        lines.insert(format!("catalog {name} = "));
    }
    for ((name, tag), (digest, set)) in &plain.tags {
        lines.insert(format!("tags {name} {tag} = {digest} {set}"));
        lines.insert(format!("tags_by_manifest {name} {digest} {tag} = "));
    }
    for (name, usage) in plain.usage() {
        lines.insert(format!("usage {name} = {usage:?}"));
    }
    lines.insert(format!("payloads = {}", plain.blobs.values().map(|(size, _)| size).sum::<u64>()));
    for (id, row) in &plain.uploads {
        lines.insert(format!("uploads {id} = {}", upload(row)));
    }
    for ((name, digest), manifest) in &plain.manifests {
        expect_manifest(&mut lines, name.as_str(), *digest, manifest);
    }
    lines
}

fn expect_manifest(lines: &mut BTreeSet<String>, name: &str, digest: Digest, found: &PlainManifest) {
    let (size, media_type) = (found.bytes.len() as u64, found.media_type.as_str());
    let age = (found.since, found.standing);
    let row = manifest(media_type, size, found.subject, found.pushed, age);
    lines.insert(format!("manifests {name} {digest} = {row}"));
    lines.insert(format!("manifest_holders {digest} {name} = "));
    lines.insert(format!("manifest_bytes {digest} = {}", found.bytes.escape_ascii()));
    for need in &found.needs {
        let kind = match need.kind {
            NeedKind::Blob => 0,
            NeedKind::Manifest => 1,
        };
        let (needed, present) = (need.digest, need.present);
        lines.insert(format!("needs {name} {digest} {kind} {needed} = {present}"));
        lines.insert(format!("needed_by {name} {kind} {needed} {digest} = "));
    }
    if let Some(subject) = found.subject {
        let PlainManifest { artifact_type, annotations, .. } = found;
        let row = format!("{media_type} {size} {artifact_type:?} {annotations:?}");
        lines.insert(format!("referrers {name} {subject} {digest} = {row}"));
    }
}
