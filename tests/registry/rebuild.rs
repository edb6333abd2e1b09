//! The loss of the database: what it had is made anew out of the archive and the log.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Holdfast, Registry, Request};

/// Segments of the log are short, so that most are forgotten soon and the archive has them.
const SHORT: &str = "storage: {log: {segmentsize: 64KiB, archivesize: 1KiB, settleinterval: 10ms}}\n";
const REPOSITORIES: [&str; 3] = ["team/app", "team/lib", "other"];

#[test]
fn a_store_whose_database_is_gone_is_rebuilt_to_what_it_was() {
    let mut registry = Holdfast::configured(SHORT);
    let before = fill(&registry);
    registry.kill();
    let kept = std::fs::read_dir(registry.root().join("archive")).unwrap();
    assert!(kept.count() > 0, "the log has forgotten nothing yet");
    std::fs::remove_file(registry.root().join("metadata.redb")).unwrap();
    let refusal = registry.try_to_start_again().unwrap_err();
    assert!(refusal.contains("holdfast rebuild --root"), "{refusal}");
    rebuild(&registry.root());
    registry.check_payloads();
    registry.start_again();
    assert_eq!(everything(&registry), before);
    registry.push_image(REPOSITORIES[0], "later", 1_000);
}

#[test]
fn a_damaged_database_is_set_aside_when_it_is_rebuilt() {
    let mut registry = Holdfast::configured(SHORT);
    let before = fill(&registry);
    registry.stop();
    let database = registry.root().join("metadata.redb");
    let damaged = vec![0x5a; 100_000];
    std::fs::write(&database, &damaged).unwrap();
    let refusal = registry.try_to_start_again().unwrap_err();
    assert!(refusal.contains("holdfast rebuild"), "{refusal}");
    let output = rebuild(&registry.root());
    let said = String::from_utf8(output.stdout).unwrap();
    let aside = said.lines().find_map(|line| line.strip_prefix("the old one is ")).unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), damaged);
    registry.start_again();
    assert_eq!(everything(&registry), before);
}

/// Pushes, tags and deletes, and gives what there is then.
fn fill(registry: &Holdfast) -> Vec<Value> {
    for (seed, repository) in (0..60).zip(REPOSITORIES.iter().cycle()) {
        let image = registry.push_image(repository, &format!("v{seed}"), seed);
        if seed % 4 == 3 {
            registry.delete(&format!("/v2/{repository}/manifests/{}", image.digest)).expect(202);
        }
        if seed % 5 == 4 {
            registry.push_image(repository, "latest", seed);
        }
    }
    everything(registry)
}

/// All lists, and every manifest that a tag points at, as they are answered.
fn everything(registry: &Registry) -> Vec<Value> {
    let mut found = vec![registry.get("/v2/_catalog").expect(200).json()];
    for repository in REPOSITORIES {
        let tags = registry.get(&format!("/v2/{repository}/tags/list")).expect(200);
        for tag in tags.json()["tags"].as_array().unwrap() {
            let path = format!("/v2/{repository}/manifests/{}", tag.as_str().unwrap());
            let accepted = Request::get(&path).header("Accept", "*/*");
            found.push(registry.send(accepted).expect(200).json());
        }
        found.push(tags.json());
    }
    found
}

fn rebuild(root: &Path) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(["rebuild", "--root"]).arg(root).output();
    let output = command.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}
