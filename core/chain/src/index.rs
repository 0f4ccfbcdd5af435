//! Derived keys beside the cells, so that lists need no search: changed in the same commit as the cells, never hashed.

use crate::error::Result;
use bubi_codec::{decode, state::key, state::AssetDefinition, state::OwnerKind};
use bubi_ledger::tree::{Overlay, OwnerKey, State, View};
use bubi_store::{Batch, Keyspace};

/// Accounts: `a` address.
pub(crate) const ACCOUNTS: u8 = b'a';
/// Holders of an asset: `h` asset, holder.
pub(crate) const HOLDERS: u8 = b'h';
/// Assets by issuer: `i` issuer, asset.
pub(crate) const ISSUED: u8 = b'i';
/// Namespaces: `n` namespace.
pub(crate) const NAMESPACES: u8 = b'n';
/// Assets: `s` asset.
pub(crate) const ASSETS: u8 = b's';
/// Live ids that a block added: `l` time from which all have passed, height (both big-endian).
pub(crate) const LIVE_IDS: u8 = b'l';

/// Batches that a block ordered: `o` time until which they are remembered, height (both big-endian).
pub(crate) const ORDERED: u8 = b'o';

/// Ends of epochs: `e` number of the epoch that followed (big-endian).
pub(crate) const HANDOVERS: u8 = b'e';

/// Key of a cell in the state store: owner, cell key.
pub(crate) fn cell_key(owner: &OwnerKey, key: &[u8]) -> Vec<u8> {
    [owner.as_bytes().as_slice(), key].concat()
}

/// Adds the cells that an overlay changes, and the derived keys that follow from them. `before` is the state without the overlay.
pub(crate) fn add_changes(batch: &mut Batch, before: &View<'_>, overlay: &Overlay) -> Result<()> {
    let mut stored = Vec::with_capacity(192);
    for (owner, key, value, existed) in overlay.changed_cells_since(before) {
        stored.clear();
        stored.extend_from_slice(owner.as_bytes());
        stored.extend_from_slice(key);
        match value {
            Some(value) => batch.put(Keyspace::Cells, &stored, value)?,
            None => batch.delete(Keyspace::Cells, &stored)?,
        }
        if value.is_some() != existed {
            add_derived(batch, owner, key, value)?;
        }
    }
    Ok(())
}

/// Adds every cell of a state, with its derived keys.
pub(crate) fn add_state(batch: &mut Batch, state: &State) -> Result<()> {
    for (owner, key, value) in state.all_cells() {
        batch.put(Keyspace::Cells, &cell_key(owner, key), value)?;
        add_derived(batch, owner, key, Some(value))?;
    }
    Ok(())
}

/// Derived keys of a cell that came into being or went.
fn add_derived(batch: &mut Batch, owner: &OwnerKey, cell: &[u8], value: Option<&[u8]>) -> Result<()> {
    let id = owner.id();
    let mut set = |parts: &[&[u8]]| match value {
        Some(_) => batch.put(Keyspace::Derived, &parts.concat(), &[]),
        None => batch.delete(Keyspace::Derived, &parts.concat()),
    };
    let header = cell == key::HEADER;
    if owner.kind() == OwnerKind::Account as u8 && header {
        set(&[&[ACCOUNTS], &id])?;
    } else if owner.kind() == OwnerKind::Account as u8 && cell.first() == Some(&key::HOLDING_PREFIX) {
        set(&[&[HOLDERS], cell.get(1..).unwrap_or_default(), &id])?;
    } else if owner.kind() == OwnerKind::Namespace as u8 && header {
        set(&[&[NAMESPACES], &id])?;
    } else if owner.kind() == OwnerKind::Asset as u8 && header {
        set(&[&[ASSETS], &id])?;
        if let Some(AssetDefinition::V1(asset)) = value.map(decode).transpose()? {
            set(&[&[ISSUED], asset.issuer.bytes(), &id])?;
        }
    }
    Ok(())
}

/// Height of the block that a stored list of live ids or ordered batches is of.
pub(crate) fn height_of(key: &[u8]) -> Option<u64> {
    key.get(9..)?.try_into().ok().map(u64::from_be_bytes)
}

/// Whether what a stored list of live ids or ordered batches holds has passed at `time`.
pub(crate) fn passed(key: &[u8], time: u64) -> bool {
    let until = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    until.is_some_and(|until| until < time)
}
