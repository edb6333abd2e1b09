//! All metrics as text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::families::Readings;
use super::process::Process;

/// The two forms that Prometheus and those like it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The older one, which everybody reads: text 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Form {
    /// The form that suits what an `Accept` header says.
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes all metrics whenever somebody looks.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    /// One that asks `read` how things stand. It is asked on each call of [`Exposition::text`], and may block for a moment.
    pub fn new(read: impl Fn() -> Readings + Send + Sync + 'static) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let ours = registry.sub_registry_with_prefix("holdfast");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The version that runs", build);
        super::metrics().register(ours);
        ours.register_collector(Box::new(Owners(read)));
        Self(registry)
    }

    /// Everything, as it is now.
    ///
    /// # Errors
    ///
    /// When a metric cannot be written, which is a defect.
    pub fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut written = String::with_capacity(32 << 10);
        match form {
            Form::Prometheus => prometheus_text::encode(&mut written, &self.0)?,
            Form::OpenMetrics => text::encode(&mut written, &self.0)?,
        }
        Ok(written)
    }
}

/// Those who know how things stand.
struct Owners<F>(F);

impl<F> fmt::Debug for Owners<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Owners")
    }
}

impl<F: Fn() -> Readings + Send + Sync + 'static> Collector for Owners<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)().encode(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_what_was_counted_and_what_was_read() {
        let exposition = Exposition::new(|| Readings { blobs: Some(7), ..Readings::default() });
        super::super::metrics().tokens_issued.inc();
        for form in [Form::Prometheus, Form::OpenMetrics] {
            let text = exposition.text(form).expect("text");
            for start in [
                "holdfast_store_blobs 7",
                "holdfast_auth_tokens_issued_total ",
                "holdfast_build_info{version=\"",
                "process_cpu_seconds_total ",
                "holdfast_auth_logins_total{outcome=\"refused\"} ",
            ] {
                assert!(text.lines().any(|line| line.starts_with(start)), "{start} is missing in\n{text}");
            }
            assert!(!text.contains("holdfast_store_tags"), "what is not known is not made up");
        }
    }

    #[test]
    fn whoever_asks_for_openmetrics_gets_it_and_everybody_else_what_everybody_reads() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Form::accepted(prometheus), Form::OpenMetrics);
        assert_eq!(Form::accepted("*/*"), Form::Prometheus);
        let exposition = Exposition::new(Readings::default);
        assert!(exposition.text(Form::OpenMetrics).is_ok_and(|text| text.ends_with("# EOF\n")));
    }
}
