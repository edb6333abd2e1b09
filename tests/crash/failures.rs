//! One small story, told again and again with another call failing each time.

use std::sync::Arc;

use holdfast::registry::Registry;
use holdfast::store::PayloadId;
use holdfast::store::simulated::{Call, Failure, Simulated};

use crate::model::Session;
use crate::operation::Operation;
use crate::story::{Story, runtime};

/// Fails each call of each kind in turn, in each way that it can fail; after that the process is killed or the power is
/// cut. Returns the stories that end badly.
pub(crate) fn everywhere() -> Vec<String> {
    let before = prepared();
    let mut bad = Vec::new();
    for kind in Call::ALL {
        for failure in [Failure::Device, Failure::Full, Failure::FullForGood] {
            if failure == Failure::Device || takes_room(kind) {
                bad.extend(each_call(&before, kind, failure));
            }
        }
    }
    bad
}

/// Until there are not so many calls any more.
fn each_call(before: &Story, kind: Call, failure: Failure) -> Vec<String> {
    let mut bad = Vec::new();
    let mut calls = 0;
    loop {
        let mut has_failed = false;
        for seed in 0..seeds(kind) {
            match with_failure(before.fork(seed), kind, calls, failure, seed) {
                Ok(failed) => has_failed |= failed,
                Err(story) => bad.push(format!("{failure:?} at {kind:?} {calls}, seed {seed}: {story}")),
            }
        }
        if !has_failed {
            return bad;
        }
        calls += step(kind, calls);
    }
}

fn takes_room(kind: Call) -> bool {
    matches!(kind, Call::Create | Call::CreateFolder | Call::Rename | Call::SetLength | Call::Write)
}

/// How often each call fails, which matters where the failure leaves something to chance.
fn seeds(kind: Call) -> u64 {
    match kind {
        Call::Sync | Call::StartWriteback => 8,
        Call::Write | Call::List => 1,
        _ => 2,
    }
}

/// At each start the hundreds of folders are looked at, all in the same way: of those calls some will do.
fn step(kind: Call, calls: u64) -> u64 {
    if matches!(kind, Call::CreateFolder | Call::List) && calls > 5 { 250 } else { 1 }
}

/// A store that has lived already, and has a parked upload.
fn prepared() -> Story {
    let mut story = Story::new(Simulated::new(0));
    let runtime = runtime();
    let registry = story.open(&runtime).expect("a sound store").expect("nothing fails");
    let operations = [
        Operation::Push { repository: 0, blob: 0 },
        Operation::Push { repository: 0, blob: 3 },
        Operation::PutManifest { repository: 0, manifest: 0, tags: vec![0, 1] },
        Operation::Begin { repository: 1, blob: 4, length: 700 },
    ];
    let done = runtime.block_on(async {
        for operation in operations {
            story.execute(&registry, vec![operation]).await?;
        }
        story.park(&registry).await;
        Ok::<_, String>(())
    });
    done.expect("nothing fails");
    drop(registry);
    story.kill();
    story
}

/// Tells the story with one failing call. `false` if there are not so many calls.
fn with_failure(
    mut story: Story,
    kind: Call,
    calls: u64,
    failure: Failure,
    seed: u64,
) -> Result<bool, String> {
    story.machine.fail(kind, calls, failure);
    let runtime = runtime();
    let lived = story.open(&runtime).and_then(|registry| match &registry {
        Some(registry) => runtime.block_on(work(&mut story, registry)),
        None => Ok(()),
    });
    let has_failed = story.machine.has_failed();
    match (seed + calls) % 2 {
        0 => story.kill(),
        _ => story.cut(seed),
    }
    let came_back = lived.and_then(|()| come_back(&mut story, seed));
    came_back.map_err(|wrong| story.end_badly(wrong)).map(|()| has_failed)
}

/// Every kind of operation.
async fn work(story: &mut Story, registry: &Arc<Registry>) -> Result<(), String> {
    let repository = 0;
    let fixed = [
        Operation::Push { repository, blob: 1 },
        Operation::PushInChunks { repository, blob: 5, chunk: 3_000 },
        Operation::PutManifest { repository, manifest: 1, tags: vec![1, 2] },
        Operation::Mount { repository: 1, blob: 5, from: Some(0) },
        Operation::Push { repository: 1, blob: 1 },
        Operation::DeleteTag { repository, tag: 0 },
        Operation::DeleteManifest { repository, manifest: 0 },
        Operation::DeleteBlob { repository, blob: 0 },
        Operation::Push { repository, blob: 0 },
        Operation::Begin { repository: 2, blob: 6, length: 2_000 },
    ];
    for operation in fixed {
        story.execute(registry, vec![operation]).await?;
    }
    for (turn, (id, session)) in story.model.sessions.clone().into_iter().enumerate() {
        proceed(story, registry, id, session, turn == 0).await?;
    }
    story.park(registry).await;
    Ok(())
}

/// Continues a session over a broken connection, and may finish it.
async fn proceed(
    story: &mut Story,
    registry: &Arc<Registry>,
    id: PayloadId,
    session: Session,
    finishes: bool,
) -> Result<(), String> {
    let going_on = Operation::Continue { id, session, length: 300, breaks: true };
    story.execute(registry, vec![going_on]).await?;
    match story.model.sessions.get(&id).cloned() {
        Some(session) if finishes => story.execute(registry, vec![Operation::Finish { id, session }]).await,
        _ => Ok(()),
    }
}

/// Two more lives, in which nothing fails, with a cut between them.
fn come_back(story: &mut Story, seed: u64) -> Result<(), String> {
    for _ in 0..2 {
        story.tell("it comes back");
        let runtime = runtime();
        let Some(registry) = story.open(&runtime)? else {
            return Err("nothing fails any more".to_owned());
        };
        let after = vec![Operation::Push { repository: 2, blob: 2 }];
        runtime.block_on(story.execute(&registry, after))?;
        story.cut(seed);
    }
    Ok(())
}
