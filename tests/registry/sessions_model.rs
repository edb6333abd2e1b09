//! One upload session against a model of it: whatever a client does, in whatever order, the session holds exactly the
//! bytes that it says, and only the right digest ends it with a blob.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::support::{Holdfast, Request, Response, Upload, bytes_of, sha256};

const REPOSITORY: &str = "team/model";

/// What a client may do with a session. Lengths are in bytes; chunks of one byte are left out where the session would then
/// hold one byte, for `0-0` says nothing about that.
#[derive(Clone, Debug)]
enum Step {
    /// PATCH without a range.
    Append { length: usize, chunked: bool },
    /// PATCH that says where it belongs: at the session's end, or shifted by this much.
    AppendAt { length: usize, shift: isize },
    /// PATCH whose range has another length than its body.
    AppendWithWrongLength { length: usize },
    /// PATCH that breaks off after `sent` of `length` bytes.
    BreakAppend { length: usize, sent: usize, ranged: bool },
    /// PUT of the last bytes that breaks off after `sent` of `length` bytes.
    BreakClose { length: usize, sent: usize },
    /// PUT without a digest, or with one that is none.
    CloseWithoutDigest,
    /// PUT with a range that is out of order.
    CloseOutOfOrder { length: usize },
    /// PUT with the digest of something else: ends the session.
    CloseWithWrongDigest { length: usize },
    /// PUT with the last bytes and the right digest: ends the session.
    Close { length: usize },
    /// DELETE: ends the session.
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    let length =
        prop_oneof![Just(0usize), 2..40usize, 1_000..5_000usize, Just(65_536usize), 150_000..300_000usize];
    let length = move || length.clone();
    prop_oneof![
        6 => (length(), any::<bool>()).prop_map(|(length, chunked)| Step::Append { length, chunked }),
        6 => (2..50_000usize, prop_oneof![3 => Just(0isize), 1 => -3..4isize, 1 => Just(100_000isize)])
            .prop_map(|(length, shift)| Step::AppendAt { length, shift }),
        2 => (2..50_000usize).prop_map(|length| Step::AppendWithWrongLength { length }),
        4 => (2..100_000usize, 2..100_000usize, any::<bool>())
            .prop_map(|(a, b, ranged)| Step::BreakAppend { length: a.max(b) + 1, sent: a.min(b), ranged }),
        4 => (2..100_000usize, 2..100_000usize).prop_map(|(a, b)| Step::BreakClose { length: a.max(b) + 1, sent: a.min(b) }),
        2 => Just(Step::CloseWithoutDigest),
        2 => (2..5_000usize).prop_map(|length| Step::CloseOutOfOrder { length }),
        1 => length().prop_map(|length| Step::CloseWithWrongDigest { length }),
        2 => length().prop_map(|length| Step::Close { length }),
        1 => Just(Step::Cancel),
    ]
}

/// The session as it must be: the bytes that it holds, or `None` once it has ended.
struct Model<'a> {
    upload: Upload<'a>,
    registry: &'a Holdfast,
    held: Option<Vec<u8>>,
    /// Tells the bytes of each step apart.
    seed: u64,
}

impl<'a> Model<'a> {
    fn new(registry: &'a Holdfast) -> Self {
        Self { upload: registry.start_upload(REPOSITORY), registry, held: Some(Vec::new()), seed: 0 }
    }

    fn fresh_bytes(&mut self, length: usize) -> Vec<u8> {
        self.seed += 1;
        bytes_of(length, self.seed)
    }

    /// Does the step and looks at its answer; then at the session's own word.
    fn take(&mut self, step: &Step) {
        match self.held.take() {
            Some(held) => self.held = self.take_live(step, held),
            None => self.take_ended(step),
        }
        self.expect_state();
    }

    /// A step on a live session that holds `held`; gives what it must hold then.
    fn take_live(&mut self, step: &Step, mut held: Vec<u8>) -> Option<Vec<u8>> {
        match *step {
            Step::Append { length, chunked } => {
                let bytes = self.fresh_bytes(length);
                let answer = self.append(&bytes, chunked);
                held.extend_from_slice(&bytes);
                answer.expect(202).expect_header("Range", &range_of(&held));
            }
            Step::AppendAt { length, shift } => {
                let bytes = self.fresh_bytes(length);
                let first = held.len().saturating_add_signed(shift);
                let answer =
                    self.upload.patch_range(&format!("{first}-{}", first + length - 1), bytes.as_slice());
                if first == held.len() {
                    held.extend_from_slice(&bytes);
                    answer.expect(202).expect_header("Range", &range_of(&held));
                } else {
                    expect_out_of_order(answer, &held);
                }
            }
            Step::AppendWithWrongLength { length } => {
                let bytes = self.fresh_bytes(length);
                let range = format!("{}-{}", held.len(), held.len() + length);
                self.upload.patch_range(&range, bytes).expect_error(400, "SIZE_INVALID");
            }
            Step::BreakAppend { length, sent, ranged } => {
                let bytes = self.fresh_bytes(sent);
                let mut request = Request::patch(&self.upload.location).announcing(length as u64);
                if ranged {
                    request = request
                        .header("Content-Range", format!("{}-{}", held.len(), held.len() + length - 1));
                }
                self.break_off(&request, &bytes);
                held.extend_from_slice(&bytes);
                self.wait_for(&held);
            }
            Step::BreakClose { length, sent } => {
                let bytes = self.fresh_bytes(sent);
                let request =
                    Request::put(self.upload.closing(&sha256("whatever"))).announcing(length as u64);
                self.break_off(&request, &bytes);
                self.wait_for(&held);
            }
            Step::CloseWithoutDigest => {
                let request = Request::put(&self.upload.location).body("ignored");
                self.upload.send(request).expect_error(400, "DIGEST_INVALID");
                self.upload.put("sha256:bad", "ignored").expect_error(400, "DIGEST_INVALID");
            }
            Step::CloseOutOfOrder { length } => {
                let bytes = self.fresh_bytes(length);
                let first = held.len() + 1;
                let range = format!("{first}-{}", first + length - 1);
                expect_out_of_order(self.upload.put_range(&sha256("whatever"), &range, bytes), &held);
            }
            Step::CloseWithWrongDigest { length } => {
                return self.close_with_wrong_digest(length, held);
            }
            Step::Close { length } => return self.close(length, held),
            Step::Cancel => {
                self.upload.cancel().expect(204);
                return None;
            }
        }
        Some(held)
    }

    fn append(&mut self, bytes: &[u8], chunked: bool) -> Response {
        let request = Request::patch(&self.upload.location);
        let request = if chunked { request.chunked(bytes.chunks(7_777)) } else { request.body(bytes) };
        self.upload.send(request)
    }

    fn close(&mut self, length: usize, mut held: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = self.fresh_bytes(length);
        held.extend_from_slice(&bytes);
        let digest = sha256(&held);
        self.upload.put(&digest, bytes).expect(201).expect_header("Docker-Content-Digest", &digest);
        self.registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&held);
        None
    }

    fn close_with_wrong_digest(&mut self, length: usize, mut held: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = self.fresh_bytes(length);
        let claimed = sha256(format!("wrong {}", self.seed));
        self.upload.put(&claimed, bytes.as_slice()).expect_error(400, "DIGEST_INVALID");
        held.extend_from_slice(&bytes);
        self.registry.get(&format!("/v2/{REPOSITORY}/blobs/{claimed}")).expect(404);
        None
    }

    /// Any step on a session that has ended finds nothing.
    fn take_ended(&mut self, step: &Step) {
        let answer = match *step {
            Step::Append { length, chunked } => self.append(&bytes_of(length, 0), chunked),
            Step::AppendAt { length, .. } => {
                self.upload.patch_range(&format!("0-{}", length - 1), bytes_of(length, 0))
            }
            Step::Close { length } => {
                let bytes = bytes_of(length, 0);
                self.upload.put(&sha256(&bytes), bytes)
            }
            Step::Cancel => self.upload.cancel(),
            _ => return,
        };
        answer.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }

    fn break_off(&self, request: &Request, sent: &[u8]) {
        let mut connection = self.registry.connect();
        connection.write_head(request);
        connection.write(sent);
    }

    /// The server learns of a broken connection a moment later.
    fn wait_for(&self, held: &[u8]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let status = self.upload.status();
            if status.status == 204 && status.header("Range") == range_of(held) {
                return;
            }
            assert!(Instant::now() < deadline, "expected the range {} in answer to {status}", range_of(held));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn expect_state(&self) {
        match &self.held {
            Some(held) => drop(self.upload.status().expect(204).expect_header("Range", &range_of(held))),
            None => drop(self.upload.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN")),
        }
    }

    /// Ends a session that is still open with the digest of what it must hold.
    fn finish(mut self) {
        if let Some(held) = self.held.take() {
            self.close(0, held);
        }
    }
}

fn range_of(held: &[u8]) -> String {
    format!("0-{}", held.len().saturating_sub(1))
}

fn expect_out_of_order(answer: Response, held: &[u8]) {
    let answer = answer.expect(416);
    match held {
        [] => drop(answer.expect_no_header("Range")),
        held => drop(answer.expect_header("Range", &range_of(held))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_time: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn a_session_behaves_as_its_model(sessions in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..3)) {
        let registry = Holdfast::start();
        for steps in sessions {
            let mut model = Model::new(&registry);
            for step in &steps {
                model.take(step);
            }
            model.finish();
        }
    }
}

/// How many cases are generated: `PROPTEST_CASES`, or few enough for every run of the suite.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}
