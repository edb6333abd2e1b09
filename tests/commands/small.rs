//! `holdfast digest`, `completions` and `man`.

use std::process::Command;

use crate::run::{holdfast, run, run_with_input};
use crate::support::{ALGORITHMS, bytes_of, sha256};

#[test]
fn the_digest_of_a_file_is_printed_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (file, bytes) = (folder.path().join("layer"), bytes_of(3_000_000, 1));
    std::fs::write(&file, &bytes).unwrap();
    let name = file.to_str().unwrap();
    assert_eq!(run(&["digest", name]).expect(), format!("{}\t{name}\n", sha256(&bytes)));
    for algorithm in ALGORITHMS {
        let line = format!("{}\t{name}\n", (algorithm.digest)(&bytes));
        assert_eq!(run(&["digest", "-a", algorithm.name, name]).expect(), line);
    }
}

#[test]
fn the_digest_of_standard_input_is_printed_where_no_file_is_named() {
    for arguments in [&["digest"][..], &["digest", "-"]] {
        let said = run_with_input(holdfast().args(arguments), b"abc").expect();
        assert_eq!(said, format!("{}\t-\n", sha256("abc")));
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_the_others_from_their_digests() {
    let run = run_with_input(holdfast().args(["digest", "/nowhere", "-"]), b"abc");
    assert_eq!(run.said, format!("{}\t-\n", sha256("abc")));
    assert!(run.complained.contains("/nowhere: No such file"), "{run:?}");
    assert_eq!(run.code, Some(1));
    assert!(crate::run::run(&["digest", "-a", "md5"]).expect_failure(2).contains("use sha256, sha512"));
}

#[test]
fn each_shell_is_told_of_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell]).expect();
        for command in ["garbage-collect", "restore", "completions"] {
            assert!(script.contains(command), "{shell} knows nothing of {command}");
        }
    }
}

#[test]
fn bash_understands_its_script() {
    let script = run(&["completions", "bash"]).expect();
    let completed = run_with_input(
        Command::new("bash").args(["-c", "source /dev/stdin && complete -p holdfast"]),
        script.as_bytes(),
    );
    assert!(completed.expect().contains("_holdfast"));
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    run(&["man", pages.to_str().unwrap()]).expect();
    for page in ["holdfast.1", "holdfast-serve.1", "holdfast-garbage-collect.1", "holdfast-user-add.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}: {text}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let complaint = run(&["man", file.to_str().unwrap()]).expect_failure(1);
    assert!(complaint.contains("cannot be written to"), "{complaint}");
}
