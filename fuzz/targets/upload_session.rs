//! An upload session as a sequence of anything that clients do, broken connections and restarts of the server among them,
//! against a simple model: it holds exactly the bytes that it says, and only the right digest ends it with a blob.

use arbitrary::{Result, Unstructured};
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use holdfast::oci::{Algorithm, Digest};
use holdfast::store::Hasher;

use super::world::{Answer, World};

const REPOSITORY: &str = "fuzz/session";

pub fn upload_session(data: &[u8]) {
    World::with(|world| {
        let mut model = Model { session: world.start_upload(REPOSITORY), world, held: Vec::new() };
        let mut input = Unstructured::new(data);
        // Too few bytes are the end of the sequence.
        while !input.is_empty() && model.step(&mut input).unwrap_or(false) {
            model.expect_state();
        }
        model.close_if_open();
    });
}

struct Model<'a> {
    world: &'a mut World,
    session: String,
    held: Vec<u8>,
}

impl Model<'_> {
    /// Does one thing. `false` once the session has ended.
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<bool> {
        match input.int_in_range(0..=11)? {
            0..=2 => self.append(&bytes(input)?),
            3..=4 => self.append_at(input)?,
            5..=6 => self.break_append(&bytes(input)?),
            7 => self.break_close(&bytes(input)?),
            8 if input.ratio(1, 4)? => {
                self.world.restart();
                // A session without a byte is not kept.
                return Ok(!self.held.is_empty());
            }
            8 => drop(self.send("PUT", "", &[], b"ignored").expect(400)),
            9 => return Ok(self.close(&bytes(input)?)),
            10 => return Ok(self.close_with_wrong_digest(&bytes(input)?)),
            _ => {
                self.send("DELETE", "", &[], b"").expect(204);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn send(&self, method: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.world.send(method, &format!("{}{query}", self.session), headers, body)
    }

    fn append(&mut self, bytes: &[u8]) {
        self.send("PATCH", "", &[], bytes).expect(202);
        self.held.extend_from_slice(bytes);
    }

    /// At its end, or elsewhere.
    fn append_at(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let first = self.held.len().saturating_add_signed(*input.choose(&[0, 0, -1, 1, 1_000])?);
        let mut bytes = bytes(input)?;
        bytes.push(0);
        let range = format!("{first}-{}", first + bytes.len() - 1);
        let answer = self.send("PATCH", "", &[("content-range", &range)], &bytes);
        match first == self.held.len() {
            true => self.held.append(&mut bytes),
            false => assert_eq!(answer.status, 416),
        }
        Ok(())
    }

    /// What has arrived stays.
    fn break_append(&mut self, bytes: &[u8]) {
        self.break_off("PATCH", "", bytes);
        self.held.extend_from_slice(bytes);
    }

    /// What has arrived goes, so that the same request can be repeated.
    fn break_close(&mut self, bytes: &[u8]) {
        let digest = Hasher::digest(Algorithm::Sha256, b"never");
        self.break_off("PUT", &format!("?digest={digest}"), bytes);
    }

    fn break_off(&self, method: &str, query: &str, sent: &[u8]) {
        let pieces = [Ok(Bytes::copy_from_slice(sent)), Err(std::io::Error::other("gone"))];
        let request = Request::builder().method(method).uri(format!("{}{query}", self.session));
        let request = request.header("content-length", sent.len() + 1);
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        assert!(self.world.ask(request.body(body).unwrap()).status.is_client_error());
    }

    fn close(&mut self, bytes: &[u8]) -> bool {
        self.held.extend_from_slice(bytes);
        let digest = self.digest();
        self.send("PUT", &format!("?digest={digest}"), &[], bytes).expect(201);
        let blob = format!("/v2/{REPOSITORY}/blobs/{digest}");
        assert_eq!(self.world.send("GET", &blob, &[], b"").expect(200).body, self.held);
        self.expect_ended()
    }

    fn close_with_wrong_digest(&mut self, bytes: &[u8]) -> bool {
        let digest = Hasher::digest(Algorithm::Sha512, b"something else");
        self.send("PUT", &format!("?digest={digest}"), &[], bytes).expect(400);
        self.world.send("GET", &format!("/v2/{REPOSITORY}/blobs/{digest}"), &[], b"").expect(404);
        self.expect_ended()
    }

    /// In one of the algorithms, the less usual ones among them, for which all has to be read again.
    fn digest(&self) -> Digest {
        Hasher::digest(Algorithm::ALL[self.held.len() % 3], &self.held)
    }

    fn expect_ended(&self) -> bool {
        self.send("GET", "", &[], b"").expect(404);
        false
    }

    /// None and one look the same.
    fn expect_state(&self) {
        let range = format!("0-{}", self.held.len().saturating_sub(1));
        assert_eq!(self.send("GET", "", &[], b"").expect(204).header("range"), range);
    }

    /// A session that is still open ends with the digest of what it must hold.
    fn close_if_open(&mut self) {
        if self.send("GET", "", &[], b"").status == 204 {
            self.close(b"");
        }
    }
}

/// Some bytes: few that say something, or many that are all the same.
fn bytes(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = match input.int_in_range(0..=3)? {
        0 => usize::from(input.arbitrary::<u16>()?) * 4,
        _ => usize::from(input.arbitrary::<u8>()?),
    };
    Ok(vec![input.arbitrary()?; length])
}
