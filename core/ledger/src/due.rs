//! What falls due by itself at the begin of a block: lots lapse, holds expire (`spec/ledger.md` 2, step 2).

use crate::{
    amounts,
    assets::Asset,
    cells::{system_key, Defect, Scratch},
    execution::{Context, Run},
    governance, holds, lots,
};
use bubi_codec::{
    block::Event,
    identity::{Address, AssetId, HoldId, ProposalId},
    state::{key, HoldingV1},
    transaction::ReplayKey,
    ResultCode,
};
use bubi_crypto::Hash;
use std::ops::Bound;

/// What falls due.
#[derive(Clone, Copy)]
enum Kind {
    Lot,
    Hold,
    Proposal,
}

/// Something due: the parts of its key.
struct Due {
    time: u64,
    kind: Kind,
    holder: Address,
    id: Hash,
}

impl Due {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (_, bytes) = bytes.split_first()?;
        let (time, bytes) = bytes.split_first_chunk::<8>()?;
        let (kind, bytes) = bytes.split_first()?;
        let (holder, bytes) = bytes.split_first_chunk::<32>()?;
        let id = bytes.try_into().ok()?;
        Some(Self {
            time: u64::from_be_bytes(*time),
            kind: match kind {
                0 => Kind::Lot,
                1 => Kind::Hold,
                2 => Kind::Proposal,
                _ => return None,
            },
            holder: Address(Hash(*holder)),
            id: Hash(id),
        })
    }
}

/// Acts on the first due cells up to the block time, as many as the parameters allow; returns their events.
pub(crate) fn retire(cells: &mut Scratch<'_>, context: &Context) -> Result<Vec<Event>, Defect> {
    let limit = context.parameters.due_per_block as usize;
    let mut due = Vec::new();
    for (key, _) in cells.view().cells_from(&system_key(), Bound::Included(&[key::DUE_PREFIX])).take(limit) {
        if key.first() != Some(&key::DUE_PREFIX) {
            break;
        }
        let entry = Due::parse(key).ok_or(Defect("a due cell whose key cannot be read"))?;
        if entry.time > context.time {
            break;
        }
        due.push(entry);
    }
    // Identifiers are derived only by operations, none of which runs here.
    let replay = ReplayKey::Id([0; 16]);
    let mut run =
        Run { cells, context, replay: &replay, index: 0, events: Vec::new(), reports: &mut governance::Reports::new() };
    for entry in due {
        let done = match entry.kind {
            Kind::Lot => lapse(&mut run, &entry),
            Kind::Hold => holds::expire(&mut run, &entry.holder, &HoldId(entry.id)),
            Kind::Proposal => Ok(governance::end_due(&mut run, &ProposalId(entry.id))?),
        };
        done.map_err(|_| Defect("a due cell without what should fall due"))?;
    }
    Ok(run.events)
}

/// Retires the one lot that a due cell names.
fn lapse(run: &mut Run<'_, '_>, due: &Due) -> Result<(), ResultCode> {
    let asset = Asset::find(run, &AssetId(due.id))?;
    let account = run.cells.account(&due.holder);
    let holder = asset.holder(run, &due.holder, account);
    let mut holding = run.cells.read::<HoldingV1>(holder.cell)?.cloned().unwrap_or_default();
    let position = holding.lots.iter().position(|lot| lot.expires == due.time).ok_or(ResultCode::Internal)?;
    let lot = holding.lots.remove(position);
    holding.balance = holding.balance.checked_sub(lots::sum(&[lot])).ok_or(ResultCode::Internal)?;
    amounts::store(run, &asset, holder, holding)?;
    amounts::retire(run, &asset, &due.holder, &[lot])
}
