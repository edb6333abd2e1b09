//! A terminal for a process to write to.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// The two ends of a pseudo-terminal.
pub struct Terminal {
    screen: File,
    /// For the process.
    pub line: OwnedFd,
}

impl Terminal {
    pub fn open() -> Self {
        let (mut screen, mut line) = (-1, -1);
        // SAFETY: the first two are places for a descriptor each; null asks for no name and for the defaults.
        let code =
            unsafe { libc::openpty(&mut screen, &mut line, ptr::null_mut(), ptr::null(), ptr::null()) };
        assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call has just opened both, and nobody else knows them.
        unsafe { Self { screen: File::from_raw_fd(screen), line: OwnedFd::from_raw_fd(line) } }
    }

    /// Types a line, as a person does.
    pub fn type_line(&self, line: &str) {
        (&self.screen).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Presses a key, and nothing else.
    pub fn type_key(&self, key: char) {
        write!(&self.screen, "{key}").unwrap();
    }

    /// All that was written to it, once nobody can write any more.
    pub fn into_text(self) -> String {
        let Self { mut screen, line } = self;
        drop(line);
        let (mut text, mut block) = (Vec::new(), [0; 4096]);
        // The end of a terminal is an error.
        while let Ok(length @ 1..) = screen.read(&mut block) {
            text.extend_from_slice(&block[..length]);
        }
        String::from_utf8(text).unwrap()
    }
}
