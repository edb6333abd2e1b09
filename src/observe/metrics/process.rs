//! What the system knows of this process, under the names that every client of Prometheus gives it.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::families::gauge;

/// Reads the figures when they are asked for. Where the system has no `/proc` there are none.
#[derive(Debug)]
pub(super) struct Process;

/// What `/proc/self/stat` says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    processor: Duration,
    threads: u64,
    /// Since the machine was started.
    began: Duration,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Figures {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// See proc(5). The second field is a name in brackets, which may have spaces and brackets itself.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            processor: ticks(field(14)? + field(15)?),
            threads: field(20)?,
            began: ticks(field(22)?),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }
}

fn ticks(ticks: u64) -> Duration {
    let second = clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1000) / second)
}

/// When the machine was started, in seconds since 1970. The same for as long as it runs.
fn machine_start() -> Option<u64> {
    static START: OnceLock<Option<u64>> = OnceLock::new();
    *START.get_or_init(|| {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

/// How many descriptors are open, without the one that looks.
fn open_descriptors() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(figures) = Figures::read() {
            figures.encode(&mut encoder)?;
        }
        if let Some(open) = open_descriptors() {
            gauge(&mut encoder, "process_open_fds", "Descriptors that are open.", open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "The most descriptors that may be open.", most)?;
        }
        Ok(())
    }
}

impl Figures {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = ("process_cpu_seconds", "Processor time spent, by the system included.");
        let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(self.processor.as_secs_f64()).encode(counter)?;
        if let Some(start) = machine_start() {
            let (name, help) = ("process_start_time_seconds", "When the process was started, since 1970.");
            let began = (Duration::from_secs(start) + self.began).as_secs_f64();
            ConstGauge::new(began).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Gauge,
            )?)?;
        }
        gauge(encoder, "process_threads", "Threads.", self.threads)?;
        let help = "Memory that is in use, files that are mapped included.";
        gauge(encoder, "process_resident_memory_bytes", help, self.resident_bytes)?;
        gauge(encoder, "process_virtual_memory_bytes", "Addresses that are in use.", self.virtual_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 10 0 0 0 250 50 0 0 20 0 9 0 1200 4096000 25 18446744073709551615";
        let figures = Figures::parse(stat).expect("figures");
        assert_eq!(figures.processor, ticks(300));
        assert_eq!((figures.threads, figures.began), (9, ticks(1200)));
        assert_eq!((figures.virtual_bytes, figures.resident_bytes), (4_096_000, 25 * page_size() as u64));
    }

    #[test]
    fn this_process_has_figures() {
        let figures = Figures::read().expect("figures");
        assert!(figures.threads >= 1 && figures.resident_bytes > 0);
        assert!(open_descriptors().is_some_and(|open| open >= 3));
    }
}
