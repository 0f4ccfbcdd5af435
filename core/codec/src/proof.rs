//! Proofs that leave the node: finality, receipt, transaction. Proofs of cells live with the account tree (`spec/proofs.md`).

use crate::{
    block::{Certificate, Event, Outcome, Proposal, Receipt},
    comet::LightBlock,
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
    /// By CometBFT: proposal, outcome and a light block whose application hash binds both.
    Comet {
        /// The proposal.
        proposal: Proposal,
        /// Its outcome.
        outcome: Outcome,
        /// Header and commit of the block of CometBFT behind the one that decided.
        light: Box<LightBlock>,
        /// Epochs since the verifier's trust file, oldest first.
        handovers: Vec<CometHandover>,
    },
}

impl FinalityProof {
    /// The block that it is about, and its outcome.
    pub fn block(&self) -> (&Proposal, &Outcome) {
        match self {
            Self::Native { proposal, outcome, .. } | Self::Comet { proposal, outcome, .. } => (proposal, outcome),
        }
    }
}

/// Change of the epoch where CometBFT decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CometHandover {
    /// Last proposal of the epoch.
    pub proposal: Proposal,
    /// Its outcome.
    pub outcome: Outcome,
    /// The light block whose application hash binds both.
    pub light: LightBlock,
    /// The set that the outcome names.
    pub next: ValidatorSet,
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
        match self {
            Self::Native { certificate, handovers, .. } => {
                at_most(1_024, "hand-overs", handovers.len())?;
                certificate.check()?;
                for handover in handovers {
                    handover.certificate.check()?;
                    handover.next.check()?;
                }
            }
            Self::Comet { light, handovers, .. } => {
                at_most(1_024, "hand-overs", handovers.len())?;
                light.check()?;
                for handover in handovers {
                    handover.light.check()?;
                    handover.next.check()?;
                }
            }
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
