//! Pulling, as clients do it.

use std::io;

use sha2::{Digest as _, Sha256};

use super::payload::to_text;
use super::{Connection, Request};

/// GET of something that has `size` bytes. Returns them.
pub fn pull(connection: &mut Connection, path: &str, size: u64) -> io::Result<u64> {
    let request = Request::new("GET", path);
    Ok(connection.send(request)?.expect(200)?.expect_length(size)?.length)
}

/// The same, and what has come has this digest.
pub fn pull_verified(connection: &mut Connection, path: &str, size: u64, digest: &str) -> io::Result<u64> {
    let mut hash = Sha256::new();
    let answer = connection.exchange(Request::new("GET", path), &mut |bytes| hash.update(bytes))?;
    answer.expect(200)?.expect_length(size)?;
    let found = to_text(&hash.finalize());
    match found == digest {
        true => Ok(size),
        false => Err(io::Error::other(format!("{path} gave other bytes, of digest {found}"))),
    }
}

/// HEAD of something that has `size` bytes.
pub fn check_blob(connection: &mut Connection, path: &str, size: u64) -> io::Result<u64> {
    connection.send(Request::new("HEAD", path))?.expect(200)?.expect_length(size)?;
    Ok(0)
}
