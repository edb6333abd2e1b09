#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread::{self, JoinHandle};

use super::super::Trust;
use super::*;

/// A server that accepts a connection for each of these texts, reads the head of a request, and answers with the text.
fn server(answers: &'static [&'static str]) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    let serve = move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    };
    (target, thread::spawn(serve))
}

/// What a server that answers so is understood to have said: the body and its length.
fn understood(answer: &'static [&'static str]) -> Result<(String, u64), Failure> {
    let (target, server) = server(answer);
    let mut body = Vec::new();
    let mut connection = Connection::open(&target)?;
    let response =
        connection.fetch(&Request::new("GET", "/"), 200, &mut |bytes| body.extend_from_slice(bytes));
    drop(connection);
    server.join().unwrap();
    Ok((String::from_utf8(body).unwrap(), response?.length))
}

#[test]
fn a_body_ends_where_the_server_says_in_each_of_the_ways_to_say_it() {
    for answer in [
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"],
        &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n",
        ],
        &["HTTP/1.0 200 OK\r\n\r\nhello"],
        &["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello"],
    ] {
        assert_eq!(understood(answer).unwrap(), ("hello".to_owned(), 5), "{answer:?}");
    }
}

#[test]
fn an_answer_that_is_none_is_a_failure() {
    for answer in [
        "",
        "SSH-2.0-server\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let answers: &'static [&'static str] = vec![answer].leak();
        let failure = understood(answers).unwrap_err();
        assert!(matches!(failure, Failure::Malformed(_) | Failure::Connection(_)), "{answer:?}: {failure}");
    }
}

#[test]
fn another_status_is_told_with_what_the_server_says_about_it() {
    let failure = understood(&["HTTP/1.1 507 Full\r\nContent-Length: 8\r\n\r\nno room\n"]).unwrap_err();
    assert_eq!(failure.to_string(), "GET / was answered with status 507, not 200: no room");
}

#[test]
fn a_connection_that_the_server_closes_is_opened_anew_for_the_next_request() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const REFUSAL: &str = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (target, server) = server(&[LAST, REFUSAL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", LAST]);
    let mut connection = Connection::open(&target).unwrap();
    let mut ask = || connection.ask(&Request::new("GET", "/"), 200);
    assert!(ask().is_ok());
    assert!(matches!(ask(), Err(Failure::Status { status: 503, .. })));
    assert!(matches!(ask(), Err(Failure::Connection(_))));
    assert!(ask().is_ok());
    server.join().unwrap();
}

#[test]
fn who_waits_for_a_silent_server_stops_when_told_to() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    let encrypted = target.clone().encrypted(Trust::Anybody, Reconnect::Never).unwrap();
    for target in [target.clone(), target.over_http2(), encrypted.over_http2()] {
        let stop = Stop::default();
        let mut connection = Connection::closed(&target, &stop);
        let waiting = thread::spawn(move || connection.ask(&Request::new("GET", "/"), 200).map(drop));
        let (_silent, _) = listener.accept().unwrap();
        stop.set();
        assert!(matches!(waiting.join().unwrap(), Err(Failure::Stopped)));
    }
}
