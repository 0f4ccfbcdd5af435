//! Operations 18 to 20: two-phase holds, and their expiry (`spec/ledger.md` 6).

use crate::{
    amounts,
    assets::{Asset, Holder},
    authority::Actor,
    cells::Cell,
    execution::{Done, Run},
    lots,
};
use bubi_codec::{
    block::Event,
    identity::{Address, AssetId, HoldId},
    state::{key, Hold, Lot},
    ResultCode,
};
use std::sync::Arc;

/// Operation 18.
pub(crate) fn reserve(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    beneficiary: &Address,
    amount: u128,
    expires: u64,
) -> Done {
    let asset = Asset::of_amounts(run, asset)?;
    let source = asset.holder(run, &actor.address, actor.account);
    asset.check_send(run, source)?;
    run.open_account(beneficiary)?;
    if expires <= run.context.time {
        return Err(ResultCode::ExpiryInvalid);
    }
    let hold = HoldId::derived(run.context.suite, &run.context.chain, &actor.address, run.replay, run.index);
    let cell = run.cells.cell(actor.account, &key::hold(&hold));
    if run.cells.exists(cell) {
        // A hold outlives its transaction's id, which may be used again once it has passed.
        return Err(ResultCode::IdConflict);
    }
    amounts::touch(run, &asset, source)?;
    let lots = amounts::set_aside(run, &asset, source, amount)?;
    run.cells.write(cell, Arc::new(Hold::V1 { asset: asset.id, beneficiary: *beneficiary, amount, expires, lots }));
    let due = due_cell(run, expires, &actor.address, &hold);
    run.cells.mark(due);
    let (holder, beneficiary) = (actor.address, *beneficiary);
    run.events.push(Event::Reserved { hold, asset: asset.id, holder, beneficiary, amount, expires });
    Ok(())
}

fn due_cell(run: &mut Run<'_, '_>, expires: u64, holder: &Address, hold: &HoldId) -> Cell {
    let system = run.cells.system();
    run.cells.cell(system, &key::due_hold(expires, holder, hold))
}

/// A hold that an operation works on.
struct Found {
    id: HoldId,
    cell: Cell,
    asset: Asset,
    holder: Holder,
    beneficiary: Address,
    amount: u128,
    expires: u64,
    lots: Vec<Lot>,
    /// Number of its lots before any of them is split off.
    lots_reserved: u8,
}

/// The hold and its holder, whose account the caller has checked or does not care about.
fn find(run: &mut Run<'_, '_>, holder: &Address, id: &HoldId) -> Result<Found, ResultCode> {
    let account = run.cells.account(holder);
    let cell = run.cells.cell(account, &key::hold(id));
    let hold = run.cells.read::<Arc<Hold>>(cell)?.ok_or(ResultCode::HoldMissing)?.clone();
    let Hold::V1 { asset, beneficiary, amount, expires, lots } = hold.as_ref();
    let asset = Asset::find(run, asset).map_err(|_| ResultCode::Internal)?;
    let holder = asset.holder(run, holder, account);
    let lots_reserved = u8::try_from(lots.len()).map_err(|_| ResultCode::Internal)?;
    Ok(Found {
        id: *id,
        cell,
        asset,
        holder,
        beneficiary: *beneficiary,
        amount: *amount,
        expires: *expires,
        lots: lots.clone(),
        lots_reserved,
    })
}

/// A hold that the actor may capture or release.
fn find_own(run: &mut Run<'_, '_>, actor: &Actor, holder: &Address, id: &HoldId) -> Result<Found, ResultCode> {
    run.open_account(holder)?;
    let found = find(run, holder, id)?;
    if found.beneficiary != actor.address {
        return Err(ResultCode::NotPermitted);
    }
    Ok(found)
}

/// Operation 19.
pub(crate) fn capture(run: &mut Run<'_, '_>, actor: &Actor, holder: &Address, id: &HoldId, amount: u128) -> Done {
    let mut hold = find_own(run, actor, holder, id)?;
    if hold.expires <= run.context.time {
        return Err(ResultCode::HoldExpired);
    }
    hold.asset.check_send(run, hold.holder)?;
    let receiver = hold.asset.receiver(run, &actor.address)?;
    let (mut rest, lapsed) = split(&mut hold, run.context.time)?;
    amounts::retire(run, &hold.asset, &hold.holder.address, &lapsed)?;
    rest = rest.checked_sub(amount).ok_or(ResultCode::HoldExceeded)?;
    amounts::touch(run, &hold.asset, receiver)?;
    amounts::touch(run, &hold.asset, hold.holder)?;
    let mut back = std::mem::take(&mut hold.lots);
    let captured = lots::take(&mut back, amount);
    close(run, &hold)?;
    amounts::give(run, &hold.asset, receiver, amount, &captured)?;
    amounts::give(run, &hold.asset, hold.holder, rest, &back)?;
    run.events.push(Event::Captured { hold: hold.id, amount });
    let (from, to) = (hold.holder.address, actor.address);
    run.events.push(Event::Transferred { asset: hold.asset.id, from, to, amount });
    Ok(())
}

/// Operation 20.
pub(crate) fn release(run: &mut Run<'_, '_>, actor: &Actor, holder: &Address, id: &HoldId) -> Done {
    let hold = find_own(run, actor, holder, id)?;
    run.events.push(Event::Released { hold: hold.id });
    give_back(run, hold)
}

/// Expiry of a hold that fell due.
pub(crate) fn expire(run: &mut Run<'_, '_>, holder: &Address, id: &HoldId) -> Done {
    let hold = find(run, holder, id)?;
    run.events.push(Event::HoldExpired { hold: hold.id, holder: *holder });
    give_back(run, hold)
}

/// Splits the lapsed lots off a hold; what is left of its amount, and they.
fn split(hold: &mut Found, time: u64) -> Result<(u128, Vec<Lot>), ResultCode> {
    let lapsed = lots::split_lapsed(&mut hold.lots, time);
    let rest = hold.amount.checked_sub(lots::sum(&lapsed)).ok_or(ResultCode::Internal)?;
    Ok((rest, lapsed))
}

/// Everything goes back to the holder, except lots that have lapsed.
fn give_back(run: &mut Run<'_, '_>, mut hold: Found) -> Done {
    let (rest, lapsed) = split(&mut hold, run.context.time)?;
    close(run, &hold)?;
    amounts::give(run, &hold.asset, hold.holder, rest, &hold.lots)?;
    amounts::retire(run, &hold.asset, &hold.holder.address, &lapsed)
}

/// Deletes a hold and takes it out of its holder's reserved part.
fn close(run: &mut Run<'_, '_>, hold: &Found) -> Done {
    run.cells.remove(hold.cell);
    let due = due_cell(run, hold.expires, &hold.holder.address, &hold.id);
    run.cells.remove(due);
    let mut holding = amounts::read(run.cells, hold.holder.cell)?;
    holding.reserved_lots = holding.reserved_lots.checked_sub(hold.lots_reserved).ok_or(ResultCode::Internal)?;
    holding.reserved = holding.reserved.checked_sub(hold.amount).ok_or(ResultCode::Internal)?;
    amounts::write_holding(run.cells, hold.holder.cell, holding);
    Ok(())
}
