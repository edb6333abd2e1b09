//! The values of labels: few, and known beforehand.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::http;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};

/// A label of which all values are known.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, in the order of their numbers.
    const ALL: &'static [Self];

    /// Its number, from 0 on.
    fn number(self) -> usize;

    /// How it is written.
    fn as_str(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $type:ident, $name:literal, { $( $(#[$of:meta])* $value:ident: $text:literal, )* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type {
            $( $(#[$of])* $value, )*
        }

        impl Label for $type {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$( Self::$value, )*];

            fn number(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $( Self::$value => $text, )*
                }
            }
        }
    };
}

label! {
    /// An endpoint of the API.
    Route, "route", {
        Root: "root",
        Base: "base",
        Description: "description",
        Catalog: "catalog",
        Token: "token",
        TokenKeys: "token_keys",
        Blob: "blob",
        Uploads: "uploads",
        Upload: "upload",
        Manifest: "manifest",
        Tags: "tags",
        Referrers: "referrers",
        /// A path where there is nothing.
        None: "none",
    }
}

label! {
    /// A method of HTTP that the API knows.
    Method, "method", {
        Get: "GET",
        Head: "HEAD",
        Post: "POST",
        Put: "PUT",
        Patch: "PATCH",
        Delete: "DELETE",
        Options: "OPTIONS",
        Other: "other",
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        Self::ALL.iter().copied().find(|known| known.as_str() == method.as_str()).unwrap_or(Self::Other)
    }
}

label! {
    /// What came of a TLS handshake.
    Handshake, "outcome", {
        Done: "done",
        Failed: "failed",
        /// It was not done within `http.headertimeout`.
        TimedOut: "timed_out",
    }
}

label! {
    /// What came of credentials.
    Login, "outcome", {
        Verified: "verified",
        Remembered: "remembered",
        Refused: "refused",
        /// Too many were being verified.
        Busy: "busy",
    }
}

label! {
    /// Whether something was at hand.
    Hit, "result", {
        Hit: "hit",
        Miss: "miss",
    }
}

label! {
    /// What a collection removes.
    Collected, "kind", {
        Manifest: "manifest",
        Blob: "blob",
        Upload: "upload",
    }
}

label! {
    /// Work that goes on beside serving.
    Work, "kind", {
        Collection: "collection",
        Retention: "retention",
        Scrub: "scrub",
        Check: "check",
        Backup: "backup",
        Export: "export",
    }
}

/// A counter, or another metric, for each value of a label. All of them are there from the start.
pub struct Each<L, M = Counter>(Arc<[M]>, PhantomData<L>);

impl<L: Label, M: Default> Default for Each<L, M> {
    fn default() -> Self {
        Self(L::ALL.iter().map(|_| M::default()).collect(), PhantomData)
    }
}

impl<L, M> Clone for Each<L, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<L, M: fmt::Debug> fmt::Debug for Each<L, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter()).finish()
    }
}

impl<L: Label, M> Each<L, M> {
    /// The metric of a value.
    pub fn of(&self, value: L) -> &M {
        self.0.get(value.number()).expect("there is a metric for each value")
    }
}

impl<L: Label> Each<L, Gauge> {
    /// Counts one of these for as long as what is returned lives.
    pub fn begin(&self, value: L) -> Going {
        let gauge = self.of(value).clone();
        gauge.inc();
        Going(gauge)
    }
}

/// One that is counted until this is dropped.
#[derive(Debug)]
pub struct Going(Gauge);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<L: Label, M> Each<L, M> {
    /// Writes what each metric shows.
    fn encode_as<Shown: EncodeMetric>(
        &self,
        mut encoder: MetricEncoder<'_>,
        show: impl Fn(&M) -> Shown,
    ) -> fmt::Result {
        for value in L::ALL {
            let labels = [(L::NAME, value.as_str())];
            show(self.of(*value)).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl<L: Label + Send + Sync + fmt::Debug> EncodeMetric for Each<L> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.encode_as(encoder, |counter| ConstCounter::new(counter.get()))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl<L: Label + Send + Sync + fmt::Debug> EncodeMetric for Each<L, Gauge> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.encode_as(encoder, |gauge| ConstGauge::new(gauge.get()))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_number_and_a_counter_of_its_own() {
        let each = Each::<Login>::default();
        each.of(Login::Refused).inc();
        let counts: Vec<u64> = Login::ALL.iter().map(|value| each.of(*value).get()).collect();
        assert_eq!(counts, [0, 0, 1, 0]);
        for (number, route) in Route::ALL.iter().enumerate() {
            assert_eq!(route.number(), number);
        }
    }

    #[test]
    fn a_method_that_nobody_knows_makes_no_label_of_its_own() {
        assert_eq!(Method::from(&http::Method::PATCH), Method::Patch);
        let invented = http::Method::from_bytes(b"BREW").expect("a method");
        assert_eq!(Method::from(&invented), Method::Other);
    }
}
