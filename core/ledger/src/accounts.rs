//! Operations 0 to 5: accounts, their signers, data entries and claims (`spec/ledger.md` 3).

use crate::{
    authority::{locks_out, Actor, Keys},
    cells::{AccountState, Defect, Owner, Scratch},
    execution::{Done, Run},
    governance, membership,
};
use bubi_codec::{
    block::Event,
    identity::Address,
    operation::{AccountTarget, Signer, Thresholds},
    state::{key, AccountHeader, Claim, DataEntry, HoldingV1},
    ResultCode,
};
use bubi_crypto::{Hash, PublicKey};
use std::{collections::BTreeMap, sync::Arc};

/// Operation 0.
pub(crate) fn create(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    target: &AccountTarget,
    signers: &[Signer],
    thresholds: Option<&Thresholds>,
    keys: Keys<'_>,
) -> Done {
    let address = match target {
        AccountTarget::Key(key) => {
            check_key(run, key)?;
            // Its address is known before it is opened: nobody else may say who acts for it.
            if thresholds.is_some() && !keys.contain(key) {
                return Err(ResultCode::NotPermitted);
            }
            Address::of_key(run.context.suite, key)
        }
        AccountTarget::Derived => {
            Address::derived(run.context.suite, &run.context.chain, &actor.address, run.replay, run.index)
        }
    };
    let (signers, thresholds) = match (target, thresholds) {
        (_, Some(thresholds)) => (signers.to_vec(), thresholds.clone()),
        (AccountTarget::Key(key), None) => (
            vec![Signer { key: *key, weight: 1, limits: None }],
            Thresholds { default: 1, operations: BTreeMap::new() },
        ),
        // The decoder refuses a derived account without signers; nobody could act for it.
        (AccountTarget::Derived, None) => return Err(ResultCode::LockOut),
    };
    check_signers(run, &signers, &thresholds)?;
    let account = run.cells.account(&address);
    match run.cells.account_state(account)? {
        AccountState::Missing => {}
        AccountState::Open => return Err(ResultCode::AccountExists),
        AccountState::Closed => return Err(ResultCode::AccountClosed),
    }
    let header = run.cells.cell(account, key::HEADER);
    run.cells.write(header, Arc::new(AccountHeader::V1 { signers, thresholds, created: run.context.height }));
    run.events.push(Event::AccountCreated { account: address, creator: actor.address });
    membership::inherit(run, actor, &address, account)
}

fn check_key(run: &Run<'_, '_>, key: &PublicKey) -> Done {
    if !run.context.parameters.algorithms.contains(&(key.algorithm() as u8)) {
        return Err(ResultCode::AlgorithmDisabled);
    }
    key.check_registration().map_err(|_| ResultCode::KeyInvalid)
}

fn check_signers(run: &Run<'_, '_>, signers: &[Signer], thresholds: &Thresholds) -> Done {
    signers.iter().try_for_each(|signer| check_key(run, &signer.key))?;
    if locks_out(signers, thresholds) {
        return Err(ResultCode::LockOut);
    }
    Ok(())
}

/// Operation 1.
pub(crate) fn set_signers(run: &mut Run<'_, '_>, actor: &Actor, signers: &[Signer], thresholds: &Thresholds) -> Done {
    check_signers(run, signers, thresholds)?;
    let header = run.cells.cell(actor.account, key::HEADER);
    let created = match run.cells.read::<Arc<AccountHeader>>(header)?.map(Arc::as_ref) {
        Some(AccountHeader::V1 { created, .. }) => *created,
        _ => return Err(ResultCode::Internal),
    };
    run.cells.write(
        header,
        Arc::new(AccountHeader::V1 { signers: signers.to_vec(), thresholds: thresholds.clone(), created }),
    );
    let limited = |signer: &&Signer| signer.limits.as_ref().is_some_and(|limits| limits.amount.is_some());
    let kept: Vec<Vec<u8>> = signers.iter().filter(limited).map(|signer| key::signer_use(&signer.key)).collect();
    for used in run.cells.keys(actor.account, &[key::SIGNER_USE_PREFIX]) {
        if !kept.iter().any(|kept| **kept == *used) {
            let cell = run.cells.cell(actor.account, &used);
            run.cells.remove(cell);
        }
    }
    run.events.push(Event::SignersChanged { account: actor.address });
    Ok(())
}

/// Version of a data entry; 0 if it is absent.
pub(crate) fn data_version(cells: &mut Scratch<'_>, account: Owner, name: &str) -> Result<u64, Defect> {
    let cell = cells.cell(account, &key::data(name));
    Ok(match cells.read::<Arc<DataEntry>>(cell)?.map(Arc::as_ref) {
        Some(DataEntry::V1 { version, .. }) => *version,
        None => 0,
    })
}

/// Operation 2.
pub(crate) fn set_data(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    name: &str,
    value: Option<&[u8]>,
    expected_version: Option<u64>,
) -> Done {
    let current = data_version(run.cells, actor.account, name)?;
    if expected_version.is_some_and(|expected| expected != current) {
        return Err(ResultCode::DataVersionMismatch);
    }
    let cell = run.cells.cell(actor.account, &key::data(name));
    let version = if let Some(value) = value {
        let version = current.checked_add(1).ok_or(ResultCode::DataVersionMismatch)?;
        run.cells.write(cell, Arc::new(DataEntry::V1 { version, value: value.to_vec() }));
        version
    } else {
        if current == 0 {
            return Err(ResultCode::DataMissing);
        }
        run.cells.remove(cell);
        0
    };
    run.events.push(Event::DataSet { account: actor.address, name: name.to_owned(), version });
    Ok(())
}

/// Operation 3.
pub(crate) fn close(run: &mut Run<'_, '_>, actor: &Actor) -> Done {
    let system = run.cells.system();
    let voter = run.cells.cell(system, &key::voter(&actor.address));
    if run.cells.exists(voter) || governance::is_validators(run, &actor.address)? {
        return Err(ResultCode::NotPermitted);
    }
    let full = [key::ITEM_HELD_PREFIX, key::DATA_PREFIX, key::CLAIM_PREFIX, key::HOLD_PREFIX];
    if full.iter().any(|prefix| !run.cells.keys(actor.account, &[*prefix]).is_empty()) {
        return Err(ResultCode::AccountNotEmpty);
    }
    for holding in run.cells.keys(actor.account, &[key::HOLDING_PREFIX]) {
        let cell = run.cells.cell(actor.account, &holding);
        if run.cells.read::<HoldingV1>(cell)?.is_some_and(|holding| holding.balance > 0 || holding.reserved > 0) {
            return Err(ResultCode::AccountNotEmpty);
        }
    }
    let header = run.cells.cell(actor.account, key::HEADER);
    run.cells.write(header, Arc::new(AccountHeader::Closed { height: run.context.height }));
    run.events.push(Event::AccountClosed { account: actor.address });
    Ok(())
}

/// Operation 4.
pub(crate) fn set_claim(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    subject: &Address,
    kind: &str,
    digest: &Hash,
    expires: Option<u64>,
) -> Done {
    let account = run.open_account(subject)?;
    if expires.is_some_and(|expires| expires <= run.context.time) {
        return Err(ResultCode::ExpiryInvalid);
    }
    let cell = run.cells.cell(account, &key::claim(&actor.address, kind));
    run.cells.write(cell, Claim::V1 { digest: *digest, expires });
    run.events.push(Event::ClaimSet { issuer: actor.address, subject: *subject, kind: kind.to_owned() });
    Ok(())
}

/// Operation 5.
pub(crate) fn revoke_claim(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    issuer: &Address,
    subject: &Address,
    kind: &str,
) -> Done {
    if actor.address != *issuer && actor.address != *subject {
        return Err(ResultCode::NotPermitted);
    }
    let account = run.cells.account(subject);
    let cell = run.cells.cell(account, &key::claim(issuer, kind));
    if !run.cells.exists(cell) {
        return Err(ResultCode::ClaimMissing);
    }
    run.cells.remove(cell);
    run.events.push(Event::ClaimRevoked { issuer: *issuer, subject: *subject, kind: kind.to_owned() });
    Ok(())
}
