//! How the registry stands, for those who watch it.

use super::Registry;
use crate::observe::metrics::Readings;

impl Registry {
    /// How uploads and the store stand. May block for a moment.
    pub fn readings(&self) -> Readings {
        let (open, bytes) = self.uploads.open();
        Readings {
            uploads_open: Some(open),
            uploads_open_bytes: Some(bytes),
            uploads_receiving: Some(self.uploads.receiving() as u64),
            ..self.store.readings()
        }
    }
}
