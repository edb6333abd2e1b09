//! How a registry is: what it takes of memory, descriptors and disk.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::LOG_SIZE;
use crate::support::{Server, anonymous_memory};

/// How far the log may be over its bound: it grows by whole segments.
const SEGMENT: u64 = 64 << 20;

/// What it takes at one moment. In bytes, but for the descriptors.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vitals {
    anonymous: u64,
    descriptors: u64,
    disk: u64,
    log: u64,
    archive: u64,
    metadata: u64,
}

impl Vitals {
    pub(crate) fn of(server: &Server) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
        Self {
            anonymous: anonymous_memory(server.pid()),
            descriptors: descriptors as u64,
            ..Self::at_rest(&server.root())
        }
    }

    /// Of a registry that does not run.
    pub(crate) fn at_rest(root: &Path) -> Self {
        let metadata = root.join("metadata.redb").metadata().map_or(0, |metadata| metadata.len());
        let [disk, log, archive] = ["", "log", "archive"].map(|folder| size(&root.join(folder)));
        Self { disk, log, archive, metadata, ..Self::default() }
    }

    fn all(&self) -> [(&'static str, u64); 6] {
        let Self { anonymous, descriptors, disk, log, archive, metadata } = *self;
        [
            ("RssAnon", anonymous),
            ("descriptors", descriptors),
            ("disk without the log", disk.saturating_sub(log)),
            ("log", log),
            ("archive", archive),
            ("metadata.redb", metadata),
        ]
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.all() {
            match name {
                "descriptors" => write!(f, "{name} {value}  ")?,
                _ => write!(f, "{name} {:.1} MB  ", value as f64 / 1e6)?,
            }
        }
        Ok(())
    }
}

/// What the files of a folder take, in bytes. One that goes meanwhile takes nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// What was seen over time.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    notes: Vec<Vitals>,
    /// How often the registry was ended.
    pub(crate) lives: u64,
}

impl Diary {
    /// Every so many notes are said.
    const SAID: usize = 12;

    pub(crate) fn note(&mut self, vitals: Vitals) {
        if self.notes.len().is_multiple_of(Self::SAID) {
            println!("{vitals}");
        }
        self.notes.push(vitals);
    }

    /// What has grown: its mean over the last third is a fifth and a few megabytes above that over the third before it. How full
    /// the log is depends on what there is to do; its size is bounded by a setting.
    pub(crate) fn growth(&self) -> Vec<String> {
        let third = self.notes.len() / 3;
        let (_, rest) = self.notes.split_at(self.notes.len() - 2 * third);
        let (before, last) = rest.split_at(third);
        let names = Vitals::default().all().map(|(name, _)| name);
        let mut grown = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            let [before, last] = [before, last].map(|notes| mean(notes, number));
            println!("{name}: on average {before:.0} in the second third, {last:.0} in the last");
            let slack = if name == "descriptors" { 20.0 } else { 8e6 };
            if name != "log" && last > before * 1.2 + slack {
                grown.push(format!("{name} grows: {before:.0}, then {last:.0}"));
            }
        }
        let log = self.notes.iter().map(|vitals| vitals.log).max().unwrap_or_default();
        println!("log: {log} at the most");
        if log > LOG_SIZE + SEGMENT {
            grown.push(format!("the log had {log} bytes"));
        }
        grown
    }
}

fn mean(notes: &[Vitals], number: usize) -> f64 {
    let sum: u64 = notes.iter().map(|vitals| vitals.all()[number].1).sum();
    sum as f64 / notes.len().max(1) as f64
}
