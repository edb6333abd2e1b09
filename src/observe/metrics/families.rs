//! Every metric, under its name: what is counted, what is read when somebody looks, and what the process is.
//!
//! Names lack their prefix `holdfast_`, and those of counters their suffix `_total`: both are added when they are written.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::histogram::{Sizes, Times};
use super::holdings::{self, Holding};
use super::labels::{Collected, Each, Handshake, Hit, Login, Work};
use super::requests::{RequestTimes, Requests};

macro_rules! counted {
    ($( $field:ident: $type:ty, $name:literal, $help:literal; )*) => {
        /// What is counted. Handles are cheap to use from any thread.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $( #[doc = $help] pub $field: $type, )*
        }

        impl Metrics {
            /// Names each of them.
            pub(super) fn register(&self, registry: &mut Registry) {
                $( registry.register($name, $help, self.$field.clone()); )*
                let times = RequestTimes(self.requests.clone());
                registry.register("http_request_duration_seconds", REQUEST_TIMES, times);
            }
        }
    };
}

const REQUEST_TIMES: &str =
    "Time from a request's headers to the last byte of its response, by route and method";

counted! {
    requests: Requests, "http_requests", "Requests that are over, by route, method and status code; 499: the client had gone";
    requests_under_way: Gauge, "http_requests_under_way", "Requests whose response is not over";
    request_bytes: Counter, "http_request_body_bytes", "Bytes of request bodies that came in";
    response_bytes: Counter, "http_response_body_bytes", "Bytes of response bodies handed to connections";
    connections: Counter, "http_connections", "Connections accepted";
    connections_open: Gauge, "http_connections_open", "Connections open, those that wait for a seat included";
    connections_refused: Counter, "http_connections_refused", "Connections answered 503 for want of a seat (http.maxconnections)";
    handshakes: Each<Handshake>, "tls_handshakes", "TLS handshakes, by outcome";
    log_lines_lost: Counter, "log_lines_lost", "Lines of the log and access lines that nobody read in time";
    spans_sent: Counter, "traces_spans_sent", "Spans that the collector of traces has taken";
    spans_lost: Counter, "traces_spans_lost", "Spans that were given up: the collector did not take them, or not fast enough";
    logins: Each<Login>, "auth_logins", "Credentials that came with requests, by outcome: verified, remembered from a moment ago, refused, or not looked at because others were (busy)";
    tokens_issued: Counter, "auth_tokens_issued", "Tokens issued by the registry's own token server";
    payload_files: Each<Hit>, "store_payload_files", "Look-ups of a blob's file for a pull, by result: hit if it was open already";
    group_size: Sizes, "store_group_operations", "Operations that one sync of the write-ahead log made durable";
    queue_wait: Times, "store_queue_wait_seconds", "Time that operations waited for the writer";
    log_sync: Times, "store_log_sync_seconds", "Time that a sync of the write-ahead log took";
    log_appended: Counter, "store_log_appended_bytes", "Bytes appended to the write-ahead log";
    checkpoint: Times, "store_checkpoint_seconds", "Time for which a checkpoint of the metadata held up what waits to be written";
    settled: Counter, "store_settled_payloads", "Blobs moved out of the write-ahead log into files";
    settled_bytes: Counter, "store_settled_bytes", "Bytes of blobs moved out of the write-ahead log into files";
    work: Each<Work, Gauge>, "work_under_way", "Work that goes on beside serving, by kind, whoever has asked for it";
    collections: Counter, "gc_runs", "Collections that ran to their end, dry runs left out";
    collection_failures: Counter, "gc_failures", "Collections that an error has ended";
    collection_time: Counter<f64, std::sync::atomic::AtomicU64>, "gc_run_seconds", "Time that collections took";
    collected: Each<Collected>, "gc_removed", "What collections have removed, by kind";
    collected_bytes: Counter, "gc_freed_bytes", "Bytes that collections have freed";
    purged_uploads: Counter, "uploads_purged", "Uploads ended because nobody went on with them";
    retention_runs: Counter, "retention_runs", "Looks at the tags that a retention rule is about, dry runs left out";
    retention_tags: Counter, "retention_removed_tags", "Tags that no retention rule kept";
    quota_refusals: Counter, "quota_refusals", "Requests refused because they would have come to more than a quota allows";
    events_sent: Counter, "events_sent", "Events that endpoints have taken, counted for each of them";
    event_failures: Counter, "events_failed_requests", "Requests to endpoints that failed; what they told is sent again";
    events_lost: Counter, "events_lost", "Events forgotten before an endpoint was told of them (notifications.backlog)";
    scrubs: Counter, "scrub_runs", "Scrubs that ran to their end";
    scrubbed_payloads: Counter, "scrub_payloads", "Blobs read and compared with their digests at rest";
    scrubbed_bytes: Counter, "scrub_read_bytes", "Bytes read by scrubs";
    damaged: Counter, "scrub_damaged", "Blobs found damaged, by scrubs or by pulls";
    restored: Counter, "scrub_restored", "Blobs found right again that had been marked as damaged";
    unread: Counter, "scrub_unread", "Blobs that a scrub could not read";
}

macro_rules! read {
    ($( $field:ident, $name:literal, $help:literal; )*) => {
        /// How things stand; what is not known is left out.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Readings {
            $( #[doc = $help] pub $field: Option<u64>, )*
            /// The largest repositories.
            pub largest: Arc<[Holding]>,
        }

        impl Readings {
            pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
                $( if let Some(value) = self.$field {
                    gauge(encoder, $name, concat!($help, "."), value)?;
                } )*
                holdings::encode(&self.largest, encoder)
            }
        }
    };
}

read! {
    health_failing, "health_failing_checks", "Health checks that fail, and make requests be answered 503";
    uploads_open, "uploads_open", "Upload sessions that have not ended";
    uploads_open_bytes, "uploads_open_bytes", "Bytes that open upload sessions have";
    uploads_receiving, "uploads_receiving", "Request bodies that are being received into uploads";
    uploads_memory_bytes, "uploads_memory_bytes", "Memory that small blobs take that are coming in";
    payload_files_open, "store_payload_files_open", "Files of blobs that are kept open for pulls";
    payload_files_open_bytes, "store_payload_files_open_bytes", "Size of the files that are kept open";
    mappings, "store_payload_mappings", "Blobs that are mapped into memory";
    queue_length, "store_queue_operations", "Operations that wait for the writer";
    queue_limit, "store_queue_limit_operations", "The most operations that may wait (storage.writer.queue)";
    log_bytes, "store_log_bytes", "Size of the write-ahead log";
    log_limit_bytes, "store_log_limit_bytes", "Size of the log from which on pushes wait (storage.log.size)";
    log_payloads, "store_log_payloads", "Blobs that still lie in the write-ahead log";
    doomed_files, "store_doomed_files", "Files of blobs that have gone, to be unlinked";
    blobs, "store_blobs", "Blobs, each counted once however many repositories hold it";
    payload_bytes, "store_payload_bytes", "Size of all blobs, each counted once";
    events_waiting, "events_waiting", "Events that the endpoint which is furthest behind was not told of yet";
    events_lag_seconds, "events_lag_seconds", "How long ago the oldest of those events has happened";
    read_only, "read_only", "1 while clients may change nothing (storage.maintenance.readonly)";
    manifests, "store_manifests", "Manifests, each counted once however many repositories hold it";
    tags, "store_tags", "Tags";
    repositories, "store_repositories", "Repositories that have a manifest";
    metadata_bytes, "store_metadata_bytes", "Size of the metadata's database";
    disk_free_bytes, "store_disk_free_bytes", "Room on the disk of the data that is free";
    disk_bytes, "store_disk_bytes", "Size of the disk of the data";
    disk_floor_bytes, "store_disk_floor_bytes", "Room that pushes leave free (storage.floor.space)";
    disk_free_files, "store_disk_free_files", "Files that could still be created on the disk of the data";
}

/// Writes one gauge.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    value: u64,
) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}
