//! The digest path: what each algorithm takes in pieces of several sizes, against the bare hash of the same bytes in one
//! piece and against a mere copy; then the whole way of an upload beneath HTTP, hashed, written and synced.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

#[path = "support/in_process.rs"]
mod in_process;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use holdfast::oci::Algorithm;
use holdfast::store::Hasher;
use sha2::Digest as _;

use in_process::InProcess;

const SIZE: usize = 8 << 20;
const PIECES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];

fn content() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn hashing(criterion: &mut Criterion) {
    let bytes = content();
    let mut group = criterion.benchmark_group("digest");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(10).measurement_time(Duration::from_secs(1));
    let mut target = vec![0; SIZE];
    group.bench_function("memcpy", |bencher| bencher.iter(|| target.copy_from_slice(black_box(&bytes))));
    group.bench_function("bare/sha256", |bencher| bencher.iter(|| sha2::Sha256::digest(&bytes)));
    group.bench_function("bare/sha512", |bencher| bencher.iter(|| sha2::Sha512::digest(&bytes)));
    group.bench_function("bare/blake3", |bencher| bencher.iter(|| blake3::hash(&bytes)));
    for algorithm in Algorithm::ALL {
        for piece in PIECES {
            group.bench_function(BenchmarkId::new(algorithm.as_str(), piece), |bencher| {
                bencher.iter(|| {
                    let mut hasher = Hasher::new(algorithm);
                    bytes.chunks(piece).for_each(|piece| hasher.update(piece));
                    hasher.finish()
                });
            });
        }
    }
}

/// Each payload is a new one; making it is not measured.
fn uploading(criterion: &mut Criterion) {
    let registry = InProcess::new();
    let repository = "bench/digest".parse().unwrap();
    let mut bytes = content();
    let mut number = 0_u64;
    let mut group = criterion.benchmark_group("digest/upload");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(10).measurement_time(Duration::from_secs(2));
    group.sampling_mode(SamplingMode::Flat);
    for algorithm in Algorithm::ALL {
        group.bench_function(algorithm.as_str(), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..iterations {
                    number += 1;
                    bytes[..8].copy_from_slice(&number.to_le_bytes());
                    let (digest, payload) =
                        (Hasher::digest(algorithm, &bytes), Bytes::copy_from_slice(&bytes));
                    let began = Instant::now();
                    registry.upload(&repository, &payload, 64 << 10, digest);
                    elapsed += began.elapsed();
                }
                elapsed
            });
        });
    }
}

criterion_group!(benches, hashing, uploading);
criterion_main!(benches);
