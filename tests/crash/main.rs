//! Crashes: what was acknowledged survives every cut and every kill, wherever it strikes.
//!
//! A seed is the story of one store on one simulated disk, over several lives. In each life a registry opens it, pushes,
//! tags, deletes, and begins, continues and ends uploads, some of it at once; then the process is killed or the power is
//! cut, at any call of the disk, while the store is being opened too. The next life has to find what the ones before it
//! were told: see [`model`].
//!
//! `cargo test --test crash` lives some hundred seeds; `HOLDFAST_CRASH_SEEDS=20000` as many as it says, and
//! `HOLDFAST_CRASH_SEED=17` that one alone. A story whose operations run at once depends on the threads' order too: it
//! may take several runs until it fails again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod backups;
mod execution;
mod failures;
mod goods;
mod inspection;
mod life;
mod model;
mod operation;
mod parallel;
mod races;
mod scenario;
mod second_copy;
mod stops;
mod story;
mod tail;
mod unreadable;

use std::env;
use std::ops::Range;

use holdfast::store::Rule;
use holdfast::store::simulated::Call;

use parallel::first_failures;

/// How many seeds a run of all tests lives.
const FEW: u64 = 200;

#[test]
fn what_was_acknowledged_survives_every_cut_and_every_kill() {
    let failures = first_failures(seeds(), |seed| life::live(seed, None));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn wherever_everything_stops_nothing_acknowledged_is_lost() {
    let stops = stops::of_creations(None, 6).into_iter().chain(stops::of_uses());
    let failures = first_failures(stops, stops::Stop::live);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_database_of_the_last_checkpoint_names_nothing_that_has_gone() {
    tail::go_back_to_the_checkpoint(None).unwrap();
}

/// A check that finds nothing whatever is broken proves nothing.
#[test]
fn every_rule_is_missed_when_it_is_left_out() {
    let is_missed_in = |rule, seeds| !first_failures(seeds, |seed| life::live(seed, Some(rule))).is_empty();
    // The store may make a checkpoint just when it should do without.
    let gone_too_early = |rule| (0..10).any(|_| tail::go_back_to_the_checkpoint(Some(rule)).is_err());
    let is_missed = |rule| {
        let creations = stops::of_creations(Some(rule), 60).into_iter();
        // The quickest first.
        tail::lose_each_record(Some(rule)).is_err()
            || tail::cut_after_replay(Some(rule)).is_err()
            || tail::go_back_to_the_checkpoint(Some(rule)).is_err()
            || rule == Rule::UnlinkAfterCheckpoint && gone_too_early(rule)
            || rule == Rule::SpareInFlight && races::sweeping_past_an_upload(Some(rule)).is_err()
            || rule == Rule::SpareReaders && races::with_a_reader_of_a_spent_segment(Some(rule)).is_err()
            || rule == Rule::ExactPlace && races::settling_an_older_place(Some(rule)).is_err()
            || is_missed_in(rule, 0..FEW / 10)
            || !first_failures(creations, stops::Stop::live).is_empty()
            || is_missed_in(rule, FEW / 10..FEW)
    };
    let unmissed: Vec<_> = Rule::ALL.into_iter().filter(|rule| !is_missed(*rule)).collect();
    assert!(unmissed.is_empty(), "nothing was lost without {unmissed:?}");
}

#[test]
fn a_lost_record_is_noticed_wherever_later_ones_tell_of_it() {
    tail::lose_each_record(None).unwrap();
}

#[test]
fn what_a_start_has_replayed_survives_a_cut_right_after_it() {
    tail::cut_after_replay(None).unwrap();
}

#[test]
fn wherever_the_disk_fails_nothing_acknowledged_is_lost() {
    let failures = first_failures(failures::all(), |failure| failure.live());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn in_whatever_order_a_blob_is_deleted_pushed_again_settled_and_unlinked_it_is_what_was_acknowledged() {
    let failures = first_failures(races::with_background_work(), races::Race::run);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_payload_that_went_and_came_back_while_it_was_settled_has_one_file() {
    races::settling_an_older_place(None).unwrap();
}

#[test]
fn a_file_that_is_about_to_be_named_is_not_swept_out() {
    races::sweeping_past_an_upload(None).unwrap();
}

#[test]
fn a_segment_that_could_not_be_named_is_made_anew() {
    tail::fail_to_name_a_segment().unwrap();
}

#[test]
fn a_reader_whose_payload_moves_before_it_has_opened_it_reads_the_payload() {
    for (held, is_settled) in [(Call::OpenForReading, true), (Call::Length, true), (Call::Read, false)] {
        races::with_a_reader(held, is_settled).unwrap_or_else(|wrong| panic!("{held:?}: {wrong}"));
    }
}

#[test]
fn a_segment_that_is_read_is_not_written_over() {
    races::with_a_reader_of_a_spent_segment(None).unwrap();
}

#[test]
fn a_payload_that_cannot_be_read_in_the_log_fails_its_own_pulls_and_holds_up_nothing() {
    unreadable::read_past(1).unwrap();
}

#[test]
fn more_payloads_that_cannot_be_read_than_are_settled_at_once_hold_up_nothing() {
    unreadable::read_past(300).unwrap();
}

#[test]
fn an_archive_that_is_missing_or_has_no_header_is_made_anew() {
    second_copy::harm_the_archive().unwrap();
}

#[test]
fn an_archive_that_has_rotted_is_found_by_a_thorough_check() {
    second_copy::rot_the_archive().unwrap();
}

#[test]
fn wherever_a_backup_stops_the_one_before_it_or_the_new_one_is_whole() {
    let failures = first_failures(backups::stops_of_renewing(), backups::stop_renewing);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn wherever_a_first_backup_stops_it_is_none_or_whole() {
    let failures = first_failures(backups::stops_of_making(), backups::stop_making);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn wherever_a_restoring_stops_there_is_no_store_or_the_whole_one() {
    let failures = first_failures(backups::stops_of_restoring(), backups::stop_restoring);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_payload_that_goes_while_a_backup_is_made_is_in_it_and_goes_afterwards() {
    backups::delete_meanwhile().unwrap();
}

/// Those that the environment asks for.
fn seeds() -> Range<u64> {
    let number = |name| env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    match number("HOLDFAST_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HOLDFAST_CRASH_SEEDS").unwrap_or(FEW),
    }
}
