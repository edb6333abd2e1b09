//! The writer: durable changes of the metadata in a second, from one, several and many who submit them at once. No HTTP.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

#[path = "support/in_process.rs"]
mod in_process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use holdfast::load::EMPTY_INDEX;
use holdfast::oci::{Algorithm, ManifestType, Reference, RepositoryName};
use holdfast::registry::{MountSource, PutManifest, Registry};
use holdfast::store::Hasher;

use in_process::InProcess;
const SUBMITTERS: [u64; 3] = [1, 8, 64];

/// Measures `work`, which is told a number that it never had before, done once by every submitter in an iteration.
fn measure<F: Future<Output = ()> + Send + 'static>(
    criterion: &mut Criterion,
    name: &str,
    registry: &InProcess,
    work: impl Fn(Arc<Registry>, u64) -> F + Copy + Send + Sync + 'static,
) {
    let number = Arc::new(AtomicU64::new(0));
    let mut group = criterion.benchmark_group(format!("metadata/{name}"));
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
    for submitters in SUBMITTERS {
        group.throughput(Throughput::Elements(submitters));
        group.bench_function(BenchmarkId::from_parameter(submitters), |bencher| {
            bencher.iter_custom(|iterations| {
                let began = Instant::now();
                let submit = || {
                    let (registry, number) = (Arc::clone(&registry.registry), Arc::clone(&number));
                    registry_loop(iterations, registry, number, work)
                };
                registry.runtime.block_on(async {
                    let tasks: Vec<_> = (0..submitters).map(|_| tokio::spawn(submit())).collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
                began.elapsed()
            });
        });
    }
}

async fn registry_loop<F: Future<Output = ()> + Send>(
    iterations: u64,
    registry: Arc<Registry>,
    number: Arc<AtomicU64>,
    work: impl Fn(Arc<Registry>, u64) -> F,
) {
    for _ in 0..iterations {
        work(Arc::clone(&registry), number.fetch_add(1, Ordering::Relaxed)).await;
    }
}

/// One manifest, a new tag each time.
fn tags(criterion: &mut Criterion) {
    measure(criterion, "tag", &InProcess::new(), |registry, number| async move {
        let put = PutManifest {
            repository: "bench/tags".parse().unwrap(),
            reference: Reference::Tag(format!("t{number}").parse().unwrap()),
            tags: Vec::new(),
            expected: None,
            content_type: Some(ManifestType::OciIndex.as_str().to_owned()),
            bytes: Bytes::from_static(EMPTY_INDEX.as_bytes()),
            precondition: None,
            may_overwrite: false,
            occasion: None,
        };
        registry.put_manifest(put).await.unwrap();
    });
}

/// One blob, a new repository each time.
fn links(criterion: &mut Criterion) {
    let registry = InProcess::new();
    let content = Bytes::from_static(b"a blob");
    let digest = Hasher::digest(Algorithm::Sha256, &content);
    registry.upload(&"bench/source".parse().unwrap(), &content, 64, digest);
    measure(criterion, "link", &registry, move |registry, number| async move {
        let repository: RepositoryName = format!("bench/r{number}").parse().unwrap();
        let source = MountSource::Repository("bench/source".parse().unwrap());
        assert!(registry.mount_blob(&repository, &digest, source, None).await.unwrap());
    });
}

criterion_group!(benches, tags, links);
criterion_main!(benches);
