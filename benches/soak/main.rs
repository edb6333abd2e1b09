//! A registry that lives through everything at once: pushes, pulls and deletes, collection without a grace, scrubs, kills and
//! restarts. Nothing that was acknowledged may be missing, and nothing may grow that does not have to.
//!
//! `cargo bench --bench soak -- --minutes 30`, with `TMPDIR` on a disk.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod client;
#[path = "../support/mod.rs"]
mod support;
mod vitals;

use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use holdfast::load::Stop;
use rustix::process::Signal;

use client::Client;
use support::{Server, holdfast_command};
use vitals::{Diary, Vitals};

#[derive(Debug, Parser)]
struct Arguments {
    /// For how long
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How many clients there are
    #[arg(long, default_value_t = 6)]
    clients: u64,
    /// How long the registry lives from start to end, in seconds: it is killed and stopped in turn
    #[arg(long, default_value_t = 45)]
    life: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long a client may rely on what it was told, in seconds.
const LEASE: u64 = 10;
/// The bound of the log, in bytes.
const LOG_SIZE: u64 = 256 << 20;
/// How often it is looked how the registry is.
const LOOK: Duration = Duration::from_secs(5);

fn main() {
    let arguments = Arguments::parse();
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let server = Mutex::new(Server::start_command(&command(), &|_, _| Ok(())).unwrap());
    let target = server.lock().unwrap().target.clone();
    let stop = Stop::default();
    let mut diary = Diary::default();
    let clients: Vec<Client> = thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|number| {
                let mut client = Client::new(&target, number);
                let stop = &stop;
                scope.spawn(move || {
                    client.live(stop);
                    client
                })
            })
            .collect();
        look_after(&server, &arguments, end, &mut diary);
        stop.set();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let server = server.into_inner().unwrap();
    let wrong = conclude(server, clients, &diary);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// holdfast, which collects and scrubs all the time.
fn command() -> String {
    let settings = [
        ("GC_INTERVAL", "2s".to_owned()),
        ("GC_GRACE", "0s".to_owned()),
        ("GC_LEASE", format!("{LEASE}s")),
        ("GC_DELETEUNTAGGED", "true".to_owned()),
        ("LOG_SIZE", LOG_SIZE.to_string()),
        // What a kill has left of an upload holds what is in its repository.
        ("MAINTENANCE_UPLOADPURGING_AGE", format!("{LEASE}s")),
        ("MAINTENANCE_UPLOADPURGING_INTERVAL", "2s".to_owned()),
        ("SCRUB_INTERVAL", "10s".to_owned()),
        ("SCRUB_RATE", "50MiB".to_owned()),
    ];
    let settings: String =
        settings.iter().map(|(name, value)| format!("REGISTRY_STORAGE_{name}={value} ")).collect();
    format!("env {settings}{}", holdfast_command())
}

/// Ends the registry now and then, by force and in good order in turn, and writes down how it is.
fn look_after(server: &Mutex<Server>, arguments: &Arguments, end: Instant, diary: &mut Diary) {
    let mut next_end = Instant::now() + Duration::from_secs(arguments.life);
    let mut signals = [Signal::KILL, Signal::TERM].into_iter().cycle();
    while Instant::now() < end {
        thread::sleep(LOOK);
        let mut server = server.lock().unwrap();
        diary.note(Vitals::of(&server));
        if Instant::now() >= next_end {
            server.restart_after(signals.next().unwrap()).unwrap();
            diary.lives += 1;
            next_end += Duration::from_secs(arguments.life);
        }
    }
}

/// Looks at everything once more, in the running registry and in the stopped one. Gives what is wrong.
fn conclude(server: Server, clients: Vec<Client>, diary: &Diary) -> Vec<String> {
    let mut wrong = diary.growth();
    let (mut pushes, mut pulls, mut late, mut tags) = (0, 0, 0, 0);
    for mut client in clients {
        client.pull_everything();
        (pushes, pulls, late) = (pushes + client.pushes, pulls + client.pulls, late + client.late);
        tags += client.tags();
        wrong.append(&mut client.wrong);
    }
    let (lives, root) = (diary.lives + 1, server.root());
    println!("{lives} lives, {pushes} pushes ({late} later than their lease), {pulls} pulls, {tags} tags");
    let folder = server.folder();
    drop(server);
    for tool in [&["gc", "--grace", "0s", "--delete-untagged"][..], &["check", "--payloads"]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_holdfast")).args(tool).arg("--root").arg(&root).output();
        let output = output.unwrap();
        println!("holdfast {}: {}", tool.join(" "), last_line(&output.stdout));
        if !output.status.success() {
            wrong.push(format!("{tool:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    println!("{}", Vitals::at_rest(&root));
    drop(folder);
    wrong
}

fn last_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().last().unwrap_or_default().to_owned()
}
