//! A process that is killed under load.

use crate::client::Client;
use crate::inspection::{expect_shared_blobs, inspect, push_shared_blobs};
use crate::load::{Load, clients};
use crate::random::Random;
use crate::support::{Builder, Holdfast};

const ROUNDS: usize = 6;

/// Small enough for files, segments, marks and settling to come by all the time.
pub(crate) const RESTLESS: &str = "
storage:
  log: {segmentsize: 1MiB, size: 16MiB, maxpayload: 16KiB}
  uploads: {markinterval: 128KiB}
";

#[test]
fn whatever_was_acknowledged_is_there_after_kill_9_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Builder::default().configuration(RESTLESS).start_in(folder.path());
    push_shared_blobs(&registry);
    let (mut clients, mut random) = (clients(), Random::of_now());
    for round in 0..ROUNDS {
        clients = kill_under_load(&mut registry, clients, &mut random);
        // Checking comes back by itself, and leaves less for the start to do.
        if round % 2 == 1 {
            registry.check_payloads();
        }
        registry.start_again();
        clients.iter_mut().for_each(|client| inspect(&registry, client));
        expect_shared_blobs(&registry);
    }
    registry.kill();
    registry.check_payloads();
}

pub(crate) fn kill_under_load(
    registry: &mut Holdfast,
    clients: Vec<Client>,
    random: &mut Random,
) -> Vec<Client> {
    let load = Load::begin(registry, clients);
    load.goes_on(random, 50, 800);
    registry.kill();
    load.end()
}
