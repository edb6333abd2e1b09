//! What the fuzzer runs, run by every test: the seeds of each target, and a fixed number of inputs made from them that are
//! the same each time. `fuzz/README.md` says how to go on from there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

#[path = "../fuzz/targets/mod.rs"]
mod targets;

/// How many inputs are made for each target but those that take long.
const FRESH: u64 = 400;
/// How many are made for the others.
const FEW: u64 = 40;

/// Runs a target over its seeds, over findings that were kept beside them, and over fresh inputs.
fn replay(name: &str, target: fn(&[u8])) {
    replay_with(name, target, FRESH);
}

/// As above, with so many fresh inputs.
fn replay_with(name: &str, target: fn(&[u8]), count: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for (file, seed) in files.iter().zip(&seeds) {
        run(&file.display().to_string(), target, seed);
    }
    for number in 0..count {
        run(&format!("fresh input {number}"), target, &fresh(&seeds, number));
    }
}

/// Says which input it was when a target panics.
fn run(input: &str, target: fn(&[u8]), data: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| target(data)) {
        eprintln!("{input}: {:?}", String::from_utf8_lossy(data));
        std::panic::resume_unwind(panic);
    }
}

/// Noise in every fourth case; else a seed with some bytes changed, cut off or joined to another one's.
fn fresh(seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random(blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof());
    if number.is_multiple_of(4) {
        let mut noise = vec![0; random.below(600)];
        random.0.fill(&mut noise);
        return noise;
    }
    let mut input = seeds[random.below(seeds.len())].clone();
    if number % 4 == 1 {
        let other = &seeds[random.below(seeds.len())];
        input.truncate(random.below(input.len() + 1));
        input.extend_from_slice(&other[random.below(other.len() + 1)..]);
    }
    for _ in 0..random.below(6) {
        let index = random.below(input.len().max(1));
        let byte = random.below(256).to_le_bytes()[0];
        input.get_mut(index).into_iter().for_each(|place| *place = byte);
    }
    input
}

struct Random(blake3::OutputReader);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % bound.max(1)
    }
}

#[test]
fn content_has_one_digest_however_it_comes() {
    replay("digest_path", targets::digest_path);
}

#[test]
fn names_are_those_of_the_grammar_and_no_path_is_too_strange() {
    replay("names", targets::names);
}

#[test]
fn ranges_are_answered_with_what_they_mean() {
    replay("ranges", targets::ranges);
}

#[test]
fn a_manifest_is_made_of_what_its_document_names() {
    replay("manifest", targets::manifest);
}

#[test]
fn a_configuration_is_refused_or_reads_back_as_it_is_shown() {
    replay("configuration", targets::configuration);
}

#[test]
fn no_token_is_accepted_that_was_not_signed() {
    replay("token", targets::token);
}

#[test]
fn whoever_was_added_to_any_file_of_users_gets_in_by_their_password_alone() {
    replay_with("htpasswd", targets::htpasswd, FEW);
}

#[test]
fn policies_decide_what_a_plain_reading_finds() {
    replay("policy", targets::policy);
}

#[test]
fn an_upload_session_holds_what_was_sent() {
    replay("upload_session", targets::upload_session);
}

#[test]
fn of_any_segment_of_the_log_only_what_was_written_is_read() {
    replay("log_reader", targets::log_reader);
}

#[test]
fn what_a_store_comes_back_to_is_what_was_acknowledged() {
    replay_with("replay", targets::replay, FEW);
}
