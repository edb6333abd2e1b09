//! Pulls that are compared with their digests on their way out, where that is wanted: a damaged blob is cut off before its last
//! byte, marked, and told of.

use std::time::Duration;

use crate::http2;
use crate::scrub::{expect_damaged, expect_served, flip_byte, path, payload_file, push_images, wait_until};
use crate::support::{ALGORITHMS, Algorithm, Holdfast, Registry, Request, Upload, bytes_of};

const MIB: usize = 1 << 20;
/// As much as is verified at once.
const PIECE: usize = 128 << 10;

/// Nothing is scrubbed by itself.
fn with(storage: &str) -> Holdfast {
    let storage = format!("storage: {{scrub: {{enabled: false}}, {storage}}}\n");
    Holdfast::configured(&(storage + "http: {h2c: {enabled: true}}\n"))
}

/// Payloads lie in files as soon as they are pushed.
fn verifying() -> Holdfast {
    with("log: {maxpayload: 0}, pulls: {verify: true}")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// What came of a pull, however it ended: nothing, if it was cut off before its head was sent.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) status: u16,
    /// `Content-Length`.
    pub(crate) announced: usize,
    pub(crate) body: Vec<u8>,
    /// Whether the protocol says that all of it has come.
    pub(crate) is_whole: bool,
}

impl Protocol {
    fn pull(self, registry: &Registry, path: &str, range: Option<&str>) -> Pulled {
        match self {
            Self::Http1 => over_http_1(registry, path, range),
            Self::Http2 => http2::pull(registry.address, path, range),
        }
    }
}

fn over_http_1(registry: &Registry, path: &str, range: Option<&str>) -> Pulled {
    let request = Request::get(path).header("Connection", "close");
    let request = range.into_iter().fold(request, |request, range| request.header("Range", range));
    let mut connection = registry.connect();
    connection.write_request(&request);
    let answer = connection.read_to_end();
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        assert!(answer.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&answer));
        return Pulled::default();
    };
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let (announced, body) = (field("content-length:").parse().unwrap(), body.to_vec());
    Pulled { status, announced, is_whole: body.len() == announced, body }
}

/// Flips a byte of the payload where it lies, and gives the bytes that lie there now.
fn damage(registry: &Holdfast, digest: &str, bytes: &[u8], offset: usize) -> Vec<u8> {
    flip_byte(&payload_file(&registry.root(), digest), offset as u64);
    let mut damaged = bytes.to_vec();
    damaged[offset] = !damaged[offset];
    damaged
}

/// It was cut off, and what came of it is what lies there.
#[track_caller]
fn expect_cut(pulled: &Pulled, status: u16, damaged: &[u8]) {
    let Pulled { status: found, announced, body, is_whole } = pulled;
    let may_have_no_head = damaged.len() < MIB && body.is_empty();
    assert!((*found, *announced) == (status, damaged.len()) || may_have_no_head, "{found}, {announced}");
    assert!(!is_whole && body.len() < damaged.len(), "{} of {announced} bytes came", body.len());
    assert!(damaged.starts_with(body), "other bytes came");
}

/// It is marked before long, and served again, from another place, once it was pushed again.
#[track_caller]
fn expect_marked_and_heal(registry: &Holdfast, digest: &str, bytes: &[u8]) {
    let file = payload_file(&registry.root(), digest);
    wait_until("it is marked", || registry.head(&path(digest)).status == 404);
    expect_damaged(registry, digest);
    registry.push_blob("team/app", bytes);
    expect_served(registry, digest, bytes);
    wait_until("the damaged file is gone", || !file.exists());
}

#[test]
fn a_damaged_blob_is_cut_off_before_its_last_byte_and_heals_when_it_is_pushed_again() {
    let registry = verifying();
    for (seed, length) in [(1, 3 * MIB + 1), (2, 4 * MIB), (3, PIECE + 1)] {
        let bytes = bytes_of(length, seed);
        let (image, _) = push_images(&registry, &bytes);
        for protocol in PROTOCOLS {
            for offset in [0, length / 2, length - 1] {
                let damaged = damage(&registry, &image.layer, &bytes, offset);
                let pulled = protocol.pull(&registry, &path(&image.layer), None);
                expect_cut(&pulled, 200, &damaged);
                expect_marked_and_heal(&registry, &image.layer, &bytes);
            }
        }
    }
}

#[test]
fn the_log_names_the_images_that_a_damaged_blob_breaks() {
    let registry = verifying();
    let bytes = bytes_of(MIB, 4);
    let (image, _) = push_images(&registry, &bytes);
    let damaged = damage(&registry, &image.layer, &bytes, 5);
    expect_cut(&Protocol::Http1.pull(&registry, &path(&image.layer), None), 200, &damaged);
    wait_until("the log tells of it", || {
        let log = registry.log();
        let line = log.lines().find(|line| line.contains("a payload is damaged"));
        line.is_some_and(|line| line.contains(&image.layer) && line.contains("images=team/app:latest"))
    });
    assert!(registry.log().contains("a pull was cut off before its last byte"));
    expect_marked_and_heal(&registry, &image.layer, &bytes);
}

#[test]
fn a_damaged_blob_of_one_piece_is_refused_before_its_first_byte() {
    let registry = verifying();
    for (seed, length) in [(5, 1), (6, 5_000), (7, PIECE)] {
        let bytes = bytes_of(length, seed);
        for protocol in PROTOCOLS {
            let digest = registry.push_blob("team/app", &bytes);
            damage(&registry, &digest, &bytes, length - 1);
            let pulled = protocol.pull(&registry, &path(&digest), None);
            let said = String::from_utf8_lossy(&pulled.body);
            assert!(pulled.status == 500 && pulled.is_whole && said.contains("push it again"), "{said}");
            expect_marked_and_heal(&registry, &digest, &bytes);
        }
    }
}

#[test]
fn without_the_setting_whatever_lies_there_is_served_and_nothing_is_marked() {
    let registry = with("log: {maxpayload: 0}, pulls: {verify: false}");
    for (seed, length) in [(8, 5_000), (9, 3 * MIB)] {
        let bytes = bytes_of(length, seed);
        let digest = registry.push_blob("team/app", &bytes);
        let damaged = damage(&registry, &digest, &bytes, length / 2);
        for protocol in PROTOCOLS {
            let pulled = protocol.pull(&registry, &path(&digest), None);
            assert!(pulled.status == 200 && pulled.is_whole && pulled.body == damaged);
        }
        registry.head(&path(&digest)).expect(200);
    }
}

#[test]
fn a_sound_blob_arrives_whole_in_each_algorithm_wherever_it_lies() {
    let registry = with("log: {settleinterval: 10ms}, pulls: {verify: true}");
    for (Algorithm { name, digest: digest_of }, seed) in ALGORITHMS.into_iter().zip(10..) {
        for length in [0, 1, PIECE, PIECE + 1, 4 * MIB, 4 * MIB + 77] {
            let bytes = bytes_of(length, seed);
            let digest = digest_of(&bytes);
            let target = format!("/v2/team/app/blobs/uploads/?digest-algorithm={name}");
            let location = registry.post(&target).expect(202).location();
            Upload::at(&registry, location).put(&digest, bytes.as_slice()).expect(201);
            // It may have moved from the log into a file in between, or not.
            for pause in [0, 30] {
                std::thread::sleep(Duration::from_millis(pause));
                for protocol in PROTOCOLS {
                    let pulled = protocol.pull(&registry, &path(&digest), None);
                    assert!(pulled.status == 200 && pulled.is_whole && pulled.body == bytes, "{digest}");
                }
            }
        }
    }
    assert!(!registry.log().contains("damaged"), "{}", registry.log());
}

#[test]
fn a_range_that_is_the_whole_is_verified_and_one_that_is_not_is_served_as_it_lies() {
    let registry = verifying();
    let bytes = bytes_of(2 * MIB, 13);
    let digest = registry.push_blob("team/app", &bytes);
    for protocol in PROTOCOLS {
        let pulled = protocol.pull(&registry, &path(&digest), Some("bytes=0-"));
        assert!(pulled.status == 206 && pulled.is_whole && pulled.body == bytes);
    }
    let whole = registry.send(Request::get(path(&digest)).header("Range", "bytes=0-")).expect(206);
    whole.expect_header("Content-Range", &format!("bytes 0-{}/{}", 2 * MIB - 1, 2 * MIB));
    let damaged = damage(&registry, &digest, &bytes, 9);
    for protocol in PROTOCOLS {
        let pulled = protocol.pull(&registry, &path(&digest), Some("bytes=1-"));
        assert!(pulled.status == 206 && pulled.is_whole && pulled.body == damaged[1..]);
    }
    registry.head(&path(&digest)).expect(200);
    expect_cut(&Protocol::Http1.pull(&registry, &path(&digest), Some("bytes=0-")), 206, &damaged);
    expect_marked_and_heal(&registry, &digest, &bytes);
}

#[test]
fn a_pull_that_the_client_breaks_off_marks_nothing() {
    let registry = verifying();
    let bytes = bytes_of(48 * MIB, 14);
    let digest = registry.push_blob("team/app", &bytes);
    let break_off = || {
        let mut connection = registry.connect();
        connection.write_request(&Request::get(path(&digest)));
        // Whatever is on the way takes a part of it.
        assert!(!connection.stays_silent_for(Duration::from_millis(300)), "nothing came");
        drop(connection);
        std::thread::sleep(Duration::from_millis(200));
        registry.head(&path(&digest)).expect(200);
    };
    (0..3).for_each(|_| break_off());
    expect_served(&registry, &digest, &bytes);
    let damaged = damage(&registry, &digest, &bytes, 48 * MIB - 1);
    (0..3).for_each(|_| break_off());
    assert!(!registry.log().contains("damaged"), "{}", registry.log());
    expect_cut(&Protocol::Http1.pull(&registry, &path(&digest), None), 200, &damaged);
    expect_marked_and_heal(&registry, &digest, &bytes);
}

#[test]
fn of_many_who_pull_a_damaged_blob_none_has_it_whole() {
    let registry = verifying();
    let bytes = bytes_of(8 * MIB, 15);
    let digest = registry.push_blob("team/app", &bytes);
    let damaged = damage(&registry, &digest, &bytes, 3 * MIB);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (registry, damaged, path) = (&registry, &damaged, path(&digest));
            scope.spawn(move || {
                let pulled = PROTOCOLS[number % 2].pull(registry, &path, None);
                // Those who come late are refused.
                if pulled.status != 500 {
                    expect_cut(&pulled, 200, damaged);
                }
            });
        }
    });
    expect_marked_and_heal(&registry, &digest, &bytes);
}
