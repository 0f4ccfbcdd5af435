//! Operations: what a transaction asks for. The rules are in `spec/ledger.md`, the execution in `core/ledger`.
//!
//! The position of a variant is its number on the wire; new operations are appended, never inserted.

use crate::{
    decode::at_most,
    governance::{self, Change, Evidence},
    identity::{check_amount, check_name, check_text, Address, AssetId, HoldId, NamespaceId, ProposalId},
    limits, DecodeError,
};
use bubi_crypto::{Hash, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A key that may act for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// Its weight, 1 to 2^32 − 1.
    pub weight: u32,
    /// What it may sign; none means everything.
    pub limits: Option<SignerLimits>,
}

/// Restrictions of one signer. An empty list or an absent value restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerLimits {
    /// Operation numbers it may sign, ascending.
    pub operations: Vec<u8>,
    /// Assets it may move, ascending. An operation that names another asset is not signed by it.
    pub assets: Vec<AssetId>,
    /// Namespaces it may write, ascending. An operation that names another namespace is not signed by it.
    pub namespaces: Vec<NamespaceId>,
    /// Largest sum of one asset that it may send per period.
    pub amount: Option<AmountLimit>,
    /// Block time (ms) from which it counts no more.
    #[serde(default, with = "crate::text::optional_decimal")]
    pub expires: Option<u64>,
}

/// An amount per period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountLimit {
    /// The asset counted.
    pub asset: AssetId,
    /// Largest sum in one period.
    #[serde(with = "crate::text::decimal")]
    pub amount: u128,
    /// Length of a period in ms; periods start at multiples of it since the epoch.
    #[serde(with = "crate::text::decimal")]
    pub period: u64,
}

/// Weights that operations of an account need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// For every operation type that is not listed.
    pub default: u32,
    /// Per operation number.
    pub operations: BTreeMap<u8, u32>,
}

/// How the address of a new account comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AccountTarget {
    /// The key's own account. With no signers given, this key gets weight 1 and every threshold is 1.
    Key(PublicKey),
    /// A further account, derived from the creating transaction.
    Derived,
}

/// What can be held of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AssetKind {
    /// Interchangeable amounts.
    Fungible,
    /// Distinct items, each with one holder.
    Unique,
    /// Amounts in lots, each with an expiry date; the earliest is spent first.
    Dated,
}

/// What the issuer may do; fixed at creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetFeatures {
    /// The issuer may freeze the asset or a holder.
    pub freeze: bool,
    /// Only holders whom the issuer has authorised may receive.
    pub whitelist: bool,
    /// The issuer may take amounts or items back.
    pub clawback: bool,
}

/// Who may write records into a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Writers {
    /// Every account.
    Everyone,
    /// These accounts (ascending) and the owner.
    Listed(Vec<Address>),
}

/// Digest of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// How the digest was made.
    pub algorithm: DigestAlgorithm,
    /// Its 32 bytes.
    pub bytes: Hash,
}

/// How a digest was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DigestAlgorithm {
    /// SHA-256 of the document.
    Sha256,
    /// SM3 of the document.
    Sm3,
    /// SHA-256 of `bubi:salted.....`, a 32-byte salt that stays with the owner, and the SHA-256 of the document.
    SaltedSha256,
    /// The same with SM3 twice.
    SaltedSm3,
}

/// What a record carries beside its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Only the digest.
    None,
    /// Bytes that everybody may read.
    Plain(#[serde(with = "crate::text::bytes")] Vec<u8>),
    /// Ciphertext made by the application; the ledger cannot read it.
    Cipher {
        /// Cipher of the ciphertext.
        suite: CipherSuite,
        /// Nonce, ciphertext and tag.
        #[serde(with = "crate::text::bytes")]
        bytes: Vec<u8>,
    },
}

/// Authenticated cipher of a record's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CipherSuite {
    /// AES-256-GCM, 12-byte nonce first, 16-byte tag last.
    Aes256Gcm,
    /// SM4-GCM, 12-byte nonce first, 16-byte tag last.
    Sm4Gcm,
}

/// One version of one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordReference {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its key.
    pub key: String,
    /// Its version, from 1.
    pub version: u32,
}

/// One operation with its optional own source (default: the transaction's source).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Account that acts; none means the source of the transaction.
    pub source: Option<Address>,
    /// What it does.
    pub body: OperationBody,
}

/// What an operation does. "The source" is the account that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperationBody {
    /// 0: opens an account.
    CreateAccount {
        /// How its address comes about.
        target: AccountTarget,
        /// Its signers, ascending by key; empty only for [`AccountTarget::Key`].
        signers: Vec<Signer>,
        /// Its thresholds; none exactly when `signers` is empty.
        thresholds: Option<Thresholds>,
    },
    /// 1: replaces the signers and thresholds of the source (rotation, multi-signature).
    SetSigners {
        /// New signers, ascending by key.
        signers: Vec<Signer>,
        /// New thresholds.
        thresholds: Thresholds,
    },
    /// 2: writes or deletes a data entry of the source.
    SetData {
        /// Name of the entry.
        name: String,
        /// New value; none deletes.
        #[serde(default, with = "crate::text::optional_bytes")]
        value: Option<Vec<u8>>,
        /// Version that must stand now (0: absent); none checks nothing.
        #[serde(default, with = "crate::text::optional_decimal")]
        expected_version: Option<u64>,
    },
    /// 3: closes the source for ever. It must hold nothing.
    CloseAccount,
    /// 4: states a claim of the source about an account.
    SetClaim {
        /// About whom.
        subject: Address,
        /// What kind of claim.
        kind: String,
        /// Digest of the statement, which stays off the ledger.
        digest: Hash,
        /// Block time (ms) from which it no longer holds.
        #[serde(default, with = "crate::text::optional_decimal")]
        expires: Option<u64>,
    },
    /// 5: withdraws a claim; its issuer and its subject may.
    RevokeClaim {
        /// Who stated it.
        issuer: Address,
        /// About whom.
        subject: Address,
        /// What kind of claim.
        kind: String,
    },
    /// 6: defines an asset that the source issues.
    CreateAsset {
        /// Code, unique for the issuer.
        code: String,
        /// Name for people.
        name: String,
        /// What can be held.
        kind: AssetKind,
        /// Decimals for display (0 for unique assets).
        decimals: u8,
        /// Largest supply (number of items for unique assets).
        #[serde(default, with = "crate::text::optional_decimal")]
        cap: Option<u128>,
        /// What the issuer may do.
        features: AssetFeatures,
    },
    /// 7: issues an amount of a fungible or dated asset of the source.
    Issue {
        /// The asset.
        asset: AssetId,
        /// Who receives it.
        to: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// Block time (ms) at which the lot lapses; present exactly for dated assets.
        #[serde(default, with = "crate::text::optional_decimal")]
        expires: Option<u64>,
    },
    /// 8: sends an amount of a fungible or dated asset.
    Transfer {
        /// The asset.
        asset: AssetId,
        /// Who receives it; not the source.
        to: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 9: destroys an amount that the source holds.
    Burn {
        /// The asset.
        asset: AssetId,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 10: takes an amount of an asset of the source away from a holder.
    Clawback {
        /// The asset.
        asset: AssetId,
        /// From whom.
        from: Address,
        /// Who receives it; none destroys it.
        to: Option<Address>,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 11: freezes or thaws an asset of the source.
    FreezeAsset {
        /// The asset.
        asset: AssetId,
        /// The new state.
        frozen: bool,
    },
    /// 12: freezes or thaws one holder of an asset of the source.
    FreezeHolder {
        /// The asset.
        asset: AssetId,
        /// The holder.
        holder: Address,
        /// The new state.
        frozen: bool,
    },
    /// 13: puts an account on the whitelist of an asset of the source, or takes it off.
    AuthoriseHolder {
        /// The asset.
        asset: AssetId,
        /// The account.
        holder: Address,
        /// The new state.
        authorised: bool,
    },
    /// 14: issues an item of a unique asset of the source.
    IssueItem {
        /// The asset.
        asset: AssetId,
        /// Identifier of the item.
        item: String,
        /// Who receives it.
        to: Address,
        /// Digest of what describes it, if any.
        digest: Option<Hash>,
    },
    /// 15: sends an item.
    TransferItem {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
        /// Who receives it; not the source.
        to: Address,
    },
    /// 16: destroys an item that the source holds.
    BurnItem {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
    },
    /// 17: takes an item of an asset of the source away from its holder.
    ClawbackItem {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
        /// Who receives it; none destroys it.
        to: Option<Address>,
    },
    /// 18: sets an amount of the source aside for a beneficiary.
    Reserve {
        /// The asset (fungible or dated).
        asset: AssetId,
        /// Who may capture it; not the source.
        beneficiary: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// Block time (ms) from which it goes back to the source.
        #[serde(with = "crate::text::decimal")]
        expires: u64,
    },
    /// 19: the beneficiary takes all or part of a hold; the rest goes back to the holder.
    Capture {
        /// Whose hold.
        holder: Address,
        /// The hold.
        hold: HoldId,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 20: the beneficiary gives a hold up; everything goes back to the holder.
    Release {
        /// Whose hold.
        holder: Address,
        /// The hold.
        hold: HoldId,
    },
    /// 21: opens a namespace that the source owns.
    CreateNamespace {
        /// Its name, unique in the network.
        name: String,
        /// Who may write.
        writers: Writers,
        /// Whether every writer may append versions to every record, or only to those it began.
        shared: bool,
    },
    /// 22: changes a namespace of the source.
    SetNamespace {
        /// The namespace.
        namespace: NamespaceId,
        /// Its new owner.
        owner: Address,
        /// Who may write from now on.
        writers: Writers,
        /// As in [`OperationBody::CreateNamespace`].
        shared: bool,
    },
    /// 23: writes the first or the next version of a record.
    PutRecord {
        /// The namespace.
        namespace: NamespaceId,
        /// Key of the record.
        key: String,
        /// Digest of the document.
        digest: Digest,
        /// Optional content.
        content: Content,
        /// Records it came from, ascending.
        parents: Vec<RecordReference>,
        /// Version that must stand now (0: absent); none checks nothing.
        expected_version: Option<u32>,
    },
    /// 24: opens a proposal of changes for the organisation whose governance account the source is.
    Propose {
        /// What it changes, in order.
        changes: Vec<Change>,
        /// Block time (ms) from which nobody may vote.
        #[serde(with = "crate::text::decimal")]
        expires: u64,
        /// Height before which it must not be in force.
        #[serde(default, with = "crate::text::optional_decimal")]
        not_before: Option<u64>,
        /// Risks that the proposer names, ascending: `no_fault_tolerance`, and names of members that are heavier than what
        /// may be missing.
        acknowledged: Vec<String>,
        /// Why, for people.
        memo: String,
    },
    /// 25: votes on an open proposal for the organisation of the source; a later vote replaces an earlier one.
    Vote {
        /// The proposal.
        proposal: ProposalId,
        /// For or against.
        approve: bool,
    },
    /// 26: takes back an open proposal of the source's organisation.
    WithdrawProposal {
        /// The proposal.
        proposal: ProposalId,
    },
    /// 27: the source, the first account of a next validator's key, is ready for an approved change.
    Ready {
        /// The proposal.
        proposal: ProposalId,
    },
    /// 28: reports two contradicting statements of one validator. Boxed, so that other operations stay small.
    ReportEvidence(Box<Evidence>),
    /// 29: the source asks an organisation to take it in; without a name it takes that back and leaves the one it is in.
    AskMembership {
        /// Name of the organisation.
        organisation: Option<String>,
    },
    /// 30: the organisation whose governance account the source is takes an account in that asked for it, or lets it go.
    SetMember {
        /// The account.
        account: Address,
        /// In or out.
        member: bool,
    },
}

/// Number of operation types.
pub const OPERATION_TYPES: u8 = 31;

/// Names of the operation types in the order of their numbers, as JSON and the SDKs spell them.
pub const OPERATION_NAMES: [&str; OPERATION_TYPES as usize] = [
    "create_account",
    "set_signers",
    "set_data",
    "close_account",
    "set_claim",
    "revoke_claim",
    "create_asset",
    "issue",
    "transfer",
    "burn",
    "clawback",
    "freeze_asset",
    "freeze_holder",
    "authorise_holder",
    "issue_item",
    "transfer_item",
    "burn_item",
    "clawback_item",
    "reserve",
    "capture",
    "release",
    "create_namespace",
    "set_namespace",
    "put_record",
    "propose",
    "vote",
    "withdraw_proposal",
    "ready",
    "report_evidence",
    "ask_membership",
    "set_member",
];

impl OperationBody {
    /// Number of the operation type, as in [`OPERATION_NAMES`].
    pub fn number(&self) -> u8 {
        match self {
            Self::CreateAccount { .. } => 0,
            Self::SetSigners { .. } => 1,
            Self::SetData { .. } => 2,
            Self::CloseAccount => 3,
            Self::SetClaim { .. } => 4,
            Self::RevokeClaim { .. } => 5,
            Self::CreateAsset { .. } => 6,
            Self::Issue { .. } => 7,
            Self::Transfer { .. } => 8,
            Self::Burn { .. } => 9,
            Self::Clawback { .. } => 10,
            Self::FreezeAsset { .. } => 11,
            Self::FreezeHolder { .. } => 12,
            Self::AuthoriseHolder { .. } => 13,
            Self::IssueItem { .. } => 14,
            Self::TransferItem { .. } => 15,
            Self::BurnItem { .. } => 16,
            Self::ClawbackItem { .. } => 17,
            Self::Reserve { .. } => 18,
            Self::Capture { .. } => 19,
            Self::Release { .. } => 20,
            Self::CreateNamespace { .. } => 21,
            Self::SetNamespace { .. } => 22,
            Self::PutRecord { .. } => 23,
            Self::Propose { .. } => 24,
            Self::Vote { .. } => 25,
            Self::WithdrawProposal { .. } => 26,
            Self::Ready { .. } => 27,
            Self::ReportEvidence(_) => 28,
            Self::AskMembership { .. } => 29,
            Self::SetMember { .. } => 30,
        }
    }

    /// Checks everything that the operation alone decides. `source` is the account that acts.
    pub(crate) fn check(&self, source: &Address) -> Result<(), DecodeError> {
        match self {
            Self::CreateAccount { target, signers, thresholds } => {
                check_new_account(target, signers, thresholds.as_ref())
            }
            Self::SetSigners { signers, thresholds } => check_authority(signers, thresholds),
            Self::SetData { name, value, .. } => check_data(name, value.as_ref().map(Vec::len)),
            Self::SetClaim { kind, .. } | Self::RevokeClaim { kind, .. } => {
                check_name("claim kind", kind, limits::CLAIM_TYPE_BYTES_MAX, false)
            }
            Self::CreateAsset { code, name, kind, decimals, cap, .. } => {
                check_asset(code, name, *kind, *decimals, *cap)
            }
            Self::Transfer { to, amount, .. } => {
                check_other("to", source, to)?;
                check_amount("amount", *amount)
            }
            Self::Issue { amount, .. } | Self::Burn { amount, .. } | Self::Capture { amount, .. } => {
                check_amount("amount", *amount)
            }
            Self::Clawback { from, to, amount, .. } => {
                check_amount("amount", *amount)?;
                to.as_ref().map_or(Ok(()), |to| check_other("to", from, to))
            }
            Self::TransferItem { item, to, .. } => {
                check_other("to", source, to)?;
                check_item(item)
            }
            Self::IssueItem { item, .. } | Self::BurnItem { item, .. } | Self::ClawbackItem { item, .. } => {
                check_item(item)
            }
            Self::Reserve { beneficiary, amount, .. } => {
                check_other("beneficiary", source, beneficiary)?;
                check_amount("amount", *amount)
            }
            Self::CreateNamespace { name, writers, .. } => {
                check_name("namespace", name, limits::NAMESPACE_BYTES_MAX, false)?;
                check_writers(writers)
            }
            Self::SetNamespace { writers, .. } => check_writers(writers),
            Self::PutRecord { key, content, parents, .. } => check_record(key, content, parents),
            Self::Propose { changes, acknowledged, memo, .. } => {
                governance::check_proposal(changes, acknowledged, memo)
            }
            Self::ReportEvidence(evidence) => evidence.check(),
            Self::AskMembership { organisation: Some(name) } => {
                check_text("organisation", name, limits::NAME_BYTES_MAX)
            }
            Self::CloseAccount
            | Self::FreezeAsset { .. }
            | Self::FreezeHolder { .. }
            | Self::AuthoriseHolder { .. }
            | Self::Release { .. }
            | Self::Vote { .. }
            | Self::WithdrawProposal { .. }
            | Self::Ready { .. }
            | Self::AskMembership { organisation: None }
            | Self::SetMember { .. } => Ok(()),
        }
    }
}

/// Checks the shape of signers and thresholds. Whether they lock an account out is a rule of the ledger.
pub fn check_authority(signers: &[Signer], thresholds: &Thresholds) -> Result<(), DecodeError> {
    at_most(limits::SIGNERS_MAX, "signers", signers.len())?;
    check_ascending("signers", signers.iter().map(|signer| &signer.key))?;
    for signer in signers {
        if signer.weight == 0 {
            return Err(DecodeError::invalid(
                "signer weight",
                "it must be at least 1; leave the signer out to remove it",
            ));
        }
        signer.limits.as_ref().map_or(Ok(()), check_signer_limits)?;
    }
    if thresholds.default == 0 || thresholds.operations.values().any(|threshold| *threshold == 0) {
        return Err(DecodeError::invalid("threshold", "it must be at least 1, or anybody could act"));
    }
    if let Some(number) = thresholds.operations.keys().find(|number| **number >= OPERATION_TYPES) {
        return Err(DecodeError::invalid("threshold", format!("there is no operation number {number}")));
    }
    Ok(())
}

fn check_signer_limits(signer: &SignerLimits) -> Result<(), DecodeError> {
    let limit = limits::SIGNER_LIMIT_ENTRIES_MAX;
    at_most(limit, "operations of a signer", signer.operations.len().min(limit + 1))?;
    at_most(limit, "assets of a signer", signer.assets.len())?;
    at_most(limit, "namespaces of a signer", signer.namespaces.len())?;
    check_ascending("operations of a signer", signer.operations.iter())?;
    check_ascending("assets of a signer", signer.assets.iter())?;
    check_ascending("namespaces of a signer", signer.namespaces.iter())?;
    if let Some(number) = signer.operations.iter().find(|number| **number >= OPERATION_TYPES) {
        return Err(DecodeError::invalid("operations of a signer", format!("there is no operation number {number}")));
    }
    match &signer.amount {
        Some(limit) if limit.period == 0 => Err(DecodeError::invalid("period", "it must be at least 1 ms")),
        Some(limit) => check_amount("amount limit", limit.amount),
        None => Ok(()),
    }
}

fn check_new_account(
    target: &AccountTarget,
    signers: &[Signer],
    thresholds: Option<&Thresholds>,
) -> Result<(), DecodeError> {
    match (target, signers.is_empty(), thresholds) {
        (_, false, Some(thresholds)) => check_authority(signers, thresholds),
        (AccountTarget::Key(_), true, None) => Ok(()),
        (AccountTarget::Derived, true, _) => {
            Err(DecodeError::invalid("signers", "a derived account needs at least one"))
        }
        _ => Err(DecodeError::invalid("thresholds", "give them exactly when signers are given")),
    }
}

fn check_data(name: &str, value_length: Option<usize>) -> Result<(), DecodeError> {
    check_text("data name", name, limits::DATA_NAME_BYTES_MAX)?;
    at_most(limits::DATA_VALUE_BYTES_MAX, "data value", value_length.unwrap_or(0))
}

fn check_asset(code: &str, name: &str, kind: AssetKind, decimals: u8, cap: Option<u128>) -> Result<(), DecodeError> {
    check_name("asset code", code, limits::ASSET_CODE_BYTES_MAX, true)?;
    check_text("asset name", name, limits::ASSET_NAME_BYTES_MAX)?;
    at_most(limits::ASSET_DECIMALS_MAX, "decimals", usize::from(decimals))?;
    if kind == AssetKind::Unique && decimals != 0 {
        return Err(DecodeError::invalid("decimals", "items of a unique asset have none"));
    }
    cap.map_or(Ok(()), |cap| check_amount("cap", cap))
}

fn check_item(item: &str) -> Result<(), DecodeError> {
    check_text("item", item, limits::ITEM_BYTES_MAX)
}

fn check_writers(writers: &Writers) -> Result<(), DecodeError> {
    match writers {
        Writers::Everyone => Ok(()),
        Writers::Listed(list) => {
            at_most(limits::WRITERS_MAX, "writers", list.len())?;
            check_ascending("writers", list.iter())
        }
    }
}

fn check_record(key: &str, content: &Content, parents: &[RecordReference]) -> Result<(), DecodeError> {
    check_text("record key", key, limits::RECORD_KEY_BYTES_MAX)?;
    let length = match content {
        Content::None => 0,
        Content::Plain(bytes) | Content::Cipher { bytes, .. } => bytes.len(),
    };
    at_most(limits::RECORD_CONTENT_BYTES_MAX, "record content", length)?;
    if matches!(content, Content::Cipher { bytes, .. } if bytes.len() < 28) {
        return Err(DecodeError::invalid("ciphertext", "it is shorter than nonce and tag"));
    }
    at_most(limits::RECORD_PARENTS_MAX, "parents", parents.len())?;
    check_ascending("parents", parents.iter())?;
    for parent in parents {
        check_text("parent key", &parent.key, limits::RECORD_KEY_BYTES_MAX)?;
        if parent.version == 0 {
            return Err(DecodeError::invalid("parent version", "versions start at 1"));
        }
    }
    Ok(())
}

fn check_other(what: &'static str, one: &Address, other: &Address) -> Result<(), DecodeError> {
    if one == other {
        return Err(DecodeError::invalid(what, "it must be another account"));
    }
    Ok(())
}

pub(crate) fn check_ascending<'a, T: Ord + 'a>(
    what: &'static str,
    mut items: impl Iterator<Item = &'a T>,
) -> Result<(), DecodeError> {
    let Some(mut last) = items.next() else { return Ok(()) };
    for item in items {
        if item <= last {
            return Err(DecodeError::invalid(what, "entries must ascend and must not repeat"));
        }
        last = item;
    }
    Ok(())
}
