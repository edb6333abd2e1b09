//! Writes tar archives, as little as layers and image archives need: regular files in the ustar format.

/// An archive of these files, in order.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend(header(name, content.len()));
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// The 512 bytes before a file: name, mode, owner, group, size, time, checksum, kind, magic.
fn header(name: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut field = |start: usize, value: &str| {
        header[start..start + value.len()].copy_from_slice(value.as_bytes());
    };
    field(0, name);
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{size:011o}\0"));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let checksum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());
    header
}
