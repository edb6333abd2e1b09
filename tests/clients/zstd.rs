//! Wraps bytes as zstd (RFC 8878) without compressing them, as `gzip` does for gzip.

/// The longest block that the format allows.
const LONGEST_BLOCK: usize = 128 * 1024;

/// The bytes as one zstd frame of raw blocks. They may not be empty, and are shorter than 4 GiB.
pub(crate) fn wrap(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    // Magic number; then: the content's size follows in four bytes, one segment, no checksum.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    frame.extend(length.to_le_bytes());
    let last = (bytes.len() - 1) / LONGEST_BLOCK;
    for (number, block) in bytes.chunks(LONGEST_BLOCK).enumerate() {
        let length = u32::try_from(block.len()).unwrap();
        let header = length << 3 | u32::from(number == last);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}
