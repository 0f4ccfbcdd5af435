//! Transactions: a body that is hashed and signed, and signatures that stand outside.

use crate::{
    decode::{at_most, decode},
    domain,
    identity::{Address, AssetId, ChainId, NamespaceId},
    limits,
    operation::{check_ascending, Operation},
    DecodeError, Wire,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, Signature};
use serde::{Deserialize, Serialize};

/// Body of a transaction, by version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TransactionBody {
    /// Version 1.
    V1(BodyV1),
}

/// Body of a transaction: all of its operations happen, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyV1 {
    /// Account that asks for the transaction; its quota is charged.
    pub source: Address,
    /// What keeps the transaction from happening twice.
    pub replay: ReplayKey,
    /// Block time (ms since 1970) up to which it may be decided.
    #[serde(with = "crate::text::decimal")]
    pub valid_until: u64,
    /// What must hold when it is executed.
    pub preconditions: Vec<Precondition>,
    /// Bytes for the application.
    #[serde(with = "crate::text::bytes")]
    pub memo: Vec<u8>,
    /// What it does, in order.
    pub operations: Vec<Operation>,
}

/// What keeps a transaction from happening twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReplayKey {
    /// A 128-bit id, unique among the source's live transactions.
    Id(#[serde(with = "crate::text::bytes16")] [u8; 16]),
    /// A position in one of the source's lanes.
    Sequence {
        /// The lane.
        lane: u32,
        /// The number, counted from 0 without gaps.
        #[serde(with = "crate::text::decimal")]
        number: u64,
    },
}

impl ReplayKey {
    /// The key as 17 bytes, for identifiers derived from it.
    pub fn fixed_bytes(&self) -> [u8; 17] {
        let mut bytes = [0u8; 17];
        let (tag, rest) = bytes.split_at_mut(1);
        match self {
            Self::Id(id) => rest.copy_from_slice(id),
            Self::Sequence { lane, number } => {
                tag.fill(1);
                let (first, second) = rest.split_at_mut(4);
                first.copy_from_slice(&lane.to_le_bytes());
                second[..8].copy_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }
}

/// What must hold when a transaction is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Precondition {
    /// An account can spend at least this much of an asset.
    Balance {
        /// The account.
        account: Address,
        /// The asset (fungible or dated).
        asset: AssetId,
        /// Least spendable amount.
        #[serde(with = "crate::text::decimal")]
        at_least: u128,
    },
    /// A data entry stands at this version (0: absent).
    DataVersion {
        /// The account.
        account: Address,
        /// Name of the entry.
        name: String,
        /// Its version.
        #[serde(with = "crate::text::decimal")]
        version: u64,
    },
    /// A record stands at this version (0: absent).
    RecordVersion {
        /// The namespace.
        namespace: NamespaceId,
        /// Key of the record.
        key: String,
        /// Its version.
        version: u32,
    },
    /// The height of the block lies in this window, both ends included.
    Height {
        /// Lowest height.
        #[serde(with = "crate::text::decimal")]
        from: u64,
        /// Highest height.
        #[serde(with = "crate::text::decimal")]
        to: u64,
    },
    /// The block time (ms) lies in this window, both ends included.
    Time {
        /// Earliest time.
        #[serde(with = "crate::text::decimal")]
        from: u64,
        /// Latest time.
        #[serde(with = "crate::text::decimal")]
        to: u64,
    },
}

/// One signature with the key that made it, so that it can be checked without state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureEntry {
    /// The key.
    pub key: PublicKey,
    /// Its signature over [`signing_bytes`].
    pub signature: Signature,
}

/// A transaction as it is sent, by version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignedTransaction {
    /// Version 1.
    V1 {
        /// Encoded [`TransactionBody`], as received.
        #[serde(with = "crate::text::bytes")]
        body: Vec<u8>,
        /// Signatures, ascending by key.
        signatures: Vec<SignatureEntry>,
    },
}

impl SignedTransaction {
    /// The encoded body.
    pub fn body_bytes(&self) -> &[u8] {
        let Self::V1 { body, .. } = self;
        body
    }

    /// The signatures.
    pub fn signatures(&self) -> &[SignatureEntry] {
        let Self::V1 { signatures, .. } = self;
        signatures
    }

    /// Decodes the body.
    pub fn body(&self) -> Result<TransactionBody, DecodeError> {
        decode(self.body_bytes())
    }
}

/// Hash of a transaction: its name for ever. Signatures do not enter it.
pub fn transaction_hash(suite: HashSuite, chain: &ChainId, body: &[u8]) -> Hash {
    suite.hash(&[domain::TRANSACTION, chain.bytes(), body])
}

/// The bytes that each signer signs: domain tag, chain id, body.
pub fn signing_bytes(chain: &ChainId, body: &[u8]) -> Vec<u8> {
    [domain::TRANSACTION.as_slice(), chain.bytes(), body].concat()
}

impl TransactionBody {
    /// The fields.
    pub fn v1(&self) -> &BodyV1 {
        let Self::V1(body) = self;
        body
    }
}

impl Wire for TransactionBody {
    const BYTES_MAX: usize = limits::TRANSACTION_BYTES_MAX;

    fn check(&self) -> Result<(), DecodeError> {
        let body = self.v1();
        at_most(limits::MEMO_BYTES_MAX, "memo", body.memo.len())?;
        at_most(limits::PRECONDITIONS_MAX, "preconditions", body.preconditions.len())?;
        at_most(limits::OPERATIONS_MAX, "operations", body.operations.len())?;
        if body.operations.is_empty() {
            return Err(DecodeError::invalid("operations", "a transaction needs at least one"));
        }
        body.preconditions.iter().try_for_each(Precondition::check)?;
        body.operations
            .iter()
            .try_for_each(|operation| operation.body.check(operation.source.as_ref().unwrap_or(&body.source)))
    }
}

impl Precondition {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Balance { at_least, .. } if *at_least > limits::AMOUNT_MAX => {
                Err(DecodeError::invalid("at_least", "it must be at most 10^38 - 1"))
            }
            Self::DataVersion { name, .. } => {
                crate::identity::check_text("data name", name, limits::DATA_NAME_BYTES_MAX)
            }
            Self::RecordVersion { key, .. } => {
                crate::identity::check_text("record key", key, limits::RECORD_KEY_BYTES_MAX)
            }
            Self::Height { from, to } | Self::Time { from, to } if from > to => {
                Err(DecodeError::invalid("window", "it ends before it begins"))
            }
            _ => Ok(()),
        }
    }
}

impl Wire for SignedTransaction {
    const BYTES_MAX: usize = limits::TRANSACTION_BYTES_MAX;

    fn check(&self) -> Result<(), DecodeError> {
        let signatures = self.signatures();
        at_most(limits::SIGNATURES_MAX, "signatures", signatures.len())?;
        if signatures.is_empty() {
            return Err(DecodeError::invalid("signatures", "a transaction needs at least one"));
        }
        check_ascending("signatures", signatures.iter().map(|entry| &entry.key))
    }
}
