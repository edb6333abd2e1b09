//! `Range` and `Content-Range`: ranges that mean something are answered with what they mean, and whatever else stands in the
//! header, what is sent are the bytes that it says, and nothing is appended where it does not belong.

use std::ops::Range;

use arbitrary::{Result, Unstructured};
use holdfast::oci::Algorithm;
use holdfast::store::Hasher;

use super::world::{Answer, World};

const REPOSITORY: &str = "fuzz/ranges";
const SIZE: usize = 1_000;

pub fn ranges(data: &[u8]) {
    // Too few bytes are no input.
    let _ = check(&mut Unstructured::new(data));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=3)? {
        0 => meaningful_range(input),
        1 => pull(&text(input)?).verify(),
        2 => meaningful_content_range(input),
        _ => any_content_range(&text(input)?),
    }
}

/// A header's value: what cannot stand in one is left out.
fn text(input: &mut Unstructured<'_>) -> Result<String> {
    let bytes = input.bytes(input.len())?;
    Ok(bytes.iter().filter(|byte| (b' '..=b'~').contains(byte)).map(|byte| char::from(*byte)).collect())
}

fn content() -> Vec<u8> {
    (0..=250).cycle().take(SIZE).collect()
}

struct Pulled(Answer);

fn pull(range: &str) -> Pulled {
    let content = content();
    let digest = Hasher::digest(Algorithm::Sha256, &content);
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    World::with(|world| {
        if world.send("HEAD", &path, &[], b"").status != 200 {
            world
                .send("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}"), &[], &content)
                .expect(201);
        }
        Pulled(world.send("GET", &path, &[("range", range)], b""))
    })
}

impl Pulled {
    /// The ranges that were sent, whose bytes are the content's there. All of it is no range.
    fn ranges(&self) -> Vec<Range<usize>> {
        let (answer, content) = (&self.0, content());
        let kind = answer.header("content-type");
        match (answer.status.as_u16(), kind.strip_prefix("multipart/byteranges; boundary=")) {
            (200, _) => {
                assert_eq!(answer.body, content);
                Vec::new()
            }
            (206, None) => {
                let range = range_of(answer.header("content-range"));
                assert_eq!(answer.body, content[range.clone()]);
                vec![range]
            }
            (206, Some(boundary)) => parts(&answer.body, boundary, &content),
            (416, _) => {
                assert_eq!(answer.header("content-range"), format!("bytes */{SIZE}"));
                Vec::new()
            }
            (status, _) => panic!("status {status}"),
        }
    }

    fn verify(&self) -> Result<()> {
        self.ranges();
        Ok(())
    }
}

/// `bytes FIRST-LAST/SIZE`
fn range_of(text: &str) -> Range<usize> {
    let positions = text.strip_prefix("bytes ").and_then(|rest| rest.strip_suffix("/1000")).unwrap();
    let (first, last) = positions.split_once('-').unwrap();
    first.parse().unwrap()..last.parse::<usize>().unwrap() + 1
}

/// The content has no line breaks in a row and no boundary, so that a part is what stands between two of them.
fn parts(body: &[u8], boundary: &str, content: &[u8]) -> Vec<Range<usize>> {
    let mut rest = body;
    let mut ranges = Vec::new();
    loop {
        rest = rest.strip_prefix(format!("\r\n--{boundary}").as_bytes()).unwrap();
        if rest == b"--\r\n" {
            return ranges;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&rest[..end]);
        let range = range_of(head.lines().find_map(|line| line.strip_prefix("Content-Range: ")).unwrap());
        let (part, behind) = rest[end + 4..].split_at(range.len());
        assert_eq!(part, &content[range.clone()]);
        rest = behind;
        ranges.push(range);
    }
}

/// Specifiers whose meaning is known (RFC 9110, section 14.1.2).
fn meaningful_range(input: &mut Unstructured<'_>) -> Result<()> {
    let mut specifiers = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..input.int_in_range(1..=5)? {
        let (a, b) = (input.int_in_range(0..=1_100_usize)?, input.int_in_range(0..=1_100_usize)?);
        let (first, last) = (a.min(b), a.max(b));
        let (text, range) = match input.int_in_range(0..=2)? {
            0 => (format!("{first}-{last}"), first..(last + 1).min(SIZE)),
            1 => (format!("{first}-"), first..SIZE),
            _ => (format!("-{last}"), SIZE - last.min(SIZE)..SIZE),
        };
        specifiers.push(text);
        expected.extend((range.start < range.end).then_some(range));
    }
    let pulled = pull(&format!("bytes={}", specifiers.join(", ")));
    let status = match expected.iter().map(Range::len).sum::<usize>() {
        0 => 416,
        total if total > SIZE => 200,
        _ => 206,
    };
    assert_eq!(pulled.0.status, status, "{specifiers:?}");
    if status == 206 {
        assert_eq!(pulled.ranges(), expected, "{specifiers:?}");
    }
    pulled.verify()
}

/// A second chunk, said to lie where it belongs or elsewhere, and as long as it is or not.
fn meaningful_content_range(input: &mut Unstructured<'_>) -> Result<()> {
    let held = input.int_in_range(0..=300_usize)?;
    let length = input.int_in_range(1..=300_usize)?;
    let first = held.saturating_add_signed(*input.choose(&[0, 0, 0, -1, 1, 50])?);
    let announced = length.saturating_add_signed(*input.choose(&[0, 0, 0, -1, 1])?);
    let Some(last) = (first + announced).checked_sub(1) else {
        return Ok(());
    };
    let range =
        if input.arbitrary()? { format!("bytes {first}-{last}/*") } else { format!("{first}-{last}") };
    let (status, expected) = match (first == held, announced == length) {
        // Nothing there is `0-0` long for some and none for others; see the registry's tests.
        _ if announced == 0 => return Ok(()),
        (false, _) => (416, held),
        (true, false) => (400, held),
        (true, true) => (202, held + length),
    };
    let (answer, offset) = append(held, &range, length);
    assert_eq!(answer.status, status, "{range} for {length} bytes at {held}");
    assert_eq!(offset, expected);
    Ok(())
}

/// Whatever the header says, a chunk is appended whole or not at all.
fn any_content_range(range: &str) -> Result<()> {
    let (answer, offset) = append(10, range, 5);
    let expected = if answer.status == 202 { 15 } else { 10 };
    assert_eq!(offset, expected, "{range:?}: {}", answer.status);
    Ok(())
}

/// Appends so many bytes to a session that holds so many; gives the answer, and how many it holds then.
fn append(held: usize, range: &str, length: usize) -> (Answer, usize) {
    World::with(|world| {
        let session = world.start_upload(REPOSITORY);
        world.send("PATCH", &session, &[], &vec![1; held]).expect(202);
        let answer = world.send("PATCH", &session, &[("content-range", range)], &vec![2; length]);
        let status = world.send("GET", &session, &[], b"").expect(204);
        let last: usize = status.header("range").strip_prefix("0-").unwrap().parse().unwrap();
        world.send("DELETE", &session, &[], b"").expect(204);
        // None and one look the same; none of the cases leaves one that began with none.
        let offset = if held == 0 && last == 0 && answer.status != 202 { 0 } else { last + 1 };
        (answer, offset)
    })
}
