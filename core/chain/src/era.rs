//! A new era: a chain whose genesis continues the state of one that lost its quorum for good (`spec/ledger.md`, section 13).

use crate::{
    chain::{broken, Chain},
    error::{ChainError, Result},
    query::owner,
};
use bubi_codec::{
    block::{digest, signed, Certificate, Genesis, Outcome, Predecessor, Proposal, ProposalV1},
    decode, domain, encode,
    governance::{Organisation, ProtocolVersion},
    identity::ChainId,
    proof::FinalityProof,
    state::{key, AccountHeader, OwnerKind, Parameters},
    text::to_json_value,
    Wire,
};
use bubi_crypto::{to_hex, HashSuite};
use bubi_ledger::tree::{OwnerKey, State};
use bubi_store::{read_inheritance, write_inheritance, Disk, StoreError};
use serde_json::{json, Value};

/// Where a node keeps the end of the chain before, in its data folder.
pub const INHERITANCE: &str = "inheritance";

/// The end of a chain: why its last block is final, and its state.
pub struct End {
    /// Suite, proof of the last block.
    suite: HashSuite,
    proof: FinalityProof,
    state: State,
}

fn invalid(detail: impl Into<String>) -> ChainError {
    ChainError::refused("inheritance_invalid", detail)
}

fn need(holds: bool, detail: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(invalid(detail))
    }
}

/// What an organisation signs that agrees to a new era.
///
/// # Errors
/// Its name cannot be encoded.
pub fn sign_off(chain: &ChainId, organisation: &str) -> Result<Vec<u8>> {
    Ok(signed(domain::ERA, chain, &organisation)?)
}

impl<D: Disk> Chain<D> {
    /// Writes the end of this chain into a file: the proof of the newest block, and every cell after it.
    ///
    /// # Errors
    /// `era_refused` before the first block and where CometBFT decides; damage of the log; the disk.
    pub fn write_end<E: Disk>(&self, disk: &E, path: &str) -> Result<()> {
        let refused = |detail: &str| ChainError::refused("era_refused", detail);
        let height = self.tip().height;
        let proof = self.finality(height)?.ok_or_else(|| refused("there is no block yet to go on from"))?;
        if matches!(proof, FinalityProof::Comet { .. }) {
            return Err(refused("where CometBFT decides there is no new era: CometBFT has ways of its own"));
        }
        let mut head = vec![self.suite() as u8];
        head.extend(encode(&proof)?);
        let inner = self.read();
        let cells =
            inner.state.all_cells().map(|(owner, key, value)| ([owner.as_bytes().as_slice(), key].concat(), value));
        Ok(write_inheritance(disk, path, &head, cells)?)
    }
}

impl End {
    /// Reads the end of a chain and checks that it fits together: the certificate covers the block, the block's outcome names
    /// the root of the cells. Whether the votes are those of the chain's validators is not checked here.
    ///
    /// # Errors
    /// `inheritance_invalid`, damage of the file, the disk.
    pub fn read<D: Disk>(disk: &D, path: &str) -> Result<Self> {
        let mut cells = Vec::new();
        let read = read_inheritance(disk, path, |stored, value| {
            let split = stored.split_at_checked(33).and_then(|(owner, key)| Some((OwnerKey::from_bytes(owner)?, key)));
            let (owner, key) = split.ok_or_else(|| invalid("a cell has no owner"))?;
            cells.push((owner, key.to_vec(), value.to_vec()));
            Ok::<(), ChainError>(())
        });
        let head = match read {
            Err(ChainError::Store(StoreError::NotFound { .. })) => {
                return Err(invalid(format!(
                "{path} is missing: the genesis continues another chain, whose end must lie there; copy it from the \
                     public folder of the network"
            )))
            }
            other => other?,
        };
        let (suite, proof) = head.split_first().ok_or_else(|| invalid("it has no head"))?;
        let suite = HashSuite::try_from(*suite).map_err(|error| invalid(error.to_string()))?;
        let proof: FinalityProof = decode(proof)?;
        let state = State::from_cells(suite, cells).map_err(|error| invalid(error.to_string()))?;
        let end = Self { suite, proof, state };
        end.check_itself()?;
        Ok(end)
    }

    fn parts(&self) -> Result<(&ProposalV1, &Outcome, &Certificate)> {
        match &self.proof {
            FinalityProof::Native { proposal: Proposal::V1(proposal), outcome, certificate, .. } => {
                Ok((proposal, outcome, certificate))
            }
            FinalityProof::Comet { .. } => Err(invalid("a block decided by CometBFT begins no era")),
        }
    }

    fn check_itself(&self) -> Result<()> {
        let (fields, outcome, certificate) = self.parts()?;
        let proposal = Proposal::V1(fields.clone());
        let covered = (
            &digest(self.suite, domain::PROPOSAL, &fields.chain, &proposal)?,
            &digest(self.suite, domain::OUTCOME, &fields.chain, outcome)?,
        );
        need(certificate.covers() == covered, "its certificate covers another block")?;
        let Outcome::V1 { state_root, .. } = outcome;
        need(self.state.root() == *state_root, "its cells are not those of its block: copy the file again")
    }

    /// What the genesis of the next era says of this end.
    ///
    /// # Errors
    /// A value has no encoding.
    pub fn predecessor(&self) -> Result<Predecessor> {
        let (proposal, outcome, certificate) = self.parts()?;
        let chain = proposal.chain;
        let Outcome::V1 { state_root, .. } = outcome;
        let certificate = digest(self.suite, domain::CERTIFICATE, &chain, certificate)?;
        Ok(Predecessor { chain, certificate, state_root: *state_root })
    }

    /// The state that a genesis begins with, if it continues this end.
    ///
    /// # Errors
    /// `inheritance_invalid`: the genesis names another end, another suite, or a time that is not after it.
    pub fn continued_by(&self, genesis: &Genesis) -> Result<State> {
        let fields = genesis.v1();
        let (proposal, ..) = self.parts()?;
        need(fields.predecessor == Some(self.predecessor()?), "the genesis continues another end")?;
        need(fields.suite == self.suite, "the genesis has another hash suite than the chain before")?;
        need(fields.time > proposal.time, "the genesis is not later than the last block of the chain before")?;
        bubi_ledger::successor_state(genesis, &self.state).map_err(|error| invalid(error.to_string()))
    }

    /// What the genesis continues, for those who keep an index: the end of the chain before, as JSON.
    ///
    /// # Errors
    /// A value has no encoding.
    pub fn predecessor_json(&self, prefix: &'static str) -> Result<Value> {
        let (proposal, ..) = self.parts()?;
        let mut object = to_json_value(prefix, &self.predecessor()?)?;
        object["height"] = json!(proposal.height.to_string());
        object["time"] = json!(proposal.time.to_string());
        Ok(object)
    }

    fn cell<T: Wire>(&self, owner: &OwnerKey, key: &[u8]) -> Result<Option<T>> {
        Ok(self.state.get(owner, key).map(decode).transpose()?)
    }

    /// What people and the ceremony need to know of it, addresses with the prefix of its network.
    ///
    /// # Errors
    /// A cell is not what the rules write.
    pub fn json(&self, prefix: &'static str) -> Result<Value> {
        let (proposal, _, _) = self.parts()?;
        let system = owner(OwnerKind::System, &[0; 32]);
        let parameters: Parameters =
            self.cell(&system, key::PARAMETERS)?.ok_or_else(|| invalid("it has no parameters"))?;
        let version = match self.cell(&system, key::PROTOCOL_VERSION)? {
            Some(ProtocolVersion::V1 { version }) => version,
            None => proposal.protocol_version,
        };
        let mut organisations = Vec::new();
        for (name, value) in self.state.cells(&system) {
            let Some((&key::ORGANISATION_PREFIX, name)) = name.split_first() else { continue };
            let Organisation::V1 { governance, certificate } = decode(value)?;
            let header: Option<AccountHeader> = match governance {
                Some(account) => self.cell(&owner(OwnerKind::Account, account.bytes()), key::HEADER)?,
                None => None,
            };
            organisations.push(json!({
                "name": String::from_utf8(name.to_vec()).map_err(broken)?,
                "governance": governance.map(|account| account.to_text(prefix)),
                "certificate": to_hex(&certificate),
                "account": to_json_value(prefix, &header)?,
            }));
        }
        let mut object = json!({
            "height": proposal.height.to_string(),
            "time": proposal.time.to_string(),
            "suite": to_json_value(prefix, &self.suite)?,
            "protocol_version": version,
            "parameters": to_json_value(prefix, &parameters)?,
            "organisations": organisations,
            "cells": self.state.cell_count().to_string(),
            "proof": to_hex(&encode(&self.proof)?),
        });
        object["predecessor"] = to_json_value(prefix, &self.predecessor()?)?;
        Ok(object)
    }
}
