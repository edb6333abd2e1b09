//! The lives of one store, as a seed has them.

use std::sync::Arc;

use holdfast::registry::Registry;
use holdfast::store::Rule;
use holdfast::store::simulated::{Call, Failure, Random, Simulated};

use crate::goods::GOODS;
use crate::operation::Operation;
use crate::story::{Story, runtime};

/// Lives the lives of a seed. An error tells the whole story. A rule may be left out.
pub(crate) fn live(seed: u64, rule: Option<Rule>) -> Result<(), String> {
    let mut random = Random::new(seed);
    let machine = Simulated::new(random.number());
    machine.leave_out(rule);
    let mut story = Story::new(machine);
    story.compares = true;
    let lives = 4 + random.below(4);
    let lived = (0..lives).try_for_each(|life| live_once(&mut story, &mut random, life));
    let lived = lived.and_then(|()| {
        story.tell("for good");
        story.open(&runtime()).map(drop)
    });
    lived.map_err(|wrong| format!("seed {seed}: {}", story.end_badly(wrong)))
}

/// One life, from the opening of the store to its end by force.
fn live_once(story: &mut Story, random: &mut Random, life: usize) -> Result<(), String> {
    story.tell(format!("life {life}"));
    if random.chance(30) {
        // Creating the store takes many more calls than opening it.
        let calls = if life == 0 { 900 } else { 60 };
        story.machine.stop_after(random.below(calls));
    }
    if random.chance(25) {
        fail(story, random);
    }
    let runtime = runtime();
    let registry = story.open(&runtime)?;
    if let Some(registry) = &registry {
        runtime.block_on(work(story, random, registry))?;
        if !story.machine.has_stopped() && random.chance(30) {
            runtime.block_on(story.park(registry));
        }
    }
    match random.chance(50) {
        true => story.kill(),
        false => story.cut(random.number()),
    }
    Ok(())
}

/// Lets some call fail, mostly one by which something is lost.
fn fail(story: &Story, random: &mut Random) {
    let kind = match random.chance(50) {
        true => Call::Sync,
        false => Call::ALL[random.below(Call::ALL.len())],
    };
    let failure = [Failure::Device, Failure::Full, Failure::FullForGood][random.below(3)];
    story.machine.fail(kind, random.below(60) as u64, failure);
}

async fn work(story: &mut Story, random: &mut Random, registry: &Arc<Registry>) -> Result<(), String> {
    if random.chance(80) {
        story.machine.stop_after(random.below(300));
    }
    for _ in 0..random.below(25) {
        if story.machine.has_stopped() {
            break;
        }
        if random.chance(8) {
            story.collect(registry).await?;
            continue;
        }
        let operations = choose(story, random);
        story.execute(registry, operations).await?;
    }
    Ok(())
}

/// One operation, or several at once: then in different repositories, but for two clients that do the same.
fn choose(story: &Story, random: &mut Random) -> Vec<Operation> {
    let mut repositories: Vec<_> = (0..GOODS.repositories.len()).collect();
    let wanted = if random.chance(30) { 2 + random.below(2) } else { 1 };
    while repositories.len() > wanted {
        repositories.remove(random.below(repositories.len()));
    }
    let choose = |repository| Operation::choose(&story.model, random, repository);
    let mut operations: Vec<_> = repositories.into_iter().map(choose).collect();
    if operations.len() > 1 {
        // What is mounted might be deleted at the same time.
        operations.retain(|operation| !matches!(operation, Operation::Mount { .. }));
    }
    if let Some(Operation::Push { repository, blob }) = operations.first().cloned()
        && random.chance(25)
    {
        operations.push(Operation::Push { repository, blob });
    }
    operations
}
