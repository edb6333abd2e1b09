//! `holdfast check` and the metadata: rows that contradict one another, and a second copy that leads nowhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use redb::{Database, TableDefinition};

use crate::check::{REPOSITORY, SHORT, expect_lines, expect_sound, expect_unsound, run};
use crate::scrub::{flip_byte, payload_file, wait_until};
use crate::support::{Holdfast, bytes_of, descriptor, image, sha256};

type ByDigest = TableDefinition<'static, (&'static [u8], &'static str), ()>;
const BLOB_HOLDERS: ByDigest = TableDefinition::new("blob_holders");
const BLOB_LINKS: TableDefinition<'static, (&str, &[u8]), &[u8]> = TableDefinition::new("blob_links");
const MANIFEST_HOLDERS: ByDigest = TableDefinition::new("manifest_holders");
const CATALOG: TableDefinition<'static, &str, ()> = TableDefinition::new("catalog");
const TAGS_BY_MANIFEST: TableDefinition<'static, (&str, &[u8], &str), ()> =
    TableDefinition::new("tags_by_manifest");
type Needed = (&'static str, u8, &'static [u8], &'static [u8]);
const NEEDED_BY: TableDefinition<'static, Needed, ()> = TableDefinition::new("needed_by");
const TAGS: TableDefinition<'static, (&str, &str), &[u8]> = TableDefinition::new("tags");
const DOOMED_FILES: TableDefinition<'static, (&[u8], &[u8]), ()> = TableDefinition::new("doomed_files");

/// A digest as it stands in keys.
fn key(digest: &str) -> Vec<u8> {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    [1].into_iter().chain((0..64).step_by(2).map(byte)).collect()
}

/// Changes rows of a stopped store's database that the log does not know of.
fn spoil(root: &Path, spoil: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(root.join("metadata.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    spoil(&transaction);
    transaction.commit().unwrap();
}

fn rebuild(root: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    assert!(command.args(["rebuild", "--root"]).arg(root).output().unwrap().status.success());
}

#[test]
fn rows_that_follow_from_others_are_made_anew_and_the_second_copy_agrees() {
    let mut registry = Holdfast::configured(SHORT);
    let config = r#"{"architecture":"amd64","os":"linux"}"#;
    let layer = bytes_of(300_000, 6);
    registry.push_blob(REPOSITORY, config);
    let layer = registry.push_blob(REPOSITORY, &layer);
    let manifests = [0, 1].map(|number| {
        let layers =
            vec![descriptor("application/vnd.oci.image.layer.v1.tar", bytes_of(300_000, 6)); 1 + number];
        image(&descriptor("application/vnd.oci.image.config.v1+json", config), &layers)
    });
    let tags = ["old", "new"];
    let [old, new] = [0, 1].map(|at| registry.push_manifest(REPOSITORY, tags[at], &manifests[at]));
    let file = payload_file(&registry.root(), &layer);
    // So that what is told anew without need would be younger than before.
    std::thread::sleep(Duration::from_millis(1_200));
    registry.push_blob("team/other", "later");
    registry.stop();
    let root = registry.root();
    let file_id = file.file_name().unwrap().to_str().unwrap()[65..].replace('-', "");
    let file_id: Vec<_> =
        (0..32).step_by(2).map(|at| u8::from_str_radix(&file_id[at..at + 2], 16).unwrap()).collect();
    spoil(&root, |transaction| {
        let mut holders = transaction.open_table(BLOB_HOLDERS).unwrap();
        holders.remove((&*key(&layer), REPOSITORY)).unwrap().unwrap();
        holders.insert((&*key(&layer), "team/stranger"), ()).unwrap();
        holders.remove((&*key(&sha256(config)), REPOSITORY)).unwrap().unwrap();
        let mut holders = transaction.open_table(MANIFEST_HOLDERS).unwrap();
        holders.remove((&*key(&old), REPOSITORY)).unwrap().unwrap();
        transaction.open_table(CATALOG).unwrap().remove(REPOSITORY).unwrap().unwrap();
        let mut tags = transaction.open_table(TAGS_BY_MANIFEST).unwrap();
        tags.remove((REPOSITORY, &*key(&new), "new")).unwrap().unwrap();
        tags.insert((REPOSITORY, &*key(&old), "new"), ()).unwrap();
        let mut needed = transaction.open_table(NEEDED_BY).unwrap();
        for manifest in [&old, &new] {
            needed.remove((REPOSITORY, 0, &*key(&layer), &*key(manifest))).unwrap().unwrap();
        }
        transaction.open_table(DOOMED_FILES).unwrap().insert((&*key(&layer), &*file_id), ()).unwrap();
    });
    let expected = [
        format!("wrong: blob_holders lacks {layer} of {REPOSITORY}\n"),
        format!("wrong: blob_holders has {layer} of team/stranger too many\n"),
        format!("wrong: blob_holders lacks {} of {REPOSITORY}\n", sha256(config)),
        format!("wrong: no repository holds the blob {}\n", sha256(config)),
        format!("wrong: manifest_holders lacks {old} of {REPOSITORY}\n"),
        format!("wrong: the catalog lacks {REPOSITORY}\n"),
        format!("wrong: tags_by_manifest lacks {REPOSITORY}:new\n"),
        format!("wrong: tags_by_manifest has {REPOSITORY}:new at {old} too many\n"),
        format!("wrong: needed_by lacks {layer} of {REPOSITORY}: the manifest {old}\n"),
        format!("wrong: needed_by lacks {layer} of {REPOSITORY}: the manifest {new}\n"),
        format!("wrong: the file of {layer} is to be unlinked, but serves it\n"),
    ];
    for _ in 0..2 {
        let said = expect_unsound(&root, &[]);
        expect_lines(&said, &expected.each_ref().map(String::as_str));
    }
    let said = expect_sound(&root, &["--payloads", "--repair"]);
    // What one repair put right with another thing is not told of.
    let is_told = |line: &&String| !line.contains("needed_by") && !line.contains("no repository holds");
    for line in expected.iter().filter(is_told) {
        expect_lines(&said, &[&format!("{line}  repaired: made anew from the rows that it follows from\n")]);
    }
    let said = expect_sound(&root, &["--payloads"]);
    assert!(!said.contains("wrong"), "{said}");
    registry.start_again();
    assert_eq!(registry.get("/v2/_catalog").expect(200).json()["repositories"][0], REPOSITORY);
    // The tag that was listed twice goes with its own manifest alone.
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/{old}")).expect(202);
    registry.get(&format!("/v2/{REPOSITORY}/manifests/new")).expect(200);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{layer}")).expect(200);
    registry.get(&format!("/v2/team/stranger/blobs/{layer}")).expect(404);
}

#[test]
fn a_blob_that_a_manifest_needs_or_that_nobody_else_has_is_given_back_to_its_repository() {
    let mut registry = Holdfast::configured(SHORT);
    let needed = registry.push_image(REPOSITORY, "v1", 1).config;
    let lone = registry.push_blob(REPOSITORY, "lone");
    registry.push_blob("team/other", r#"{"architecture":"amd64","os":"linux","seed":1}"#);
    registry.stop();
    let root = registry.root();
    spoil(&root, |transaction| {
        let mut links = transaction.open_table(BLOB_LINKS).unwrap();
        for digest in [&needed, &lone] {
            links.remove((REPOSITORY, &*key(digest))).unwrap().unwrap();
        }
    });
    let said = expect_unsound(&root, &[]);
    expect_lines(&said, &[&format!("needs {needed}, which is not there\n")]);
    for digest in [&needed, &lone] {
        expect_lines(&said, &[&format!("wrong: blob_holders has {digest} of {REPOSITORY} too many\n")]);
    }
    expect_sound(&root, &["--payloads", "--repair"]);
    expect_sound(&root, &["--payloads"]);
    registry.start_again();
    for digest in [&needed, &lone] {
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200);
    }
}

#[test]
fn a_row_that_no_other_tells_is_left_to_a_rebuild() {
    let mut registry = Holdfast::configured(SHORT);
    registry.push_image(REPOSITORY, "v1", 1);
    registry.stop();
    let root = registry.root();
    let stray = key(&sha256("stray"));
    spoil(&root, |transaction| {
        transaction.open_table(MANIFEST_HOLDERS).unwrap().insert((&*stray, REPOSITORY), ()).unwrap();
    });
    let said = expect_unsound(&root, &["--repair"]);
    expect_lines(&said, &["wrong: manifest_holders has ", "  not repaired: ", "holdfast rebuild"]);
    rebuild(&root);
    expect_sound(&root, &["--payloads"]);
}

/// Pushes until the log has forgotten its beginning, and gives the files of the archive.
fn fill_archive(registry: &Holdfast) -> Vec<PathBuf> {
    let list = |folder: &str| {
        let entries = fs::read_dir(registry.root().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let first = list("log").into_iter().filter(|path| !path.ends_with("spare")).min().unwrap();
    for seed in 0..60 {
        registry.push_image(REPOSITORY, &format!("v{seed}"), seed);
    }
    wait_until("the log forgets its beginning", || !first.exists());
    let is_kept =
        |path: &PathBuf| path.extension().is_some_and(|kind| kind == "changes" || kind == "snapshot");
    list("archive").into_iter().filter(is_kept).collect()
}

#[track_caller]
fn expect_archive_renewed(root: &Path) {
    for _ in 0..2 {
        expect_lines(&expect_unsound(root, &["--payloads"]), &["wrong: the archive: "]);
    }
    let said = expect_sound(root, &["--payloads", "--repair"]);
    expect_lines(&said, &["wrong: the archive: ", "  repaired: a new snapshot of the database was made\n"]);
    expect_sound(root, &["--payloads"]);
}

#[test]
fn an_archive_that_leads_nowhere_is_begun_anew_in_a_stopped_store_and_can_be_rebuilt_from() {
    let mut registry = Holdfast::configured(SHORT);
    fill_archive(&registry);
    registry.stop();
    let root = registry.root();
    for file in fs::read_dir(root.join("archive")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    expect_archive_renewed(&root);
    fs::remove_file(root.join("metadata.redb")).unwrap();
    rebuild(&root);
    registry.start_again();
    registry.get(&format!("/v2/{REPOSITORY}/manifests/v39")).expect(200);
}

#[test]
fn a_damaged_archive_is_begun_anew_in_a_running_registry() {
    let registry = Holdfast::configured(SHORT);
    // Until nothing is merged any more.
    wait_until("the archive rests", || {
        let before = fill_archive(&registry);
        std::thread::sleep(Duration::from_millis(300));
        let after: Vec<_> = before.iter().filter(|file| file.exists()).collect();
        let damaged = after.first().is_some_and(|file| {
            let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
            length > 200 && {
                flip_byte(file, length - 20);
                true
            }
        });
        damaged && !run(&registry.root(), &["--payloads"]).is_sound
    });
    expect_archive_renewed(&registry.root());
}

#[test]
fn an_archive_that_tells_something_else_is_not_overwritten() {
    let mut registry = Holdfast::configured(SHORT);
    registry.push_image(REPOSITORY, "v1", 1);
    registry.stop();
    let root = registry.root();
    spoil(&root, |transaction| {
        let mut by_manifest = transaction.open_table(TAGS_BY_MANIFEST).unwrap();
        by_manifest.retain(|_, ()| false).unwrap();
        transaction.open_table(TAGS).unwrap().remove((REPOSITORY, "v1")).unwrap().unwrap();
    });
    let said = expect_unsound(&root, &["--payloads", "--repair"]);
    expect_lines(&said, &["wrong: the database has", "not repaired: a new snapshot would lose"]);
    rebuild(&root);
    registry.start_again();
    registry.get(&format!("/v2/{REPOSITORY}/manifests/v1")).expect(200);
}
