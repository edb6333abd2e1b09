//! Removing what is dead, if it still is.

use std::collections::HashMap;

use crate::oci::Digest;
use crate::registry::Error;
use crate::store::{
    Accepted, Change, Decision, Held, MetadataError, NeedKind, Operation, Slot, Tables, Write,
};

use super::judgement::{Judgement, Rules};

/// Things of one kind that were dead as of the last commit.
pub(super) struct Removal {
    pub(super) kind: NeedKind,
    pub(super) rules: Rules,
    pub(super) held: Vec<Held>,
    /// Whether nothing is to change.
    pub(super) dry_run: bool,
}

/// Something that went.
pub(super) struct Removed {
    pub(super) held: Held,
    /// Of its payload, if that went as well.
    pub(super) bytes: u64,
}

impl Operation for Removal {
    type Outcome = Vec<Removed>;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { kind, rules, held, dry_run } = self;
        let (mut changes, mut removed, mut unlinked) = (Vec::new(), Vec::new(), HashMap::new());
        for held in held {
            if rules.judge(tables, kind, &held, slot.served)? != Judgement::Dead {
                continue;
            }
            let Held { repository, digest } = held.clone();
            let mut bytes = 0;
            match kind {
                NeedKind::Manifest => {
                    changes.push(Change::ManifestDeleted { repository, digest, at: slot.now });
                }
                NeedKind::Blob => {
                    changes.push(Change::BlobUnlinked { repository, digest });
                    if is_last_holder(tables, &mut unlinked, &digest)? {
                        bytes = tables.blob(&digest)?.map_or(0, |row| row.size);
                        changes.push(Change::BlobRemoved { digest });
                    }
                }
            }
            removed.push(Removed { held, bytes });
        }
        if dry_run {
            changes.clear();
        }
        Ok(Accepted::new(changes, removed))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

/// Whether the repository that lets go of a blob now is the last one that holds it. `unlinked` counts those that have let go
/// in the same operation.
fn is_last_holder(
    tables: &Tables<Write<'_>>,
    unlinked: &mut HashMap<Digest, usize>,
    digest: &Digest,
) -> Result<bool, MetadataError> {
    let count = unlinked.entry(*digest).or_default();
    *count += 1;
    Ok(tables.holders(digest, *count + 1)? == *count)
}
