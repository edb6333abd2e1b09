//! `holdfast events tail` and `holdfast top`: looking on at a running server.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use crate::run::{holdfast, run_at};
use crate::support::{Holdfast, Terminal};

/// A command that looks on.
struct Onlooker {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Onlooker {
    fn start(root: &Path, arguments: &[&str]) -> Self {
        let mut command = holdfast();
        command.args(arguments).arg("--root").arg(root);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Waits until it has said on standard error that it looks on, where no endpoint is told of events.
    fn wait_until_it_looks_on(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        line
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn event(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Interrupts it; what it had to say besides.
    fn interrupt(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        rest
    }
}

const TAIL: [&str; 2] = ["events", "tail"];

/// A registry that tells an endpoint which is not there.
fn telling() -> Holdfast {
    Holdfast::configured("notifications: {endpoints: [{name: nobody, url: 'http://127.0.0.1:9/'}]}\n")
}

#[test]
fn what_happens_is_seen_while_somebody_looks_on_although_nobody_is_told_otherwise() {
    let registry = Holdfast::start();
    registry.push_image("team/before", "v1", 1);
    let mut tail = Onlooker::start(&registry.root(), &TAIL);
    let said = tail.wait_until_it_looks_on();
    assert!(said.contains("what happened before is not known"), "{said}");
    let image = registry.push_image("team/app", "v1", 2);
    registry.get("/v2/team/app/manifests/v1").expect(200);
    registry.delete("/v2/team/app/manifests/v1").expect(202);
    assert_eq!(tail.line().split_whitespace().collect::<Vec<_>>(), ["TIME", "WHO", "ACTION", "WHAT"]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let line = tail.line();
        let [_, _, who, action, what] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(who, "127.0.0.1");
        seen.push(format!("{action} {what}"));
    }
    seen[..2].sort();
    let mut wanted = [
        format!("push team/app@{}", image.config),
        format!("push team/app@{}", image.layer),
        "push team/app:v1".to_owned(),
        "pull team/app:v1".to_owned(),
        "delete team/app:v1".to_owned(),
    ];
    wanted[..2].sort();
    assert_eq!(seen, wanted);
    assert_eq!(tail.interrupt(), "");
    // What nobody looked on at is not taken for the latest, once the server has noticed that nobody does.
    while run_at(&registry.root(), &["events", "tail", "--no-follow"]).expect() != "" {}
}

#[test]
fn it_begins_with_the_last_of_what_is_wanted_and_goes_on_where_it_was_left() {
    let registry = telling();
    for (name, seed) in [("team/app", 1), ("other", 2), ("team/web", 3)] {
        registry.push_image(name, "v1", seed);
    }
    registry.delete("/v2/team/app/manifests/v1").expect(202);
    let tail = |arguments: &[&str]| -> Vec<Value> {
        let said = run_at(&registry.root(), &[&TAIL, arguments, &["--no-follow", "--json"]].concat());
        said.expect().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = tail(&["-n", "100"]);
    assert_eq!(all.len(), 10);
    let keys: Vec<_> = all[9].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["action", "actor", "id", "request", "source", "target", "timestamp"]);
    assert_eq!(all[9]["target"], serde_json::json!({"repository": "team/app", "tag": "v1"}));
    assert!(all[9]["source"]["addr"].as_str().unwrap().ends_with(&registry.address.port().to_string()));
    assert_eq!(tail(&["-n", "3"]), all[7..]);
    assert_eq!(tail(&["--since", "1h"]), all);
    assert_eq!(tail(&["--since", "0s"]), [] as [Value; 0]);
    assert_eq!(tail(&["--from", all[6]["id"].as_str().unwrap()]), all[7..]);
    assert_eq!(tail(&["--repository", "team/*", "--action", "delete"]), all[9..]);
    assert_eq!(tail(&["--repository", "other", "-n", "1"]), all[5..6]);
    let unknown = run_at(&registry.root(), &["events", "tail", "--no-follow", "--from", "gone", "--json"]);
    assert!(unknown.complained.contains("is not remembered"), "{unknown:?}");
    assert_eq!(unknown.expect().lines().count(), all.len());
}

#[test]
fn what_an_endpoint_has_still_to_be_told_is_left_alone_by_who_looks_on() {
    let mut registry = telling();
    registry.push_image("team/app", "v1", 1);
    let mut tail = Onlooker::start(&registry.root(), &["events", "tail", "--json", "-n", "1"]);
    assert_eq!(tail.event()["target"]["tag"], "v1");
    registry.delete("/v2/team/app/manifests/v1").expect(202);
    assert_eq!(tail.event()["action"], "delete");
    registry.stop();
    let mut complained = String::new();
    tail.child.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
    assert_eq!(tail.child.wait().unwrap().code(), Some(1));
    assert!(complained.contains("broke off") || complained.contains("was stopped"), "{complained}");
    let alone = run_at(&registry.root(), &TAIL).expect_failure(1);
    assert!(alone.contains("no server is running"), "{alone}");
    registry.start_again();
}

#[test]
fn it_ends_well_when_nobody_reads_it_any_more() {
    let registry = Holdfast::start();
    let mut tail = Onlooker::start(&registry.root(), &["events", "tail", "--json"]);
    tail.wait_until_it_looks_on();
    drop(tail.said);
    while tail.child.try_wait().unwrap().is_none() {
        registry.push_blob("team/app", "something that happens");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(tail.child.wait().unwrap().code(), Some(0));
}

/// Asks for the base until it is told to stop.
fn keep_asking<T>(registry: &Holdfast, during: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                registry.get("/v2/").expect(200);
                registry.get("/v2/nothing/tags/list").expect(404);
            }
        });
        let outcome = during();
        is_over.store(true, Ordering::Relaxed);
        outcome
    })
}

#[test]
fn top_says_what_the_last_second_has_brought() {
    let registry = Holdfast::start();
    registry.push_image("team/app", "v1", 1);
    let said = keep_asking(&registry, || run_at(&registry.root(), &["top", "--once", "--json"]).expect());
    let view: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said.lines().count(), 1);
    let kind = |name: &str| {
        let kinds = view["requests"]["kinds"].as_array().unwrap();
        kinds.iter().find(|kind| kind["kind"] == name).unwrap_or_else(|| panic!("{name}: {view}")).clone()
    };
    let (base, tags) = (kind("GET base"), kind("GET tags"));
    assert!(base["rate"].as_f64().unwrap() > 1.0 && base["classes"][0] == base["rate"], "{base}");
    assert!(tags["classes"][2] == tags["rate"] && tags["classes"][0] == 0.0, "{tags}");
    assert!(base["p50"].as_f64().unwrap() <= base["p99"].as_f64().unwrap(), "{base}");
    assert!(view["sentBytes"].as_f64().unwrap() > 0.0);
    assert!(view["process"]["memoryBytes"].as_u64().unwrap() > 0);
    assert_eq!((&view["store"]["tags"], &view["store"]["blobs"]), (&1.into(), &2.into()));
    assert_eq!((&view["work"], &view["events"]["waiting"]), (&serde_json::json!([]), &0.into()));
}

#[test]
fn top_prints_one_view_where_there_is_no_terminal() {
    let mut registry = Holdfast::start();
    let said = run_at(&registry.root(), &["top"]).expect();
    for name in ["holdfast", "requests", "latency", "log", "settling", "store", "work", "process"] {
        assert!(said.lines().any(|line| line.starts_with(name)), "{name}: {said}");
    }
    assert!(!said.contains('\u{1b}'), "{said:?}");
    registry.stop();
    let alone = run_at(&registry.root(), &["top"]).expect_failure(1);
    assert!(alone.contains("no server is running"), "{alone}");
    registry.start_again();
}

#[test]
fn top_says_which_work_goes_on() {
    let registry = Holdfast::start();
    registry.push_blob("team/app", "x".repeat(1 << 20));
    let mut scrub = Onlooker::start(&registry.root(), &["scrub", "--rate", "256KiB"]);
    let view = || -> Value {
        serde_json::from_str(&run_at(&registry.root(), &["top", "--once", "--json"]).expect()).unwrap()
    };
    while view()["work"] != serde_json::json!(["scrub"]) {}
    scrub.child.kill().unwrap();
    scrub.child.wait().unwrap();
    while view()["work"] != serde_json::json!([]) {}
}

#[test]
fn top_draws_within_the_terminal_and_leaves_it_as_it_was() {
    let registry = Holdfast::start();
    let terminal = Terminal::open();
    let size = Winsize { ws_row: 8, ws_col: 30, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal.line, size).unwrap();
    let before = tcgetattr(&terminal.line).unwrap();
    let mut command = holdfast();
    command.args(["top", "--root"]).arg(registry.root()).env("NO_COLOR", "1");
    let line = || Stdio::from(terminal.line.try_clone().unwrap());
    let mut top = command.stdin(line()).stdout(line()).stderr(line()).spawn().unwrap();
    // Not a line: keys count at once.
    keep_asking(&registry, || std::thread::sleep(std::time::Duration::from_millis(2_500)));
    terminal.type_key('q');
    assert_eq!(top.wait().unwrap().code(), Some(0));
    drop(command);
    let after = tcgetattr(&terminal.line).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
    let text = terminal.into_text();
    let drawn = text.strip_prefix("\u{1b}[?1049h\u{1b}[?25l").unwrap_or_else(|| panic!("{text:?}"));
    let drawn = drawn.strip_suffix("\u{1b}[?25h\u{1b}[?1049l").unwrap_or_else(|| panic!("{text:?}"));
    let frames: Vec<_> = drawn.split("\u{1b}[H").skip(1).collect();
    assert!(frames.len() >= 2, "{text:?}");
    for frame in frames {
        let lines: Vec<_> = frame.trim_end_matches("\u{1b}[J").split('\n').collect();
        assert_eq!(lines.len(), 8, "{frame:?}");
        for line in lines {
            let line = line.trim_end_matches('\r').trim_end_matches("\u{1b}[K");
            assert!(line.chars().count() <= 30 && !line.contains('\u{1b}'), "{line:?}");
        }
    }
}

#[test]
fn how_far_work_is_stands_in_one_line_of_a_terminal() {
    let registry = Holdfast::start();
    registry.push_blob("team/app", "x".repeat(2 << 20));
    let terminal = Terminal::open();
    tcsetwinsize(&terminal.line, Winsize { ws_row: 24, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut command = holdfast();
    command.args(["scrub", "--rate", "1MiB", "--root"]).arg(registry.root());
    let output = command.stderr(terminal.line.try_clone().unwrap()).output().unwrap();
    drop(command);
    assert!(output.status.success(), "{output:?}");
    let text = terminal.into_text();
    let lines: Vec<_> = text.split("\r\u{1b}[K").filter(|line| !line.is_empty()).collect();
    assert!(lines.iter().all(|line| line.starts_with('[') && line.chars().count() < 90), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("#") && line.contains("% read ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(" to go")), "{lines:?}");
    assert!(text.ends_with("\r\u{1b}[K"), "what is over is wiped out: {text:?}");
}
