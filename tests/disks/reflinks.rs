//! Imports on file systems on which files can share their blocks.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::import_tree::{Tree, said};
use crate::support::Builder;
use crate::volume::{FileSystem, Volume, Workshop, format};

#[test]
fn payloads_come_by_reflink_on_xfs() {
    import_by_reflink(FileSystem::Xfs);
}

#[test]
fn payloads_come_by_reflink_on_btrfs() {
    import_by_reflink(FileSystem::Btrfs);
}

#[test]
fn where_files_cannot_share_blocks_an_import_links_or_says_so() {
    let Some((_workshop, volume)) = volume(FileSystem::Ext4) else { return };
    let tree = Tree::in_folder(tempfile::tempdir_in(volume.folder()).unwrap());
    tree.put_image("app", "v1", 1);
    let refused = tree.import(&["--method", "reflink"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("reflink"), "{}", said(&refused));
    assert!(tree.import_all(&[]).contains("by link: 2 payloads"));
}

fn volume(system: FileSystem) -> Option<(Workshop, Volume)> {
    let workshop = Workshop::open(&[system])?;
    let image = workshop.path("volume");
    format(&image, system, 512 << 20, &[]);
    let volume = Volume::mount(&image, "loop");
    Some((workshop, volume))
}

/// A file that shares blocks has one name, and what becomes of the other one does not touch it.
fn import_by_reflink(system: FileSystem) {
    let Some((_workshop, volume)) = volume(system) else { return };
    let tree = Tree::in_folder(tempfile::tempdir_in(volume.folder()).unwrap());
    let image = tree.put_image("app", "v1", 1);
    let told = tree.import_all(&[]);
    assert!(told.contains("by reflink: 2 payloads"), "{told}");
    let old = tree.data(&image.layer);
    assert_eq!(fs::metadata(&old).unwrap().nlink(), 1);
    let bytes = fs::read(&old).unwrap();
    File::options().write(true).open(&old).unwrap().write_all_at(b"overwritten", 0).unwrap();
    let holdfast = Builder::default().start_in(tree.folder());
    holdfast.get(&format!("/v2/app/blobs/{}", image.layer)).expect(200).expect_body(bytes);
}
