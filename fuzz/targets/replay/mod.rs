//! Any sequence of changes, and any way in which the process ends: what the store comes back to is what was acknowledged,
//! table by table and row by row, or that and what was under way.
//!
//! A plain model decides what is to change and keeps what has; the store applies it live, settles and makes checkpoints
//! meanwhile, is killed or cut off, and replays its log.

mod goods;
mod life;
mod lines;
mod plain;
mod step;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Unstructured;
use holdfast::store::simulated::Simulated;
use holdfast::store::{Options, Store};

use life::Lives;

/// A machine with an empty store, so that not everybody has to create one.
static EMPTY: LazyLock<Simulated> = LazyLock::new(|| {
    let machine = Simulated::new(0);
    drop(open(&machine).unwrap());
    machine.kill();
    machine
});

pub fn replay(data: &[u8]) {
    let mut lives = Lives::new(EMPTY.copy(data.len() as u64));
    // Too few bytes are the end of the story.
    let _ = lives.live(&mut Unstructured::new(data));
    lives.come_back();
}

/// Everything small, so that a short life fills segments, settles payloads and makes checkpoints.
fn open(machine: &Simulated) -> Result<Store, holdfast::store::OpenError> {
    let options = Options {
        ballast: 8 << 10,
        checkpoint_interval: Duration::from_millis(2),
        log_payload: goods::LARGEST_LOGGED,
        log_segment: 16 << 10,
        archive_size: 1 << 10,
        log_size: 256 << 10,
        settle_interval: Duration::from_millis(1),
        ..Options::default()
    };
    Store::open_on(machine.disk(), Path::new("/"), &options)
}
