//! Which registries a store follows: those that imports have taken over. Where it is more than one, nobody can tell whether what one of
//! them lacks was deleted there, or came from another.

use std::io;

use super::Store;

impl Store {
    /// Remembers that a registry was taken over. The others that were.
    pub fn follow(&self, source: &str) -> io::Result<Vec<String>> {
        let path = self.layout.sources();
        let known = match self.disk.read_whole(&path) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.write_whole(&path, format!("{source}\n").as_bytes())?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let (same, others): (Vec<_>, Vec<_>) = known.lines().partition(|line| *line == source);
        if same.is_empty() {
            // What a crash leaves of a line is one more other source: then nothing is deleted, which does no harm.
            let file = self.disk.open(&path)?;
            file.write_at(format!("{source}\n").as_bytes(), file.length()?)?;
            file.sync()?;
        }
        Ok(others.into_iter().map(str::to_owned).collect())
    }
}
