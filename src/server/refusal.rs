//! Answers to connections that never get as far as a request.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What goes on every response (`http.headers`), as lines.
pub(super) fn header_lines(headers: &[(String, String)]) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        // Writing into a String cannot fail.
        let _ = write!(lines, "{name}: {value}\r\n");
    }
    lines
}

/// To a TLS handshake on a port that speaks plain HTTP. Clients look for bytes that begin
/// `HTTP/1.1 400` to know that they must do without TLS.
pub(super) fn no_tls(header_lines: &str) -> String {
    let body = "This port speaks plain HTTP, and a TLS handshake came in. \
                Use http://, or tell the client that this registry is insecure.\n";
    answer("HTTP/1.1 400 Bad Request", "text/plain; charset=utf-8", header_lines, body)
}

/// To plain HTTP on a port that speaks TLS: what Go's servers say, whose words clients know, and what to do.
pub(super) fn tls_only(header_lines: &str) -> String {
    let body = "Client sent an HTTP request to an HTTPS server.\nThis port speaks TLS: use https://.\n";
    answer("HTTP/1.0 400 Bad Request", "text/plain; charset=utf-8", header_lines, body)
}

/// To a connection for which no place became free.
pub(super) fn busy(header_lines: &str) -> String {
    let body = r#"{"errors":[{"code":"UNAVAILABLE","message":"the registry serves as many connections as it may (http.maxconnections); try again"}]}"#;
    let header_lines = format!(
        "Retry-After: {}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n{header_lines}",
        RETRY_AFTER.as_secs()
    );
    answer("HTTP/1.1 503 Service Unavailable", "application/json", &header_lines, body)
}

/// When a client that found no place may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Writes the answer and ends the connection, so that the client gets to read it.
pub(super) async fn send(mut connection: impl AsyncWrite + Unpin, answer: &str) {
    // The client may be gone, and then nobody misses the answer.
    let _ = connection.write_all(answer.as_bytes()).await;
    let _ = connection.shutdown().await;
}

fn answer(status: &str, media_type: &str, header_lines: &str, body: &str) -> String {
    format!(
        "{status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n{header_lines}\r\n{body}",
        body.len()
    )
}
