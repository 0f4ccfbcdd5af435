//! Cells: the pieces of state, their keys and their values. `spec/ledger.md` has the table.

use crate::{
    identity::{Address, AssetId, HoldId, ProposalId},
    limits,
    operation::{AssetFeatures, AssetKind, Content, Digest, RecordReference, Signer, Thresholds, Writers},
    DecodeError, Wire,
};
use bubi_crypto::{Hash, PublicKey};
use serde::{Deserialize, Serialize};

/// First byte of an owner key: whose cells they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OwnerKind {
    /// The network itself (id: 32 zero bytes).
    System = 0,
    /// An account (id: its address).
    Account = 1,
    /// An asset (id: its asset id).
    Asset = 2,
    /// A record namespace (id: its namespace id).
    Namespace = 3,
}

/// Keys of cells. All integers in keys are big-endian, so that keys sort by value.
pub mod key {
    use super::{Address, AssetId, Hash, HoldId, ProposalId};
    use bubi_crypto::PublicKey;

    /// System: parameters.
    pub const PARAMETERS: &[u8] = &[0];
    /// System: validator set.
    pub const VALIDATORS: &[u8] = &[2];
    /// System: leader schedule.
    pub const SCHEDULE: &[u8] = &[4];
    /// System: what governance is about.
    pub const GOVERNANCE: &[u8] = &[6];
    /// System: protocol version in force.
    pub const PROTOCOL_VERSION: &[u8] = &[10];
    /// Account, asset or namespace: its header or definition.
    pub const HEADER: &[u8] = &[0];
    /// Account: use of its quota.
    pub const QUOTA: &[u8] = &[9];
    /// Account: the organisation to which it belongs.
    pub const MEMBERSHIP: &[u8] = &[10];
    /// First byte of an account's holdings.
    pub const HOLDING_PREFIX: u8 = 1;
    /// First byte of an account's items.
    pub const ITEM_HELD_PREFIX: u8 = 3;
    /// First byte of an account's data entries.
    pub const DATA_PREFIX: u8 = 4;
    /// First byte of the claims about an account.
    pub const CLAIM_PREFIX: u8 = 5;
    /// First byte of an account's sequence lanes.
    pub const LANE_PREFIX: u8 = 6;
    /// First byte of an account's holds.
    pub const HOLD_PREFIX: u8 = 7;
    /// First byte of the use of signers' amount limits.
    pub const SIGNER_USE_PREFIX: u8 = 8;
    /// First byte of an asset's items.
    pub const ITEM_PREFIX: u8 = 1;
    /// First byte of a namespace's record heads.
    pub const RECORD_HEAD_PREFIX: u8 = 1;
    /// First byte of a namespace's record versions.
    pub const RECORD_VERSION_PREFIX: u8 = 2;
    /// System, first byte: buckets of live transaction ids.
    pub const ID_BUCKET_PREFIX: u8 = 1;
    /// System, first byte: what falls due.
    pub const DUE_PREFIX: u8 = 3;
    /// System, first byte: organisations.
    pub const ORGANISATION_PREFIX: u8 = 5;
    /// System, first byte: proposals of changes.
    pub const PROPOSAL_PREFIX: u8 = 7;
    /// System, first byte: epochs.
    pub const EPOCH_PREFIX: u8 = 8;
    /// System, first byte: evidence.
    pub const EVIDENCE_PREFIX: u8 = 9;
    /// System, first byte: nodes on the black or the white list.
    pub const NODE_PREFIX: u8 = 11;
    /// System, first byte: revoked certificates.
    pub const REVOKED_PREFIX: u8 = 12;
    /// System, first byte: accounts that vote for an organisation.
    pub const VOTER_PREFIX: u8 = 13;
    /// System, first byte: use of the quotas of organisations.
    pub const ORGANISATION_USE_PREFIX: u8 = 14;

    fn join(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    /// Account: holding of a fungible or dated asset, and the flags that an issuer sets.
    pub fn holding(asset: &AssetId) -> Vec<u8> {
        join(&[&[HOLDING_PREFIX], asset.bytes()])
    }
    /// Account: an item that it holds (empty value).
    pub fn item_held(asset: &AssetId, item: &str) -> Vec<u8> {
        join(&[&[ITEM_HELD_PREFIX], asset.bytes(), item.as_bytes()])
    }
    /// Account: a data entry.
    pub fn data(name: &str) -> Vec<u8> {
        join(&[&[DATA_PREFIX], name.as_bytes()])
    }
    /// Account (the subject): a claim.
    pub fn claim(issuer: &Address, kind: &str) -> Vec<u8> {
        join(&[&[CLAIM_PREFIX], issuer.bytes(), kind.as_bytes()])
    }
    /// Account: a sequence lane.
    pub fn lane(lane: u32) -> Vec<u8> {
        join(&[&[LANE_PREFIX], &lane.to_be_bytes()])
    }
    /// Account (the holder): a hold.
    pub fn hold(hold: &HoldId) -> Vec<u8> {
        join(&[&[HOLD_PREFIX], hold.bytes()])
    }
    /// Account: what a signer with an amount limit used in its period.
    pub fn signer_use(signer: &PublicKey) -> Vec<u8> {
        join(&[&[SIGNER_USE_PREFIX], &signer.tagged_bytes()])
    }
    /// Asset: an item.
    pub fn item(item: &str) -> Vec<u8> {
        join(&[&[ITEM_PREFIX], item.as_bytes()])
    }
    /// Namespace: head of a record.
    pub fn record_head(key: &str) -> Vec<u8> {
        join(&[&[RECORD_HEAD_PREFIX], key.as_bytes()])
    }
    /// Namespace: a version of a record. Keys hold no control characters, so the zero byte ends them.
    pub fn record_version(key: &str, version: u32) -> Vec<u8> {
        join(&[&[RECORD_VERSION_PREFIX], key.as_bytes(), &[0], &version.to_be_bytes()])
    }
    /// System: bucket of live ids whose `valid_until / id_bucket` is `bucket`.
    pub fn id_bucket(bucket: u64) -> Vec<u8> {
        join(&[&[ID_BUCKET_PREFIX], &bucket.to_be_bytes()])
    }
    /// System: a lot that lapses (empty value).
    pub fn due_lot(time: u64, holder: &Address, asset: &AssetId) -> Vec<u8> {
        join(&[&[DUE_PREFIX], &time.to_be_bytes(), &[0], holder.bytes(), asset.bytes()])
    }
    /// System: a hold that expires (empty value).
    pub fn due_hold(time: u64, holder: &Address, hold: &HoldId) -> Vec<u8> {
        join(&[&[DUE_PREFIX], &time.to_be_bytes(), &[1], holder.bytes(), hold.bytes()])
    }
    /// System: a proposal whose time to vote or to get ready ends (empty value).
    pub fn due_proposal(time: u64, proposal: &ProposalId) -> Vec<u8> {
        join(&[&[DUE_PREFIX], &time.to_be_bytes(), &[2], &[0; 32], proposal.bytes()])
    }
    /// System: an organisation.
    pub fn organisation(name: &str) -> Vec<u8> {
        join(&[&[ORGANISATION_PREFIX], name.as_bytes()])
    }
    /// System: a proposal of changes.
    pub fn proposal(proposal: &ProposalId) -> Vec<u8> {
        join(&[&[PROPOSAL_PREFIX], proposal.bytes()])
    }
    /// System: an epoch.
    pub fn epoch(epoch: u64) -> Vec<u8> {
        join(&[&[EPOCH_PREFIX], &epoch.to_be_bytes()])
    }
    /// System: evidence, by its key.
    pub fn evidence(evidence: &Hash) -> Vec<u8> {
        join(&[&[EVIDENCE_PREFIX], &evidence.0])
    }
    /// System: a node on a list, by its id.
    pub fn node(node: &Hash) -> Vec<u8> {
        join(&[&[NODE_PREFIX], &node.0])
    }
    /// System: a revoked certificate (empty value), by its fingerprint.
    pub fn revoked(fingerprint: &Hash) -> Vec<u8> {
        join(&[&[REVOKED_PREFIX], &fingerprint.0])
    }
    /// System: for whom an account votes.
    pub fn voter(account: &Address) -> Vec<u8> {
        join(&[&[VOTER_PREFIX], account.bytes()])
    }
    /// System: use of the quota of an organisation; without a name, of all accounts that belong to none.
    pub fn organisation_use(name: Option<&str>) -> Vec<u8> {
        join(&[&[ORGANISATION_USE_PREFIX], name.unwrap_or_default().as_bytes()])
    }
}

/// Header of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AccountHeader {
    /// An open account, version 1.
    V1 {
        /// Signers, ascending by key.
        signers: Vec<Signer>,
        /// Thresholds.
        thresholds: Thresholds,
        /// Height at which it was opened (0: in the genesis).
        #[serde(with = "crate::text::decimal")]
        created: u64,
    },
    /// A closed account: its address is never used again.
    Closed {
        /// Height at which it was closed.
        #[serde(with = "crate::text::decimal")]
        height: u64,
    },
}

/// Part of a dated holding that lapses at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// Block time (ms) at which it lapses.
    #[serde(with = "crate::text::decimal")]
    pub expires: u64,
    /// How much.
    #[serde(with = "crate::text::decimal")]
    pub amount: u128,
}

/// What an account holds of a fungible or dated asset; for every kind, the flags that the issuer sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Holding {
    /// Version 1.
    V1(HoldingV1),
}

/// Fields of a holding. A holding in which everything is zero, false and empty has no cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldingV1 {
    /// What can be spent (for dated assets the sum of `lots`).
    #[serde(with = "crate::text::decimal")]
    pub balance: u128,
    /// What stands in holds.
    #[serde(with = "crate::text::decimal")]
    pub reserved: u128,
    /// Frozen by the issuer.
    pub frozen: bool,
    /// On the issuer's whitelist.
    pub authorised: bool,
    /// Lots of a dated asset, ascending by expiry.
    pub lots: Vec<Lot>,
    /// Lots that stand in holds; together with `lots` at most `LOTS_MAX`.
    pub reserved_lots: u8,
}

/// A data entry of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DataEntry {
    /// Version 1.
    V1 {
        /// How often the entry was written since it last came into being, from 1.
        #[serde(with = "crate::text::decimal")]
        version: u64,
        /// The value.
        #[serde(with = "crate::text::bytes")]
        value: Vec<u8>,
    },
}

/// A claim about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Claim {
    /// Version 1.
    V1 {
        /// Digest of the statement.
        digest: Hash,
        /// Block time (ms) from which it no longer holds.
        #[serde(default, with = "crate::text::optional_decimal")]
        expires: Option<u64>,
    },
}

/// A two-phase hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Hold {
    /// Version 1.
    V1 {
        /// The asset.
        asset: AssetId,
        /// Who may capture it.
        beneficiary: Address,
        /// How much.
        #[serde(with = "crate::text::decimal")]
        amount: u128,
        /// Block time (ms) from which it goes back.
        #[serde(with = "crate::text::decimal")]
        expires: u64,
        /// Lots of a dated asset, ascending by expiry.
        lots: Vec<Lot>,
    },
}

/// What was used of a limit in its current period or window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Use {
    /// Version 1.
    V1 {
        /// Number of the period (block time divided by its length).
        #[serde(with = "crate::text::decimal")]
        period: u64,
        /// What was used in it.
        #[serde(with = "crate::text::decimal")]
        used: u128,
    },
}

/// To which organisation an account belongs. Absent: to none, and it asks for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Membership {
    /// Version 1.
    V1(MembershipV1),
}

/// Fields of a membership.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipV1 {
    /// Name of the organisation that took it in, which may have been removed since.
    pub organisation: Option<String>,
    /// Name of the organisation that it asks to take it in.
    pub asks: Option<String>,
}

/// Definition of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AssetDefinition {
    /// Version 1.
    V1(AssetV1),
}

/// Fields of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetV1 {
    /// Who issues it.
    pub issuer: Address,
    /// Its code.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// What can be held.
    pub kind: AssetKind,
    /// Decimals for display.
    pub decimals: u8,
    /// Largest supply.
    #[serde(default, with = "crate::text::optional_decimal")]
    pub cap: Option<u128>,
    /// What the issuer may do.
    pub features: AssetFeatures,
    /// Frozen by the issuer.
    pub frozen: bool,
    /// What exists now: amounts in holdings and holds, or items.
    #[serde(with = "crate::text::decimal")]
    pub supply: u128,
}

/// An item of a unique asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Item {
    /// Version 1.
    V1 {
        /// Who holds it.
        holder: Address,
        /// Digest of what describes it.
        digest: Option<Hash>,
    },
}

/// A record namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Namespace {
    /// Version 1.
    V1 {
        /// Its name.
        name: String,
        /// Who may change it.
        owner: Address,
        /// Who may write.
        writers: Writers,
        /// Whether every writer may append to every record.
        shared: bool,
    },
}

/// Head of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecordHead {
    /// Version 1.
    V1 {
        /// Who wrote its first version.
        author: Address,
        /// Its newest version, from 1.
        version: u32,
    },
}

/// One version of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RecordVersion {
    /// Version 1.
    V1 {
        /// Who wrote it.
        writer: Address,
        /// Block time (ms).
        #[serde(with = "crate::text::decimal")]
        time: u64,
        /// Digest of the document.
        digest: Digest,
        /// Content, if any.
        content: Content,
        /// Records it came from.
        parents: Vec<RecordReference>,
    },
}

/// Live ids of one bucket: the list itself travels beside the state, this cell commits to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IdBucket {
    /// Version 1.
    V1 {
        /// Entries in the list.
        #[serde(with = "crate::text::decimal")]
        count: u64,
        /// RFC 9162 root of the encoded [`IdEntry`]s, leaf tag `id`.
        root: Hash,
    },
}

/// One live id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdEntry {
    /// The source.
    pub source: Address,
    /// Its id.
    #[serde(with = "crate::text::bytes16")]
    pub id: [u8; 16],
    /// Hash of the transaction that got a receipt under it.
    pub transaction: Hash,
    /// Its `valid_until` (ms).
    #[serde(with = "crate::text::decimal")]
    pub valid_until: u64,
}

/// Parameters that every node must share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Parameters {
    /// Version 1.
    V1(ParametersV1),
}

/// Fields of the parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParametersV1 {
    /// Longest time (ms) between a block and the `valid_until` of a transaction with an id; at most one hour.
    #[serde(with = "crate::text::decimal")]
    pub max_lifetime: u64,
    /// How far (ms) a proposal's time may lie from a validator's clock.
    #[serde(with = "crate::text::decimal")]
    pub clock_tolerance: u64,
    /// Width (ms) of a bucket of live ids.
    #[serde(with = "crate::text::decimal")]
    pub id_bucket: u64,
    /// Most transactions in a block.
    pub block_transactions: u32,
    /// Most bytes of transactions in a block.
    pub block_bytes: u32,
    /// Most lots and holds retired per block.
    pub due_per_block: u32,
    /// Length (ms) of a quota window.
    #[serde(with = "crate::text::decimal")]
    pub quota_window: u64,
    /// Operations per source account and window; 0 switches quotas off.
    #[serde(with = "crate::text::decimal")]
    pub quota_operations: u64,
    /// Numbers of the signature algorithms that new keys may use, ascending.
    pub algorithms: Vec<u8>,
    /// Blocks after which the next validator leads.
    pub turn_blocks: u32,
    /// How long (ms) validators wait for a leader before they change it.
    #[serde(with = "crate::text::decimal")]
    pub timeout: u64,
    /// Where (ms) the doubling of that time ends.
    #[serde(with = "crate::text::decimal")]
    pub timeout_max: u64,
    /// Numbers of the signature algorithms that new keys of validators may use, ascending.
    pub vote_algorithms: Vec<u8>,
    /// Algorithms that accounts may use no more, ascending by number; none of them is in `algorithms`.
    pub retired_algorithms: Vec<RetiredAlgorithm>,
    /// Longest time (ms) that a proposal may be open.
    #[serde(with = "crate::text::decimal")]
    pub proposal_lifetime: u64,
    /// Time (ms) that the next validators have to get ready for an approved change.
    #[serde(with = "crate::text::decimal")]
    pub ready_lifetime: u64,
    /// What follows from evidence: 0 nothing, 1 an alarm, 2 a vote on the member's removal, 3 its removal.
    pub evidence_policy: u32,
    /// Blocks after which evidence is too old.
    #[serde(with = "crate::text::decimal")]
    pub evidence_max_age: u64,
    /// Operations per organisation and quota window, and of all accounts without one together; 0 switches these quotas off.
    #[serde(with = "crate::text::decimal")]
    pub organisation_operations: u64,
}

/// An algorithm whose signatures of accounts count no more from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredAlgorithm {
    /// Its number.
    pub algorithm: u8,
    /// Block time (ms) from which its signatures do not count.
    #[serde(with = "crate::text::decimal")]
    pub until: u64,
}

impl Default for ParametersV1 {
    fn default() -> Self {
        Self {
            max_lifetime: 600_000,
            clock_tolerance: 5_000,
            id_bucket: 10_000,
            block_transactions: 20_000,
            block_bytes: 33_554_432,
            due_per_block: 1_000,
            quota_window: 10_000,
            quota_operations: 0,
            algorithms: vec![0, 1, 2, 3],
            turn_blocks: 128,
            timeout: 2_000,
            timeout_max: 30_000,
            vote_algorithms: vec![0, 1, 2, 3],
            retired_algorithms: Vec::new(),
            proposal_lifetime: 604_800_000,
            ready_lifetime: 3_600_000,
            evidence_policy: 1,
            evidence_max_age: 1_000_000,
            organisation_operations: 0,
        }
    }
}

/// Longest `valid_until` of a transaction in a sequence lane, from the block time (ms): one year.
pub const SEQUENCE_LIFETIME: u64 = 365 * 24 * 3_600 * 1_000;

impl Parameters {
    /// The fields.
    pub fn v1(&self) -> &ParametersV1 {
        let Self::V1(parameters) = self;
        parameters
    }
}

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Its name.
    pub name: String,
    /// The organisation that runs it.
    pub organisation: String,
    /// Key of its votes and batches.
    pub key: PublicKey,
    /// Its weight.
    pub weight: u32,
}

/// Validators in force, with the quorum ratio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValidatorSet {
    /// Version 1.
    V1 {
        /// Number of the epoch, from 0.
        #[serde(with = "crate::text::decimal")]
        epoch: u64,
        /// Engine that decides.
        engine: String,
        /// Validators; their position is their index.
        validators: Vec<Validator>,
        /// Numerator of the quorum ratio (see protocol: q = max(⌊2T/3⌋ + 1, ⌈T·num/den⌉)).
        quorum_numerator: u32,
        /// Denominator of the quorum ratio.
        quorum_denominator: u32,
    },
}

/// Who leads which round (`spec/consensus/schedule.md`). Absent: round 0, led by validator 0, no strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Version 1.
    V1(ScheduleV1),
}

/// Fields of a leader schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleV1 {
    /// The round that it counts from.
    #[serde(with = "crate::text::decimal")]
    pub round: u64,
    /// Index of the validator that leads that round.
    pub leader: u32,
    /// Height of the block that wrote it.
    #[serde(with = "crate::text::decimal")]
    pub changed: u64,
    /// Validators whose turns ended in a change of the round, ascending.
    pub strikes: Vec<Strike>,
    /// Index of the validator that led the round when it decided, under the schedule in force then.
    pub decider: u32,
    /// What this schedule replaced: the block that wrote it was itself decided under that one.
    pub former: FormerSchedule,
}

/// A leader schedule that is in force no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerSchedule {
    /// The round that it counts from.
    #[serde(with = "crate::text::decimal")]
    pub round: u64,
    /// Index of the validator that leads that round.
    pub leader: u32,
    /// Validators whose turns ended in a change of the round, ascending.
    pub strikes: Vec<Strike>,
}

/// A validator that failed as a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// Its index.
    pub validator: u32,
    /// Failures since its last clean turn, at most 7.
    pub level: u8,
    /// Turns that it is still passed over.
    pub skip: u32,
}

impl ValidatorSet {
    /// Sum of all weights.
    pub fn total(&self) -> u64 {
        let Self::V1 { validators, .. } = self;
        validators.iter().map(|validator| u64::from(validator.weight)).sum()
    }

    /// Weight that a certificate needs: max(⌊2T/3⌋ + 1, ⌈T·num/den⌉).
    pub fn quorum(&self) -> u64 {
        let Self::V1 { quorum_numerator, quorum_denominator, .. } = self;
        let total = u128::from(self.total());
        let safe = total * 2 / 3 + 1;
        let asked = (total * u128::from(*quorum_numerator)).div_ceil(u128::from(*quorum_denominator).max(1));
        u64::try_from(safe.max(asked)).unwrap_or(u64::MAX)
    }
}

macro_rules! cell_values {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            const BYTES_MAX: usize = limits::CELL_VALUE_BYTES_MAX;
            fn check(&self) -> Result<(), DecodeError> {
                Ok(())
            }
        }
    )*};
}
cell_values!(
    AccountHeader,
    Holding,
    DataEntry,
    Claim,
    Hold,
    Use,
    Membership,
    AssetDefinition,
    Item,
    Namespace,
    RecordHead,
    RecordVersion,
    IdBucket,
    Schedule,
    Parameters
);

impl Wire for ValidatorSet {
    const BYTES_MAX: usize = limits::CELL_VALUE_BYTES_MAX;

    fn check(&self) -> Result<(), DecodeError> {
        let Self::V1 { engine, validators, quorum_numerator, quorum_denominator, .. } = self;
        crate::identity::check_text("engine", engine, limits::NAME_BYTES_MAX)?;
        crate::decode::at_most(limits::VALIDATORS_MAX, "validators", validators.len())?;
        if validators.is_empty() || validators.iter().any(|validator| validator.weight == 0) {
            return Err(DecodeError::invalid("validators", "give at least one, each with a weight of at least 1"));
        }
        if validators.iter().enumerate().any(|(n, one)| validators.iter().skip(n + 1).any(|other| one.key == other.key))
        {
            return Err(DecodeError::invalid("validators", "each needs a key of its own"));
        }
        for validator in validators {
            crate::identity::check_text("validator name", &validator.name, limits::NAME_BYTES_MAX)?;
            crate::identity::check_text("organisation", &validator.organisation, limits::NAME_BYTES_MAX)?;
        }
        if self.total() > u64::from(u32::MAX) {
            return Err(DecodeError::invalid("weights", "their sum must be at most 2^32 - 1"));
        }
        if *quorum_denominator == 0 || quorum_numerator > quorum_denominator {
            return Err(DecodeError::invalid("quorum ratio", "it must lie between 0 and 1"));
        }
        Ok(())
    }
}
