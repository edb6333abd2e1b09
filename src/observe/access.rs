//! Access lines: one a request, on standard output, in Apache's combined form as registry:2 prints
//! them.

use std::fmt::{self, Write as _};

use time::{Month, OffsetDateTime};

/// What a line says of one request.
pub(super) struct Line<'request> {
    pub(super) client: &'request dyn fmt::Display,
    /// When the request's headers had arrived.
    pub(super) began: OffsetDateTime,
    pub(super) method: &'request str,
    pub(super) target: &'request str,
    /// `HTTP/1.1`, as on the wire.
    pub(super) version: &'request str,
    pub(super) status: u16,
    /// Bytes of body handed to the connection.
    pub(super) sent: u64,
    pub(super) referer: &'request str,
    pub(super) user_agent: &'request str,
}

/// Writes the line, if access lines are wanted.
pub(super) fn write(line: &Line<'_>) {
    if let Some(lines) = super::ACCESS.get() {
        lines.write(line.to_string());
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

    #[test]
    fn an_access_line_has_apaches_combined_form() {
        let line = Line {
            client: &"192.0.2.7",
            began: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_136_214_245),
            method: "GET",
            target: "/v2/",
            version: "HTTP/1.1",
            status: 200,
            sent: 2,
            referer: "",
            user_agent: "docker/27 \"quoted\"\u{1b}[31m",
        };
        assert_eq!(
            line.to_string(),
            "192.0.2.7 - - [02/Jan/2006:15:04:05 +0000] \"GET /v2/ HTTP/1.1\" 200 2 \"\" \
             \"docker/27 \\\"quoted\\\"\\x1b[31m\"\n"
        );
    }
}
