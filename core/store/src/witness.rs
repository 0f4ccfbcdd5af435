//! What the files behind the block log say about how far the log had come.
//!
//! Damage of the log's last group looks like a write that a crash interrupted, and a log without its newest segment looks
//! like a shorter one. Both would lose acknowledged blocks in silence, if the other files did not know better.

use crate::disk::Disk;
use crate::error::{Result, StoreError};
use crate::guard::{marked_height, GUARD_FILE};
use crate::state::{Manifest, MANIFEST};
use crate::transactions;

/// A file that has seen a block of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its path in the data folder.
    pub file: String,
    /// The newest height that it has seen.
    pub height: u64,
}

/// Every witness of a folder. A damaged file is none; that it is damaged shows elsewhere.
pub(crate) fn witnesses<D: Disk>(disk: &D) -> Result<Vec<Witness>> {
    let manifest = match Manifest::read(disk) {
        Ok(manifest) => manifest,
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let manifest = manifest.map(|manifest| (MANIFEST.to_owned(), manifest.height));
    let guard = marked_height(disk)?.map(|height| (GUARD_FILE.to_owned(), height));
    let found = [guard, manifest, transactions::newest_file(disk)?];
    let found = found.into_iter().flatten().filter(|(_, height)| *height > 0);
    Ok(found.map(|(file, height)| Witness { file, height }).collect())
}

/// The witness of the greatest height; none in a new folder.
///
/// # Errors
/// Those of the disk.
pub fn newest_witness<D: Disk>(disk: &D) -> Result<Option<Witness>> {
    Ok(witnesses(disk)?.into_iter().max_by_key(|witness| witness.height))
}
