//! Somebody who is told of events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Listens on loopback, and keeps what it is told in the requests that it answers well.
pub(crate) struct Listener {
    pub(crate) port: u16,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    /// How requests are answered.
    status: AtomicU16,
    /// Their heads.
    requests: Mutex<Vec<String>>,
    events: Mutex<Vec<Value>>,
}

impl Listener {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let heard = Arc::new(Heard { status: AtomicU16::new(200), ..Heard::default() });
        let (port, copy) = (listener.local_addr().unwrap().port(), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let heard = Arc::clone(&copy);
                // Whoever hangs up in the middle has told nothing.
                thread::spawn(move || _ = hear(stream, &heard));
            }
        });
        Self { port, heard }
    }

    /// Its address, as an endpoint is told by.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.heard.status.store(status, Ordering::SeqCst);
    }

    /// The head of each request, however it was answered.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.heard.requests.lock().unwrap().clone()
    }

    /// Everything that was told so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.heard.events.lock().unwrap().clone()
    }

    /// The same, once there are so many of them.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Value> {
        self.wait(|events| events.len() >= count)
    }

    /// The same, once it is so.
    #[track_caller]
    pub(crate) fn wait(&self, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let events = self.events();
            if is_so(&events) {
                return events;
            }
            assert!(began.elapsed() < PATIENCE, "only these were told: {events:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn hear(stream: TcpStream, heard: &Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = String::new();
    while !lines.ends_with("\r\n\r\n") {
        if reader.read_line(&mut lines)? == 0 {
            return Ok(());
        }
    }
    let length = lines.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let status = heard.status.load(Ordering::SeqCst);
    if status < 400 {
        let envelope: Value = serde_json::from_slice(&body).unwrap();
        heard.events.lock().unwrap().extend(envelope["events"].as_array().unwrap().clone());
    }
    heard.requests.lock().unwrap().push(lines);
    let answer = format!("HTTP/1.1 {status} As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes())
}
