//! Definitions of assets, the checks that all operations on assets share, and operations 6, 11, 12, 13 (`spec/ledger.md` 4).

use crate::{
    authority::Actor,
    cells::{Cell, Owner},
    execution::{Done, Run},
};
use bubi_codec::{
    block::Event,
    identity::{Address, AssetId},
    limits::AMOUNT_MAX,
    operation::{AssetFeatures, AssetKind},
    state::{key, AssetV1, HoldingV1},
    ResultCode,
};
use std::sync::Arc;

/// What the rules ask of an asset, without its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    pub(crate) id: AssetId,
    pub(crate) owner: Owner,
    definition: Cell,
    pub(crate) issuer: Address,
    pub(crate) kind: AssetKind,
    pub(crate) features: AssetFeatures,
    pub(crate) frozen: bool,
    pub(crate) supply: u128,
    cap: u128,
}

/// An account as holder of one asset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) address: Address,
    pub(crate) account: Owner,
    pub(crate) cell: Cell,
}

impl Asset {
    /// The asset check.
    pub(crate) fn find(run: &mut Run<'_, '_>, id: &AssetId) -> Result<Self, ResultCode> {
        let owner = run.cells.asset(id);
        let definition = run.cells.cell(owner, key::HEADER);
        let asset = run.cells.read::<Arc<AssetV1>>(definition)?.ok_or(ResultCode::AssetMissing)?;
        Ok(Self {
            id: *id,
            owner,
            definition,
            issuer: asset.issuer,
            kind: asset.kind,
            features: asset.features,
            frozen: asset.frozen,
            supply: asset.supply,
            cap: asset.cap.unwrap_or(AMOUNT_MAX),
        })
    }

    /// Asset check and kind check for amounts.
    pub(crate) fn of_amounts(run: &mut Run<'_, '_>, id: &AssetId) -> Result<Self, ResultCode> {
        let asset = Self::find(run, id)?;
        if asset.kind == AssetKind::Unique {
            return Err(ResultCode::AssetKindMismatch);
        }
        Ok(asset)
    }

    /// Asset check and kind check for items.
    pub(crate) fn of_items(run: &mut Run<'_, '_>, id: &AssetId) -> Result<Self, ResultCode> {
        let asset = Self::find(run, id)?;
        if asset.kind != AssetKind::Unique {
            return Err(ResultCode::AssetKindMismatch);
        }
        Ok(asset)
    }

    /// The issuer check.
    pub(crate) fn check_issuer(&self, actor: &Actor) -> Done {
        if actor.address != self.issuer {
            return Err(ResultCode::NotPermitted);
        }
        Ok(())
    }

    pub(crate) fn check_not_frozen(&self) -> Done {
        if self.frozen {
            return Err(ResultCode::AssetFrozen);
        }
        Ok(())
    }

    pub(crate) fn check_cap(&self, more: u128) -> Done {
        if self.supply.checked_add(more).is_none_or(|supply| supply > self.cap) {
            return Err(ResultCode::CapExceeded);
        }
        Ok(())
    }

    /// `account` as a holder of this asset.
    pub(crate) fn holder(&self, run: &mut Run<'_, '_>, address: &Address, account: Owner) -> Holder {
        let cell = run.cells.cell(account, &key::holding(&self.id));
        Holder { address: *address, account, cell }
    }

    /// The send check.
    pub(crate) fn check_send(&self, run: &mut Run<'_, '_>, holder: Holder) -> Done {
        self.check_not_frozen()?;
        match run.cells.read::<HoldingV1>(holder.cell)? {
            Some(holding) if holding.frozen => Err(ResultCode::HolderFrozen),
            _ => Ok(()),
        }
    }

    /// The receive check.
    pub(crate) fn receiver(&self, run: &mut Run<'_, '_>, address: &Address) -> Result<Holder, ResultCode> {
        let account = run.open_account(address)?;
        let holder = self.holder(run, address, account);
        let holding = run.cells.read::<HoldingV1>(holder.cell)?;
        let (authorised, frozen) = holding.map_or((false, false), |holding| (holding.authorised, holding.frozen));
        if self.features.whitelist && !authorised && *address != self.issuer {
            return Err(ResultCode::NotWhitelisted);
        }
        if frozen {
            return Err(ResultCode::HolderFrozen);
        }
        Ok(holder)
    }
}

/// Changes the definition of an asset.
fn update(run: &mut Run<'_, '_>, definition: Cell, change: impl FnOnce(&mut AssetV1) -> Done) -> Done {
    let mut asset = run.cells.read::<Arc<AssetV1>>(definition)?.ok_or(ResultCode::Internal)?.clone();
    change(Arc::make_mut(&mut asset))?;
    run.cells.write(definition, asset);
    Ok(())
}

/// Changes the supply: first what appears, then what disappears.
pub(crate) fn change_supply(run: &mut Run<'_, '_>, asset: &Asset, more: u128, less: u128) -> Done {
    update(run, asset.definition, |asset| {
        // A supply below zero would mean that holdings were worth more than it: a defect.
        asset.supply =
            asset.supply.checked_add(more).and_then(|supply| supply.checked_sub(less)).ok_or(ResultCode::Internal)?;
        Ok(())
    })
}

/// The definition that operation 6 asks for.
pub(crate) fn definition(
    actor: &Actor,
    code: &str,
    name: &str,
    kind: AssetKind,
    decimals: u8,
    cap: Option<u128>,
    features: AssetFeatures,
) -> AssetV1 {
    let (code, name) = (code.to_owned(), name.to_owned());
    AssetV1 { issuer: actor.address, code, name, kind, decimals, cap, features, frozen: false, supply: 0 }
}

/// Operation 6.
pub(crate) fn create(run: &mut Run<'_, '_>, actor: &Actor, asset: AssetV1) -> Done {
    let id = AssetId::derived(run.context.suite, &actor.address, &asset.code);
    let owner = run.cells.asset(&id);
    let cell = run.cells.cell(owner, key::HEADER);
    if run.cells.exists(cell) {
        return Err(ResultCode::AssetExists);
    }
    run.cells.write(cell, Arc::new(asset));
    run.events.push(Event::AssetCreated { asset: id, issuer: actor.address });
    Ok(())
}

/// Operation 11.
pub(crate) fn freeze(run: &mut Run<'_, '_>, actor: &Actor, asset: &AssetId, frozen: bool) -> Done {
    let asset = Asset::find(run, asset)?;
    asset.check_issuer(actor)?;
    require(asset.features.freeze)?;
    update(run, asset.definition, |asset| {
        asset.frozen = frozen;
        Ok(())
    })?;
    run.events.push(Event::AssetFrozen { asset: asset.id, frozen });
    Ok(())
}

/// Fails with `feature_missing` unless the asset has a feature.
pub(crate) fn require(feature: bool) -> Done {
    if feature {
        Ok(())
    } else {
        Err(ResultCode::FeatureMissing)
    }
}

/// Operation 12.
pub(crate) fn freeze_holder(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    holder: &Address,
    frozen: bool,
) -> Done {
    let asset = Asset::find(run, asset)?;
    asset.check_issuer(actor)?;
    require(asset.features.freeze)?;
    set_flag(run, &asset, holder, |holding| holding.frozen = frozen)?;
    run.events.push(Event::HolderFrozen { asset: asset.id, holder: *holder, frozen });
    Ok(())
}

/// Operation 13.
pub(crate) fn authorise(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    asset: &AssetId,
    holder: &Address,
    authorised: bool,
) -> Done {
    let asset = Asset::find(run, asset)?;
    asset.check_issuer(actor)?;
    require(asset.features.whitelist)?;
    set_flag(run, &asset, holder, |holding| holding.authorised = authorised)?;
    run.events.push(Event::HolderAuthorised { asset: asset.id, holder: *holder, authorised });
    Ok(())
}

fn set_flag(run: &mut Run<'_, '_>, asset: &Asset, holder: &Address, set: impl FnOnce(&mut HoldingV1)) -> Done {
    let account = run.open_account(holder)?;
    let holder = asset.holder(run, holder, account);
    let mut holding = run.cells.read::<HoldingV1>(holder.cell)?.cloned().unwrap_or_default();
    set(&mut holding);
    crate::amounts::write_holding(run.cells, holder.cell, holding);
    Ok(())
}
