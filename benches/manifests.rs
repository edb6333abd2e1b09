//! The small questions of every pull, over loopback: a manifest by tag and by digest, HEAD of a manifest and of a blob. An
//! iteration is one question on every connection.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod support;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use holdfast::load::{Connection, Failure, Stem, check_blob, image_manifest, pull, push_blob, put_manifest};
use holdfast::oci::{Algorithm, ManifestType};
use holdfast::store::Hasher;
use support::{Server, rounds};

const CONNECTIONS: [usize; 2] = [1, 8];
const REPOSITORY: &str = "bench/manifests";

fn questions(criterion: &mut Criterion) {
    let (server, stem) = (Server::start(), Stem::new(2_000));
    let (blob, mut connection) = (stem.payload(), server.connect());
    let size = push_blob(&mut connection, REPOSITORY, &blob).unwrap();
    let manifest = image_manifest(blob.blob(), &[blob.blob(); 6]);
    put_manifest(&mut connection, REPOSITORY, "latest", ManifestType::OciImage, &manifest).unwrap();
    let digest = Hasher::digest(Algorithm::Sha256, &manifest);
    let by_tag = format!("/v2/{REPOSITORY}/manifests/latest");
    let by_digest = format!("/v2/{REPOSITORY}/manifests/{digest}");
    let of_blob = blob.blob().path(REPOSITORY);
    let length = manifest.len() as u64;

    type Ask<'a> = &'a (dyn Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync);
    let questions: [(&str, Ask<'_>); 4] = [
        ("get by tag", &|connection, _| pull(connection, &by_tag, length)),
        ("get by digest", &|connection, _| pull(connection, &by_digest, length)),
        ("head by tag", &|connection, _| check_blob(connection, &by_tag, length)),
        ("head of a blob", &|connection, _| check_blob(connection, &of_blob, size)),
    ];
    for (name, ask) in questions {
        let mut group = criterion.benchmark_group(format!("manifests/{name}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(1));
        group.warm_up_time(Duration::from_millis(300));
        for connections in CONNECTIONS {
            group.throughput(Throughput::Elements(connections as u64));
            group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
                bencher.iter_custom(|iterations| rounds(&server.target, connections, iterations, ask));
            });
        }
    }
}

criterion_group!(benches, questions);
criterion_main!(benches);
