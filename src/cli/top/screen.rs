//! A terminal that is drawn on again and again, and left as it was found.

use std::io::{self, IsTerminal, Read, Write};
use std::thread;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use tokio::sync::mpsc;

use super::text::Line;
use crate::cli::output::is_plain;

/// The other screen, which leaves what was on this one alone; without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Where a terminal's size is not known.
const USUAL: (usize, usize) = (80, 24);

/// The screen, for as long as it is drawn on.
pub(super) struct Screen {
    is_coloured: bool,
    /// How the keyboard was, if it was changed.
    keyboard: Option<Termios>,
}

impl Screen {
    /// Whether there is one.
    pub(super) fn is_there() -> bool {
        io::stdout().is_terminal()
    }

    /// Takes it.
    pub(super) fn enter() -> io::Result<Self> {
        write(ENTER)?;
        Ok(Self { is_coloured: !is_plain(), keyboard: quiet_keyboard() })
    }

    /// The keys that are pressed, where there is a keyboard.
    pub(super) fn keys(&self) -> mpsc::Receiver<u8> {
        let (pressed, keys) = mpsc::channel(16);
        if self.keyboard.is_some() {
            // The thread ends with the process: there is no way to end a read of a terminal.
            thread::spawn(move || {
                let mut key = [0];
                while matches!(io::stdin().read(&mut key), Ok(1)) && pressed.blocking_send(key[0]).is_ok() {}
            });
        }
        keys
    }

    /// Draws these lines in the place of those before, as many as there is room for.
    pub(super) fn draw(&self, lines: impl IntoIterator<Item = Line>) -> io::Result<()> {
        let (width, height) = size();
        let mut text = String::from("\x1b[H");
        for (number, line) in lines.into_iter().take(height).enumerate() {
            if number > 0 {
                text.push_str("\r\n");
            }
            let Line { name, text: said } = line.cut(width);
            match self.is_coloured {
                true => text.push_str(&format!("\x1b[1m{name}\x1b[0m{said}\x1b[K")),
                false => text.push_str(&format!("{name}{said}\x1b[K")),
            }
        }
        write(&(text + "\x1b[J"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = write(LEAVE);
        if let Some(keyboard) = &self.keyboard {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, keyboard);
        }
    }
}

/// Has the keyboard hand over keys at once and unseen. What it was before; `None` where there is none.
fn quiet_keyboard() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
    Some(before)
}

/// Columns and rows.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        Ok(_) | Err(_) => USUAL,
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}
