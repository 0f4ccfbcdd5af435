//! A file that carries the cells of one chain into another: a head, then every cell, in checked chunks.
//!
//! Eight bytes that name the format, then chunks: length (u32), CRC-32C of the content (u32), content. The first chunk is the
//! head, whose meaning the caller knows; each further one holds entries (key and value, each behind its length as u32); an empty
//! one ends the file. All integers are little-endian.

use std::io;

use crate::bytes::{length32, length64, offset, put_string, Fields};
use crate::disk::{publish, read_range, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};

const MAGIC: &[u8; 8] = b"BUBIINH\x01";
/// Bytes at which a chunk is closed.
const CHUNK: usize = 1 << 20;
/// Largest chunk that is read: the head may hold a long proof.
const CHUNK_MAX: usize = 64 << 20;
/// Bytes in front of the content of a chunk.
const FRAME: u64 = 8;

struct Writer<'f, F: DiskFile> {
    file: &'f F,
    path: &'f str,
    end: u64,
}

impl<F: DiskFile> Writer<'_, F> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_at(self.end, bytes).map_err(|error| StoreError::from_io(self.path, "write", &error))?;
        self.end = self.end.saturating_add(length64(bytes.len()));
        Ok(())
    }

    fn chunk(&mut self, content: &[u8]) -> Result<()> {
        if content.len() > CHUNK_MAX {
            return Err(StoreError::Argument("the head of an inheritance is too long".to_owned()));
        }
        let mut frame = length32(content.len()).to_le_bytes().to_vec();
        frame.extend_from_slice(&crc32c::crc32c(content).to_le_bytes());
        frame.extend_from_slice(content);
        self.bytes(&frame)
    }
}

/// Writes an inheritance, whole or not at all.
///
/// # Errors
/// Those of the disk.
pub fn write_inheritance<'c, D: Disk>(
    disk: &D,
    path: &str,
    head: &[u8],
    cells: impl Iterator<Item = (Vec<u8>, &'c [u8])>,
) -> Result<()> {
    let temporary = format!("{path}.tmp");
    let file = disk.open(&temporary, OpenMode::Create);
    let file = file.map_err(|error| StoreError::from_io(&temporary, "create", &error))?;
    let mut writer = Writer { file: &file, path: &temporary, end: 0 };
    writer.bytes(MAGIC)?;
    writer.chunk(head)?;
    let mut chunk = Vec::new();
    for (key, value) in cells {
        put_string(&mut chunk, &key);
        put_string(&mut chunk, value);
        if chunk.len() >= CHUNK {
            writer.chunk(&chunk)?;
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        writer.chunk(&chunk)?;
    }
    writer.chunk(&[])?;
    file.sync_data().map_err(|error| StoreError::from_sync(&temporary, &error))?;
    publish(disk, ".", &temporary, path)
}

/// Reads an inheritance: gives each cell to `visit` and returns the head.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Damaged`], those of the disk, and what `visit` says.
pub fn read_inheritance<D: Disk, E: From<StoreError>>(
    disk: &D,
    path: &str,
    mut visit: impl FnMut(&[u8], &[u8]) -> std::result::Result<(), E>,
) -> std::result::Result<Vec<u8>, E> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NotFound { what: format!("the file {path}") }.into())
        }
        Err(error) => return Err(StoreError::from_io(path, "open", &error).into()),
    };
    if read_range(&file, path, 0, MAGIC.len())? != MAGIC {
        return Err(StoreError::damaged(path, 0, DamageKind::Header, Cure::CopyAgain).into());
    }
    let mut place = length64(MAGIC.len());
    let head = chunk(&file, path, &mut place)?;
    loop {
        let at = place;
        let content = chunk(&file, path, &mut place)?;
        if content.is_empty() {
            return Ok(head);
        }
        let mut fields = Fields(&content);
        while !fields.0.is_empty() {
            let entry = fields.string().zip(fields.string());
            let cut = || StoreError::damaged(path, at, DamageKind::Content, Cure::CopyAgain);
            let (key, value) = entry.ok_or_else(cut)?;
            visit(key, value)?;
        }
    }
}

/// The content of the chunk at `place`, which moves behind it.
fn chunk<F: DiskFile>(file: &F, path: &str, place: &mut u64) -> Result<Vec<u8>> {
    let at = *place;
    let damaged = || StoreError::damaged(path, at, DamageKind::Content, Cure::CopyAgain);
    let frame = read_range(file, path, at, offset(FRAME))?;
    let mut fields = Fields(&frame);
    let (length, sum) = fields.u32().zip(fields.u32()).ok_or_else(damaged)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= CHUNK_MAX).ok_or_else(damaged)?;
    let content = read_range(file, path, at.saturating_add(FRAME), length)?;
    if content.len() != length || crc32c::crc32c(&content) != sum {
        return Err(damaged());
    }
    *place = at.saturating_add(FRAME).saturating_add(length64(length));
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::{read_inheritance, write_inheritance, CHUNK};
    use crate::disk::{Disk, DiskFile, OpenMode};
    use crate::error::StoreError;
    use crate::memory::MemoryDisk;

    type Cells = Vec<(Vec<u8>, Vec<u8>)>;

    fn read(disk: &MemoryDisk) -> Result<(Vec<u8>, Cells), StoreError> {
        let mut cells = Vec::new();
        let head = read_inheritance(disk, "inheritance", |key, value| {
            cells.push((key.to_vec(), value.to_vec()));
            Ok::<(), StoreError>(())
        })?;
        Ok((head, cells))
    }

    #[test]
    fn what_was_written_is_read_and_every_changed_byte_is_found() -> Result<(), StoreError> {
        let disk = MemoryDisk::new(1);
        assert!(matches!(read(&disk), Err(StoreError::NotFound { .. })));
        let cells: Cells = (0_u32..40).map(|n| (n.to_be_bytes().to_vec(), vec![7; CHUNK / 16])).collect();
        write_inheritance(&disk, "inheritance", b"head", cells.iter().map(|(k, v)| (k.clone(), v.as_slice())))?;
        assert_eq!(read(&disk)?, (b"head".to_vec(), cells));
        let file = disk.open("inheritance", OpenMode::Write).map_err(|_| StoreError::Argument(String::new()))?;
        let length = file.len().unwrap_or(0);
        for place in [0, 8, 12, 17, length / 2, length - 1] {
            let mut byte = [0];
            let _ = file.read_at(place, &mut byte);
            let _ = file.write_at(place, &[byte[0] ^ 1]);
            assert!(matches!(read(&disk), Err(StoreError::Damaged { .. })), "byte {place}");
            let _ = file.write_at(place, &byte);
        }
        let _ = file.truncate(length - 8);
        assert!(matches!(read(&disk), Err(StoreError::Damaged { .. })), "without its end");
        Ok(())
    }
}
