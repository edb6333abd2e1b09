//! What a process has cost so far, from `/proc`.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Processor time of a process and of its children, in user space and in the kernel.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let children = children(pid).into_iter().filter_map(|child| own_cpu_time(child).ok());
    Ok(children.fold(own_cpu_time(pid)?, |sum, time| sum + time))
}

/// Those that are running.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn own_cpu_time(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; behind it `utime` and `stime` are the 12th and 13th field.
    let fields =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).ok_or(io::ErrorKind::InvalidData)?;
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// What a process and its children have had read from disks so far, in bytes: what the page cache had does not count.
pub fn read_from_disks(pid: u32) -> io::Result<u64> {
    let of = |pid| line_of(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?, "read_bytes:")?.parse().ok();
    let own: u64 = of(pid).ok_or(io::ErrorKind::InvalidData)?;
    Ok(own + children(pid).into_iter().filter_map(of).sum::<u64>())
}

/// Watches the memory of a process and its children until it is dropped.
pub struct Memory {
    pid: u32,
    anonymous: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Memory {
    const INTERVAL: Duration = Duration::from_millis(20);

    pub fn watch(pid: u32) -> Self {
        let (anonymous, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watcher = thread::spawn({
            let (anonymous, over) = (Arc::clone(&anonymous), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    anonymous.fetch_max(anonymous_memory(pid), Ordering::Relaxed);
                    thread::sleep(Self::INTERVAL);
                }
            }
        });
        Self { pid, anonymous, over, watcher: Some(watcher) }
    }

    /// The most that was seen of memory that is not the page cache's, in bytes.
    pub fn peak_anonymous(&self) -> u64 {
        self.anonymous.load(Ordering::Relaxed)
    }

    /// The most that was ever resident, mapped pages of the page cache included, in bytes.
    pub fn peak_resident(&self) -> u64 {
        family_status(self.pid, "VmHWM:")
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

/// What a process and its children have of memory that is not the page cache's, in bytes.
pub fn anonymous_memory(pid: u32) -> u64 {
    family_status(pid, "RssAnon:")
}

/// The sum over a process and its children.
fn family_status(pid: u32, key: &str) -> u64 {
    children(pid).into_iter().chain([pid]).filter_map(|pid| status(pid, key)).sum()
}

/// A line of `/proc/PID/status` that is given in kB, in bytes.
fn status(pid: u32, key: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(line_of(&text, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// What stands behind a key.
fn line_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
