//! Pushes over loopback to a holdfast of their own: POST, PATCH, PUT, every byte new and durable when it is answered. An
//! iteration is one push on every connection.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod support;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use holdfast::load::{Stem, push_blob, push_image};
use support::{Server, rounds};

const CONNECTIONS: [usize; 2] = [1, 8];

fn blobs(criterion: &mut Criterion) {
    for (name, size) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
        // One for each size, so that the largest do not fill the disk for long.
        let (server, stem) = (Server::start(), Stem::new(size));
        let mut group = criterion.benchmark_group(format!("push/{name}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
        group.warm_up_time(Duration::from_millis(300));
        for connections in CONNECTIONS {
            group.throughput(Throughput::Bytes((size * connections) as u64));
            group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
                bencher.iter_custom(|iterations| {
                    rounds(&server.target, connections, iterations, &|connection, _| {
                        push_blob(connection, "bench/push", &stem.payload())
                    })
                });
            });
        }
    }
}

/// Four layers of 64 KiB, a configuration, and the manifest under a tag, with a HEAD before each blob.
fn images(criterion: &mut Criterion) {
    let (server, layer, config) = (Server::start(), Stem::new(64 << 10), Stem::new(2_000));
    let mut group = criterion.benchmark_group("push/image");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(3));
    for connections in CONNECTIONS {
        group.throughput(Throughput::Elements(connections as u64));
        group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
            bencher.iter_custom(|iterations| {
                rounds(&server.target, connections, iterations, &|connection, number| {
                    let (config, layers) = (config.payload(), [(); 4].map(|()| layer.payload()));
                    let tag = format!("t{number}");
                    push_image(connection, "bench/images", tag, &config, &[], &layers).map(|(_, bytes)| bytes)
                })
            });
        });
    }
}

criterion_group!(benches, blobs, images);
criterion_main!(benches);
