//! Proofs that leave the node: finality, receipt, transaction. Proofs of cells live with the account tree (`spec/proofs.md`).

use crate::{
    block::{Certificate, Event, Outcome, Proposal, Receipt},
    decode::at_most,
    limits,
    state::ValidatorSet,
    DecodeError, Wire,
};
use bubi_crypto::Hash;
use serde::{Deserialize, Serialize};

/// Proof that a block is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FinalityProof {
    /// By a native engine: proposal, outcome and commit certificate.
    Native {
        /// The proposal.
        proposal: Proposal,
        /// Its outcome.
        outcome: Outcome,
        /// The certificate over both.
        certificate: Certificate,
        /// Epochs since the verifier's trust file, oldest first.
        handovers: Vec<Handover>,
    },
}

/// Change of the validator set: the last block of an epoch names the next set in its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// Last proposal of the epoch.
    pub proposal: Proposal,
    /// Its outcome.
    pub outcome: Outcome,
    /// Its certificate.
    pub certificate: Certificate,
    /// The set that the outcome names.
    pub next: ValidatorSet,
}

/// Position of a leaf in an RFC 9162 tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPath {
    /// Index of the leaf.
    #[serde(with = "crate::text::decimal")]
    pub index: u64,
    /// Leaves in the tree.
    #[serde(with = "crate::text::decimal")]
    pub size: u64,
    /// Sibling hashes, lowest first.
    pub siblings: Vec<Hash>,
}

/// Proof of a receipt, with the transaction it belongs to and its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReceiptProof {
    /// Version 1.
    V1 {
        /// Encoded body of the transaction; its hash is the receipt's transaction. Empty for what fell due by itself.
        #[serde(with = "crate::text::bytes")]
        body: Vec<u8>,
        /// The receipt.
        receipt: Receipt,
        /// Its events.
        events: Vec<Event>,
        /// Where the receipt stands under the outcome's receipt root.
        path: ListPath,
        /// Proof of the block.
        finality: FinalityProof,
    },
}

impl Wire for FinalityProof {
    const BYTES_MAX: usize = 16 * 1_048_576;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::Native { certificate, handovers, .. } = self;
        at_most(1_024, "hand-overs", handovers.len())?;
        certificate.check()?;
        for handover in handovers {
            handover.certificate.check()?;
            handover.next.check()?;
        }
        Ok(())
    }
}

impl Wire for ReceiptProof {
    const BYTES_MAX: usize = 32 * 1_048_576;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::V1 { body, path, finality, .. } = self;
        at_most(limits::TRANSACTION_BYTES_MAX, "body", body.len())?;
        at_most(64, "siblings", path.siblings.len())?;
        finality.check()
    }
}
