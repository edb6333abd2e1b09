//! What is shown of a server, as lines for people.

use std::time::Duration;

use super::view::{Kind, View, whole};
use crate::cli::output::size;
use crate::config::show_duration;
use crate::load::numbers::{count, grouped, time};

/// A line: what it is about, and what there is to say.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) text: String,
}

/// How wide the name of a line is.
const NAME: usize = 12;

impl Line {
    fn new(name: &str, facts: &[Option<String>]) -> Self {
        let facts: Vec<&str> = facts.iter().flatten().map(String::as_str).collect();
        Self { name: format!("{name:<NAME$}"), text: facts.join(", ") }
    }

    /// The line cut to so many characters.
    pub(super) fn cut(mut self, width: usize) -> Self {
        self.name = self.name.chars().take(width).collect();
        self.text = self.text.chars().take(width.saturating_sub(NAME)).collect();
        self
    }
}

/// All lines, those first that matter most.
pub(super) fn lines(view: &View) -> Vec<Line> {
    let View { requests, uploads, log, store, events, work, process, .. } = view;
    let number = |value: Option<u64>, what: &str| value.map(|value| format!("{} {what}", count(value)));
    let bytes = |value: Option<u64>, what: &str| value.map(|value| format!("{}{what}", size(value)));
    let up = view.up_seconds.map(|up| format!("up {}", show_duration(Duration::from_secs(up))));
    let fill = log.bytes.zip(log.limit_bytes).map(|(bytes, limit)| {
        format!("{} of {} ({}%)", size(bytes), size(limit), bytes * 100 / limit.max(1))
    });
    let going = if work.is_empty() { "none".to_owned() } else { work.join(", ") };
    let mut lines = vec![
        Line::new("holdfast", &[Some(view.version.clone()), up, Some(view.time.clone())]),
        Line::new(
            "requests",
            &[
                Some(format!("{}/s", grouped(requests.all.rate))),
                number(requests.under_way, "under way"),
                number(view.connections_open, "connections"),
            ],
        ),
        Line::new(
            "latency",
            &[
                Some(format!("p50 {}", moment(requests.all.p50))),
                Some(format!("p99 {}", moment(requests.all.p99))),
            ],
        ),
        Line::new(
            "bytes",
            &[
                Some(format!("in {}/s", size(whole(view.received_bytes)))),
                Some(format!("out {}/s", size(whole(view.sent_bytes)))),
            ],
        ),
        Line::new(
            "uploads",
            &[
                number(uploads.open, "open"),
                bytes(uploads.open_bytes, ""),
                number(uploads.receiving, "receiving"),
            ],
        ),
        Line::new(
            "log",
            &[
                fill,
                Some(format!("{} syncs/s", grouped(log.syncs))),
                log.sync_p99.map(|p99| format!("p99 {}", moment(Some(p99)))),
                number(log.queue, "waiting"),
            ],
        ),
        Line::new(
            "settling",
            &[number(log.unsettled, "blobs to go"), Some(format!("{}/s", grouped(log.settled)))],
        ),
        Line::new(
            "store",
            &[
                number(store.blobs, "blobs"),
                bytes(store.blob_bytes, ""),
                number(store.tags, "tags"),
                number(store.repositories, "repositories"),
                store.is_read_only.then(|| "read-only".to_owned()),
            ],
        ),
        Line::new(
            "disk",
            &[bytes(store.database_bytes, " of database"), bytes(store.disk_free_bytes, " free")],
        ),
        Line::new(
            "events",
            &[number(events.waiting, "waiting"), events.lag_seconds.map(|lag| format!("{lag} s behind"))],
        ),
        Line::new("work", &[Some(going)]),
        Line::new(
            "process",
            &[
                Some(format!("cpu {:.0}%", process.processors * 100.0)),
                bytes(process.memory_bytes, " of memory"),
                number(process.threads, "threads"),
                number(process.open_files, "open files"),
            ],
        ),
    ];
    if !requests.kinds.is_empty() {
        lines.push(Line { name: String::new(), text: String::new() });
        lines.push(Line { name: heading(), text: String::new() });
        lines.extend(requests.kinds.iter().map(|kind| Line { name: String::new(), text: row(kind) }));
    }
    lines
}

fn heading() -> String {
    let [rate, found, moved, refused, failed, p50, p99] = ["/S", "2XX", "3XX", "4XX", "5XX", "P50", "P99"];
    format!("{:<16}{rate:>8}{found:>8}{moved:>7}{refused:>7}{failed:>7}{p50:>9}{p99:>9}", "KIND OF REQUEST")
}

fn row(kind: &Kind) -> String {
    let [found, moved, refused, failed] = kind.classes.map(grouped);
    let (rate, p50, p99) = (grouped(kind.rate), moment(kind.p50), moment(kind.p99));
    let kind = &kind.kind;
    format!("{kind:<16}{rate:>8}{found:>8}{moved:>7}{refused:>7}{failed:>7}{p50:>9}{p99:>9}")
}

/// A time in seconds.
fn moment(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| time(Duration::from_secs_f64(seconds.max(0.0))))
}
