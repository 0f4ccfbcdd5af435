//! Operations 14 to 17: items of unique assets (`spec/ledger.md` 4).

use crate::{
    assets::{change_supply, require, Asset},
    authority::Actor,
    cells::{Cell, Owner},
    execution::{Done, Run},
};
use bubi_codec::{
    block::Event,
    identity::{Address, AssetId},
    state::{key, Item},
    ResultCode,
};
use bubi_crypto::Hash;

/// Operation 14.
pub(crate) fn issue(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    item: &str,
    to: &Address,
    digest: Option<Hash>,
) -> Done {
    let asset = Asset::of_items(run, asset)?;
    asset.check_issuer(actor)?;
    asset.check_not_frozen()?;
    let receiver = asset.receiver(run, to)?;
    let cell = run.cells.cell(asset.owner, &key::item(item));
    if run.cells.exists(cell) {
        return Err(ResultCode::ItemExists);
    }
    asset.check_cap(1)?;
    run.cells.write(cell, Item::V1 { holder: *to, digest });
    mark(run, receiver.account, &asset, item);
    change_supply(run, &asset, 1, 0)?;
    run.events.push(Event::ItemIssued { asset: asset.id, item: item.to_owned(), to: *to });
    Ok(())
}

/// Operation 15.
pub(crate) fn transfer(run: &mut Run<'_, '_>, actor: &Actor, asset: &AssetId, item: &str, to: &Address) -> Done {
    let asset = Asset::of_items(run, asset)?;
    let (cell, holder, digest) = find(run, &asset, item)?;
    check_held(run, actor, &asset, holder)?;
    let receiver = asset.receiver(run, to)?;
    move_item(run, &asset, item, (cell, holder, digest), to, receiver.account);
    Ok(())
}

/// Operation 16.
pub(crate) fn burn(run: &mut Run<'_, '_>, actor: &Actor, asset: &AssetId, item: &str) -> Done {
    let asset = Asset::of_items(run, asset)?;
    let (cell, holder, _) = find(run, &asset, item)?;
    check_held(run, actor, &asset, holder)?;
    destroy(run, &asset, item, cell, holder)
}

/// Operation 17.
pub(crate) fn clawback(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    item: &str,
    to: Option<&Address>,
) -> Done {
    let asset = Asset::of_items(run, asset)?;
    asset.check_issuer(actor)?;
    require(asset.features.clawback)?;
    let (cell, holder, digest) = find(run, &asset, item)?;
    let Some(to) = to else { return destroy(run, &asset, item, cell, holder) };
    if *to == holder {
        return Err(ResultCode::NotPermitted);
    }
    let receiver = asset.receiver(run, to)?;
    move_item(run, &asset, item, (cell, holder, digest), to, receiver.account);
    Ok(())
}

type Found = (Cell, Address, Option<Hash>);

fn find(run: &mut Run<'_, '_>, asset: &Asset, item: &str) -> Result<Found, ResultCode> {
    let cell = run.cells.cell(asset.owner, &key::item(item));
    match run.cells.read::<Item>(cell)? {
        Some(Item::V1 { holder, digest }) => Ok((cell, *holder, *digest)),
        None => Err(ResultCode::ItemMissing),
    }
}

/// The actor holds the item and may send it.
fn check_held(run: &mut Run<'_, '_>, actor: &Actor, asset: &Asset, holder: Address) -> Done {
    if actor.address != holder {
        return Err(ResultCode::NotPermitted);
    }
    let holder = asset.holder(run, &actor.address, actor.account);
    asset.check_send(run, holder)
}

fn mark(run: &mut Run<'_, '_>, account: Owner, asset: &Asset, item: &str) {
    let marker = run.cells.cell(account, &key::item_held(&asset.id, item));
    run.cells.mark(marker);
}

fn unmark(run: &mut Run<'_, '_>, holder: &Address, asset: &Asset, item: &str) {
    let account = run.cells.account(holder);
    let marker = run.cells.cell(account, &key::item_held(&asset.id, item));
    run.cells.remove(marker);
}

fn move_item(
    run: &mut Run<'_, '_>,
    asset: &Asset,
    item: &str,
    (cell, from, digest): Found,
    to: &Address,
    receiver: Owner,
) {
    unmark(run, &from, asset, item);
    mark(run, receiver, asset, item);
    run.cells.write(cell, Item::V1 { holder: *to, digest });
    run.events.push(Event::ItemTransferred { asset: asset.id, item: item.to_owned(), from, to: *to });
}

fn destroy(run: &mut Run<'_, '_>, asset: &Asset, item: &str, cell: Cell, from: Address) -> Done {
    unmark(run, &from, asset, item);
    run.cells.remove(cell);
    change_supply(run, asset, 0, 1)?;
    run.events.push(Event::ItemBurned { asset: asset.id, item: item.to_owned(), from });
    Ok(())
}
