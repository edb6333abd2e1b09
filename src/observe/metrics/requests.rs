//! Requests by route, method and status: a table that is there from the start, so that counting one takes no lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::histogram::Times;
use super::labels::{Label, Method, Route};

/// The status codes that are answered, and 499, which says that the client had gone.
const CODES: [u16; 28] = [
    200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 406, 408, 409, 411, 412, 413, 414, 416, 429,
    431, 499, 500, 501, 502, 503, 507,
];

/// What is written for any other.
const OTHER: &str = "other";

/// Requests of one route and method.
#[derive(Debug, Default)]
struct Cell {
    /// In the order of [`CODES`], and behind them the others.
    codes: [AtomicU64; CODES.len() + 1],
    times: Times,
}

/// How many requests there were, and how long they took.
#[derive(Debug, Clone)]
pub struct Requests(Arc<[Cell]>);

impl Default for Requests {
    fn default() -> Self {
        Self(pairs().map(|_| Cell::default()).collect())
    }
}

/// Every route with every method, in the order of the cells.
fn pairs() -> impl Iterator<Item = (Route, Method)> {
    Route::ALL.iter().flat_map(|route| Method::ALL.iter().map(|method| (*route, *method)))
}

impl Requests {
    /// A request is over.
    pub fn record(&self, route: Route, method: Method, code: u16, took: Duration) {
        let cell = self.0.get(route.number() * Method::ALL.len() + method.number());
        let cell = cell.expect("there is a cell for each route and method");
        let code = CODES.binary_search(&code).unwrap_or(CODES.len());
        if let Some(count) = cell.codes.get(code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        cell.times.record(took);
    }

    fn cells(&self) -> impl Iterator<Item = (&'static str, &'static str, &Cell)> {
        pairs().zip(self.0.iter()).map(|((route, method), cell)| (route.as_str(), method.as_str(), cell))
    }
}

impl EncodeMetric for Requests {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (route, method, cell) in self.cells() {
            let names = CODES.iter().map(u16::to_string).chain([OTHER.to_owned()]);
            for (code, count) in names.zip(&cell.codes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [(Route::NAME, route), (Method::NAME, method), ("code", code.as_str())];
                    ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// How long the requests took, as a metric of its own.
#[derive(Debug)]
pub(super) struct RequestTimes(pub(super) Requests);

impl EncodeMetric for RequestTimes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (route, method, cell) in self.0.cells().filter(|(_, _, cell)| !cell.times.is_empty()) {
            let labels = [(Route::NAME, route), (Method::NAME, method)];
            cell.times.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;

    fn written(requests: &Requests) -> String {
        let mut registry = Registry::default();
        registry.register("requests", "requests", requests.clone());
        registry.register("seconds", "seconds", RequestTimes(requests.clone()));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("text");
        text
    }

    #[test]
    fn the_codes_are_in_order_so_that_each_is_found() {
        assert!(CODES.is_sorted());
    }

    #[test]
    fn a_request_is_counted_where_it_belongs_and_unknown_codes_together() {
        let requests = Requests::default();
        requests.record(Route::Blob, Method::Head, 404, Duration::from_millis(2));
        requests.record(Route::None, Method::Other, 418, Duration::ZERO);
        requests.record(Route::None, Method::Other, 599, Duration::ZERO);
        let text = written(&requests);
        for line in [
            "requests_total{route=\"blob\",method=\"HEAD\",code=\"404\"} 1",
            "requests_total{route=\"none\",method=\"other\",code=\"other\"} 2",
            "seconds_count{route=\"blob\",method=\"HEAD\"} 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("requests_total")).count(), 2);
    }
}
