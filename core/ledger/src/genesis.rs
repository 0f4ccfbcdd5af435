//! The state that a network starts from.

use crate::{
    cells::{account_key, system_key, Defect},
    execution::BlockError,
    tree::State,
};
use bubi_codec::{
    block::{self, Genesis, Outcome},
    domain,
    identity::ChainId,
    state::{key, AccountHeader, Parameters},
};
use bubi_crypto::merkle_root;

/// The cells of a genesis: parameters, validators, accounts.
///
/// # Errors
/// A value has no encoding or is too large for a cell.
pub fn genesis_state(genesis: &Genesis) -> Result<State, BlockError> {
    let genesis = genesis.v1();
    let encoded =
        |bytes: Result<Vec<u8>, bcs::Error>| bytes.map_err(|_| Defect("a value of the genesis cannot be encoded"));
    let parameters = Parameters::V1(genesis.parameters.clone());
    let mut cells = vec![
        (system_key(), key::PARAMETERS.to_vec(), encoded(bcs::to_bytes(&parameters))?),
        (system_key(), key::VALIDATORS.to_vec(), encoded(bcs::to_bytes(&genesis.validators))?),
    ];
    for account in &genesis.accounts {
        let (signers, thresholds) = (account.signers.clone(), account.thresholds.clone());
        let header = AccountHeader::V1 { signers, thresholds, created: 0 };
        cells.push((account_key(&account.address), key::HEADER.to_vec(), encoded(bcs::to_bytes(&header))?));
    }
    State::from_cells(genesis.suite, cells)
        .map_err(|_| Defect("the genesis names an account twice or a value too large").into())
}

/// The outcome of a genesis, the parent outcome of the first block. `state` is that of [`genesis_state`].
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
