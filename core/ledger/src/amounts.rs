//! Operations 7 to 10: amounts of fungible and dated assets, and the movements behind them (`spec/ledger.md` 4 and 5).

use crate::{
    assets::{change_supply, require, Asset, Holder},
    authority::Actor,
    cells::{Cell, Scratch},
    execution::{Done, Run},
    lots,
};
use bubi_codec::{
    block::Event,
    identity::{Address, AssetId},
    limits::LOTS_MAX,
    operation::AssetKind,
    state::{key, HoldingV1, Lot},
    ResultCode,
};

/// Operation 7.
pub(crate) fn issue(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    to: &Address,
    amount: u128,
    expires: Option<u64>,
) -> Done {
    let asset = Asset::of_amounts(run, asset)?;
    asset.check_issuer(actor)?;
    asset.check_not_frozen()?;
    let receiver = asset.receiver(run, to)?;
    let dated = asset.kind == AssetKind::Dated;
    if dated != expires.is_some() || expires.is_some_and(|expires| expires <= run.context.time) {
        return Err(ResultCode::ExpiryInvalid);
    }
    asset.check_cap(amount)?;
    touch(run, &asset, receiver)?;
    let lot = expires.map(|expires| Lot { expires, amount });
    give(run, &asset, receiver, amount, lot.as_slice())?;
    change_supply(run, &asset, amount, 0)?;
    run.events.push(Event::Issued { asset: asset.id, to: *to, amount, expires });
    Ok(())
}

/// Operation 8.
pub(crate) fn transfer(run: &mut Run<'_, '_>, actor: &Actor, asset: &AssetId, to: &Address, amount: u128) -> Done {
    let asset = Asset::of_amounts(run, asset)?;
    let source = asset.holder(run, &actor.address, actor.account);
    asset.check_send(run, source)?;
    let receiver = asset.receiver(run, to)?;
    pass(run, &asset, source, receiver, amount)
}

/// Operation 9.
pub(crate) fn burn(run: &mut Run<'_, '_>, actor: &Actor, asset: &AssetId, amount: u128) -> Done {
    let asset = Asset::of_amounts(run, asset)?;
    let source = asset.holder(run, &actor.address, actor.account);
    asset.check_send(run, source)?;
    destroy(run, &asset, source, amount)
}

/// Operation 10.
pub(crate) fn clawback(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    from: &Address,
    to: Option<&Address>,
    amount: u128,
) -> Done {
    let asset = Asset::of_amounts(run, asset)?;
    asset.check_issuer(actor)?;
    require(asset.features.clawback)?;
    let account = run.open_account(from)?;
    let holder = asset.holder(run, from, account);
    match to {
        Some(to) => {
            let receiver = asset.receiver(run, to)?;
            pass(run, &asset, holder, receiver, amount)
        }
        None => destroy(run, &asset, holder, amount),
    }
}

/// Moves an amount from one holder to another.
fn pass(run: &mut Run<'_, '_>, asset: &Asset, from: Holder, to: Holder, amount: u128) -> Done {
    touch(run, asset, from)?;
    touch(run, asset, to)?;
    let lots = take(run, asset, from, amount)?;
    give(run, asset, to, amount, &lots)?;
    // Most transactions have one event: the usual growth would keep room for four of them, in thousands of lists.
    if run.events.is_empty() {
        run.events.reserve_exact(1);
    }
    run.events.push(Event::Transferred { asset: asset.id, from: from.address, to: to.address, amount });
    Ok(())
}

fn destroy(run: &mut Run<'_, '_>, asset: &Asset, from: Holder, amount: u128) -> Done {
    touch(run, asset, from)?;
    take(run, asset, from, amount)?;
    change_supply(run, asset, 0, amount)?;
    run.events.push(Event::Burned { asset: asset.id, from: from.address, amount });
    Ok(())
}

/// Retires the lapsed lots of a dated holding.
pub(crate) fn touch(run: &mut Run<'_, '_>, asset: &Asset, holder: Holder) -> Done {
    let time = run.context.time;
    let holding = run.cells.read::<HoldingV1>(holder.cell)?;
    let Some(holding) = holding.filter(|holding| holding.lots.first().is_some_and(|lot| lot.expires <= time)) else {
        return Ok(());
    };
    let mut after = holding.clone();
    let lapsed = lots::split_lapsed(&mut after.lots, time);
    after.balance = after.balance.checked_sub(lots::sum(&lapsed)).ok_or(ResultCode::Internal)?;
    store(run, asset, holder, after)?;
    retire(run, asset, &holder.address, &lapsed)
}

/// Takes lapsed lots out of the supply.
pub(crate) fn retire(run: &mut Run<'_, '_>, asset: &Asset, holder: &Address, lapsed: &[Lot]) -> Done {
    if lapsed.is_empty() {
        return Ok(());
    }
    change_supply(run, asset, 0, lots::sum(lapsed))?;
    run.events.extend(lapsed.iter().map(|lot| Event::Lapsed {
        asset: asset.id,
        holder: *holder,
        amount: lot.amount,
        expires: lot.expires,
    }));
    Ok(())
}

/// Takes an amount out of a balance, with its lots.
fn take(run: &mut Run<'_, '_>, asset: &Asset, holder: Holder, amount: u128) -> Result<Vec<Lot>, ResultCode> {
    let mut after = read(run.cells, holder.cell)?;
    after.balance = after.balance.checked_sub(amount).ok_or(ResultCode::BalanceInsufficient)?;
    let taken = lots::take(&mut after.lots, amount);
    store(run, asset, holder, after)?;
    Ok(taken)
}

/// Moves an amount of a holding into its reserved part and returns its lots.
pub(crate) fn set_aside(
    run: &mut Run<'_, '_>,
    asset: &Asset,
    holder: Holder,
    amount: u128,
) -> Result<Vec<Lot>, ResultCode> {
    let taken = take(run, asset, holder, amount)?;
    let mut after = read(run.cells, holder.cell)?;
    after.reserved += amount;
    let reserved_lots = usize::from(after.reserved_lots) + taken.len();
    if after.lots.len() + reserved_lots > LOTS_MAX {
        return Err(ResultCode::LotsFull);
    }
    after.reserved_lots = u8::try_from(reserved_lots).map_err(|_| ResultCode::Internal)?;
    write_holding(run.cells, holder.cell, after);
    Ok(taken)
}

/// Adds an amount to a balance, with its lots.
pub(crate) fn give(run: &mut Run<'_, '_>, asset: &Asset, holder: Holder, amount: u128, more: &[Lot]) -> Done {
    let mut after = read(run.cells, holder.cell)?;
    after.balance += amount;
    lots::add(&mut after.lots, more);
    if !more.is_empty() && after.lots.len() + usize::from(after.reserved_lots) > LOTS_MAX {
        return Err(ResultCode::LotsFull);
    }
    store(run, asset, holder, after)
}

/// A holding; an absent one is empty.
pub(crate) fn read(cells: &mut Scratch<'_>, cell: Cell) -> Result<HoldingV1, ResultCode> {
    Ok(cells.read::<HoldingV1>(cell)?.cloned().unwrap_or_default())
}

/// Writes a holding whose lots did not change.
pub(crate) fn write_holding(cells: &mut Scratch<'_>, cell: Cell, holding: HoldingV1) {
    if holding == HoldingV1::default() {
        cells.remove(cell);
    } else {
        cells.write(cell, holding);
    }
}

/// Writes a holding and keeps one due cell for each of its lots.
pub(crate) fn store(run: &mut Run<'_, '_>, asset: &Asset, holder: Holder, after: HoldingV1) -> Done {
    let before = run.cells.read::<HoldingV1>(holder.cell)?.map(|holding| holding.lots.as_slice()).unwrap_or_default();
    let has = |lots: &[Lot], expires| lots.binary_search_by_key(&expires, |lot: &Lot| lot.expires).is_ok();
    let gone = before.iter().filter(|lot| !has(&after.lots, lot.expires)).map(|lot| (lot.expires, false));
    let new = after.lots.iter().filter(|lot| !has(before, lot.expires)).map(|lot| (lot.expires, true));
    let changes: Vec<(u64, bool)> = gone.chain(new).collect();
    for (expires, exists) in changes {
        let system = run.cells.system();
        let due = run.cells.cell(system, &key::due_lot(expires, &holder.address, &asset.id));
        if exists {
            run.cells.mark(due);
        } else {
            run.cells.remove(due);
        }
    }
    write_holding(run.cells, holder.cell, after);
    Ok(())
}
