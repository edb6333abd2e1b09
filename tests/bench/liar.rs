//! Stands between a client and the registry, and changes what the registry says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Changes a piece of what comes from the registry.
type Lie = fn(&mut [u8]);

/// The address at which the registry is heard to lie. It listens until the test process ends.
pub(crate) fn before(registry: SocketAddr, lie: Lie) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(registry).unwrap();
            let (client_again, server_again) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(client, server, |_| ()));
            thread::spawn(move || pass(server_again, client_again, lie));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, lie: Lie) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut piece = buffer[..length].to_vec();
        lie(&mut piece);
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _the_other_side_may_be_gone = to.shutdown(Shutdown::Write);
}

/// One bit of each piece of a payload is another one. What is shorter may be the head of an answer, and stays.
pub(crate) fn flip_a_bit(piece: &mut [u8]) {
    const HEAD: usize = 4 << 10;
    if piece.len() > HEAD {
        piece.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    }
}

/// Who is asked for something says that it is not there.
pub(crate) fn deny(piece: &mut [u8]) {
    if let Some(status) = piece.get_mut(..12).filter(|status| *status == b"HTTP/1.1 200") {
        status.copy_from_slice(b"HTTP/1.1 404");
    }
}

/// Content is announced to be shorter than it is: the next answer begins in the midst of it.
pub(crate) fn announce_less(piece: &mut [u8]) {
    let Some(at) = piece.windows(21).position(|bytes| bytes.eq_ignore_ascii_case(b"content-length: 65536"))
    else {
        return;
    };
    piece[at..at + 21].copy_from_slice(b"content-length: 65535");
}
