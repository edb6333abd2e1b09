//! `holdfast config`, run as a person runs it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Command, Output};

fn holdfast(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("config").args(arguments).current_dir(folder).env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_is_in_force_is_printed_with_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yml"), "version: 0.1\nhttp: {secret: hush, prefix: /a}\n")
        .unwrap();
    let arguments = ["--config", "config.yml", "--addr", ":5001", "--root", "/data"];
    let variables = [("REGISTRY_LOG_LEVEL", "warn"), ("REGISTRY_LOG_LEVLE", "warn")];
    let output = holdfast(folder.path(), &arguments, &variables);
    assert!(output.status.success());
    let lines: Vec<String> =
        stdout(&output).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "level: warn # REGISTRY_LOG_LEVEL",
        "rootdirectory: /data # --root",
        "enabled: false # default of distribution",
        "addr: \":5001\" # --addr",
        "prefix: /a/ # config.yml:2:30",
        "draintimeout: 8s # default (distribution: 0s)",
    ] {
        assert!(lines.iter().any(|printed| printed == line), "{line:?} is missing in {lines:#?}");
    }
    assert_eq!(
        stderr(&output),
        "warning: REGISTRY_LOG_LEVLE: no setting has this variable; it is ignored; did you mean `REGISTRY_LOG_LEVEL`?\n\
         note: config.yml:2:8: http.secret: not needed: uploads are kept by the server, so no secret has to sign their \
         state\n"
    );
}

#[test]
fn a_configuration_with_mistakes_is_refused_with_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yml"), "http:\n  adr: :5000\n  draintimeout: 60\n").unwrap();
    let output = holdfast(folder.path(), &["--config", "config.yml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        stderr(&output),
        "the configuration has 2 errors:\n  \
         config.yml:2:3: http.adr: there is no such key; did you mean `http.addr`?\n  \
         config.yml:3:17: http.draintimeout: 60 has no unit: write 60s for seconds, 60m for minutes\n"
    );
}

#[test]
fn the_example_that_is_printed_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let example = stdout(&holdfast(folder.path(), &["--example"], &[]));
    std::fs::write(folder.path().join("config.yml"), &example).unwrap();
    let output = holdfast(folder.path(), &[], &[("REGISTRY_CONFIGURATION_PATH", "config.yml")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("# File: config.yml\n"));
}

#[test]
fn the_unit_is_one_that_systemd_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let unit = include_str!("../config/holdfast.service");
    let unit = unit.replace("=holdfast ", concat!("=", env!("CARGO_BIN_EXE_holdfast"), " "));
    let file = folder.path().join("holdfast.service");
    std::fs::write(&file, unit).unwrap();
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
        return eprintln!("skipped: systemd-analyze is not installed");
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}
