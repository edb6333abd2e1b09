//! The figures that the server's metrics are made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::telling::{Events, tell};
use crate::observe::metrics::{Exposition, Form};

/// A look at the figures, as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiguresOf {}

/// Looks at them. The outcome is their text in Prometheus's form.
pub(super) fn figures(exposition: Arc<Exposition>, _: FiguresOf) -> Events<(), String> {
    tell(move |_| async move {
        let text = tokio::task::spawn_blocking(move || exposition.text(Form::Prometheus)).await;
        text.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    })
}
