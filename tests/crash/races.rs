//! Races, decided by the test: one thread is held at a call of the disk while others do what must not surprise it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::registry::Registry;
use holdfast::store::simulated::{Call, Held, Simulated};
use holdfast::store::{Rule, Transfer};
use tokio::runtime::Runtime;

use crate::goods::GOODS;
use crate::inspection::inspect;
use crate::operation::Operation;
use crate::story::{Story, runtime};

/// How long something may take that is sure to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The blob that everything is about. It is small enough for the log.
const BLOB: usize = 4;
const REPOSITORY: usize = 0;

const PUSH: Operation = Operation::Push { repository: REPOSITORY, blob: BLOB };
const DELETE: Operation = Operation::DeleteBlob { repository: REPOSITORY, blob: BLOB };
/// Another repository comes to hold the payload, and may be its last holder.
const PUSH_ELSEWHERE: Operation = Operation::Push { repository: 1, blob: BLOB };

/// What happens to a payload while it is moved out of the log, or while its file is unlinked.
const MEANWHILE: [&[Operation]; 8] = [
    &[],
    &[DELETE],
    &[DELETE, PUSH],
    &[DELETE, PUSH, DELETE],
    &[DELETE, PUSH, DELETE, PUSH],
    &[PUSH, PUSH_ELSEWHERE],
    &[PUSH_ELSEWHERE, DELETE],
    &[DELETE, PUSH_ELSEWHERE, PUSH],
];

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    KilledWhileHeld,
    CutWhileHeld,
    /// It is let go, and cut at once.
    CutAfterwards,
    /// It is let go, and everything comes to rest before a cut.
    AtRest,
}

const ENDS: [End; 4] = [End::KilledWhileHeld, End::CutWhileHeld, End::CutAfterwards, End::AtRest];

/// A call of the store's background work, what happens while it is held, and how that ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Race {
    held: Call,
    /// Whether the payload lies in a file before, which is unlinked. Otherwise it lies in the log, and gets one.
    is_settled: bool,
    meanwhile: &'static [Operation],
    end: End,
    seed: u64,
}

/// Every order of deleting a blob, pushing it again, and settling it, or unlinking its file.
pub(crate) fn with_background_work() -> impl Iterator<Item = Race> + Send {
    let settling = [Call::Create, Call::Write, Call::Sync, Call::SyncFolder, Call::SyncAll];
    let settling = settling.map(|held| (held, false));
    let calls = settling.into_iter().chain([(Call::Unlink, true)]);
    let races = calls.flat_map(|call| MEANWHILE.into_iter().map(move |meanwhile| (call, meanwhile)));
    let races = races.flat_map(|race| ENDS.into_iter().map(move |end| (race, end)));
    (0..).zip(races).map(|(seed, (((held, is_settled), meanwhile), end))| Race {
        held,
        is_settled,
        meanwhile,
        end,
        seed,
    })
}

impl Race {
    pub(crate) fn run(self) -> Result<(), String> {
        let machine = Simulated::new(self.seed);
        machine.set_barrier(self.held == Call::SyncAll);
        let mut story = Story::new(machine);
        self.run_in(&mut story).map_err(|wrong| format!("{self:?}: {}", story.end_badly(wrong)))
    }

    fn run_in(self, story: &mut Story) -> Result<(), String> {
        let runtime = runtime();
        let registry = story.open(&runtime)?.ok_or("nothing fails")?;
        let (machine, held) = (story.machine.clone(), self.held);
        let hold = move || {
            machine.hold(move |call, path, _| call == held && (call == Call::SyncAll || is_of_payload(path)))
        };
        let mut hold_now = (!self.is_settled).then(&hold);
        let execute = |story: &mut Story, operation: &Operation| {
            runtime.block_on(story.execute(&registry, vec![operation.clone()]))
        };
        execute(story, &PUSH)?;
        if self.is_settled {
            wait_until(|| payload_files(&story.machine) == 1)?;
            come_to_rest();
            hold_now = Some(hold());
            execute(story, &DELETE)?;
        }
        let held = hold_now.filter(|held| held.is_reached_within(PATIENCE)).ok_or("the call never came")?;
        for operation in self.meanwhile {
            execute(story, operation)?;
        }
        self.end(story, held, &runtime, &registry)?;
        drop(registry);
        story.tell("it comes back");
        let registry = story.open(&runtime)?.ok_or("nothing fails")?;
        expect_tidiness(story, &registry, &runtime)
    }

    fn end(
        self,
        story: &mut Story,
        held: Held,
        runtime: &Runtime,
        registry: &Arc<Registry>,
    ) -> Result<(), String> {
        match self.end {
            End::KilledWhileHeld => story.kill(),
            End::CutWhileHeld => story.cut(self.seed),
            End::CutAfterwards => {
                held.let_go();
                story.cut(self.seed);
                return Ok(());
            }
            End::AtRest => {
                held.let_go();
                expect_tidiness(story, registry, runtime)?;
                story.cut(self.seed);
                return Ok(());
            }
        }
        held.let_go();
        Ok(())
    }
}

/// Everything is there, and before long nothing is that should not be: of the payload there is one file if a repository
/// holds it, and else none.
fn expect_tidiness(story: &mut Story, registry: &Arc<Registry>, runtime: &Runtime) -> Result<(), String> {
    runtime.block_on(inspect(registry, &mut story.model))?;
    let is_held = (0..GOODS.repositories.len()).any(|repository| story.model.holds_blob(repository, BLOB));
    wait_until(|| payload_files(&story.machine) == usize::from(is_held))
        .map_err(|_| format!("the payload has {} files", payload_files(&story.machine)))?;
    runtime.block_on(inspect(registry, &mut story.model))
}

fn is_of_payload(path: &Path) -> bool {
    let hex = GOODS.blobs[BLOB].digest.hex();
    path.starts_with("/blobs/sha256") && path.ends_with(&hex[..2]) || path.to_string_lossy().contains(&hex)
}

/// How many files of the payload there are.
fn payload_files(machine: &Simulated) -> usize {
    let hex = GOODS.blobs[BLOB].digest.hex();
    let folder = Path::new("/blobs/sha256").join(&hex[..2]);
    let names = machine.disk().list(&folder).unwrap_or_default();
    names.iter().filter(|name| name.to_string_lossy().starts_with(&hex)).count()
}

pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > deadline {
            return Err("it never came".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Time for what follows a settled payload: the change, a checkpoint, the end of its segment.
pub(crate) fn come_to_rest() {
    std::thread::sleep(Duration::from_millis(30));
}

/// A payload is copied out of the log, but goes and comes back in a file before that is said: one of the two files is one
/// too many.
pub(crate) fn settling_an_older_place(rule: Option<Rule>) -> Result<(), String> {
    let mut story = Story::new(Simulated::new(0));
    story.machine.leave_out(rule);
    let runtime = runtime();
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    // What nothing names must not be swept out before it is seen.
    come_to_the_end_of_sweeping(&story.machine)?;
    let settling = story.machine.hold(|call, path, _| call == Call::Create && is_of_payload(path));
    runtime.block_on(async {
        story.execute(&registry, vec![PUSH]).await?;
        if !settling.is_reached_within(PATIENCE) {
            return Err("it is never settled".to_owned());
        }
        story.execute(&registry, vec![DELETE]).await?;
        push_into_a_file(&mut story, &registry).await
    })?;
    settling.let_go();
    come_to_rest();
    expect_tidiness(&mut story, &registry, &runtime)
}

/// What was parked lies in a file, however small it is.
async fn push_into_a_file(story: &mut Story, registry: &Arc<Registry>) -> Result<(), String> {
    let begin = Operation::Begin { repository: REPOSITORY, blob: BLOB, length: 1 };
    story.execute(registry, vec![begin]).await?;
    let session =
        |story: &Story| story.model.sessions.iter().next().map(|(id, session)| (*id, session.clone()));
    let (id, begun) = session(story).ok_or("it has begun")?;
    let broken = Operation::Continue { id, session: begun, length: 1, breaks: true };
    story.execute(registry, vec![broken]).await?;
    let (id, session) = session(story).ok_or("it goes on")?;
    story.execute(registry, vec![Operation::Finish { id, session }]).await
}

/// An upload's file has its final name, and nothing names it yet, when its folder is swept.
pub(crate) fn sweeping_past_an_upload(rule: Option<Rule>) -> Result<(), String> {
    let large = GOODS.blobs.len() - 1;
    let folder = Path::new("/blobs/sha256").join(&GOODS.blobs[large].digest.hex()[..2]);
    let mut story = Story::new(Simulated::new(0));
    story.machine.leave_out(rule);
    let runtime = runtime();
    let naming = story.machine.hold({
        let folder = folder.clone();
        move |call, path, _| call == Call::SyncFolder && path == folder
    });
    let sweeping = story
        .machine
        .hold(move |call, path, thread| call == Call::List && path == folder && thread == "background");
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    runtime.block_on(async {
        let machine = story.machine.clone();
        let push = story.execute(&registry, vec![Operation::Push { repository: REPOSITORY, blob: large }]);
        let sweep = tokio::task::spawn_blocking(move || {
            let is_named = naming.is_reached_within(PATIENCE) && sweeping.is_reached_within(PATIENCE);
            sweeping.let_go();
            let swept = come_to_the_end_of_sweeping(&machine);
            naming.let_go();
            if is_named { swept } else { Err("the two never met".to_owned()) }
        });
        let (pushed, swept) = tokio::join!(push, sweep);
        pushed.and(swept.map_err(|error| error.to_string())?)
    })?;
    runtime.block_on(inspect(&registry, &mut story.model))
}

/// Every folder is swept once after a start.
fn come_to_the_end_of_sweeping(machine: &Simulated) -> Result<(), String> {
    let mut listed = 0;
    wait_until(|| {
        std::thread::sleep(Duration::from_millis(100));
        let before = std::mem::replace(&mut listed, machine.calls(Call::List));
        listed == before
    })
}

/// A reader that has looked a place up and is held before it opens it, while the payload goes, comes back and moves on. What
/// it reads in the end is the payload.
pub(crate) fn with_a_reader(held: Call, is_settled: bool) -> Result<(), String> {
    const READER: &str = "reader";
    let mut story = Story::new(Simulated::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().thread_name(READER).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    // It is held until the reader is where it should be.
    let settling = story.machine.hold(|call, path, _| call == Call::Create && is_of_payload(path));
    runtime.block_on(story.execute(&registry, vec![PUSH]))?;
    let mut settling = Some(settling);
    if is_settled {
        drop(settling.take());
        wait_until(|| payload_files(&story.machine) == 1)?;
        come_to_rest();
    }
    let reader = story.machine.hold(move |call, _, thread| call == held && thread == READER);
    runtime.block_on(async {
        let pull = tokio::spawn(pull(Arc::clone(&registry)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !reader.is_reached_within(PATIENCE) {
            return Err("the reader never came".to_owned());
        }
        story.execute(&registry, vec![DELETE]).await?;
        drop(settling.take());
        // The file goes, or the segment with the payload does.
        wait_until(|| payload_files(&story.machine) == 0)?;
        story.execute(&registry, vec![PUSH]).await?;
        wait_until(|| payload_files(&story.machine) == 1)?;
        come_to_rest();
        reader.let_go();
        pull.await.map_err(|error| error.to_string())?
    })
}

/// A reader is held before it reads a payload in the log, while that is settled, its segment spent, and a dozen segments are
/// filled after it. What it reads in the end is the payload.
pub(crate) fn with_a_reader_of_a_spent_segment(rule: Option<Rule>) -> Result<(), String> {
    const READER: &str = "reader";
    let mut story = Story::new(Simulated::new(0));
    story.machine.leave_out(rule);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().thread_name(READER).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    let settling = story.machine.hold(|call, path, _| call == Call::Create && is_of_payload(path));
    let reader = story.machine.hold(move |call, _, thread| call == Call::Read && thread == READER);
    runtime.block_on(async {
        story.execute(&registry, vec![PUSH]).await?;
        let pull = tokio::spawn(pull(Arc::clone(&registry)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !reader.is_reached_within(PATIENCE) {
            return Err("the reader never came".to_owned());
        }
        settling.let_go();
        wait_until(|| payload_files(&story.machine) == 1)?;
        let other = (BLOB + 1) % GOODS.blobs.len();
        for _ in 0..60 {
            story.execute(&registry, vec![Operation::Push { repository: REPOSITORY, blob: other }]).await?;
            story
                .execute(&registry, vec![Operation::DeleteBlob { repository: REPOSITORY, blob: other }])
                .await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        reader.let_go();
        pull.await.map_err(|error| error.to_string())?
    })
}

async fn pull(registry: Arc<Registry>) -> Result<(), String> {
    let blob = &GOODS.blobs[BLOB];
    let payload = registry.open_blob(&GOODS.repositories[REPOSITORY], &blob.digest).await;
    let payload = payload.map_err(|error| format!("it cannot be opened: {error:?}"))?;
    match payload.read(0..payload.size(), Transfer::Copied) {
        Ok(bytes) if bytes == blob.bytes => Ok(()),
        other => Err(format!("it reads {other:?}")),
    }
}
