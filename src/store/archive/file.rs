//! A file of the archive: changes in the order in which they came to be.
//!
//! It begins with a header, which is written last: which records the file has, how long they are, and a checksum of
//! them. Then come the records, each behind its length. Numbers are little-endian.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::store::disk::{Disk, DiskFile, Rule, parent};
use crate::store::log::{LoggedRecord, RecordPlace};
use crate::store::spare::Create;

const MAGIC: [u8; 8] = *b"HFARCH01";
/// The header's length, in bytes.
const HEADER: usize = 104;
/// How much is gathered before it is written, and read at once, in bytes.
const BUFFER: usize = 256 << 10;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Header {
    /// The segment of the log whose changes are the last ones.
    pub(super) segment: u64,
    /// The number of the last record before those in the file; 0 for a snapshot.
    pub(super) after: u64,
    /// The number of the last record whose changes are in the file, or of the last one before.
    pub(super) last: u64,
    /// How long the records are, in bytes.
    pub(super) length: u64,
    checksum: [u8; 32],
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.segment, self.after, self.last, self.length] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.checksum);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    /// `None` if these are not the bytes of a header.
    fn decode(bytes: &[u8; HEADER]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let (magic, rest) = body.split_first_chunk::<8>()?;
        let (numbers, rest) = rest.split_at_checked(32)?;
        let mut numbers = numbers.chunks_exact(8).filter_map(|number| number.try_into().ok());
        let mut number = || numbers.next().map(u64::from_le_bytes);
        let header = Self {
            segment: number()?,
            after: number()?,
            last: number()?,
            length: number()?,
            checksum: rest.try_into().ok()?,
        };
        (*magic == MAGIC && blake3::hash(body) == *checksum).then_some(header)
    }
}

/// A record as it stands in the file. Fields have fixed numbers.
#[derive(Encode, Decode)]
struct Row {
    #[n(0)]
    sequence: u64,
    #[n(1)]
    segment: u64,
    #[n(2)]
    offset: u64,
    #[n(3)]
    changes: ByteVec,
}

/// Writes a file, from its first record to its name.
pub(super) struct Writer<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    file: Arc<dyn DiskFile>,
    /// What is still to be written, at `offset`.
    buffer: Vec<u8>,
    offset: u64,
    hasher: blake3::Hasher,
}

impl<'a> Writer<'a> {
    /// Begins a file, which gets its name when it is whole.
    pub(super) fn begin(disk: &'a dyn Disk, path: &'a Path) -> io::Result<Self> {
        Self::begin_with(disk, path, &|path| disk.create(path))
    }

    /// The same with a file that is created otherwise.
    pub(super) fn begin_with(disk: &'a dyn Disk, path: &'a Path, create: Create<'_>) -> io::Result<Self> {
        let temporary = path.with_extension("new");
        disk.unlink(&temporary)?;
        let (file, buffer) = (create(&temporary)?, Vec::with_capacity(BUFFER));
        Ok(Self { disk, path, file, buffer, offset: HEADER as u64, hasher: blake3::Hasher::new() })
    }

    pub(super) fn push(&mut self, record: &LoggedRecord) -> io::Result<()> {
        let LoggedRecord { sequence, place: RecordPlace { segment, offset }, changes } = record;
        let (sequence, segment, offset) = (*sequence, *segment, *offset);
        let row = Row { sequence, segment, offset, changes: changes.to_vec().into() };
        let row = minicbor::to_vec(&row).map_err(io::Error::other)?;
        let length = u32::try_from(row.len()).map_err(io::Error::other)?;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&row);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file durable, and then its name.
    pub(super) fn finish(mut self, segment: u64, after: u64, last: u64) -> io::Result<Header> {
        self.flush()?;
        let (length, checksum) = (self.offset - HEADER as u64, *self.hasher.finalize().as_bytes());
        let header = Header { segment, after, last, length, checksum };
        self.file.write_at(&header.encode(), 0)?;
        if self.disk.keeps(Rule::SyncArchive) {
            self.file.sync()?;
        }
        // A file of changes of that name, not durable, may be what an attempt that failed has left.
        self.disk.unlink(self.path)?;
        self.disk.rename(&self.path.with_extension("new"), self.path)?;
        if self.disk.keeps(Rule::NameArchive) {
            self.disk.sync_folder(parent(self.path)?)?;
        }
        Ok(header)
    }
}

/// Reads a file's header; `None` if it has none.
pub(super) fn read_header(disk: &dyn Disk, path: &Path) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    match disk.open_for_reading(path)?.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(|()| Header::decode(&bytes)),
    }
}

/// Reads the records of a file one after another. Only when the last one has come is it certain that all of them are as
/// they were written.
pub(super) struct Reader {
    records: BufReader<Records>,
}

impl Reader {
    /// An error of kind `InvalidData` here and below says that the file is damaged.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let header = read_header(disk, path)?.ok_or_else(damaged)?;
        let file = disk.open_for_reading(path)?;
        let records = Records { file, header, offset: 0, hasher: blake3::Hasher::new() };
        Ok(Self { records: BufReader::with_capacity(BUFFER, records) })
    }

    pub(super) fn next(&mut self) -> io::Result<Option<LoggedRecord>> {
        let mut length = [0; 4];
        match self.records.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return self.end(),
            other => other?,
        }
        let mut row = Vec::new();
        let length = u64::from(u32::from_le_bytes(length));
        if self.records.by_ref().take(length).read_to_end(&mut row)? as u64 != length {
            return Err(damaged());
        }
        let Row { sequence, segment, offset, changes } = minicbor::decode(&row).map_err(|_| damaged())?;
        let changes = Vec::from(changes).into();
        Ok(Some(LoggedRecord { sequence, place: RecordPlace { segment, offset }, changes }))
    }

    /// How many bytes of records were read.
    pub(super) fn position(&self) -> u64 {
        self.records.get_ref().offset
    }

    /// Behind the last record.
    fn end(&self) -> io::Result<Option<LoggedRecord>> {
        let Records { header, offset, hasher, .. } = self.records.get_ref();
        match *offset == header.length && hasher.finalize() == header.checksum {
            true => Ok(None),
            false => Err(damaged()),
        }
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")
}

/// The bytes of a file's records, which are hashed while they are read.
struct Records {
    file: Arc<dyn DiskFile>,
    header: Header,
    offset: u64,
    hasher: blake3::Hasher,
}

impl Read for Records {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.header.length - self.offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let read = self.file.read_at(buffer, HEADER as u64 + self.offset)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::simulated::Simulated;

    const PATH: &str = "/a.changes";

    fn record(sequence: u64, changes: &'static [u8]) -> LoggedRecord {
        let place = RecordPlace { segment: 3, offset: 4096 * sequence };
        LoggedRecord { sequence, place, changes: changes.into() }
    }

    fn written(disk: &dyn Disk, records: &[LoggedRecord]) -> Vec<u8> {
        let path = Path::new(PATH);
        let mut writer = Writer::begin(disk, path).expect("begun");
        records.iter().for_each(|record| writer.push(record).expect("written"));
        writer.finish(3, 6, 8).expect("named");
        disk.read_whole(path).expect("the file")
    }

    fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<LoggedRecord>> {
        let mut reader = Reader::open(disk, path)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next()? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn records_are_read_back_and_any_flipped_bit_or_missing_byte_is_seen() {
        let disk = Simulated::new(0).disk();
        let records = [record(7, b"what has changed"), record(8, b"")];
        let bytes = written(&*disk, &records);
        assert_eq!(read(&*disk, Path::new(PATH)).expect("read"), records);
        let header = read_header(&*disk, Path::new(PATH)).expect("read").expect("a header");
        assert_eq!((header.segment, header.after, header.last), (3, 6, 8));
        let flipped = (0..bytes.len() * 8).map(|bit| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        for (number, damaged) in flipped.chain(cut).enumerate() {
            let path = Path::new("/").join(number.to_string());
            disk.create(&path).expect("a file").write_at(&damaged, 0).expect("written");
            let error = read(&*disk, &path).expect_err("it is damaged");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{number}: {error}");
        }
    }

    #[test]
    fn a_file_without_records_is_whole_as_well() {
        let disk = Simulated::new(0).disk();
        written(&*disk, &[]);
        assert_eq!(read(&*disk, Path::new(PATH)).expect("read"), []);
    }
}
