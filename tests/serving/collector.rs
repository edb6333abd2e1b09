//! A collector of traces, as OTLP over HTTP has one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// Takes traces until the test ends.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>,
}

impl Collector {
    /// One that answers after so long.
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::default();
        let copy = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let taken = Arc::clone(&copy);
                std::thread::spawn(move || take(stream.unwrap(), delay, &taken));
            }
        });
        Self { address, taken }
    }

    /// The heads of the requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// The attributes of the resource.
    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        self.taken.lock().unwrap()[0].1.resource_spans[0].resource.clone().unwrap().attributes
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let requests = taken.iter().flat_map(|(_, request)| &request.resource_spans);
        requests.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The spans of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }
}

/// The text of an attribute.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// Takes one request after another.
fn take(mut stream: TcpStream, delay: Duration, taken: &Mutex<Vec<(String, ExportTraceServiceRequest)>>) {
    let mut read = Vec::new();
    let mut block = [0; 64 << 10];
    loop {
        let end = read.windows(4).position(|window| window == b"\r\n\r\n").map(|end| end + 4);
        let head = end.map(|end| String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase());
        let length = head
            .as_ref()
            .and_then(|head| head.split_once("content-length: ")?.1.lines().next()?.parse().ok());
        if let (Some(head), Some(end), Some(length)) = (head, end, length) {
            let length: usize = length;
            if read.len() >= end + length {
                let body = read[end..end + length].to_vec();
                read.drain(..end + length);
                let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
                std::thread::sleep(delay);
                taken.lock().unwrap().push((head, request));
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read(&mut block) {
            Ok(length @ 1..) => read.extend_from_slice(&block[..length]),
            _ => return,
        }
    }
}
