//! What the guides say is so: configurations that they show are accepted, messages that they explain are holdfast's, and what they link
//! to is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(home().join(path)).unwrap()
}

/// All files with this ending in a folder and those below it.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let ends = |path: &PathBuf| path.extension().is_some_and(|found| found == ending);
    files
        .into_iter()
        .filter(ends)
        .chain(folders.iter().flat_map(|folder| self::files(folder, ending)))
        .collect()
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).map(move |rest| rest.split_once(end).unwrap().0)
}

#[test]
fn the_configurations_that_are_shown_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    for guide in ["README.md", "docs/GETTING-STARTED.md", "docs/SECURITY.md", "docs/ACCESS.md"] {
        let text = read(guide);
        let blocks: Vec<_> = between(&text, "<!-- configuration -->\n```yaml\n", "```").collect();
        assert!(!blocks.is_empty(), "{guide} shows none");
        for block in blocks {
            std::fs::write(folder.path().join("config.yml"), block).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
            let output =
                command.current_dir(&folder).args(["config", "--config", "config.yml"]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && said.is_empty(), "{guide}: {block}\n{said}");
        }
    }
}

/// The texts of the source, each as it is when it is written, that is without the breaks of its lines.
fn sources() -> String {
    let texts: Vec<_> = files(&home().join("src"), "rs").into_iter().map(read).collect();
    let parts = texts.iter().flat_map(|text| text.split("\\\n")).map(str::trim_start);
    parts.collect()
}

#[test]
fn every_message_that_is_explained_is_one_of_holdfasts() {
    let (guide, sources) = (read("docs/TROUBLESHOOTING.md"), sources());
    let messages: Vec<_> = between(&guide, "\n### `", "`\n").collect();
    assert!(messages.len() > 30, "{messages:?}");
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(sources.contains(part), "{part:?} of {message:?} is said nowhere");
        }
    }
}

#[test]
fn every_file_that_a_guide_links_to_is_there() {
    let guides = files(&home().join("docs"), "md").into_iter();
    let guides =
        guides.chain(["README.md", "CONTRIBUTING.md", "fuzz/README.md"].map(|name| home().join(name)));
    let mut count = 0;
    for guide in guides {
        let text = read(&guide);
        for target in between(&text, "](", ")").filter(|target| !target.contains("://")) {
            let file = target.split_once('#').map_or(target, |(file, _section)| file);
            assert!(guide.parent().unwrap().join(file).exists(), "{}: {target}", guide.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count} links");
}
