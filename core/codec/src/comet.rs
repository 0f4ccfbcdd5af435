//! What proves finality where CometBFT decides: a header of its chain, and the signatures of its validators under it.
//!
//! Only the parts that a proof needs, in our encoding. CometBFT hashes and signs its own bytes, which a verifier makes again from
//! these (`spec/consensus/cometbft.md`).

use crate::{decode::at_most, identity::check_text, limits, DecodeError, Wire};
use bubi_crypto::{Hash, Signature};
use serde::{Deserialize, Serialize};

/// Name of the engine in a validator set.
pub const ENGINE: &str = "cometbft";
/// Longest name of a chain of CometBFT in bytes.
pub const CHAIN_BYTES_MAX: usize = 50;
/// Bytes of an address of CometBFT.
pub const ADDRESS_BYTES: usize = 20;

/// A header of CometBFT with the commit that decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LightBlock {
    /// Version 1.
    V1 {
        /// The header.
        header: Header,
        /// Who decided it.
        commit: Commit,
    },
}

/// A point in time as CometBFT writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Seconds since 1970.
    #[serde(with = "crate::text::decimal")]
    pub seconds: u64,
    /// Nanoseconds of the second.
    pub nanoseconds: u32,
}

/// What names a block of CometBFT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockId {
    /// Hash of its header.
    pub hash: Hash,
    /// Parts into which it was cut.
    pub parts: u32,
    /// Root over the parts.
    pub parts_hash: Hash,
}

/// Fields of a header of CometBFT, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of its block format.
    #[serde(with = "crate::text::decimal")]
    pub block_version: u64,
    /// Version of the application.
    #[serde(with = "crate::text::decimal")]
    pub app_version: u64,
    /// Name of its chain.
    pub chain: String,
    /// Its height.
    #[serde(with = "crate::text::decimal")]
    pub height: u64,
    /// Its time.
    pub time: Time,
    /// The block before.
    pub last_block: BlockId,
    /// Hash of the commit of the block before.
    pub last_commit: Hash,
    /// Root over its transactions.
    pub data: Hash,
    /// Hash of its validators.
    pub validators: Hash,
    /// Hash of the next validators.
    pub next_validators: Hash,
    /// Hash of its parameters.
    pub consensus: Hash,
    /// Hash of the application after the block before.
    pub app: Hash,
    /// Root over the results of the block before.
    pub last_results: Hash,
    /// Root over its evidence.
    pub evidence: Hash,
    /// Address of its proposer.
    #[serde(with = "crate::text::bytes")]
    pub proposer: Vec<u8>,
}

/// The votes that decided a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Round in which it was decided.
    pub round: u32,
    /// Parts into which the block was cut.
    pub parts: u32,
    /// Root over the parts.
    pub parts_hash: Hash,
    /// The votes for it, ascending by validator.
    pub votes: Vec<Vote>,
}

/// A precommit of CometBFT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Index of the validator in the set of the ledger.
    pub validator: u32,
    /// Its own time, which it signs.
    pub time: Time,
    /// Its signature.
    pub signature: Signature,
}

impl Wire for LightBlock {
    const BYTES_MAX: usize = 262_144;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::V1 { header, commit } = self;
        check_text("chain of CometBFT", &header.chain, CHAIN_BYTES_MAX)?;
        if header.proposer.len() != ADDRESS_BYTES {
            return Err(DecodeError::invalid("proposer", "an address of CometBFT has 20 bytes"));
        }
        at_most(limits::VALIDATORS_MAX, "votes", commit.votes.len())?;
        if commit.votes.windows(2).any(|pair| matches!(pair, [one, other] if one.validator >= other.validator)) {
            return Err(DecodeError::invalid("votes", "they must ascend by validator and must not repeat"));
        }
        let times = commit.votes.iter().map(|vote| vote.time).chain([header.time]);
        // As a signed number of 64 bits and below a second: what CometBFT can write.
        if times.into_iter().any(|time| time.nanoseconds > 999_999_999 || time.seconds > i64::MAX.unsigned_abs()) {
            return Err(DecodeError::invalid("time", "it is none that CometBFT writes"));
        }
        if header.height > i64::MAX.unsigned_abs() || i32::try_from(commit.round).is_err() {
            return Err(DecodeError::invalid("height", "it is none that CometBFT writes"));
        }
        Ok(())
    }
}
