//! One small story for those that tell it again and again, with another call going wrong each time.

use std::sync::{Arc, LazyLock};

use holdfast::registry::Registry;
use holdfast::store::PayloadId;
use holdfast::store::simulated::Simulated;

use crate::model::Session;
use crate::operation::Operation;
use crate::story::{Story, runtime};

/// Up to where nothing goes wrong.
pub(crate) static PREPARED: LazyLock<Story> = LazyLock::new(prepared);

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

/// The life in which something may go wrong.
pub(crate) fn live_through(story: &mut Story) -> Result<(), String> {
    let runtime = runtime();
    match &story.open(&runtime)? {
        Some(registry) => runtime.block_on(work(story, registry)),
        None => Ok(()),
    }
}

/// One life with every kind of operation.
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
pub(crate) fn come_back(story: &mut Story, seed: u64) -> Result<(), String> {
    for _ in 0..2 {
        story.tell("it comes back");
        let runtime = runtime();
        let Some(registry) = story.open(&runtime)? else {
            return Err("nothing fails any more".to_owned());
        };
        // Of each algorithm one.
        let after = [2, 6, 7].map(|blob| Operation::Push { repository: 2, blob });
        runtime.block_on(story.execute(&registry, after.into()))?;
        story.cut(seed);
    }
    Ok(())
}
