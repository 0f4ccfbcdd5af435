//! Quotas of accounts and organisations per window (`spec/ledger.md` 2.4).

use crate::{
    authority::Actor,
    cells::{Cell, Defect, Owner, Scratch},
    execution::Context,
    membership,
    tree::View,
};
use bubi_codec::{
    governance::GovernanceV1,
    identity::Address,
    state::{key, Use, ValidatorSet},
    transaction::BodyV1,
    ResultCode,
};
use bubi_crypto::Hash;
use std::{collections::BTreeSet, sync::Arc};

/// What a block knows of quotas beside the cells.
#[derive(Default)]
pub(crate) struct Quotas {
    /// Accounts that no other account can keep from acting for their organisation. Found when the first transaction is charged,
    /// before any was executed.
    voices: Option<BTreeSet<Address>>,
}

impl Quotas {
    /// Charges the operations of a transaction to its source and to its source's organisation, or to nobody and says whose
    /// quota they would pass. Without quotas nothing is read.
    pub(crate) fn charge(
        &mut self,
        cells: &mut Scratch<'_>,
        context: &Context,
        body: &BodyV1,
        source: &Actor,
    ) -> Result<Result<(), ResultCode>, Defect> {
        let parameters = &context.parameters;
        if parameters.quota_operations == 0 && parameters.organisation_operations == 0 {
            return Ok(Ok(()));
        }
        let (period, operations) = (period(context), body.operations.len() as u128);
        let mut due = Vec::with_capacity(2);
        for quota in self.of(cells, context, &source.address, source.account)?.into_iter().flatten() {
            let used = used(cells, quota.cell, period)? + operations;
            if used > u128::from(quota.limit) {
                return Ok(Err(quota.code));
            }
            due.push((quota.cell, Use::V1 { period, used }));
        }
        for (cell, used) in due {
            cells.write(cell, used);
        }
        Ok(Ok(()))
    }

    /// The quota of an account, and the one that it shares with its organisation.
    fn of(
        &mut self,
        cells: &mut Scratch<'_>,
        context: &Context,
        address: &Address,
        account: Owner,
    ) -> Result<[Option<Quota>; 2], Defect> {
        let (own, shared) = (context.parameters.quota_operations, context.parameters.organisation_operations);
        let is_voice = shared > 0 && self.is_voice(cells, context, address)?;
        let limits = [own, if is_voice { shared } else { 0 }];
        let own = limits.into_iter().filter(|limit| *limit > 0).min();
        let own =
            own.map(|limit| Quota { cell: cells.cell(account, key::QUOTA), limit, code: ResultCode::QuotaExceeded });
        if shared == 0 || is_voice {
            return Ok([own, None]);
        }
        let organisation = membership::organisation_of(cells, address, account)?;
        let system = cells.system();
        let cell = cells.cell(system, &key::organisation_use(organisation.as_deref()));
        Ok([own, Some(Quota { cell, limit: shared, code: ResultCode::OrganisationQuotaExceeded })])
    }

    fn is_voice(&mut self, cells: &mut Scratch<'_>, context: &Context, account: &Address) -> Result<bool, Defect> {
        if let Some(voices) = &self.voices {
            return Ok(voices.contains(account));
        }
        let voices = voices(cells, context)?;
        Ok(self.voices.insert(voices).contains(account))
    }
}

/// A quota that applies to an account.
struct Quota {
    cell: Cell,
    limit: u64,
    code: ResultCode,
}

/// Number of the quota window of a block.
fn period(context: &Context) -> u64 {
    context.time / context.parameters.quota_window.max(1)
}

/// What was used of a quota in a window.
fn used(cells: &mut Scratch<'_>, cell: Cell, period: u64) -> Result<u128, Defect> {
    Ok(match cells.read::<Use>(cell)? {
        Some(Use::V1 { period: last, used }) if *last == period => *used,
        _ => 0,
    })
}

/// Operations of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaUse {
    /// Those used in the window.
    pub used: u128,
    /// Those that it has.
    pub limit: u64,
}

/// How an account stands: where it belongs, and what it and its organisation used of their quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Name of the organisation to which it belongs.
    pub organisation: Option<String>,
    /// Its own quota; none if it has none.
    pub own: Option<QuotaUse>,
    /// The quota that it shares with its organisation, or with all accounts that belong to none; none if it has none.
    pub shared: Option<QuotaUse>,
    /// Block time (ms) at which the window ends.
    pub until: u64,
}

/// How an account stands in a block of this context.
///
/// # Errors
/// The state is damaged.
pub fn standing(view: &View<'_>, context: &Context, address: &Address) -> Result<Standing, Defect> {
    let cells = &mut Scratch::new(view.clone(), 1);
    let account = cells.account(address);
    let (organisation, window) = (membership::organisation_of(cells, address, account)?, period(context));
    let mut uses = [None; 2];
    for (place, quota) in uses.iter_mut().zip(Quotas::default().of(cells, context, address, account)?) {
        if let Some(quota) = quota {
            *place = Some(QuotaUse { used: used(cells, quota.cell, window)?, limit: quota.limit });
        }
    }
    let [own, shared] = uses;
    let until = window.saturating_add(1).saturating_mul(context.parameters.quota_window);
    Ok(Standing { organisation, own, shared, until })
}

/// The governance accounts, and the accounts of the validators in force and of those that an approved change brings.
fn voices(cells: &mut Scratch<'_>, context: &Context) -> Result<BTreeSet<Address>, Defect> {
    let system = cells.system();
    let mut voices = BTreeSet::new();
    for key in cells.keys(system, &[key::VOTER_PREFIX]) {
        let id = key.get(1..).and_then(|id| id.try_into().ok());
        voices.insert(Address(Hash(id.ok_or(Defect("a voter that is no account"))?)));
    }
    let ValidatorSet::V1 { validators, .. } = context.validators.as_ref();
    voices.extend(validators.iter().map(|one| Address::of_key(context.suite, &one.key)));
    let governance = cells.cell(system, key::GOVERNANCE);
    if let Some(governance) = cells.read::<Arc<GovernanceV1>>(governance)? {
        let members = governance.pending.iter().flat_map(|change| &change.members);
        voices.extend(members.map(|member| member.account));
    }
    Ok(voices)
}
