//! How costs grow: with the tags of a repository, the repositories, the blobs, and with the connections.
//!
//! What an operation costs must not depend on how much there is beside it. So each row starts a registry over an empty
//! folder, fills it, waits until it has nothing left to do, and asks four questions. Unlike the other table this one drops
//! no page cache: it is about the work, not about the disk.

mod content;
mod plots;
mod questions;
mod svg;
mod table;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::load::{Failure, Limit};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::measure::Turn;
use crate::support::{Server, Way, cpu_time};

use content::{Axis, Content};
use plots::Measured;
use questions::{QUESTIONS, Question};

/// For the rows that are about what there is.
const CONNECTIONS: usize = 4;

/// What a registry answered to the questions; none where there is no such thing to ask for.
type Answers = [Option<Turn>; QUESTIONS.len()];

/// Measures, prints and draws everything that is wanted. Whether all went well.
pub(crate) fn run(arguments: &Arguments) -> bool {
    table::print_head();
    let (connections, mut is_well) = measure_connections(arguments);
    let mut sizes = Sizes::default();
    for axis in Axis::ALL {
        is_well &= sizes.measure(axis, arguments);
    }
    if let Some(folder) = &arguments.plots
        && let Err(error) = plots::write(folder, &sizes.measured, &connections)
    {
        println!("failed: the plots cannot be written to {}: {error}", folder.display());
        is_well = false;
    }
    is_well
}

/// What has been measured of a registry that holds more and more.
#[derive(Default)]
struct Sizes {
    measured: Vec<Measured>,
    /// They are removed when all is over: where very many files were just removed others are made slowly.
    folders: Vec<Arc<TempDir>>,
}

impl Sizes {
    /// Ten times as much in each row; what cannot be filled in time is skipped, and with it what is larger. Whether all
    /// went well.
    fn measure(&mut self, axis: Axis, arguments: &Arguments) -> bool {
        let holdfast = Contestant::holdfast();
        let largest = if arguments.has_million { 6 } else { 5 };
        let counts = (0..=largest).map(|power| 10u64.pow(power));
        for count in counts.filter(|count| arguments.wants(&axis.row(*count))) {
            let outcome = self.ask_filled(&holdfast, axis, count, arguments);
            let more = if matches!(outcome, Ok(None)) { " and more" } else { "" };
            table::print_row(&format!("{}{more}", axis.row(count)), CONNECTIONS, &holdfast.name, &outcome);
            match outcome {
                Ok(Some(answers)) => {
                    self.measured.push(Measured { line: axis.name().to_owned(), x: count, answers });
                }
                other => return other.is_ok(),
            }
        }
        true
    }

    fn ask_filled(
        &mut self,
        contestant: &Contestant,
        axis: Axis,
        count: u64,
        arguments: &Arguments,
    ) -> Result<Option<Answers>, Failure> {
        let filled = Filled::start(contestant, axis, count, arguments.fill)?;
        self.folders.push(filled.server.folder());
        filled.ask_all(CONNECTIONS, arguments.turn)
    }
}

/// The same content under ever more connections, everybody in turn. What was measured, and whether all went well.
fn measure_connections(arguments: &Arguments) -> (Vec<Measured>, bool) {
    const FEW: u64 = 1_000;
    let (mut measured, mut is_well) = (Vec::new(), true);
    if !arguments.wants("connections") {
        return (measured, is_well);
    }
    let contestants = [Some(Contestant::holdfast()), Contestant::distribution()].into_iter().flatten();
    let start = |contestant: Contestant| {
        let filled = Filled::start(&contestant, Axis::Tags, FEW, arguments.fill)?;
        Ok::<_, Failure>((contestant.name, filled))
    };
    let running = match contestants.map(start).collect::<Result<Vec<_>, _>>() {
        Ok(running) => running,
        Err(failure) => {
            println!("failed: {failure}");
            return (measured, false);
        }
    };
    for connections in (0..=8).map(|power| 1 << power) {
        for (name, filled) in &running {
            let outcome = filled.ask_all(connections, arguments.turn);
            table::print_row(&Axis::Tags.row(FEW), connections, name, &outcome);
            is_well &= outcome.is_ok();
            if let Ok(Some(answers)) = outcome {
                measured.push(Measured { line: name.clone(), x: connections as u64, answers });
            }
        }
    }
    (measured, is_well)
}

/// A registry with something in it.
struct Filled {
    server: Server,
    /// None if it would have taken too long to put in.
    content: Option<Content>,
}

impl Filled {
    fn start(contestant: &Contestant, axis: Axis, count: u64, time: Duration) -> Result<Self, Failure> {
        let server = contestant.start(Way::Plain)?;
        let content = Content::fill(&server.target, axis, count, time)?;
        Ok(Self { server, content })
    }

    /// None if there is nothing to ask for.
    fn ask_all(&self, connections: usize, time: Duration) -> Result<Option<Answers>, Failure> {
        let Some(content) = &self.content else {
            return Ok(None);
        };
        let mut answers = Answers::default();
        for (question, answer) in QUESTIONS.iter().zip(&mut answers) {
            *answer = ask(&self.server, content, question, connections, time)?;
        }
        Ok(Some(answers))
    }
}

fn ask(
    server: &Server,
    content: &Content,
    question: &Question,
    connections: usize,
    time: Duration,
) -> Result<Option<Turn>, Failure> {
    let Some(work) = (question.work)(content) else {
        return Ok(None);
    };
    wait_until_idle(server.pid())?;
    let warm_up = Limit { operations: 64.max(connections as u64), time };
    Turn::take(server, connections, warm_up, &*work)?;
    let turn = Turn::take(server, connections, Limit { operations: u64::MAX, time }, &*work)?;
    Ok(Some(turn))
}

/// Waits until the server has done what nobody waits for, such as moving payloads into files.
fn wait_until_idle(pid: u32) -> Result<(), Failure> {
    const LONGEST: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(300);
    rustix::fs::sync();
    let (began, mut before) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < LONGEST {
        let now = cpu_time(pid)?;
        if now.saturating_sub(before) <= Duration::from_millis(10) {
            break;
        }
        before = now;
        thread::sleep(PAUSE);
    }
    Ok(())
}
