//! What can be done to the tables, decided by the plain model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use holdfast::oci::ManifestType;
use holdfast::store::{
    Accepted, Change, Decision, Need, NeedKind, Operation, PayloadId, ServedTime, Slot, Tables, Timestamp,
    UploadRow, Write,
};

use super::goods::{GOODS, Manifest};
use super::plain::Plain;

/// Something to do; numbers are those of [`GOODS`].
#[derive(Debug, Clone)]
pub enum Step {
    /// A payload that is too large for the log lies in its file already.
    Push {
        repository: usize,
        blob: usize,
        file: Option<PayloadId>,
    },
    Mount {
        repository: usize,
        blob: usize,
    },
    DeleteBlob {
        repository: usize,
        blob: usize,
    },
    /// Says of a payload that it is damaged, or that it is not.
    Judge {
        blob: usize,
        is_damaged: bool,
    },
    PutManifest {
        repository: usize,
        manifest: usize,
        tags: Vec<usize>,
        note: Option<u8>,
    },
    DeleteManifest {
        repository: usize,
        manifest: usize,
    },
    DeleteTag {
        repository: usize,
        tag: usize,
    },
    Mark {
        id: PayloadId,
        row: UploadRow,
    },
    End {
        id: PayloadId,
    },
}

impl Step {
    /// Any but those that begin with a file.
    pub fn choose(input: &mut Unstructured<'_>) -> Result<Self> {
        let repository = input.choose_index(GOODS.repositories.len())?;
        let blob = input.choose_index(GOODS.blobs.len())?;
        let manifest = input.choose_index(GOODS.manifests.len())?;
        Ok(match input.int_in_range(0..=10)? {
            0..=3 => Self::Push { repository, blob, file: None },
            4 => Self::Mount { repository, blob },
            5 => Self::DeleteBlob { repository, blob },
            6..=7 => {
                let tags = (0..GOODS.tags.len()).filter(|_| input.ratio(1, 3).unwrap_or(false)).collect();
                Self::PutManifest { repository, manifest, tags, note: input.arbitrary()? }
            }
            8 => Self::DeleteManifest { repository, manifest },
            9 => Self::Judge { blob, is_damaged: input.ratio(2, 3)? },
            _ => Self::DeleteTag { repository, tag: input.choose_index(GOODS.tags.len())? },
        })
    }

    /// What it changes; nothing if it makes no sense.
    fn changes(&self, plain: &Plain, slot: Slot) -> Vec<Change> {
        let name = |repository: usize| GOODS.repositories[repository].clone();
        match *self {
            Self::Push { repository, blob, file } => {
                let (digest, size) = (GOODS.blobs[blob].digest, GOODS.blobs[blob].bytes.len() as u64);
                let brought = match file {
                    Some(file) => Change::BlobAdded { digest, size, file },
                    None => Change::BlobLogged { digest, size, offset: slot.offset },
                };
                let linked = Change::BlobLinked { repository: name(repository), digest, at: slot.now };
                let brought = (!plain.is_sound(digest)).then_some(brought);
                brought.into_iter().chain([linked]).collect()
            }
            Self::Mount { repository, blob } => {
                let digest = GOODS.blobs[blob].digest;
                let linked = Change::BlobLinked { repository: name(repository), digest, at: slot.now };
                plain.blobs.contains_key(&digest).then_some(linked).into_iter().collect()
            }
            Self::DeleteBlob { repository, blob } => {
                let (repository, digest) = (name(repository), GOODS.blobs[blob].digest);
                if !plain.is_linked(&repository, digest) {
                    return Vec::new();
                }
                let is_last = plain.holders(digest) == 1;
                let removed = is_last.then_some(Change::BlobRemoved { digest });
                [Change::BlobUnlinked { repository, digest }].into_iter().chain(removed).collect()
            }
            Self::Judge { blob, is_damaged } => {
                let digest = GOODS.blobs[blob].digest;
                let judged = match is_damaged {
                    true => Change::PayloadDamaged { digest },
                    false => Change::PayloadSound { digest },
                };
                plain.blobs.contains_key(&digest).then_some(judged).into_iter().collect()
            }
            Self::PutManifest { repository, manifest, ref tags, note } => {
                put(plain, repository, &GOODS.manifests[manifest], tags, note, slot.now)
            }
            Self::DeleteManifest { repository, manifest } => {
                let (repository, digest) = (name(repository), GOODS.manifests[manifest].digest);
                let is_there = plain.has_manifest(&repository, digest);
                let deleted = Change::ManifestDeleted { repository, digest, at: slot.now };
                is_there.then_some(deleted).into_iter().collect()
            }
            Self::DeleteTag { repository, tag } => {
                let (repository, tag) = (name(repository), GOODS.tags[tag].clone());
                let is_there = plain.tags.contains_key(&(repository.clone(), tag.clone()));
                is_there.then_some(Change::TagDeleted { repository, tag }).into_iter().collect()
            }
            Self::Mark { id, ref row } => vec![Change::UploadMarked { id, upload: row.clone() }],
            Self::End { id } => {
                plain.uploads.contains_key(&id).then_some(Change::UploadEnded { id }).into_iter().collect()
            }
        }
    }
}

/// A manifest and its tags, with what it needs as present as it is.
fn put(
    plain: &Plain,
    repository: usize,
    manifest: &Manifest,
    tags: &[usize],
    note: Option<u8>,
    at: Timestamp,
) -> Vec<Change> {
    let (repository, digest) = (GOODS.repositories[repository].clone(), manifest.digest);
    let is_present = |kind, needed| match kind {
        NeedKind::Blob => plain.is_linked(&repository, needed),
        NeedKind::Manifest => plain.has_manifest(&repository, needed),
    };
    let needs = manifest.needs.iter();
    let needs = needs.map(|(kind, needed)| Need {
        kind: *kind,
        digest: *needed,
        present: is_present(*kind, *needed),
    });
    let put = Change::ManifestPut {
        repository: repository.clone(),
        digest,
        media_type: ManifestType::ALL[usize::from(note.unwrap_or_default() % 4)],
        bytes: manifest.bytes.to_vec().into(),
        needs: needs.collect(),
        subject: manifest.subject,
        artifact_type: note.map(|note| format!("application/{note}")),
        annotations: note.map(|note| BTreeMap::from([("note".to_owned(), note.to_string())])),
        at,
    };
    let tags = tags.iter().map(|tag| Change::TagSet {
        repository: repository.clone(),
        tag: GOODS.tags[*tag].clone(),
        digest,
        at,
    });
    [put].into_iter().chain(tags).collect()
}

/// The states that the store has gone through, in the writer's order. Which of them it comes back to is one of those
/// from the last acknowledged one on.
#[derive(Debug)]
pub struct Ledger {
    pub states: Vec<Plain>,
    pub acknowledged: usize,
}

impl Ledger {
    pub fn now(&self) -> &Plain {
        self.states.last().unwrap()
    }
}

/// A step on its way to the writer. Its outcome is the number of the state that it leads to.
pub struct Act {
    pub step: Step,
    pub ledger: Arc<Mutex<Ledger>>,
}

impl Operation for Act {
    type Outcome = usize;
    type Refusal = ();

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let age = tables.served()?.map_or(0, |ServedTime(now)| now + ServedTime::GRAIN);
        let mut ledger = self.ledger.lock().unwrap();
        let mut next = ledger.now().clone();
        let changes = self.step.changes(&next, slot);
        changes.iter().for_each(|change| next.change(change, age));
        ledger.states.push(next);
        let payload = match self.step {
            Step::Push { blob, .. } => Some(GOODS.blobs[blob].bytes.clone()),
            _ => None,
        };
        let is_logged = changes.iter().any(|change| matches!(change, Change::BlobLogged { .. }));
        Ok(Accepted { changes, payload: payload.filter(|_| is_logged), outcome: ledger.states.len() - 1 })
    }

    fn payload_size(&self) -> u64 {
        match self.step {
            Step::Push { blob, file: None, .. } => GOODS.blobs[blob].bytes.len() as u64,
            _ => 0,
        }
    }
}
