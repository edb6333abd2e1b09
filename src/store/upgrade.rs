//! Upgrading: the tables of an older layout become those of this one.
//!
//! The folder's version was raised before, so that no older program opens what it would not understand. The log was
//! replayed into the old tables, and a durable commit has the outcome; the one transaction here changes the tables and
//! says so in them. Whatever kills an upgrade, the next start does the rest.

use super::archive;
use super::disk::Disk;
use super::format::VERSION;
use super::layout::Layout;
use super::log::NO_RECORD;
use super::metadata::{Change, Metadata, MetadataError, Tables, Write};

/// Brings the tables to this program's layout, if they are not in it.
pub(super) fn run(disk: &dyn Disk, layout: &Layout, metadata: &Metadata) -> Result<(), MetadataError> {
    let found = metadata.read().layout()?;
    if found >= VERSION {
        return Ok(());
    }
    // What changes here is in no log: the second copy, which would not have it, is made anew.
    archive::forget(disk, &layout.archive())?;
    metadata.write_durably(|tables| {
        if found < 2 {
            remove_unheld_payloads(tables)?;
        }
        // Layout 3 keeps account of ages, which begins with the first change that is logged in it. Layout 4 does of how much
        // repositories hold; what was replayed was counted without what had been there before.
        tables.recount_all()?;
        // And of the ages of tags, which begin here.
        age_tags(tables)?;
        tables.set_layout(VERSION)
    })?;
    tracing::info!(from = found, to = VERSION, "the store is in this version's layout");
    Ok(())
}

fn age_tags(tables: &mut Tables<Write<'_>>) -> Result<(), MetadataError> {
    const PAGE: usize = 1_000;
    let since = tables.served()?.unwrap_or_default();
    let mut last = None;
    loop {
        let page = tables.all_tags_after(last.as_ref(), PAGE)?;
        for (repository, tag) in &page {
            tables.age_tag(repository, tag, since)?;
        }
        match page.len() {
            PAGE => last = page.into_iter().last(),
            _ => return Ok(()),
        }
    }
}

/// Layout 1 kept payloads that no repository held; from layout 2 on they go with their last holder.
fn remove_unheld_payloads(tables: &mut Tables<Write<'_>>) -> Result<(), MetadataError> {
    for digest in tables.unheld_blobs()? {
        tables.apply(&Change::BlobRemoved { digest }, NO_RECORD)?;
    }
    Ok(())
}
