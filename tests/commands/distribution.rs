//! The command lines of distribution's `registry`.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{command, holdfast, run, run_with_input};
use crate::support::Holdfast;

/// A configuration as registry:2 has it, in a folder that goes away with the test.
fn configuration(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (file, root) = (folder.path().join(name), folder.path().join("data"));
    let yaml = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
        root.display()
    );
    std::fs::write(&file, yaml).unwrap();
    (folder, file)
}

/// Runs a server until it says where it listens, and stops it.
#[track_caller]
fn expect_served(command: &mut Command) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = log.by_ref().take_while(|line| !line.contains("listening on")).collect();
    let _already_ended = kill_process(Pid::from_child(&child), Signal::TERM);
    let rest: Vec<String> = log.collect();
    let status = child.wait().unwrap();
    assert!(status.success() && rest.iter().any(|line| line.contains("stopped")), "{said:?} {rest:?}");
}

#[test]
fn a_configuration_file_alone_is_served() {
    for name in ["config.yml", "config.yaml", "registry.conf"] {
        let (_folder, file) = configuration(name);
        expect_served(holdfast().arg(&file));
        expect_served(holdfast().arg("serve").arg(&file));
    }
}

#[test]
fn the_environment_names_the_configuration_where_the_command_line_does_not() {
    let (folder, file) = configuration("config.yml");
    expect_served(holdfast().arg("serve").env("REGISTRY_CONFIGURATION_PATH", &file));
    let said = run_with_input(
        holdfast().args(["garbage-collect", "-d"]).env("REGISTRY_CONFIGURATION_PATH", &file),
        b"",
    );
    assert!(said.expect().contains("would be removed: 0 manifests"));
    assert!(folder.path().join("data/FORMAT").exists());
}

#[test]
fn under_the_name_registry_it_is_the_same() {
    let (folder, file) = configuration("config.yml");
    let registry = folder.path().join("registry");
    symlink(env!("CARGO_BIN_EXE_holdfast"), &registry).unwrap();
    expect_served(command(&registry).arg(&file));
    expect_served(command(&registry).arg("serve").arg(&file));
    run_with_input(command(&registry).arg("garbage-collect").arg(&file), b"").expect();
    let version = format!("holdfast {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run_with_input(command(&registry).arg("--version"), b"").expect(), version);
}

#[test]
fn the_version_is_printed_for_each_of_its_flags() {
    for flag in ["--version", "-v", "-V"] {
        assert_eq!(run(&[flag]).expect(), format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_configuration_file_that_is_missing_is_named() {
    let complaint = run(&["/nowhere/config.yml"]).expect_failure(1);
    assert!(complaint.contains("/nowhere/config.yml"), "{complaint}");
}

#[test]
fn a_misspelt_command_is_taken_for_no_file() {
    let complaint = run(&["sevre"]).expect_failure(2);
    assert!(complaint.contains("serve"), "{complaint}");
    // Neither is a command of the same name as a file, nor a folder a file.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("help"), "").unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let at_home = |argument| run_with_input(holdfast().arg(argument).current_dir(folder.path()), b"");
    assert!(at_home("help").expect().contains("Usage:"));
    at_home("data").expect_failure(2);
}

/// Runs `garbage-collect` with these arguments, and gives what it said.
#[track_caller]
fn garbage_collect(file: &Path, arguments: &[&str]) -> String {
    run_with_input(holdfast().arg("garbage-collect").args(arguments).arg(file), b"").expect()
}

#[test]
fn garbage_collect_takes_distributions_switches_and_does_what_gc_does() {
    let mut registry = Holdfast::configured("storage: {gc: {grace: 0s, lease: 0s}}\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    let root = registry.root();
    let yaml = format!(
        "storage: {{filesystem: {{rootdirectory: '{}'}}, gc: {{grace: 0s, lease: 0s}}}}\n",
        root.display()
    );
    std::fs::write(&file, yaml).unwrap();
    let blob = registry.push_blob("app", "nobody needs this");
    let untagged = registry.push_image("app", "", 1).digest;
    registry.push_image("app", "v1", 2);
    registry.stop();
    for switch in ["--dry-run", "-d", "-d=true", "--dry-run=true"] {
        assert!(garbage_collect(&file, &[switch]).contains(&format!("would be removed: blob app {blob}")));
    }
    let said = garbage_collect(&file, &["-d", "-m"]);
    assert!(said.contains(&format!("would be removed: manifest app {untagged}")), "{said}");
    assert_eq!(garbage_collect(&file, &["-d", "--quiet"]), "");
    let said = garbage_collect(&file, &["--dry-run=false", "--delete-untagged=false"]);
    assert!(said.contains(&format!("removed: blob app {blob}")) && !said.contains(&untagged), "{said}");
    let said = garbage_collect(&file, &["--delete-untagged=true"]);
    assert!(said.contains(&format!("removed: manifest app {untagged}")), "{said}");
}
