//! Who may act for an account: signers, their limits, thresholds (`spec/ledger.md` 2.2).

use crate::{
    cells::{Defect, Owner, Scratch},
    execution::{Context, Run},
};
use bubi_codec::{
    identity::{Address, AssetId, NamespaceId},
    operation::{AmountLimit, Operation, OperationBody, Signer, Thresholds},
    state::{key, AccountHeader, Use},
    transaction::BodyV1,
    ResultCode,
};
use bubi_crypto::PublicKey;
use std::sync::Arc;

/// The keys that stand behind a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys<'t> {
    /// Keys whose signatures were checked.
    Signed(&'t [PublicKey]),
    /// Every key, for simulations of transactions that nobody has signed yet.
    Assumed,
}

impl Keys<'_> {
    pub(crate) fn contain(self, key: &PublicKey) -> bool {
        match self {
            Self::Signed(keys) => keys.contains(key),
            Self::Assumed => true,
        }
    }
}

/// An account that acts in a transaction, with its header as it stood before the transaction.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) address: Address,
    pub(crate) account: Owner,
    pub(crate) header: Option<Arc<AccountHeader>>,
}

impl Actor {
    pub(crate) fn read(cells: &mut Scratch<'_>, address: &Address) -> Result<Self, Defect> {
        let account = cells.account(address);
        Self::of(cells, address, account)
    }

    /// As [`Actor::read`], when the account was looked up before.
    pub(crate) fn of(cells: &mut Scratch<'_>, address: &Address, account: Owner) -> Result<Self, Defect> {
        let header = cells.cell(account, key::HEADER);
        Ok(Self { address: *address, account, header: cells.read(header)?.cloned() })
    }

    /// Signers and thresholds of an open account.
    fn authority(&self) -> Option<(&[Signer], &Thresholds)> {
        match self.header.as_deref() {
            Some(AccountHeader::V1 { signers, thresholds, .. }) => Some((signers, thresholds)),
            _ => None,
        }
    }

    /// Whether the keys that count for the operation reach its threshold.
    fn permits(&self, context: &Context, keys: Keys<'_>, operation: &OperationBody) -> bool {
        if self.header.is_none() {
            return self.is_own_account_of_a_key(context, keys);
        }
        let Some((signers, thresholds)) = self.authority() else { return false };
        let counting = signers.iter().filter(|signer| counts(signer, keys, operation, context));
        weight(counting) >= threshold(thresholds, operation)
    }

    /// Whether an account that only pays lets others act at its expense: its signers without limits reach the default threshold.
    fn agrees(&self, context: &Context, keys: Keys<'_>) -> bool {
        let Some((signers, thresholds)) = self.authority() else { return false };
        let counting = signers
            .iter()
            .filter(|signer| signer.limits.is_none() && keys.contain(&signer.key) && !context.is_retired(&signer.key));
        weight(counting) >= u64::from(thresholds.default)
    }

    fn is_own_account_of_a_key(&self, context: &Context, keys: Keys<'_>) -> bool {
        match keys {
            Keys::Signed(keys) => {
                keys.iter().any(|key| !context.is_retired(key) && Address::of_key(context.suite, key) == self.address)
            }
            Keys::Assumed => true,
        }
    }
}

/// The accounts that act in a transaction: its source first, each once. `None` if an operation lacks authority, or if the source
/// neither acts nor agrees: nobody charges a quota, takes an id or moves a lane of an account that has not signed.
pub(crate) fn actors(
    cells: &mut Scratch<'_>,
    context: &Context,
    body: &BodyV1,
    source: Actor,
    keys: Keys<'_>,
) -> Result<Option<Vec<Actor>>, Defect> {
    let mut actors = vec![source];
    for operation in &body.operations {
        let address = operation.source.unwrap_or(body.source);
        if !actors.iter().any(|actor| actor.address == address) {
            actors.push(Actor::read(cells, &address)?);
        }
        let acting = actors.iter().find(|actor| actor.address == address);
        if !acting.is_some_and(|actor| actor.permits(context, keys, &operation.body)) {
            return Ok(None);
        }
    }
    let acts = |operation: &Operation| operation.source.is_none_or(|source| source == body.source);
    let agrees = || actors.first().is_some_and(|source| source.agrees(context, keys));
    Ok((body.operations.iter().any(acts) || agrees()).then_some(actors))
}

fn weight<'s>(signers: impl Iterator<Item = &'s Signer>) -> u64 {
    signers.map(|signer| u64::from(signer.weight)).sum()
}

fn threshold(thresholds: &Thresholds, operation: &OperationBody) -> u64 {
    u64::from(thresholds.operations.get(&operation.number()).copied().unwrap_or(thresholds.default))
}

/// Whether a signer counts for an operation in a block; its amount limit is looked at when the operation is executed.
fn counts(signer: &Signer, keys: Keys<'_>, operation: &OperationBody, context: &Context) -> bool {
    if !keys.contain(&signer.key) || context.is_retired(&signer.key) {
        return false;
    }
    let Some(limits) = &signer.limits else { return true };
    limits.expires.is_none_or(|expires| expires > context.time)
        && (limits.operations.is_empty() || limits.operations.contains(&operation.number()))
        && (limits.assets.is_empty() || named_asset(operation).is_none_or(|asset| limits.assets.contains(asset)))
        && (limits.namespaces.is_empty()
            || named_namespace(operation).is_none_or(|name| limits.namespaces.contains(name)))
}

fn named_asset(operation: &OperationBody) -> Option<&AssetId> {
    match operation {
        OperationBody::Issue { asset, .. }
        | OperationBody::Transfer { asset, .. }
        | OperationBody::Burn { asset, .. }
        | OperationBody::Clawback { asset, .. }
        | OperationBody::FreezeAsset { asset, .. }
        | OperationBody::FreezeHolder { asset, .. }
        | OperationBody::AuthoriseHolder { asset, .. }
        | OperationBody::IssueItem { asset, .. }
        | OperationBody::TransferItem { asset, .. }
        | OperationBody::BurnItem { asset, .. }
        | OperationBody::ClawbackItem { asset, .. }
        | OperationBody::Reserve { asset, .. } => Some(asset),
        _ => None,
    }
}

/// The account that an operation names beside its source, if it looks at one.
pub(crate) fn named_account(operation: &OperationBody) -> Option<&Address> {
    match operation {
        OperationBody::Issue { to, .. }
        | OperationBody::Transfer { to, .. }
        | OperationBody::IssueItem { to, .. }
        | OperationBody::TransferItem { to, .. } => Some(to),
        OperationBody::Clawback { from, .. } => Some(from),
        OperationBody::FreezeHolder { holder, .. }
        | OperationBody::AuthoriseHolder { holder, .. }
        | OperationBody::Capture { holder, .. }
        | OperationBody::Release { holder, .. } => Some(holder),
        OperationBody::Reserve { beneficiary, .. } => Some(beneficiary),
        OperationBody::SetClaim { subject, .. } => Some(subject),
        OperationBody::SetMember { account, .. } => Some(account),
        _ => None,
    }
}

fn named_namespace(operation: &OperationBody) -> Option<&NamespaceId> {
    match operation {
        OperationBody::SetNamespace { namespace, .. } | OperationBody::PutRecord { namespace, .. } => Some(namespace),
        _ => None,
    }
}

/// What an operation moves, if amount limits apply to it.
fn limited_amount(operation: &OperationBody) -> Option<(&AssetId, u128)> {
    match operation {
        OperationBody::Issue { asset, amount, .. }
        | OperationBody::Transfer { asset, amount, .. }
        | OperationBody::Burn { asset, amount }
        | OperationBody::Clawback { asset, amount, .. }
        | OperationBody::Reserve { asset, amount, .. } => Some((asset, *amount)),
        _ => None,
    }
}

/// The amount limit of a signer for an asset.
fn limit_for<'s>(signer: &'s Signer, asset: &AssetId) -> Option<&'s AmountLimit> {
    signer.limits.as_ref()?.amount.as_ref().filter(|limit| limit.asset == *asset)
}

/// Checks and charges the amount limits of the actor's signers for one operation.
pub(crate) fn charge_amount_limits(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    keys: Keys<'_>,
    operation: &OperationBody,
) -> Result<(), ResultCode> {
    let Some((asset, amount)) = limited_amount(operation) else { return Ok(()) };
    let Some((signers, thresholds)) = actor.authority() else { return Ok(()) };
    if !signers.iter().any(|signer| limit_for(signer, asset).is_some()) {
        return Ok(());
    }
    let mut total = 0;
    let mut charges = Vec::new();
    for signer in signers.iter().filter(|signer| counts(signer, keys, operation, run.context)) {
        if let Some(limit) = limit_for(signer, asset) {
            let period = run.context.time / limit.period.max(1);
            let cell = run.cells.cell(actor.account, &key::signer_use(&signer.key));
            let used = match run.cells.read::<Use>(cell)? {
                Some(Use::V1 { period: last, used }) if *last == period => *used,
                _ => 0,
            };
            let used = used.checked_add(amount).filter(|used| *used <= limit.amount);
            let Some(used) = used else { continue };
            charges.push((cell, Use::V1 { period, used }));
        }
        total += u64::from(signer.weight);
    }
    if total < threshold(thresholds, operation) {
        return Err(ResultCode::SignerLimitExceeded);
    }
    for (cell, used) in charges {
        run.cells.write(cell, used);
    }
    Ok(())
}

/// Whether these signers would leave an account that nobody can act for: only signers without limits are relied on.
pub(crate) fn locks_out(signers: &[Signer], thresholds: &Thresholds) -> bool {
    let highest = thresholds.operations.values().copied().fold(thresholds.default, u32::max);
    weight(signers.iter().filter(|signer| signer.limits.is_none())) < u64::from(highest)
}
