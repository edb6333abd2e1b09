//! How HTTP is spoken on a connection: hyper's builders, set for large layers and long headers.

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// A request line is this long at the most, beside the headers.
const REQUEST_LINE: usize = 8 * 1024;

/// So many headers a request may have. Proxies and service meshes add theirs.
const HEADERS: usize = 512;

/// RFC 9113, section 10.5.1: HTTP/2 counts so many bytes more for each header.
const HTTP2_HEADER_OVERHEAD: usize = 32;

/// hyper's own default for what it reads ahead and holds back at the most.
const BUFFER: usize = 400 * 1024;

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// hyper's timeout for headers is off, for it would also run between two requests; the
/// [watchdog](super::progress::Watchdog) knows the difference. A client that ends its side after its
/// request, as HTTP/1.0 clients may, still gets its answer.
pub(super) fn http1(max_header_bytes: usize) -> http1::Builder {
    let head = max_header_bytes.saturating_add(REQUEST_LINE);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(HEADERS)
        .max_header_size(head)
        .max_buf_size(head.saturating_mul(2).max(BUFFER));
    builder
}

pub(super) fn http2(max_header_bytes: usize) -> http2::Builder<TokioExecutor> {
    let head = max_header_bytes.saturating_add(REQUEST_LINE).saturating_add(HEADERS * HTTP2_HEADER_OVERHEAD);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .initial_stream_window_size(2 * MIB)
        .initial_connection_window_size(8 * MIB)
        .max_frame_size(64 * KIB)
        .max_send_buf_size(MIB as usize);
    builder
}
