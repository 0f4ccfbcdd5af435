//! Whole blocks in bytes, many at once, for those who keep tables of their own (`spec/api.md`, section "Export").
//!
//! Each block is its record and its bulk bodies, every part behind its length as a little-endian u32:
//! record, number of bodies, bodies.

use crate::{
    chain::{broken, Chain},
    error::{ChainError, Result},
};
use bubi_codec::{block::BlockRecord, decode, encode};
use bubi_store::Disk;

/// A block as it was exported.
pub struct Exported<'b> {
    /// Its record.
    pub record: BlockRecord,
    /// Bulk bodies of its batches, in their order.
    pub bodies: Vec<&'b [u8]>,
    /// Bytes of it all.
    pub bytes: usize,
}

impl<D: Disk> Chain<D> {
    /// Blocks above a height, ascending: at most `limit`, and, behind the first one, no more than `bytes_max` together.
    ///
    /// # Errors
    /// Damage of the log.
    pub fn export(&self, after: u64, limit: u64, bytes_max: usize) -> Result<Vec<u8>> {
        let newest = self.tip().height.min(after.saturating_add(limit));
        let mut written = Vec::new();
        for height in after.saturating_add(1)..=newest {
            let record = self.record(height)?.ok_or_else(|| broken("a decided block is not in the log"))?;
            let record = encode(record.as_ref())?;
            let bodies = self.bodies(height)?;
            let size = record.len() + bodies.iter().map(Vec::len).sum::<usize>() + 4 * (2 + bodies.len());
            if !written.is_empty() && written.len() + size > bytes_max {
                break;
            }
            written.reserve(size);
            write(&mut written, &record)?;
            written.extend(u32::try_from(bodies.len()).map_err(broken)?.to_le_bytes());
            for body in &bodies {
                write(&mut written, body)?;
            }
        }
        Ok(written)
    }
}

fn write(out: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    out.extend(u32::try_from(part.len()).map_err(broken)?.to_le_bytes());
    out.extend_from_slice(part);
    Ok(())
}

/// Reads what [`Chain::export`] wrote.
///
/// # Errors
/// `not_canonical`: the bytes are cut or are not blocks.
pub fn read_export(bytes: &[u8]) -> Result<Vec<Exported<'_>>> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let before = rest.len();
        let record = decode(part(&mut rest)?)?;
        let count = number(&mut rest)?;
        let bodies = (0..count).map(|_| part(&mut rest)).collect::<Result<Vec<&[u8]>>>()?;
        blocks.push(Exported { record, bodies, bytes: before - rest.len() });
    }
    Ok(blocks)
}

fn cut() -> ChainError {
    ChainError::refused("not_canonical", "the export is cut")
}

fn number(rest: &mut &[u8]) -> Result<usize> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    *rest = after;
    Ok(u32::from_le_bytes(*length) as usize)
}

fn part<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8]> {
    let length = number(rest)?;
    let (part, after) = rest.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(part)
}
