//! Log events as lines: text for people, JSON for machines.
//!
//! Text is `TIME LEVEL message key=value …`; JSON is one flat object with `time`, `level`, `msg` and
//! the fields, the names that registry:2 gives them. A field of the spans around an event (the id of
//! the request, above all) stands among the event's own.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The form of a line, and what every line carries.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) json: bool,
    pub(super) colour: bool,
    pub(super) fields: BTreeMap<String, String>,
}

/// The layer that writes each event as one line.
pub(super) struct Events<Write> {
    form: Form,
    write: Write,
}

impl<Write: Fn(String)> Events<Write> {
    /// Each line, with its line feed, is given to `write`.
    pub(super) fn new(form: Form, write: Write) -> Self {
        Events { form, write }
    }
}

impl<S, Write> Layer<S> for Events<Write>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    Write: Fn(String) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.values.extend(outer.values.iter().cloned());
            }
        }
        (self.write)(self.form.line(*event.metadata().level(), &fields));
    }
}

/// What an event or a span says: its message, and its fields in the order given.
#[derive(Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    /// What is meant for traces alone is left out.
    fn push(&mut self, field: &Field, value: Value) {
        if !field.name().starts_with("otel.") {
            self.values.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.push(field, Value::String(format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _ => self.push(field, Value::from(value)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::from(value));
    }
}

impl Form {
    /// The whole line, with its line feed.
    fn line(&self, level: Level, fields: &Fields) -> String {
        let mut line = match self.json {
            true => self.json_line(level, fields),
            false => self.text_line(level, fields),
        };
        line.push('\n');
        line
    }

    fn json_line(&self, level: Level, fields: &Fields) -> String {
        let mut object = Map::new();
        for (name, value) in &self.fields {
            object.insert(name.clone(), Value::from(value.as_str()));
        }
        for (name, value) in &fields.values {
            object.insert((*name).to_owned(), value.clone());
        }
        let level = level.as_str().to_ascii_lowercase();
        let level = if level == "warn" { "warning".to_owned() } else { level };
        object.insert("level".to_owned(), Value::from(level));
        object.insert("msg".to_owned(), Value::from(fields.message.as_str()));
        object.insert("time".to_owned(), Value::from(now()));
        Value::Object(object).to_string()
    }

    fn text_line(&self, level: Level, fields: &Fields) -> String {
        let mut line = now();
        let (on, off) = match self.colour {
            true => (colour(level), "\u{1b}[0m"),
            false => ("", ""),
        };
        // Writing into a String cannot fail.
        let _ = write!(line, " {on}{level:>5}{off} {}", printable(&fields.message));
        for (name, value) in &fields.values {
            match value {
                Value::String(value) => _ = write!(line, " {name}={}", Quoted(value)),
                value => _ = write!(line, " {name}={value}"),
            }
        }
        for (name, value) in &self.fields {
            let _ = write!(line, " {name}={}", Quoted(value));
        }
        line
    }
}

/// A value as it stands where it is one plain word, else in quotes with its odd characters escaped.
struct Quoted<'value>(&'value str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '=');
        match !self.0.is_empty() && self.0.chars().all(plain) {
            true => formatter.write_str(self.0),
            false => write!(formatter, "{:?}", self.0),
        }
    }
}

/// A message on one line, whatever it quotes: control characters are shown, never sent to a terminal.
fn printable(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for character in message.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// The present in UTC, RFC 3339 with microseconds.
fn now() -> String {
    let mut time = String::with_capacity(40);
    // Fails only where the writer does, and a String does not.
    let _ = SystemTime.format_time(&mut tracing_subscriber::fmt::format::Writer::new(&mut time));
    time
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[34m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: bool) -> Form {
        Form { json, colour: false, fields: BTreeMap::from([("service".to_owned(), "registry".to_owned())]) }
    }

    fn fields() -> Fields {
        Fields {
            message: "pushed\nForged line".to_owned(),
            values: vec![("status", Value::from(201)), ("path", Value::from("/v2/a b"))],
        }
    }

    #[test]
    fn a_text_line_is_one_line_whatever_it_quotes() {
        let line = form(false).line(Level::WARN, &fields());
        let (_, said) = line.split_once(' ').unwrap_or_default();
        assert_eq!(said, " WARN pushed\\nForged line status=201 path=\"/v2/a b\" service=registry\n");
    }

    #[test]
    fn a_json_line_has_the_names_that_registry_2_uses() {
        let line = form(true).line(Level::WARN, &fields());
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(value["level"], "warning");
        assert_eq!(value["msg"], "pushed\nForged line");
        assert_eq!(value["service"], "registry");
        assert_eq!(value["status"], 201);
        assert!(value["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
}
