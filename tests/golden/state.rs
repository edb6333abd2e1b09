//! What a store holds, as text, whatever its layout: a line a fact, and nothing about where it lies.

use holdfast::store::{DumpedRow, Snapshot, Store, Transfer};

/// Everything, sorted.
pub(crate) fn of(store: &Store) -> String {
    let rows = store.read().dump().unwrap();
    let mut lines: Vec<_> = rows.iter().flat_map(|row| lines(store, row)).collect();
    lines.sort();
    lines.dedup();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What a row says; nothing if it says what others say as well.
fn lines(store: &Store, row: &DumpedRow) -> Vec<String> {
    let tables = store.read();
    let key: Vec<_> = row.key.split(' ').collect();
    match (row.table, &key[..]) {
        ("blob_links", [name, digest]) => vec![blob(store, name, digest)],
        ("manifests", [name, digest]) => manifest(&tables, name, digest),
        ("tags", [name, tag]) => {
            let row = tables.tag(&name.parse().unwrap(), &tag.parse().unwrap()).unwrap().unwrap();
            vec![format!("{name}: tag {tag} is {}, set at {}", row.digest, row.set.0)]
        }
        ("catalog", [name]) => vec![format!("{name}: is listed")],
        ("referrers", [name, subject, _]) => referrers(&tables, name, subject),
        ("uploads", [id]) => {
            let row = tables.upload(id.parse().unwrap()).unwrap().unwrap();
            let at = (row.started.0, row.touched.0);
            let (name, algorithm, offset) = (row.repository, row.algorithm, row.offset);
            vec![format!(
                "{name}: upload {id} in {algorithm} has {offset} bytes, begun and touched at {at:?}"
            )]
        }
        ("events", [number]) => {
            let number = number.parse::<u64>().unwrap();
            let outbox = tables.outbox().unwrap();
            let event = tables.events_after(number - 1, 1).unwrap();
            vec![format!("events: {event:?} of {}, told {:?}", outbox.newest, outbox.told)]
        }
        _ => Vec::new(),
    }
}

fn blob(store: &Store, name: &str, digest: &str) -> String {
    let (repository, digest) = (name.parse().unwrap(), digest.parse().unwrap());
    let payload = store.open_blob(&repository, &digest).unwrap().unwrap();
    let bytes = payload.read(0..payload.size(), Transfer::Copied).unwrap();
    assert_eq!(holdfast::store::Hasher::digest(digest.algorithm(), &bytes), digest);
    let link = store.read().blob_link(&repository, &digest).unwrap().unwrap();
    format!("{name}: blob {digest} of {} bytes since {}", payload.size(), link.since.0)
}

fn manifest(tables: &Snapshot, name: &str, digest: &str) -> Vec<String> {
    let (repository, digest) = (name.parse().unwrap(), digest.parse().unwrap());
    let row = tables.manifest(&repository, &digest).unwrap().unwrap();
    let bytes = tables.manifest_bytes(&digest).unwrap().unwrap();
    let (media_type, size, pushed) = (row.media_type.as_str(), row.size, row.pushed.0);
    let mut lines = vec![
        format!("{name}: manifest {digest} of {size} bytes is {media_type}, pushed at {pushed}"),
        format!("{name}: manifest {digest} reads {}", bytes.escape_ascii()),
    ];
    if let Some(subject) = row.subject {
        lines.push(format!("{name}: manifest {digest} is about {subject}"));
    }
    for need in tables.needs(&repository, &digest).unwrap() {
        let presence = if need.present { "present" } else { "absent" };
        lines.push(format!("{name}: manifest {digest} needs {:?} {}, {presence}", need.kind, need.digest));
    }
    lines
}

/// Those of one subject; each of their rows brings all of them, so duplicates go.
fn referrers(tables: &Snapshot, name: &str, subject: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let list = tables.referrers_after(&name.parse().unwrap(), &subject.parse().unwrap(), None, |referrer| {
        let row = referrer.row;
        let (media_type, size) = (row.media_type.as_str(), row.size);
        let more = (row.artifact_type, row.annotations);
        lines.push(format!(
            "{name}: {subject} is referred to by {} of {size} bytes, {media_type}, {more:?}",
            referrer.digest
        ));
        true
    });
    list.unwrap();
    lines
}
