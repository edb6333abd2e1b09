//! A wire tap: stands between a client and the registry, passes every byte on, and remembers the requests. It shows what
//! a client did where the outcome alone does not, such as a mount instead of a second upload.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens until the test process ends.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    /// A tap before the registry at `registry`.
    pub(crate) fn before(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(registry) else {
                    break;
                };
                pass_both_ways(client, server, &shared);
            }
        });
        Self { address, heard }
    }

    /// The request lines so far that begin like this: `PATCH /v2/name/`.
    pub(crate) fn requests(&self, beginning: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let found = heard.iter().flat_map(|bytes| lines_from(bytes, beginning.as_bytes()));
        found.collect()
    }

    /// The values of this header so far, on whatever request.
    pub(crate) fn header_values(&self, name: &str) -> Vec<String> {
        let lines = self.requests(&format!("\r\n{name}: "));
        lines.iter().filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect()
    }
}

/// Every place where `beginning` stands, to the end of its line. (A request may follow the payload of another at once.)
fn lines_from(bytes: &[u8], beginning: &[u8]) -> Vec<String> {
    let starts = (0..bytes.len()).filter(|start| bytes[*start..].starts_with(beginning));
    let line = |start: usize| {
        let rest = &bytes[start + beginning.len()..];
        let end = rest.iter().position(|byte| *byte == b'\r').unwrap_or(rest.len());
        String::from_utf8_lossy(&bytes[start..start + beginning.len() + end]).into_owned()
    };
    starts.map(line).collect()
}

fn pass_both_ways(client: TcpStream, server: TcpStream, heard: &Arc<Mutex<Vec<Vec<u8>>>>) {
    let (client_again, server_again) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let place = {
            let mut heard = heard.lock().unwrap();
            heard.push(Vec::new());
            heard.len() - 1
        };
        pass(client, server, |bytes| {
            heard.lock().unwrap()[place].extend_from_slice(bytes);
        });
    });
    thread::spawn(move || pass(server_again, client_again, |_| ()));
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut listen: impl FnMut(&[u8])) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        listen(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _the_other_side_may_be_gone = to.shutdown(Shutdown::Write);
}
