//! A segment file: header, then records; and its sidecar, the table of its blocks.

use crate::bytes::{length32, length64, seal, unseal, Fields};
use crate::disk::{read_file, read_range, replace_file, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::log::record::{self, Header, RecordKind};

pub(crate) const DIRECTORY: &str = "log";
const MAGIC: &[u8; 8] = b"BUBILOG\x01";
const INDEX_MAGIC: &[u8; 8] = b"BUBIIDX\x01";
const VERSION: u16 = 1;
/// magic 8, version 2, chain id 32, segment 8, first height 8, salt 8, checksum 4.
pub(crate) const HEADER: usize = 70;

pub(crate) fn path(number: u64) -> String {
    format!("{DIRECTORY}/{number:020}.log")
}

pub(crate) fn index_path(number: u64) -> String {
    format!("{DIRECTORY}/{number:020}.idx")
}

/// Number of a file called `NUMBER.extension`.
pub(crate) fn number_of(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

/// What is kept in memory of a segment: 4 bytes per block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) first_height: u64,
    /// Checksum of the header, start value of every record's checksum.
    pub(crate) seed: u32,
    /// Bytes that are valid.
    pub(crate) length: u64,
    /// Height of the first block record; meaningless without offsets.
    pub(crate) first_block: u64,
    /// Offset of each block record, one per height.
    pub(crate) blocks: Vec<u32>,
}

impl Segment {
    pub(crate) fn last_block(&self) -> Option<u64> {
        let count = length64(self.blocks.len());
        count.checked_sub(1).map(|last| self.first_block.saturating_add(last))
    }

    pub(crate) fn block_offset(&self, height: u64) -> Option<u64> {
        let place = usize::try_from(height.checked_sub(self.first_block)?).ok()?;
        self.blocks.get(place).copied().map(u64::from)
    }

    /// Adds a block; false when its height does not follow.
    pub(crate) fn add_block(&mut self, height: u64, offset: u64) -> bool {
        let Ok(offset) = u32::try_from(offset) else {
            return false;
        };
        match self.last_block() {
            None => self.first_block = height,
            Some(last) if last.checked_add(1) == Some(height) => {}
            Some(_) => return false,
        }
        self.blocks.push(offset);
        true
    }
}

pub(crate) fn encode_header(chain_id: &[u8; 32], number: u64, first_height: u64, salt: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(chain_id);
    for field in [number, first_height, salt] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    seal(&mut bytes);
    bytes
}

/// An empty segment with this header.
pub(crate) fn decode_header(bytes: &[u8], chain_id: &[u8; 32], number: u64) -> Result<Segment> {
    let file = path(number);
    let damaged = || StoreError::damaged(&file, 0, DamageKind::Header, Cure::FromPeers);
    let content = bytes.get(..HEADER).and_then(unseal).ok_or_else(damaged)?;
    let mut fields = Fields(content);
    let magic = fields.array::<8>().ok_or_else(damaged)?;
    let version = fields.u16().ok_or_else(damaged)?;
    let chain = fields.array::<32>().ok_or_else(damaged)?;
    let stored = fields.u64().ok_or_else(damaged)?;
    let first_height = fields.u64().ok_or_else(damaged)?;
    if &magic != MAGIC {
        return Err(damaged());
    }
    if version != VERSION {
        return Err(StoreError::Version { file, found: version, known: VERSION });
    }
    if &chain != chain_id {
        return Err(StoreError::WrongChain { file });
    }
    if stored != number {
        return Err(damaged());
    }
    let seed = crc32c::crc32c(bytes.get(..HEADER).unwrap_or_default());
    Ok(Segment { number, first_height, seed, length: length64(HEADER), first_block: 0, blocks: Vec::new() })
}

/// Outcome of reading a segment in full.
pub(crate) struct Scan {
    pub(crate) segment: Segment,
    /// Where the first unreadable record starts, with true when durable data follows it.
    pub(crate) bad: Option<(u64, bool)>,
    /// Bytes in the file.
    pub(crate) found: u64,
}

/// Reads every record of a segment.
pub(crate) fn scan(
    bytes: &[u8],
    chain_id: &[u8; 32],
    number: u64,
    mut visit: impl FnMut(u64, &Header),
) -> Result<Scan> {
    let mut segment = decode_header(bytes, chain_id, number)?;
    let found = length64(bytes.len());
    let mut bad = None;
    while segment.length < found {
        let at = segment.length;
        let rest = bytes.get(crate::bytes::offset(at)..).unwrap_or_default();
        let Some((header, _)) = record::decode(rest, segment.seed, at) else {
            bad = Some((at, record::durable_record_after(bytes, segment.seed, at)));
            break;
        };
        if header.kind == RecordKind::Block && !segment.add_block(header.height, at) {
            bad = Some((at, true));
            break;
        }
        visit(at, &header);
        segment.length = at.saturating_add(length64(header.total()));
    }
    Ok(Scan { segment, bad, found })
}

/// Reads a segment file in full.
pub(crate) fn read_all<D: Disk>(disk: &D, number: u64) -> Result<Vec<u8>> {
    let file = path(number);
    let missing = || StoreError::damaged(&file, 0, DamageKind::Missing, Cure::FromPeers);
    read_file(disk, &file)?.ok_or_else(missing)
}

/// A scanned segment, or the error for its first bad byte.
pub(crate) fn read_closed<D: Disk>(disk: &D, chain_id: &[u8; 32], number: u64) -> Result<Segment> {
    let scan = scan(&read_all(disk, number)?, chain_id, number, |_, _| ())?;
    match scan.bad {
        None => Ok(scan.segment),
        // A segment is synced in full before the next one is begun, so nothing in it can be a torn write.
        Some((at, _)) => Err(StoreError::damaged(&path(number), at, DamageKind::Content, Cure::FromPeers)),
    }
}

/// Writes the sidecar of a closed segment.
pub(crate) fn write_index<D: Disk>(disk: &D, segment: &Segment) -> Result<()> {
    let mut bytes = Vec::with_capacity(segment.blocks.len().saturating_mul(4).saturating_add(64));
    bytes.extend_from_slice(INDEX_MAGIC);
    for field in [segment.number, segment.length, segment.first_block] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&segment.seed.to_le_bytes());
    bytes.extend_from_slice(&length32(segment.blocks.len()).to_le_bytes());
    for offset in &segment.blocks {
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    seal(&mut bytes);
    replace_file(disk, DIRECTORY, &index_path(segment.number), &bytes)
}

/// Reads the sidecar of a closed segment; `None` when it is missing, damaged or of another segment.
pub(crate) fn read_index<D: Disk>(disk: &D, chain_id: &[u8; 32], number: u64) -> Result<Option<Segment>> {
    let file = path(number);
    let handle = match disk.open(&file, OpenMode::Read) {
        Ok(handle) => handle,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::damaged(&file, 0, DamageKind::Missing, Cure::FromPeers));
        }
        Err(error) => return Err(StoreError::from_io(&file, "open", &error)),
    };
    let length = handle.len().map_err(|error| StoreError::from_io(&file, "stat", &error))?;
    let segment = decode_header(&read_range(&handle, &file, 0, HEADER)?, chain_id, number)?;
    let Some(bytes) = read_file(disk, &index_path(number))? else {
        return Ok(None);
    };
    let Some(indexed) = parse_index(&bytes, segment) else {
        return Ok(None);
    };
    if length < indexed.length {
        return Err(StoreError::damaged(&file, length, DamageKind::Content, Cure::FromPeers));
    }
    // A longer file was continued after its sidecar had been written.
    Ok((length == indexed.length).then_some(indexed))
}

fn parse_index(bytes: &[u8], mut segment: Segment) -> Option<Segment> {
    let mut fields = Fields(unseal(bytes)?);
    let matches = &fields.array::<8>()? == INDEX_MAGIC && fields.u64()? == segment.number;
    segment.length = fields.u64()?;
    segment.first_block = fields.u64()?;
    let same_segment = fields.u32()? == segment.seed;
    let count = fields.u32()?;
    for _ in 0..count {
        segment.blocks.push(fields.u32()?);
    }
    (matches && same_segment && fields.0.is_empty()).then_some(segment)
}
