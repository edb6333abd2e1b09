//! What is shown of a server: its figures of one moment, and what has changed since one before.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::figures::{Figures, Series};

/// All that is shown. Rates are a second's, times are in seconds, sizes in bytes. What is not known is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) time: String,
    pub(super) version: String,
    pub(super) up_seconds: Option<u64>,
    pub(super) requests: Requests,
    pub(super) connections_open: Option<u64>,
    pub(super) received_bytes: f64,
    pub(super) sent_bytes: f64,
    pub(super) uploads: Uploads,
    pub(super) log: Log,
    pub(super) store: Store,
    pub(super) events: Waiting,
    /// What goes on beside serving, a word each.
    pub(super) work: Vec<String>,
    pub(super) process: Process,
}

/// Requests that have ended, by kind, those of which there were most first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requests {
    pub(super) under_way: Option<u64>,
    pub(super) all: Kind,
    pub(super) kinds: Vec<Kind>,
}

/// Requests of one kind: a method and a route.
#[derive(Debug, Serialize)]
pub(super) struct Kind {
    pub(super) kind: String,
    pub(super) rate: f64,
    /// By the first digit of their status codes, from 2 to 5.
    pub(super) classes: [f64; 4],
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Uploads {
    pub(super) open: Option<u64>,
    pub(super) open_bytes: Option<u64>,
    pub(super) receiving: Option<u64>,
}

/// The write-ahead log, its writer, and what moves out of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) bytes: Option<u64>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) syncs: f64,
    pub(super) sync_p99: Option<f64>,
    pub(super) queue: Option<u64>,
    /// Blobs that have still to be moved into files.
    pub(super) unsettled: Option<u64>,
    pub(super) settled: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Store {
    pub(super) repositories: Option<u64>,
    pub(super) tags: Option<u64>,
    pub(super) blobs: Option<u64>,
    pub(super) blob_bytes: Option<u64>,
    pub(super) database_bytes: Option<u64>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) is_read_only: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    pub(super) waiting: Option<u64>,
    pub(super) lag_seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    /// Processors that it keeps busy.
    pub(super) processors: f64,
    pub(super) memory_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) open_files: Option<u64>,
}

const REQUESTS: &str = "holdfast_http_requests_total";
const TIMES: &str = "holdfast_http_request_duration_seconds";

impl View {
    /// How things stand `now`, with what has happened since `before`.
    pub(super) fn of(before: &Figures, now: &Figures) -> Self {
        let count = |name: &str| now.value(name).map(whole);
        let rate = |name: &str| now.rate(before, name, |_| true);
        let clock = OffsetDateTime::now_utc();
        let began = count("process_start_time_seconds");
        let version =
            now.named("holdfast_build_info").next().map(|series| series.label("version").to_owned());
        Self {
            time: clock.replace_nanosecond(0).unwrap_or(clock).format(&Rfc3339).unwrap_or_default(),
            version: version.unwrap_or_default(),
            up_seconds: began.map(|began| clock.unix_timestamp().unsigned_abs().saturating_sub(began)),
            requests: Requests::of(before, now),
            connections_open: count("holdfast_http_connections_open"),
            received_bytes: rate("holdfast_http_request_body_bytes_total"),
            sent_bytes: rate("holdfast_http_response_body_bytes_total"),
            uploads: Uploads {
                open: count("holdfast_uploads_open"),
                open_bytes: count("holdfast_uploads_open_bytes"),
                receiving: count("holdfast_uploads_receiving"),
            },
            log: Log {
                bytes: count("holdfast_store_log_bytes"),
                limit_bytes: count("holdfast_store_log_limit_bytes"),
                syncs: rate("holdfast_store_log_sync_seconds_count"),
                sync_p99: now.quantile(before, "holdfast_store_log_sync_seconds", 0.99, |_| true),
                queue: count("holdfast_store_queue_operations"),
                unsettled: count("holdfast_store_log_payloads"),
                settled: rate("holdfast_store_settled_payloads_total"),
            },
            store: Store {
                repositories: count("holdfast_store_repositories"),
                tags: count("holdfast_store_tags"),
                blobs: count("holdfast_store_blobs"),
                blob_bytes: count("holdfast_store_payload_bytes"),
                database_bytes: count("holdfast_store_metadata_bytes"),
                disk_free_bytes: count("holdfast_store_disk_free_bytes"),
                is_read_only: count("holdfast_read_only") == Some(1),
            },
            events: Waiting {
                waiting: count("holdfast_events_waiting"),
                lag_seconds: count("holdfast_events_lag_seconds"),
            },
            work: work(now),
            process: Process {
                processors: rate("process_cpu_seconds_total"),
                memory_bytes: count("process_resident_memory_bytes"),
                threads: count("process_threads"),
                open_files: count("process_open_fds"),
            },
        }
    }
}

fn work(now: &Figures) -> Vec<String> {
    let going = now.named("holdfast_work_under_way");
    let kinds: BTreeSet<&str> = going.map(|series| series.label("kind")).collect();
    let is_going =
        |kind: &&str| now.sum("holdfast_work_under_way", |series| series.label("kind") == *kind) > 0.0;
    kinds.into_iter().filter(is_going).map(str::to_owned).collect()
}

impl Requests {
    fn of(before: &Figures, now: &Figures) -> Self {
        let names = |series: &Series| (series.label("method").to_owned(), series.label("route").to_owned());
        let kinds: BTreeSet<_> = now.named(REQUESTS).map(names).collect();
        let kinds = kinds.into_iter().map(|(method, route)| {
            let is_it = |series: &Series| series.label("method") == method && series.label("route") == route;
            Kind::of(before, now, format!("{method} {route}"), is_it)
        });
        let mut kinds: Vec<Kind> = kinds.filter(|kind| kind.rate > 0.0).collect();
        kinds.sort_by(|one, other| other.rate.total_cmp(&one.rate));
        Self {
            under_way: now.value("holdfast_http_requests_under_way").map(whole),
            all: Kind::of(before, now, "all".to_owned(), |_| true),
            kinds,
        }
    }
}

impl Kind {
    fn of(before: &Figures, now: &Figures, kind: String, is_it: impl Fn(&Series) -> bool) -> Self {
        let class = |digit: char| {
            now.rate(before, REQUESTS, |series| is_it(series) && series.label("code").starts_with(digit))
        };
        let quantile = |share| now.quantile(before, TIMES, share, &is_it);
        Self {
            kind,
            rate: now.rate(before, REQUESTS, &is_it),
            classes: ['2', '3', '4', '5'].map(class),
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }
}

/// A figure as a whole number, and none below 0.
pub(super) fn whole(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the nearest that there is")]
    let whole = value as u64;
    whole
}
