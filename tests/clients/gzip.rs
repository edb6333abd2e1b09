//! Wraps bytes as gzip (RFC 1952) without compressing them: what clients make of their own may differ from version to
//! version, this does not.

/// The longest block that deflate can store as it is.
const LONGEST_BLOCK: usize = 65_535;

/// The bytes as a gzip stream of stored blocks.
pub(crate) fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let last = bytes.len().saturating_sub(1) / LONGEST_BLOCK;
    for (number, block) in bytes.chunks(LONGEST_BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        stream.push(u8::from(number == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(crc32(bytes).to_le_bytes());
    stream.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    stream
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
