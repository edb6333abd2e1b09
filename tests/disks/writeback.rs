//! A kernel that writes nothing back of its own accord, so that an image has what somebody has synced, and no more.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::volume::skip;

/// The settings and what they are while write-back is held: shares of the memory in percent, times in 1/100 s.
const HELD: [(&str, &str); 4] = [
    ("dirty_ratio", "95"),
    ("dirty_background_ratio", "90"),
    ("dirty_expire_centisecs", "360000"),
    ("dirty_writeback_centisecs", "0"),
];

/// Settings that two of these stand for if they are not 0.
const INSTEAD: [(&str, &str); 2] =
    [("dirty_ratio", "dirty_bytes"), ("dirty_background_ratio", "dirty_background_bytes")];

/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Write-back is held for as long as this is, on the whole machine.
pub(crate) struct HeldWriteback {
    /// Puts the settings back when its standard input ends, by whatever death of this process.
    keeper: Child,
    _turn: MutexGuard<'static, ()>,
}

impl HeldWriteback {
    /// `None`, which is said, where the settings may not be changed; see [`skip`].
    pub(crate) fn hold() -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let keeper = Command::new("sh")
            .args(["-c", &format!("trap '' INT HUP TERM; cat >/dev/null; {}", restoring_commands())])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let held = Self { keeper, _turn: turn };
        let set = HELD.iter().try_for_each(|(name, value)| std::fs::write(path(name), value));
        if let Err(error) = set {
            skip(&format!("write-back cannot be held: {error}"));
            return None;
        }
        Some(held)
    }
}

impl Drop for HeldWriteback {
    fn drop(&mut self) {
        self.keeper.stdin = None;
        let _ = self.keeper.wait();
    }
}

fn restoring_commands() -> String {
    let commands = HELD.iter().map(|(name, _)| {
        let instead = INSTEAD.iter().find(|(of, _)| of == name).map(|(_, instead)| *instead);
        let name = instead.filter(|instead| value(instead) != "0").unwrap_or(name);
        format!("echo {} >{};", value(name), path(name).display())
    });
    commands.collect()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/vm").join(name)
}

fn value(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap().trim().to_owned()
}
