//! Any bytes as a segment of the log: those of a segment that was written, with whatever done to them, or a header with
//! noise behind it. What is read was written, in that order and from the first record on; where it ends before the last
//! one although a later one is whole, that is noticed.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use holdfast::store::probe::{ProbedRecord, WrittenSegment, read_segment, write_segment};

/// In bytes.
const BLOCK: usize = 4096;
/// How long a segment's header is, in bytes.
const HEADER: usize = 88;

pub fn log_reader(data: &[u8]) {
    // Too few bytes are the end of what is done.
    let _ = probe(&mut Unstructured::new(data));
}

fn probe(input: &mut Unstructured<'_>) -> Result<()> {
    let records = records(input)?;
    let written = write_segment(&records).unwrap();
    let others = write_segment(&records).unwrap();
    let mut bytes = written.bytes.clone();
    while !input.is_empty() {
        damage(&mut bytes, &others, input)?;
    }
    let Some(read) = read_segment(&bytes).unwrap() else {
        assert!(!bytes.starts_with(&written.bytes[..HEADER]), "a good header was not recognised");
        return Ok(());
    };
    if bytes.starts_with(&others.bytes[..HEADER]) {
        // It has become the other segment, by as many bytes as its header has.
        return Ok(());
    }
    let count = read.records.len();
    assert_eq!(read.records, records[..count.min(records.len())], "what was read was not written");
    let is_whole = |number: &usize| {
        let range = written.records[*number].clone();
        bytes.get(range.clone()) == written.bytes.get(range)
    };
    assert!((0..count).all(|number| is_whole(&number)), "what was read was damaged");
    assert!(count == records.len() || !is_whole(&count), "a whole record was not read");
    // The record behind the first one that is missing says that this one had been synced.
    let has_witness = (count + 1..records.len()).any(|number| is_whole(&number));
    assert!(read.proves_loss || !has_witness, "a loss was not noticed");
    Ok(())
}

fn records(input: &mut Unstructured<'_>) -> Result<Vec<ProbedRecord>> {
    let count = input.int_in_range(0..=5)?;
    (0..count)
        .map(|_| Ok(ProbedRecord { payloads: some(input, 9_000)?, changes: some(input, 300)? }))
        .collect()
}

/// Bytes that are all the same, or begin like a record.
fn some(input: &mut Unstructured<'_>, most: usize) -> Result<Bytes> {
    let mut bytes = vec![input.arbitrary()?; input.int_in_range(0..=most)?];
    if input.ratio(1, 4)? {
        let magic = b"HFRECD01";
        bytes.iter_mut().zip(magic).for_each(|(byte, magic)| *byte = *magic);
    }
    Ok(bytes.into())
}

/// Does one thing to the bytes.
fn damage(bytes: &mut Vec<u8>, others: &WrittenSegment, input: &mut Unstructured<'_>) -> Result<()> {
    let at = input.int_in_range(0..=bytes.len())?;
    match input.int_in_range(0..=6)? {
        0 => bytes.truncate(at),
        1 => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .try_for_each(|byte| input.arbitrary().map(|with: u8| *byte ^= with))?,
        // What a client may have sent, or a disk may have had there before.
        2 => {
            let noise = input.bytes(input.len().min(200))?;
            bytes.iter_mut().skip(at).zip(noise).for_each(|(byte, noise)| *byte = *noise);
        }
        3 => bytes.extend_from_slice(input.bytes(input.len().min(200))?),
        // A record in another's place, or behind all.
        4 => {
            let from = bytes.clone();
            copy_blocks(bytes, &from, input)?;
        }
        5 => copy_blocks(bytes, &others.bytes, input)?,
        // All but the header is noise.
        _ => {
            bytes.truncate(BLOCK);
            bytes.resize(BLOCK, 0);
            bytes.extend_from_slice(input.bytes(input.len())?);
        }
    }
    Ok(())
}

/// Copies whole blocks to where blocks begin.
fn copy_blocks(bytes: &mut Vec<u8>, from: &[u8], input: &mut Unstructured<'_>) -> Result<()> {
    let start = BLOCK * input.int_in_range(0..=from.len() / BLOCK)?;
    let length = (BLOCK * input.int_in_range(1..=4)?).min(from.len() - start);
    let to = BLOCK * input.int_in_range(0..=bytes.len() / BLOCK + 1)?;
    bytes.resize(bytes.len().max(to + length), 0);
    bytes[to..to + length].copy_from_slice(&from[start..start + length]);
    Ok(())
}
