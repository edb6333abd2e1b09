//! The standard variables of OpenTelemetry (`OTEL_…`), as distribution 3 reads them: laid over the tree as the settings of `tracing`.
//!
//! What they ask for and cannot be done is said at the start; no variable that is set is passed over in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::problem::{Findings, Origin};
use super::settings::Level;
use super::tree::{Content, Entry, Node, Step};

pub(super) const PREFIX: &str = "OTEL_";

/// Where a collector listens if nobody says otherwise (OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP").
const USUAL: &str = "http://localhost:4318";

/// What is understood: all of it is about traces.
const KNOWN: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// Lays what the variables say over the tree.
pub(super) fn overlay(tree: &mut Node, variables: &BTreeMap<String, String>, findings: &mut Findings) {
    // The specification has empty values count as none.
    let variables = variables.iter().filter(|(_, value)| !value.is_empty());
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Telemetry { tree, variables, findings }.overlay();
}

struct Telemetry<'a> {
    tree: &'a mut Node,
    variables: BTreeMap<&'a str, &'a str>,
    findings: &'a mut Findings,
}

impl<'a> Telemetry<'a> {
    fn overlay(&mut self) {
        if !self.is_wanted() {
            return;
        }
        self.endpoint();
        self.headers();
        self.timeout();
        self.resource();
        self.sampler();
        let unknown: Vec<String> = self
            .variables
            .keys()
            .filter(|name| !KNOWN.contains(name))
            .map(|name| (*name).to_owned())
            .collect();
        for name in unknown {
            self.note(
                &name,
                "this is not supported, and ignored: traces are sent by OTLP over HTTP, and nothing else is",
            );
        }
    }

    /// Whether traces are to be sent, as far as the variables say. Where they say that none are, that holds against a file as well.
    fn is_wanted(&mut self) -> bool {
        if self.variables.is_empty() {
            return false;
        }
        if self.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return self.switch_off("OTEL_SDK_DISABLED");
        }
        if let Some(protocol) = self.specific("PROTOCOL").filter(|(_, protocol)| *protocol != "http/protobuf")
        {
            self.note(
                &protocol.0,
                "only http/protobuf is spoken, so no traces are sent; collectors take it on port 4318",
            );
            return self.switch_off(&protocol.0);
        }
        match self.get("OTEL_TRACES_EXPORTER") {
            None | Some("otlp") => true,
            Some("none") => self.switch_off("OTEL_TRACES_EXPORTER"),
            Some(_) => {
                self.note("OTEL_TRACES_EXPORTER", "only otlp and none are known, so no traces are sent");
                self.switch_off("OTEL_TRACES_EXPORTER")
            }
        }
    }

    /// By what a variable says no traces are sent: nothing that follows counts.
    fn switch_off(&mut self, variable: &str) -> bool {
        self.set(variable, "tracing.endpoint", "");
        false
    }

    fn endpoint(&mut self) {
        let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let special = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let below = |base: &str| format!("{}/v1/traces", base.trim_end_matches('/'));
        if let Some(url) = self.get(special) {
            self.set(special, "tracing.endpoint", url);
        } else if let Some(base) = self.get(general) {
            self.set(general, "tracing.endpoint", &below(base));
        } else if self.get("OTEL_TRACES_EXPORTER").is_some() && !self.is_set("tracing.endpoint") {
            self.set("OTEL_TRACES_EXPORTER", "tracing.endpoint", &below(USUAL));
        }
    }

    fn headers(&mut self) {
        if let Some((name, text)) = self.specific("HEADERS") {
            let pairs = self.pairs(&name, text);
            self.set_map(&name, "tracing.headers", &pairs);
        }
    }

    fn timeout(&mut self) {
        if let Some((name, milliseconds)) = self.specific("TIMEOUT") {
            self.set(&name, "tracing.timeout", &format!("{milliseconds}ms"));
        }
    }

    fn resource(&mut self) {
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        if let Some(text) = self.get(ATTRIBUTES) {
            let mut pairs = self.pairs(ATTRIBUTES, text);
            if let Some(service) = pairs.iter().position(|(name, _)| name == "service.name") {
                let (_, service) = pairs.remove(service);
                self.set(ATTRIBUTES, "tracing.servicename", &service);
            }
            self.set_map(ATTRIBUTES, "tracing.attributes", &pairs);
        }
        if let Some(service) = self.get("OTEL_SERVICE_NAME") {
            self.set("OTEL_SERVICE_NAME", "tracing.servicename", service);
        }
    }

    fn sampler(&mut self) {
        const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
        let argument = self.get("OTEL_TRACES_SAMPLER_ARG");
        let Some(sampler) = self.get(SAMPLER) else {
            if argument.is_some() {
                self.note(
                    "OTEL_TRACES_SAMPLER_ARG",
                    "it says nothing without OTEL_TRACES_SAMPLER, and is ignored",
                );
            }
            return;
        };
        let ratio = match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
            "always_on" => "1",
            "always_off" => "0",
            "traceidratio" => argument.unwrap_or("1"),
            _ => return self.note(SAMPLER, "this sampler is not known, and ignored"),
        };
        if !sampler.starts_with("parentbased_") {
            self.note(
                SAMPLER,
                "whether a request is sampled that is a part of a trace stays as its traceparent says",
            );
        }
        let name = if ratio == "1" || ratio == "0" { SAMPLER } else { "OTEL_TRACES_SAMPLER_ARG" };
        self.set(name, "tracing.samplingratio", ratio);
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).copied()
    }

    /// What is said of traces alone, else of all that OTLP carries; with the variable that says it.
    fn specific(&self, what: &str) -> Option<(String, &'a str)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    /// Reads `name=value,name=value`, with escapes in values (W3C Baggage).
    fn pairs(&mut self, variable: &str, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) => {
                    let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
                    pairs.push((name.trim().to_owned(), value));
                }
                None => self.note(variable, "a part of it is not name=value, and ignored"),
            }
        }
        pairs
    }

    fn is_set(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        let text = self.tree.get(&path).map(|node| &node.content);
        matches!(text, Some(Content::Scalar { text, .. }) if !text.is_empty())
    }

    fn set(&mut self, variable: &str, key: &str, value: &str) {
        let node = Node::text(origin(variable), value);
        self.tree.set(&Step::all(key), node, self.findings);
    }

    fn set_map(&mut self, variable: &str, key: &str, pairs: &[(String, String)]) {
        let origin = origin(variable);
        let entry = |(name, value): &(String, String)| Entry {
            key: name.clone(),
            origin: origin.clone(),
            node: Node::text(origin.clone(), value),
        };
        let content = Content::Map(pairs.iter().map(entry).collect());
        self.tree.set(&Step::all(key), Node { origin: origin.clone(), content }, self.findings);
    }

    fn note(&mut self, variable: &str, message: &str) {
        self.findings.note(Level::Warn, &origin(variable), "", message.to_owned());
    }
}

fn origin(variable: &str) -> Origin {
    Origin::Variable(Arc::from(variable))
}
