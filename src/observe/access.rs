//! Access lines: one a request, on standard output, in Apache's combined form as registry:2 prints
//! them, or as JSON objects.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;
use time::{Month, OffsetDateTime};

use super::identifiers::{RequestId, TraceParent};
use super::lines::Lines;
use super::metrics::{Label, Route};
use crate::oci::RepositoryName;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessForm {
    /// Apache's.
    Combined,
    /// An object a line.
    Json,
}

/// Where the lines go, and in which form.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) lines: Lines,
    pub(super) form: AccessForm,
}

/// What a line says of one request.
pub(super) struct Line<'request> {
    pub(super) request: &'request RequestId,
    pub(super) trace: Option<&'request TraceParent>,
    pub(super) route: Route,
    pub(super) repository: Option<&'request RepositoryName>,
    pub(super) user: Option<&'request str>,
    pub(super) client: &'request dyn fmt::Display,
    /// When the request's headers had arrived.
    pub(super) began: OffsetDateTime,
    pub(super) method: &'request str,
    pub(super) target: &'request str,
    /// `HTTP/1.1`, as on the wire.
    pub(super) version: &'request str,
    pub(super) status: u16,
    /// Bytes of the request's body that came in.
    pub(super) received: u64,
    /// Bytes of body handed to the connection.
    pub(super) sent: u64,
    /// From the request's headers to the end of its response.
    pub(super) took: Duration,
    pub(super) referer: &'request str,
    pub(super) user_agent: &'request str,
}

/// Writes the line, if access lines are wanted.
pub(super) fn write(line: &Line<'_>) {
    if let Some(access) = super::ACCESS.get() {
        access.lines.write(match access.form {
            AccessForm::Combined => line.to_string(),
            AccessForm::Json => line.to_json(),
        });
    }
}

/// A line as JSON has it. What is not known is left out.
#[derive(Serialize)]
struct Object<'line> {
    time: String,
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    client: String,
    method: &'line str,
    target: &'line str,
    protocol: &'line str,
    route: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<&'line str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'line str>,
    status: u16,
    received: u64,
    sent: u64,
    milliseconds: f64,
    #[serde(skip_serializing_if = "str::is_empty")]
    referer: &'line str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'line str,
}

impl Line<'_> {
    /// The object, with its line feed.
    fn to_json(&self) -> String {
        let object = Object {
            time: Instant(self.began).to_string(),
            request: self.request.to_string(),
            trace_id: self.trace.map(TraceParent::trace_id),
            client: self.client.to_string(),
            method: self.method,
            target: self.target,
            protocol: self.version,
            route: self.route.as_str(),
            repository: self.repository.map(RepositoryName::as_str),
            user: self.user,
            status: self.status,
            received: self.received,
            sent: self.sent,
            milliseconds: (self.took.as_secs_f64() * 1e6).round() / 1e3,
            referer: self.referer,
            user_agent: self.user_agent,
        };
        let mut line = serde_json::to_string(&object).expect("text and numbers can always be written");
        line.push('\n');
        line
    }
}

/// `2006-01-02T15:04:05.000000Z`
struct Instant(OffsetDateTime);

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second, microsecond) = self.0.to_hms_micro();
        let month = u8::from(month);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond:06}Z")
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            r#"{} - - [{}] "{} {} {}" {} {} "{}" "{}""#,
            self.client,
            Clock(self.began),
            self.method,
            Escaped(self.target),
            self.version,
            self.status,
            self.sent,
            Escaped(self.referer),
            Escaped(self.user_agent),
        )
    }
}

/// `02/Jan/2006:15:04:05 +0000`
struct Clock(OffsetDateTime);

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.to_hms();
        write!(
            formatter,
            "{:02}/{}/{:04}:{hour:02}:{minute:02}:{second:02} +0000",
            self.0.day(),
            abbreviation(self.0.month()),
            self.0.year(),
        )
    }
}

fn abbreviation(month: Month) -> &'static str {
    match month {
        Month::January => "Jan",
        Month::February => "Feb",
        Month::March => "Mar",
        Month::April => "Apr",
        Month::May => "May",
        Month::June => "Jun",
        Month::July => "Jul",
        Month::August => "Aug",
        Month::September => "Sep",
        Month::October => "Oct",
        Month::November => "Nov",
        Month::December => "Dec",
    }
}

/// What a client sent, made safe to stand between quotes on one line.
struct Escaped<'text>(&'text str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(formatter, "\\{character}")?,
                _ if character.is_control() => {
                    write!(formatter, "\\x{:02x}", u32::from(character))?;
                }
                _ => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        const REQUEST: &RequestId = &RequestId::own(7);
        Line {
            request: REQUEST,
            trace: None,
            route: Route::Base,
            repository: None,
            user: None,
            client: &"192.0.2.7",
            began: OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_136_214_245_067),
            method: "GET",
            target: "/v2/",
            version: "HTTP/1.1",
            status: 200,
            received: 0,
            sent: 2,
            took: Duration::from_micros(1_234),
            referer: "",
            user_agent: "docker/27 \"quoted\"\u{1b}[31m",
        }
    }

    #[test]
    fn an_access_line_has_apaches_combined_form() {
        assert_eq!(
            line().to_string(),
            "192.0.2.7 - - [02/Jan/2006:15:04:05 +0000] \"GET /v2/ HTTP/1.1\" 200 2 \"\" \
             \"docker/27 \\\"quoted\\\"\\x1b[31m\"\n"
        );
    }

    #[test]
    fn as_json_it_is_one_line_that_leaves_out_what_is_not_known() {
        assert_eq!(
            line().to_json(),
            "{\"time\":\"2006-01-02T15:04:05.067000Z\",\"request\":\"0000000000000007\",\"client\":\"192.0.2.7\",\
             \"method\":\"GET\",\"target\":\"/v2/\",\"protocol\":\"HTTP/1.1\",\"route\":\"base\",\"status\":200,\
             \"received\":0,\"sent\":2,\"milliseconds\":1.234,\
             \"user_agent\":\"docker/27 \\\"quoted\\\"\\u001b[31m\"}\n"
        );
    }
}
