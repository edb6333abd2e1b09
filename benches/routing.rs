//! Parsing: what stands between a request's bytes and the registry. Where the parsers are the API's own they are measured
//! through it, with no socket between, against the request that asks for nothing (`/v2/`).

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

#[path = "support/in_process.rs"]
mod in_process;

use std::hint::black_box;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use holdfast::load::{Blob, image_manifest};
use holdfast::oci::{Algorithm, Digest, Manifest, ManifestType, RepositoryName, Tag};
use holdfast::store::Hasher;

use in_process::InProcess;
const REPOSITORY: &str = "team/project/component";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    group
}

fn vocabulary(criterion: &mut Criterion) {
    let mut group = group(criterion, "parse");
    group.bench_function("name", |bencher| bencher.iter(|| black_box(REPOSITORY).parse::<RepositoryName>()));
    group.bench_function("tag", |bencher| bencher.iter(|| black_box("v1.2.3-rc.1").parse::<Tag>()));
    group.bench_function("digest", |bencher| bencher.iter(|| black_box(DIGEST).parse::<Digest>()));
    let blob = Blob { digest: DIGEST.parse().unwrap(), size: 1_000 };
    for layers in [4, 40] {
        let manifest = image_manifest(blob, &vec![blob; layers]);
        group.throughput(Throughput::Bytes(manifest.len() as u64));
        group.bench_function(format!("manifest/{layers} layers"), |bencher| {
            bencher.iter(|| Manifest::parse(black_box(&manifest), Some(ManifestType::OciImage.as_str())));
        });
    }
}

fn requests(criterion: &mut Criterion) {
    let registry = InProcess::new();
    let content = Bytes::from(vec![7; 4_096]);
    let digest = Hasher::digest(Algorithm::Sha256, &content);
    registry.upload(&REPOSITORY.parse().unwrap(), &content, 4_096, digest);
    let blob = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let many = (0..64).map(|n| format!("{}-{}", n * 60, n * 60 + 9)).collect::<Vec<_>>().join(",");
    let mut group = group(criterion, "request");
    for (name, method, path, range, status) in [
        ("base", "GET", "/v2/", None, StatusCode::OK),
        ("head of a blob", "HEAD", &blob, None, StatusCode::OK),
        (
            "no such manifest",
            "HEAD",
            &format!("/v2/{REPOSITORY}/manifests/latest"),
            None,
            StatusCode::NOT_FOUND,
        ),
        ("one range", "GET", &blob, Some("bytes=100-199".to_owned()), StatusCode::PARTIAL_CONTENT),
        ("64 ranges", "GET", &blob, Some(format!("bytes={many}")), StatusCode::PARTIAL_CONTENT),
    ] {
        let request = || {
            let request = Request::builder().method(method).uri(path);
            let range = range.iter().map(|range| ("range", range));
            range
                .fold(request, |request, (name, value)| request.header(name, value))
                .body(Body::empty())
                .unwrap()
        };
        group.bench_function(name, |bencher| bencher.iter(|| assert_eq!(registry.ask(request()).0, status)));
    }
}

criterion_group!(benches, vocabulary, requests);
criterion_main!(benches);
