//! What a request goes by: its own id, and that of the trace that it is a part of.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

const REQUEST_ID: &str = "x-request-id";
const TRACE_PARENT: &str = "traceparent";

/// Names a request in everything that is said of it. Every request that is logged carries it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Name);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Own(u64),
    /// A proxy has given it.
    Given(Arc<str>),
}

impl RequestId {
    /// The longest that is taken from a proxy, in bytes.
    const LONGEST: usize = 128;

    /// A number that no other request of this process has, nor, in all likelihood, one of another.
    pub(super) fn next() -> Self {
        static NEXT: LazyLock<AtomicU64> =
            LazyLock::new(|| AtomicU64::new(uuid::Uuid::new_v4().as_u64_pair().0));
        Self::own(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A number of our own.
    pub(super) const fn own(number: u64) -> Self {
        Self(Name::Own(number))
    }

    /// What a proxy has called the request, if that is short and printable.
    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(REQUEST_ID)?.to_str().ok()?;
        let is_fit =
            (1..=Self::LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_fit.then(|| Self(Name::Given(id.into())))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Own(number) => write!(formatter, "{number:016x}"),
            Name::Given(id) => formatter.write_str(id),
        }
    }
}

/// What a request is a part of (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceParent {
    trace: u128,
    /// The span that has made the request.
    parent: u64,
    flags: u8,
}

impl TraceParent {
    /// What the `traceparent` says, if there is one and it is well formed. Later versions may say more behind what this one says.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACE_PARENT).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        let fields: Vec<&str> = line.to_str().ok()?.split('-').collect();
        let [version, trace, parent, flags, rest @ ..] = fields.as_slice() else { return None };
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        let is_of_its_version = *version != "ff" && (*version != "00" || rest.is_empty());
        let read = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            parent: u64::from_str_radix(parent, 16).ok()?,
            flags: u8::from_str_radix(flags, 16).ok()?,
        };
        let is_named = read.trace != 0 && read.parent != 0;
        (is_whole && is_of_its_version && is_named).then_some(read)
    }

    /// The id of the trace, as it is written.
    pub(super) fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

impl From<&TraceParent> for SpanContext {
    fn from(parent: &TraceParent) -> Self {
        let flags = TraceFlags::new(parent.flags & TraceFlags::SAMPLED.to_u8());
        let (trace, span) = (opentelemetry::TraceId::from(parent.trace), SpanId::from(parent.parent));
        SpanContext::new(trace, span, flags, true, TraceState::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    fn trace(values: &[&str]) -> Option<String> {
        TraceParent::of(&headers(TRACE_PARENT, values)).map(|parent| parent.trace_id())
    }

    #[test]
    fn a_trace_id_is_taken_from_what_is_well_formed_and_from_nothing_else() {
        const ID: &str = "0af7651916cd43dd8448eb211c80319c";
        const LINE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace(&[LINE]).as_deref(), Some(ID));
        let later = LINE.replacen("00", "01", 1) + "-what-comes";
        assert_eq!(trace(&[&later]).as_deref(), Some(ID));
        for wrong in [
            LINE.replacen("00", "ff", 1),
            LINE.to_uppercase(),
            format!("{LINE}-more"),
            LINE.replace(ID, &"0".repeat(32)),
            LINE.replace("b7ad6b7169203331", "0000000000000000"),
            LINE.replace('-', " "),
            ID.to_owned(),
            String::new(),
        ] {
            assert_eq!(trace(&[&wrong]), None, "{wrong}");
        }
        assert_eq!(trace(&[LINE, LINE]), None);
        assert_eq!(trace(&[]), None);
    }

    #[test]
    fn a_request_id_of_a_proxy_is_short_and_printable() {
        let given = |value: &str| RequestId::given(&headers(REQUEST_ID, &[value])).map(|id| id.to_string());
        assert_eq!(given("7f-A.1").as_deref(), Some("7f-A.1"));
        for wrong in ["", "a b", "a\tb", &"x".repeat(129)] {
            assert_eq!(given(wrong), None, "{wrong:?}");
        }
        assert_ne!(RequestId::next(), RequestId::next());
    }
}
