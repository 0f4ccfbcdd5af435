//! Blocks: batches, proposal, outcome, receipts, votes and certificates (protocol decisions 4).

use crate::{
    decode::at_most,
    domain::{self, Domain},
    governance::{EvidenceAction, ProposalStatus},
    identity::{check_text, Address, AssetId, ChainId, HoldId, NamespaceId, ProposalId},
    limits,
    operation::Signer,
    operation::Thresholds,
    state::{ParametersV1, ValidatorSet},
    DecodeError, Wire,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, Signature};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a network starts from. Its hash is the chain id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Genesis {
    /// Version 1.
    V1(GenesisV1),
}

/// Fields of a genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisV1 {
    /// Random, so that no two networks share a chain id.
    pub nonce: Hash,
    /// Name for people.
    pub name: String,
    /// Main, test or development; chooses the prefix of addresses.
    pub kind: NetworkKind,
    /// Hash suite: 0 standard, 1 national.
    pub suite: HashSuite,
    /// Time (ms since 1970) before every block.
    #[serde(with = "crate::text::decimal")]
    pub time: u64,
    /// Protocol version of the first block.
    pub protocol_version: u32,
    /// Parameters.
    pub parameters: ParametersV1,
    /// Validators, engine and quorum of epoch 0.
    pub validators: ValidatorSet,
    /// Accounts that exist from the start, ascending by address.
    pub accounts: Vec<GenesisAccount>,
    /// Organisations, ascending by name: their authorities vouch for the names and transport keys of nodes, their governance
    /// accounts vote.
    pub organisations: Vec<GenesisOrganisation>,
    /// The chain that this one succeeds.
    pub predecessor: Option<Predecessor>,
}

/// Kind of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NetworkKind {
    /// `bubi1…`
    Main,
    /// `bubitest1…`
    Test,
    /// `bubidev1…`
    Development,
}

impl NetworkKind {
    /// Bech32m prefix of its addresses.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Main => "bubi",
            Self::Test => "bubitest",
            Self::Development => "bubidev",
        }
    }
}

/// An account of the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// Its signers, ascending by key.
    pub signers: Vec<Signer>,
    /// Its thresholds.
    pub thresholds: Thresholds,
    /// The organisation of the genesis to which it belongs.
    pub organisation: Option<String>,
}

/// An organisation of the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisOrganisation {
    /// Its name.
    pub name: String,
    /// The account that proposes and votes for it, one of the genesis or of the state that it continues; none: it has no
    /// voice.
    pub governance: Option<Address>,
    /// Its authority's root certificate (X.509, DER); empty: it vouches for no node.
    #[serde(with = "crate::text::bytes")]
    pub certificate: Vec<u8>,
}

/// The end of an earlier chain, whose state this one continues (`spec/ledger.md`, section 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// Its chain id.
    pub chain: ChainId,
    /// Hash of its last certificate: domain `certificate`, its chain id, the certificate.
    pub certificate: Hash,
    /// State root after its last block.
    pub state_root: Hash,
}

impl Genesis {
    /// The fields.
    pub fn v1(&self) -> &GenesisV1 {
        let Self::V1(genesis) = self;
        genesis
    }

    /// The chain id: hash of the encoded genesis in its own suite.
    pub fn chain_id(&self, encoded: &[u8]) -> ChainId {
        ChainId(self.v1().suite.hash(&[domain::GENESIS, encoded]))
    }
}

impl Wire for Genesis {
    const BYTES_MAX: usize = 64 * 1_048_576;

    fn check(&self) -> Result<(), DecodeError> {
        let genesis = self.v1();
        check_text("network name", &genesis.name, limits::NAME_BYTES_MAX)?;
        genesis.validators.check()?;
        at_most(limits::GENESIS_ACCOUNTS_MAX, "accounts", genesis.accounts.len())?;
        crate::operation::check_ascending("accounts", genesis.accounts.iter().map(|account| &account.address))?;
        for account in &genesis.accounts {
            crate::operation::check_authority(&account.signers, &account.thresholds)?;
        }
        check_organisations(genesis)?;
        check_validators(genesis)?;
        check_parameters(&genesis.parameters, genesis.kind)
    }
}

fn check_organisations(genesis: &GenesisV1) -> Result<(), DecodeError> {
    let organisations = &genesis.organisations;
    at_most(limits::ORGANISATIONS_MAX, "organisations", organisations.len())?;
    crate::operation::check_ascending("organisations", organisations.iter().map(|one| &one.name))?;
    for name in genesis.accounts.iter().filter_map(|account| account.organisation.as_ref()) {
        if organisations.binary_search_by_key(&name, |one| &one.name).is_err() {
            return Err(DecodeError::invalid("organisation", "an account belongs to one of the genesis or to none"));
        }
    }
    let mut voters = BTreeSet::new();
    for one in organisations {
        crate::governance::check_organisation(&one.name, &one.certificate)?;
        let Some(account) = &one.governance else { continue };
        if !voters.insert(account) {
            return Err(DecodeError::invalid("governance", "an account votes for one organisation only"));
        }
        // A successor's may be accounts of the state that it continues: whoever has that state checks.
        let listed = genesis.accounts.binary_search_by_key(account, |account| account.address).is_ok();
        if !listed && genesis.predecessor.is_none() {
            return Err(DecodeError::invalid("governance", "the account must be one of the genesis"));
        }
    }
    Ok(())
}

fn check_validators(genesis: &GenesisV1) -> Result<(), DecodeError> {
    let ValidatorSet::V1 { validators, epoch, .. } = &genesis.validators;
    if *epoch != 0 {
        return Err(DecodeError::invalid("epoch", "a network begins with epoch 0"));
    }
    let mut names = BTreeSet::new();
    for validator in validators {
        if !names.insert(&validator.name) {
            return Err(DecodeError::invalid("validator name", "each validator needs a name of its own"));
        }
        if !genesis.parameters.vote_algorithms.contains(&(validator.key.algorithm() as u8)) {
            return Err(DecodeError::invalid("vote_algorithms", "they must name those of all validators' keys"));
        }
    }
    Ok(())
}

/// Fewest blocks between planned changes of the leader, except on development networks.
const TURN_BLOCKS_MIN: u32 = 100;
/// The same on development networks.
const TURN_BLOCKS_MIN_DEVELOPMENT: u32 = 4;

/// Least time (ms) that a block's time may be off a clock.
const CLOCK_TOLERANCE_MIN: u64 = 500;
/// Bounds (ms) of the window of quotas.
const QUOTA_WINDOW: std::ops::RangeInclusive<u64> = 1..=604_800_000;
/// Least quota of an organisation: the largest transaction fits into it.
const ORGANISATION_OPERATIONS_MIN: u64 = limits::OPERATIONS_MAX as u64;
/// Bounds of the transactions of a block: the half that one author may fill holds one at least.
const BLOCK_TRANSACTIONS: std::ops::RangeInclusive<u32> = 2..=1_000_000;
/// Bounds of the bytes of a block: the half that one author may fill holds the largest transaction.
const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 2_097_152..=268_435_456;
/// Bounds of what falls due in one block.
const DUE_PER_BLOCK: std::ops::RangeInclusive<u32> = 1..=100_000;

/// Checks parameters against one another.
pub fn check_parameters(parameters: &ParametersV1, kind: NetworkKind) -> Result<(), DecodeError> {
    let wrong = |what, reason: &str| Err(DecodeError::invalid(what, reason));
    if parameters.max_lifetime > 3_600_000 || parameters.max_lifetime < parameters.clock_tolerance.saturating_mul(20) {
        return wrong("max_lifetime", "it must be at most one hour and at least 20 clock tolerances");
    }
    if parameters.clock_tolerance < CLOCK_TOLERANCE_MIN {
        return wrong("clock_tolerance", "it must be at least 500 ms, or no proposal comes in time");
    }
    if parameters.id_bucket == 0 || parameters.id_bucket > parameters.max_lifetime {
        return wrong("id_bucket", "buckets must be at least 1 ms and no longer than max_lifetime");
    }
    if !QUOTA_WINDOW.contains(&parameters.quota_window) {
        return wrong("quota_window", "it must be 1 ms to seven days: votes are charged as well");
    }
    if (1..ORGANISATION_OPERATIONS_MIN).contains(&parameters.organisation_operations) {
        return wrong(
            "organisation_operations",
            "it must be 0 (no quota) or at least 100, the operations of a transaction",
        );
    }
    if !BLOCK_TRANSACTIONS.contains(&parameters.block_transactions) || !BLOCK_BYTES.contains(&parameters.block_bytes) {
        return wrong("block_transactions", "a block must have 2 to 1,000,000 transactions and 2 to 256 MiB");
    }
    if !DUE_PER_BLOCK.contains(&parameters.due_per_block) {
        return wrong("due_per_block", "it must be 1 to 100,000");
    }
    crate::governance::check_algorithms("algorithms", &parameters.algorithms)?;
    crate::governance::check_algorithms("vote_algorithms", &parameters.vote_algorithms)?;
    check_retired(parameters)?;
    check_consensus(parameters, kind)?;
    check_governance(parameters)
}

fn check_retired(parameters: &ParametersV1) -> Result<(), DecodeError> {
    let retired = &parameters.retired_algorithms;
    crate::operation::check_ascending("retired_algorithms", retired.iter().map(|one| &one.algorithm))?;
    if retired.iter().any(|one| one.algorithm > 3 || parameters.algorithms.contains(&one.algorithm)) {
        return Err(DecodeError::invalid("retired_algorithms", "an algorithm that new keys may use is not retired"));
    }
    Ok(())
}

/// Bounds (ms) of the time that a proposal may be open.
const PROPOSAL_LIFETIME: std::ops::RangeInclusive<u64> = 10_000..=31_536_000_000;
/// Bounds (ms) of the time to get ready for a change.
const READY_LIFETIME: std::ops::RangeInclusive<u64> = 10_000..=2_592_000_000;
/// Bounds of the age of evidence, in blocks.
const EVIDENCE_MAX_AGE: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;
/// The strictest policy for evidence.
const EVIDENCE_POLICY_MAX: u32 = 3;

fn check_governance(parameters: &ParametersV1) -> Result<(), DecodeError> {
    let wrong = |what, reason: &str| Err(DecodeError::invalid(what, reason));
    if !PROPOSAL_LIFETIME.contains(&parameters.proposal_lifetime) {
        return wrong("proposal_lifetime", "it must be 10 s to one year");
    }
    if !READY_LIFETIME.contains(&parameters.ready_lifetime) {
        return wrong("ready_lifetime", "it must be 10 s to 30 days");
    }
    if parameters.evidence_policy > EVIDENCE_POLICY_MAX {
        return wrong("evidence_policy", "it is 0 (ignore), 1 (alarm), 2 (vote) or 3 (exclude)");
    }
    if !EVIDENCE_MAX_AGE.contains(&parameters.evidence_max_age) {
        return wrong("evidence_max_age", "it must be 1 to 1,000,000,000 blocks");
    }
    Ok(())
}

fn check_consensus(parameters: &ParametersV1, kind: NetworkKind) -> Result<(), DecodeError> {
    let wrong = |what, reason: &str| Err(DecodeError::invalid(what, reason));
    let least = if kind == NetworkKind::Development { TURN_BLOCKS_MIN_DEVELOPMENT } else { TURN_BLOCKS_MIN };
    if parameters.turn_blocks < least {
        return wrong("turn_blocks", "a leader keeps its turn for at least 100 blocks (development networks: 4)");
    }
    if !(200..=60_000).contains(&parameters.timeout) {
        return wrong("timeout", "it must be 200 ms to 60 s");
    }
    if !(parameters.timeout..=600_000).contains(&parameters.timeout_max) {
        return wrong("timeout_max", "it must be at least the timeout and at most 10 min");
    }
    Ok(())
}

/// Header of a batch of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BatchHeader {
    /// Version 1.
    V1 {
        /// Vote key of the validator that made it.
        author: PublicKey,
        /// Counts the author's batches.
        #[serde(with = "crate::text::decimal")]
        number: u64,
        /// Transactions in it, at least one.
        count: u32,
        /// Bytes of its signed transactions together.
        bytes: u32,
        /// RFC 9162 root over the full signed transactions, leaf tag `transaction`.
        root: Hash,
    },
}

/// A batch header with its author's signature over [`signed`] bytes (domain `batch`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBatch {
    /// The header.
    pub header: BatchHeader,
    /// The author's signature.
    pub signature: Signature,
}

/// What consensus orders. Its digest is the hash of its bytes with domain `proposal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposal {
    /// Version 1.
    V1(ProposalV1),
}

/// Fields of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalV1 {
    /// The chain.
    pub chain: ChainId,
    /// Height, from 1.
    #[serde(with = "crate::text::decimal")]
    pub height: u64,
    /// Block time (ms since 1970); more than the parent's.
    #[serde(with = "crate::text::decimal")]
    pub time: u64,
    /// Digest of the parent proposal; the chain id at height 1.
    pub parent: Hash,
    /// Hash of the parent's outcome; at height 1 the hash of the genesis outcome.
    pub parent_outcome: Hash,
    /// Round of the parent's certificate that the proposer shows; 0 at height 1.
    #[serde(with = "crate::text::decimal")]
    pub parent_round: u64,
    /// RFC 9162 root over the batch digests in order, leaf tag `batch`.
    pub payload_root: Hash,
    /// Hash of the validator set in force.
    pub validators: Hash,
    /// Hash of the parameters in force.
    pub parameters: Hash,
    /// Protocol version in force.
    pub protocol_version: u32,
}

/// What executing a proposal gives; computed by every node, never proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Version 1.
    V1 {
        /// RFC 9162 root over the receipts, leaf tag `receipt`.
        receipt_root: Hash,
        /// State root after the block.
        state_root: Hash,
        /// Hash of the validator set of the next block.
        validators: Hash,
        /// Hash of the parameters of the next block.
        parameters: Hash,
    },
}

/// What a commit vote signs (domain `commit-vote`, then the chain id, then these bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommitStatement {
    /// Version 1.
    V1 {
        /// Epoch of the validator set.
        #[serde(with = "crate::text::decimal")]
        epoch: u64,
        /// Engine.
        engine: String,
        /// Height.
        #[serde(with = "crate::text::decimal")]
        height: u64,
        /// Round, view, term or ballot of the engine.
        #[serde(with = "crate::text::decimal")]
        round: u64,
        /// Digest of the proposal.
        digest: Hash,
        /// Hash of the outcome.
        outcome: Hash,
    },
}

/// What a vote before the commit signs (domain `vote`, then the chain id, then these bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VoteStatement {
    /// Version 1.
    V1 {
        /// Epoch of the validator set.
        #[serde(with = "crate::text::decimal")]
        epoch: u64,
        /// Engine.
        engine: String,
        /// Height.
        #[serde(with = "crate::text::decimal")]
        height: u64,
        /// Round, view, term or ballot of the engine.
        #[serde(with = "crate::text::decimal")]
        round: u64,
        /// What it is for: 0 asks for this round, 1 supports its leader, 2 proposes, 3 is a first-phase vote.
        phase: u8,
        /// Digest of the proposal, or of what else the engine binds.
        digest: Hash,
    },
}

/// One member's vote inside a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateVote {
    /// Index of the validator in its set.
    pub validator: u32,
    /// Its signature.
    pub signature: Signature,
}

/// Proof that a quorum decided a proposal with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Certificate {
    /// Version 1.
    V1 {
        /// What was signed.
        statement: CommitStatement,
        /// The votes, ascending by validator.
        votes: Vec<CertificateVote>,
    },
    /// By CometBFT: the block of the node's own CometBFT process that decided. It carries no signatures: what others can check
    /// is the light block that follows it ([`crate::comet`]).
    Comet {
        /// Height of CometBFT's block, which is not that of the ledger.
        #[serde(with = "crate::text::decimal")]
        height: u64,
        /// Hash of CometBFT's block.
        block: Hash,
        /// Digest of the proposal.
        digest: Hash,
        /// Hash of the outcome.
        outcome: Hash,
    },
}

impl Certificate {
    /// Digest of the proposal and hash of the outcome that it covers.
    pub fn covers(&self) -> (&Hash, &Hash) {
        match self {
            Self::V1 { statement: CommitStatement::V1 { digest, outcome, .. }, .. }
            | Self::Comet { digest, outcome, .. } => (digest, outcome),
        }
    }
}

/// What became of one transaction. Its leaf commits to all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Receipt {
    /// Version 1.
    V1 {
        /// The transaction; 32 zero bytes in the receipt of what fell due by itself, which stands last.
        transaction: Hash,
        /// Position of its batch in the block.
        batch: u32,
        /// Its position in the batch.
        index: u32,
        /// Number of the result code; 0 is final.
        code: u16,
        /// The operation that failed.
        operation: Option<u8>,
        /// RFC 9162 root over the encoded events, leaf tag `event`.
        events_root: Hash,
    },
}

/// Something that happened to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// 0: an account was opened.
    AccountCreated {
        /// The account.
        account: Address,
        /// Who opened it.
        creator: Address,
    },
    /// 1: signers or thresholds changed.
    SignersChanged {
        /// The account.
        account: Address,
    },
    /// 2: an account was closed.
    AccountClosed {
        /// The account.
        account: Address,
    },
    /// 3: a data entry was written (version 0: deleted).
    DataSet {
        /// The account.
        account: Address,
        /// Name of the entry.
        name: String,
        /// Its new version.
        #[serde(with = "crate::text::decimal")]
        version: u64,
    },
    /// 4: a claim was stated.
    ClaimSet {
        /// Who stated it.
        issuer: Address,
        /// About whom.
        subject: Address,
        /// What kind.
        kind: String,
    },
    /// 5: a claim was withdrawn.
    ClaimRevoked {
        /// Who stated it.
        issuer: Address,
        /// About whom.
        subject: Address,
        /// What kind.
        kind: String,
    },
    /// 6: an asset was defined.
    AssetCreated {
        /// The asset.
        asset: AssetId,
        /// Who issues it.
        issuer: Address,
    },
    /// 7: an asset was frozen or thawed.
    AssetFrozen {
        /// The asset.
        asset: AssetId,
        /// The new state.
        frozen: bool,
    },
    /// 8: a holder was frozen or thawed.
    HolderFrozen {
        /// The asset.
        asset: AssetId,
        /// The holder.
        holder: Address,
        /// The new state.
        frozen: bool,
    },
    /// 9: a holder was put on a whitelist or taken off.
    HolderAuthorised {
        /// The asset.
        asset: AssetId,
        /// The holder.
        holder: Address,
        /// The new state.
        authorised: bool,
    },
    /// 10: supply grew.
    Issued {
        /// The asset.
        asset: AssetId,
        /// Who received it.
        to: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// When the lot lapses.
        #[serde(default, with = "crate::text::optional_decimal")]
        expires: Option<u64>,
    },
    /// 11: an amount moved; also by claw-back and capture.
    Transferred {
        /// The asset.
        asset: AssetId,
        /// From whom.
        from: Address,
        /// To whom.
        to: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 12: supply shrank.
    Burned {
        /// The asset.
        asset: AssetId,
        /// Who held it.
        from: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 13: a lot passed its expiry and was retired.
    Lapsed {
        /// The asset.
        asset: AssetId,
        /// Who held it.
        holder: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// Its expiry.
        #[serde(with = "crate::text::decimal")]
        expires: u64,
    },
    /// 14: an item was issued.
    ItemIssued {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
        /// Who received it.
        to: Address,
    },
    /// 15: an item moved.
    ItemTransferred {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
        /// From whom.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// 16: an item was destroyed.
    ItemBurned {
        /// The asset.
        asset: AssetId,
        /// The item.
        item: String,
        /// Who held it.
        from: Address,
    },
    /// 17: an amount was set aside.
    Reserved {
        /// The hold.
        hold: HoldId,
        /// The asset.
        asset: AssetId,
        /// Whose amount.
        holder: Address,
        /// For whom.
        beneficiary: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// Until when.
        #[serde(with = "crate::text::decimal")]
        expires: u64,
    },
    /// 18: a hold was captured.
    Captured {
        /// The hold.
        hold: HoldId,
        /// How much of it.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
    },
    /// 19: a hold was given up.
    Released {
        /// The hold.
        hold: HoldId,
    },
    /// 20: a hold expired and went back.
    HoldExpired {
        /// The hold.
        hold: HoldId,
        /// Whose amount.
        holder: Address,
    },
    /// 21: a namespace was opened.
    NamespaceCreated {
        /// The namespace.
        namespace: NamespaceId,
        /// Its owner.
        owner: Address,
    },
    /// 22: a namespace was changed.
    NamespaceChanged {
        /// The namespace.
        namespace: NamespaceId,
        /// Its owner now.
        owner: Address,
    },
    /// 23: a version of a record was written.
    RecordPut {
        /// The namespace.
        namespace: NamespaceId,
        /// Key of the record.
        key: String,
        /// Its version.
        version: u32,
        /// Who wrote it.
        writer: Address,
    },
    /// 24: a proposal was opened or got another status.
    ProposalChanged {
        /// The proposal.
        proposal: ProposalId,
        /// Its status now.
        status: ProposalStatus,
    },
    /// 25: an organisation voted.
    Voted {
        /// The proposal.
        proposal: ProposalId,
        /// The organisation.
        organisation: String,
        /// For or against.
        approve: bool,
    },
    /// 26: a next validator is ready for an approved change.
    ValidatorReady {
        /// The proposal.
        proposal: ProposalId,
        /// Name of the validator.
        validator: String,
    },
    /// 27: enough of them are ready: the height is fixed at which the change is in force.
    ActivationFixed {
        /// The proposal.
        proposal: ProposalId,
        /// First height at which it is in force.
        #[serde(with = "crate::text::decimal")]
        height: u64,
    },
    /// 28: an epoch begins with the next block.
    EpochBegins {
        /// Its number.
        #[serde(with = "crate::text::decimal")]
        epoch: u64,
        /// Its first height.
        #[serde(with = "crate::text::decimal")]
        height: u64,
    },
    /// 29: evidence was recorded.
    EvidenceRecorded {
        /// Its key.
        evidence: Hash,
        /// Name of the member.
        validator: String,
        /// What it led to.
        action: EvidenceAction,
    },
    /// 30: an account belongs to another organisation than before, or asks for another one.
    MembershipChanged {
        /// The account.
        account: Address,
        /// The organisation to which it belongs now.
        organisation: Option<String>,
        /// The organisation that it asks to take it in.
        asks: Option<String>,
    },
}

/// A decided block as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BlockRecord {
    /// Version 1.
    V1 {
        /// The proposal.
        proposal: Proposal,
        /// Its batches in order.
        batches: Vec<SignedBatch>,
        /// Its outcome.
        outcome: Outcome,
        /// The certificate.
        certificate: Certificate,
        /// Receipts in order; the last may be that of what fell due.
        receipts: Vec<Receipt>,
        /// Events of each receipt, in the same order.
        events: Vec<Vec<Event>>,
    },
}

/// Domain tag, chain id and the encoded value: what is hashed or signed.
///
/// # Errors
/// The value cannot be encoded.
pub fn signed<T: Serialize>(tag: &Domain, chain: &ChainId, value: &T) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = [tag.as_slice(), chain.bytes()].concat();
    bcs::serialize_into(&mut bytes, value).map_err(|error| DecodeError::NotCanonical(error.to_string()))?;
    Ok(bytes)
}

/// Hash of [`signed`] bytes: digests of batches, proposals, outcomes, validator sets and parameters.
///
/// # Errors
/// The value cannot be encoded.
pub fn digest<T: Serialize>(suite: HashSuite, tag: &Domain, chain: &ChainId, value: &T) -> Result<Hash, DecodeError> {
    Ok(suite.hash(&[&signed(tag, chain, value)?]))
}

macro_rules! unchecked {
    ($($name:ident: $limit:expr;)*) => {$(
        impl Wire for $name {
            const BYTES_MAX: usize = $limit;
            fn check(&self) -> Result<(), DecodeError> {
                Ok(())
            }
        }
    )*};
}
unchecked! {
    Proposal: 1_024;
    Outcome: 256;
    CommitStatement: 512;
    Receipt: 256;
    Event: 1_024;
    BlockRecord: 1 << 30;
}

impl Wire for VoteStatement {
    const BYTES_MAX: usize = 512;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::V1 { phase, .. } = self;
        if *phase > 3 {
            return Err(DecodeError::invalid("phase", "a vote before the commit has a phase of 0 to 3"));
        }
        Ok(())
    }
}

impl Wire for SignedBatch {
    const BYTES_MAX: usize = 512;

    fn check(&self) -> Result<(), DecodeError> {
        let BatchHeader::V1 { count, bytes, .. } = &self.header;
        at_most(limits::BATCH_TRANSACTIONS_MAX, "transactions of a batch", *count as usize)?;
        at_most(limits::BATCH_BYTES_MAX, "bytes of a batch", *bytes as usize)?;
        if *count == 0 {
            return Err(DecodeError::invalid("count", "a batch holds at least one transaction"));
        }
        Ok(())
    }
}

impl Wire for Certificate {
    const BYTES_MAX: usize = 65_536;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::V1 { votes, .. } = self else { return Ok(()) };
        at_most(limits::VALIDATORS_MAX, "votes", votes.len())?;
        if votes.windows(2).any(|pair| matches!(pair, [one, other] if one.validator >= other.validator)) {
            return Err(DecodeError::invalid("votes", "they must ascend by validator and must not repeat"));
        }
        Ok(())
    }
}
