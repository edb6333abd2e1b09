//! A daemon of the test's own, stopped with the test: containerd, dockerd.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon; it is asked to stop when this goes out of scope.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts the program, its output going to `log`, and waits until `is_ready` holds.
    ///
    /// # Panics
    ///
    /// With the log, if it ends or is not ready in time.
    pub(crate) fn start(command: &mut Command, log: &Path, is_ready: impl Fn() -> bool) -> Self {
        let file = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut daemon = Self { child: command.spawn().unwrap() };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{command:?} is not ready ({ended:?}):\n{}",
                std::fs::read_to_string(log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _already_ended = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}
