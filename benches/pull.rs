//! Pulls over loopback from a holdfast of their own: whole blobs, and ranges of one. An iteration is one pull on every
//! connection.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod support;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use holdfast::load::{Connection, Failure, Request, Stem, pull, pull_verified, push_blob};
use support::{Server, rounds};

const CONNECTIONS: [usize; 2] = [1, 8];

/// A blob that is there: its path and its size.
struct Blob {
    path: String,
    size: u64,
}

impl Blob {
    fn push(server: &Server, size: usize) -> Self {
        let stem = Stem::new(size);
        let (payload, mut connection) = (stem.payload(), server.connect());
        push_blob(&mut connection, "bench/pull", &payload).unwrap();
        let path = payload.blob().path("bench/pull");
        let size = pull_verified(&mut connection, &path, payload.blob()).unwrap();
        Self { path, size }
    }

    /// A range of this many bytes, which lies elsewhere each time.
    fn pull_range(&self, connection: &mut Connection, number: u64, length: u64) -> Result<u64, Failure> {
        let first = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (self.size - length);
        let range = format!("bytes={first}-{}", first + length - 1);
        let request = Request::new("GET", &self.path).header("Range", &range);
        connection.ask(&request, 206).map(|response| response.length)
    }
}

fn measure(
    criterion: &mut Criterion,
    server: &Server,
    name: &str,
    size: u64,
    work: &(impl Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync),
) {
    let mut group = criterion.benchmark_group(format!("pull/{name}"));
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(500));
    for connections in CONNECTIONS {
        group.throughput(Throughput::Bytes(size * connections as u64));
        group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
            bencher.iter_custom(|iterations| rounds(&server.target, connections, iterations, work));
        });
    }
}

fn pulls(criterion: &mut Criterion) {
    let server = Server::start();
    for (name, size) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("256 MiB", 256 << 20)] {
        let blob = Blob::push(&server, size);
        measure(criterion, &server, name, blob.size, &|connection, _| {
            pull(connection, &blob.path, blob.size)
        });
    }
    let blob = Blob::push(&server, 256 << 20);
    for (name, length) in [("range of 4 KiB", 4 << 10), ("range of 1 MiB", 1 << 20)] {
        measure(criterion, &server, name, length, &|connection, number| {
            blob.pull_range(connection, number, length)
        });
    }
}

criterion_group!(benches, pulls);
criterion_main!(benches);
