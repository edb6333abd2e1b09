//! Figures for machines: what was counted since the start, and how things stand, in Prometheus's text forms.
//!
//! [`metrics`] has what is counted where it happens, in any room; counting is an addition or three, and never waits.
//! How things stand is not pushed here: whoever ties the pieces together asks their owners when somebody looks, and
//! hands over [`Readings`]. Every metric is named in [`families`], and nowhere else.

mod exposition;
mod families;
mod histogram;
mod holdings;
mod labels;
mod process;
mod requests;

use std::sync::LazyLock;

pub use exposition::{Exposition, Form};
pub use families::{Metrics, Readings};
pub use histogram::{Sizes, Times};
pub use holdings::Holding;
pub use labels::{Collected, Each, Going, Handshake, Hit, Label, Login, Method, Route, Work};
pub use requests::Requests;

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);

/// What this process has counted.
pub fn metrics() -> &'static Metrics {
    &METRICS
}
