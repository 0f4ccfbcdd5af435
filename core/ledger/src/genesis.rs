//! The state that a network starts from.

use crate::{
    cells::{account_key, system_key, Defect},
    execution::BlockError,
    tree::{OwnerKey, State},
};
use bubi_codec::{
    block::{self, Genesis, GenesisV1, Outcome},
    decode, domain,
    governance::{EpochRecord, NodeListing, Organisation, Voter},
    identity::{Address, ChainId},
    operation::{Signer, Thresholds},
    state::{key, AccountHeader, Membership, MembershipV1, OwnerKind, Parameters, ValidatorSet},
};
use bubi_crypto::{merkle_root, HashSuite, PublicKey};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A cell of the genesis: owner, key, value.
type GenesisCell = (OwnerKey, Vec<u8>, Vec<u8>);

fn cell<T: Serialize>(owner: OwnerKey, key: Vec<u8>, value: &T) -> Result<GenesisCell, Defect> {
    let bytes = bcs::to_bytes(value).map_err(|_| Defect("a value of the genesis cannot be encoded"))?;
    Ok((owner, key, bytes))
}

/// The account that a validator's key owns from the start: that key may do everything.
pub(crate) fn validator_account(suite: HashSuite, key: &PublicKey, created: u64) -> (Address, AccountHeader) {
    let signers = vec![Signer { key: *key, weight: 1, limits: None }];
    let thresholds = Thresholds { default: 1, operations: BTreeMap::new() };
    (Address::of_key(suite, key), AccountHeader::V1 { signers, thresholds, created })
}

/// The cells of a genesis without predecessor: parameters, validators, epoch 0, organisations, accounts.
///
/// # Errors
/// A value has no encoding or is too large for a cell, or the genesis continues another chain.
pub fn genesis_state(genesis: &Genesis) -> Result<State, BlockError> {
    let genesis = genesis.v1();
    if genesis.predecessor.is_some() {
        return Err(Defect("this genesis continues the state of another chain").into());
    }
    build(genesis, begun(genesis, |_| false)?)
}

/// The cells that a new era begins with: everything of accounts, assets and records as it was at the end of the chain before,
/// what is still to fall due of it, revoked certificates and the black list; all else of the network as the new genesis says.
///
/// # Errors
/// As [`genesis_state`], or the genesis names no predecessor, or a governance account is not open.
pub fn successor_state(genesis: &Genesis, before: &State) -> Result<State, BlockError> {
    let genesis = genesis.v1();
    if genesis.predecessor.is_none() {
        return Err(Defect("this genesis continues no other chain").into());
    }
    let mut cells = begun(genesis, |account| before.get(&account_key(account), key::HEADER).is_some())?;
    for (owner, key, value) in before.all_cells() {
        if carries_over(owner, key, value)? {
            cells.push((*owner, key.to_vec(), value.to_vec()));
        }
    }
    let state = build(genesis, cells)?;
    for account in genesis.organisations.iter().filter_map(|one| one.governance.as_ref()) {
        let header = state.get(&account_key(account), key::HEADER).map(decode).transpose()?;
        if !matches!(header, Some(AccountHeader::V1 { .. })) {
            return Err(Defect("a governance account of the genesis is not an open account").into());
        }
    }
    Ok(state)
}

/// Kind of what falls due that belongs to governance: a proposal.
const DUE_OF_PROPOSAL: u8 = 2;

/// Whether a cell lives on in a new era. Live ids do not: no transaction of the old chain is valid on the new one.
fn carries_over(owner: &OwnerKey, key: &[u8], value: &[u8]) -> Result<bool, BlockError> {
    if owner.kind() != OwnerKind::System as u8 {
        return Ok(true);
    }
    Ok(match key.first() {
        Some(&key::DUE_PREFIX) => key.get(9) != Some(&DUE_OF_PROPOSAL),
        Some(&key::REVOKED_PREFIX) => true,
        // A white list would shut out the nodes that the new genesis brings.
        Some(&key::NODE_PREFIX) => decode::<NodeListing>(value)? == NodeListing::Denied,
        _ => false,
    })
}

/// The cells that a genesis writes itself. An account that `exists` is left as it is.
fn begun(genesis: &GenesisV1, exists: impl Fn(&Address) -> bool) -> Result<Vec<GenesisCell>, Defect> {
    let mut cells = settings(genesis)?;
    let mut opened = BTreeSet::new();
    for account in genesis.accounts.iter().filter(|account| !exists(&account.address)) {
        let (signers, thresholds) = (account.signers.clone(), account.thresholds.clone());
        let header = AccountHeader::V1 { signers, thresholds, created: 0 };
        cells.push(cell(account_key(&account.address), key::HEADER.to_vec(), &header)?);
        if account.organisation.is_some() {
            let membership = Membership::V1(MembershipV1 { organisation: account.organisation.clone(), asks: None });
            cells.push(cell(account_key(&account.address), key::MEMBERSHIP.to_vec(), &membership)?);
        }
        opened.insert(account.address);
    }
    let ValidatorSet::V1 { validators, .. } = &genesis.validators;
    for validator in validators {
        let (address, header) = validator_account(genesis.suite, &validator.key, 0);
        if !opened.contains(&address) && !exists(&address) {
            cells.push(cell(account_key(&address), key::HEADER.to_vec(), &header)?);
        }
    }
    Ok(cells)
}

fn build(genesis: &GenesisV1, cells: Vec<GenesisCell>) -> Result<State, BlockError> {
    State::from_cells(genesis.suite, cells)
        .map_err(|_| Defect("the genesis names an account twice or a value too large").into())
}

/// The system's cells.
fn settings(genesis: &GenesisV1) -> Result<Vec<GenesisCell>, Defect> {
    let system = system_key();
    let validators = genesis.validators.clone();
    let epoch = EpochRecord::V1 { height: 1, time: genesis.time, validators };
    let mut cells = vec![
        cell(system, key::PARAMETERS.to_vec(), &Parameters::V1(genesis.parameters.clone()))?,
        cell(system, key::VALIDATORS.to_vec(), &genesis.validators)?,
        cell(system, key::epoch(0), &epoch)?,
    ];
    for one in &genesis.organisations {
        let (governance, certificate) = (one.governance, one.certificate.clone());
        cells.push(cell(system, key::organisation(&one.name), &Organisation::V1 { governance, certificate })?);
        if let Some(account) = &governance {
            cells.push(cell(system, key::voter(account), &Voter::V1 { organisation: one.name.clone() })?);
        }
    }
    Ok(cells)
}

/// The outcome of a genesis, the parent outcome of the first block. `state` is that of [`genesis_state`] or [`successor_state`].
///
/// # Errors
/// A value has no encoding.
pub fn genesis_outcome(genesis: &Genesis, chain: &ChainId, state: &State) -> Result<Outcome, BlockError> {
    let genesis = genesis.v1();
    let parameters = Parameters::V1(genesis.parameters.clone());
    Ok(Outcome::V1 {
        receipt_root: merkle_root(genesis.suite, &[]),
        state_root: state.root(),
        validators: block::digest(genesis.suite, domain::VALIDATORS, chain, &genesis.validators)?,
        parameters: block::digest(genesis.suite, domain::PARAMETERS, chain, &parameters)?,
    })
}
