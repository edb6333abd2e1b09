//! A page of 100 tags from the middle of few and of many, over loopback: it has to cost the same.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use holdfast::load::{Connection, EMPTY_INDEX, Failure, Limit, Request};
use holdfast::oci::{Algorithm, ManifestType};
use holdfast::store::Hasher;
use support::{Server, rounds, run};

const PAGE: u64 = 100;
const CONNECTIONS: usize = 4;
/// The most tags that one request sets.
const BATCH: u64 = 64;

/// Tags of seven digits, set many at a time by `tag` parameters.
fn fill(server: &Server, repository: &str, count: u64) -> Result<(), Failure> {
    let digest = Hasher::digest(Algorithm::Sha256, EMPTY_INDEX.as_bytes());
    let work = |connection: &mut Connection, number: u64| {
        let tags = (number * BATCH..count.min((number + 1) * BATCH)).map(|tag| format!("tag={tag:07}"));
        let path = format!("/v2/{repository}/manifests/{digest}?{}", tags.collect::<Vec<_>>().join("&"));
        let request = Request::new("PUT", &path).header("Content-Type", ManifestType::OciIndex.as_str());
        connection.ask(&request.body(vec![Bytes::from_static(EMPTY_INDEX.as_bytes())]), 201)?;
        Ok(0)
    };
    let limit = Limit { operations: count.div_ceil(BATCH), time: Duration::MAX };
    run(&server.target, 8, limit, &work).map(drop)
}

/// The page behind the tag in the middle, which has to end where it should.
fn list(connection: &mut Connection, repository: &str, count: u64) -> Result<u64, Failure> {
    let middle = count / 2;
    let path = format!("/v2/{repository}/tags/list?n={PAGE}&last={middle:07}");
    let mut body = Vec::new();
    let request = Request::new("GET", &path);
    connection.fetch(&request, 200, &mut |bytes| body.extend_from_slice(bytes))?;
    let last = format!("{:07}\"]}}", middle + PAGE);
    match body.trim_ascii_end().ends_with(last.as_bytes()) {
        true => Ok(0),
        false => {
            let found = String::from_utf8_lossy(&body).into_owned();
            Err(Failure::Content { request: request.to_string(), found })
        }
    }
}

fn tags(criterion: &mut Criterion) {
    let server = Server::start();
    let mut group = criterion.benchmark_group("listings/100 tags");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(CONNECTIONS as u64));
    for count in [2_000, 200_000] {
        let repository = format!("bench/tags{count}");
        fill(&server, &repository, count).unwrap();
        group.bench_function(format!("of {count}"), |bencher| {
            bencher.iter_custom(|iterations| {
                rounds(&server.target, CONNECTIONS, iterations, &|connection, _| {
                    list(connection, &repository, count)
                })
            });
        });
    }
}

criterion_group!(benches, tags);
criterion_main!(benches);
