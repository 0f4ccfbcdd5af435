//! Governance: what organisations vote on, what becomes of it, and the evidence against a validator (`spec/ledger.md` 10 to 12).

use crate::{
    block::{CommitStatement, VoteStatement},
    decode::at_most,
    identity::{check_text, Address, ProposalId},
    limits,
    operation::check_ascending,
    state::{Validator, ValidatorSet},
    DecodeError, Wire,
};
use bubi_crypto::{Hash, PublicKey, Signature};
use serde::{Deserialize, Serialize};

/// One change of the network's rules or members. The position of a variant is its number on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// 0: sets a parameter.
    SetParameter {
        /// Its name, as JSON spells it.
        name: String,
        /// Its new value.
        #[serde(with = "crate::text::decimal")]
        value: u64,
    },
    /// 1: adds a validator at the end of the set.
    AddValidator(Validator),
    /// 2: removes a validator; those behind it move up.
    RemoveValidator {
        /// Its name.
        name: String,
    },
    /// 3: changes the weight or the key of a validator, or both.
    ChangeValidator {
        /// Its name.
        name: String,
        /// Its new weight.
        weight: Option<u32>,
        /// Its new key.
        key: Option<PublicKey>,
    },
    /// 4: adds an organisation or replaces what is known of it.
    SetOrganisation {
        /// Its name.
        name: String,
        /// The account that proposes and votes for it; none: it has no voice.
        governance: Option<Address>,
        /// Its authority's root certificate (X.509, DER); empty: it vouches for no node.
        #[serde(with = "crate::text::bytes")]
        certificate: Vec<u8>,
    },
    /// 5: removes an organisation, which must have no validator left.
    RemoveOrganisation {
        /// Its name.
        name: String,
    },
    /// 6: sets the engine that decides.
    SetEngine {
        /// Its name.
        name: String,
    },
    /// 7: sets the quorum ratio.
    SetQuorum {
        /// Numerator.
        numerator: u32,
        /// Denominator.
        denominator: u32,
    },
    /// 8: sets the signature algorithms that new keys may use.
    SetAlgorithms {
        /// Numbers of those of accounts' keys, ascending.
        accounts: Vec<u8>,
        /// Numbers of those of validators' keys, ascending.
        votes: Vec<u8>,
        /// Block time (ms) from which signatures of accounts by an algorithm that is left out count no more.
        #[serde(with = "crate::text::decimal")]
        old_until: u64,
    },
    /// 9: sets the protocol version.
    SetProtocolVersion {
        /// The version: that in force plus one.
        version: u32,
    },
    /// 10: puts a node on the white list. While that list is not empty, no other node is let in.
    AllowNode {
        /// SHA-256 of its transport public key.
        node: Hash,
    },
    /// 11: puts a node on the black list.
    DenyNode {
        /// SHA-256 of its transport public key.
        node: Hash,
    },
    /// 12: takes a node off either list.
    ClearNode {
        /// SHA-256 of its transport public key.
        node: Hash,
    },
    /// 13: revokes a certificate for ever.
    RevokeCertificate {
        /// SHA-256 of its DER bytes.
        fingerprint: Hash,
    },
}

/// What one member signed: one of the two halves of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Statement {
    /// 0: a vote before the commit.
    Vote(VoteStatement),
    /// 1: a commit vote.
    Commit(CommitStatement),
}

/// Two statements of one member that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Key of the member.
    pub member: PublicKey,
    /// What it signed.
    pub statement_one: Statement,
    /// Its signature.
    pub signature_one: Signature,
    /// What it signed as well.
    pub statement_two: Statement,
    /// Its signature.
    pub signature_two: Signature,
}

/// The slot in which a member may sign one statement only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Epoch of the validator set.
    pub epoch: u64,
    /// Engine.
    pub engine: String,
    /// Height.
    pub height: u64,
    /// Round, view, term or ballot of the engine.
    pub round: u64,
    /// Phase as in [`VoteStatement`]; 4 is the commit vote.
    pub phase: u8,
}

/// Phase of a commit vote in a [`Slot`].
pub const COMMIT_PHASE: u8 = 4;

impl Statement {
    /// The slot in which it was signed.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Vote(VoteStatement::V1 { epoch, engine, height, round, phase, .. }) => {
                Slot { epoch: *epoch, engine: engine.clone(), height: *height, round: *round, phase: *phase }
            }
            Self::Commit(CommitStatement::V1 { epoch, engine, height, round, .. }) => {
                Slot { epoch: *epoch, engine: engine.clone(), height: *height, round: *round, phase: COMMIT_PHASE }
            }
        }
    }

    /// Digest that it names.
    pub fn digest(&self) -> &Hash {
        match self {
            Self::Vote(VoteStatement::V1 { digest, .. }) | Self::Commit(CommitStatement::V1 { digest, .. }) => digest,
        }
    }
}

/// What becomes of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProposalStatus {
    /// 0: organisations vote on it.
    Open,
    /// 1: approved; the next validators prepare for it.
    Approved,
    /// 2: in force.
    Active,
    /// 3: it can reach the quorum no more.
    Rejected,
    /// 4: taken back by its proposer.
    Withdrawn,
    /// 5: its time to vote was over.
    Expired,
    /// 6: approved, but too few of the next validators were ready in time.
    Lapsed,
}

/// The vote of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationVote {
    /// Its name.
    pub organisation: String,
    /// For or against.
    pub approve: bool,
}

/// A proposal of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChangeProposal {
    /// Version 1.
    V1(ChangeProposalV1),
}

/// Fields of a proposal of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeProposalV1 {
    /// The organisation that proposed it; none: evidence did.
    pub proposer: Option<String>,
    /// Key of the evidence that opened it.
    pub evidence: Option<Hash>,
    /// What it changes, in order.
    pub changes: Vec<Change>,
    /// Height at which it was opened.
    #[serde(with = "crate::text::decimal")]
    pub opened: u64,
    /// Block time (ms) from which nobody may vote.
    #[serde(with = "crate::text::decimal")]
    pub expires: u64,
    /// Height before which it must not be in force.
    #[serde(default, with = "crate::text::optional_decimal")]
    pub not_before: Option<u64>,
    /// Risks that its proposer names, ascending: `no_fault_tolerance`, and names of members on which everything depends.
    pub acknowledged: Vec<String>,
    /// Why, for people.
    pub memo: String,
    /// Votes, ascending by organisation.
    pub votes: Vec<OrganisationVote>,
    /// What became of it.
    pub status: ProposalStatus,
    /// Height of the block that gave it its status.
    #[serde(with = "crate::text::decimal")]
    pub changed: u64,
}

/// A validator of the set that a change leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextMember {
    /// Its name.
    pub name: String,
    /// The first account of its key.
    pub account: Address,
    /// Its weight.
    pub weight: u32,
    /// Whether it has said that it is ready.
    pub ready: bool,
}

/// An approved change that is not in force yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingChange {
    /// The proposal.
    pub proposal: ProposalId,
    /// Height at which it was approved.
    #[serde(with = "crate::text::decimal")]
    pub approved: u64,
    /// Block time (ms) from which it lapses, unless its activation is fixed.
    #[serde(with = "crate::text::decimal")]
    pub until: u64,
    /// First height at which it is in force; none while too few are ready.
    #[serde(default, with = "crate::text::optional_decimal")]
    pub activation: Option<u64>,
    /// Weight that must be ready: the quorum of the next set.
    #[serde(with = "crate::text::decimal")]
    pub quorum: u64,
    /// The next validators in their order.
    pub members: Vec<NextMember>,
}

/// A member whose exclusion waits until no change is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Key of the evidence.
    pub evidence: Hash,
    /// Key of the member.
    pub member: PublicKey,
}

/// What governance is about now. Absent: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Governance {
    /// Version 1.
    V1(GovernanceV1),
}

/// Fields of [`Governance`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceV1 {
    /// Open proposals in the order in which they were opened.
    pub open: Vec<ProposalId>,
    /// The approved change that is not in force yet.
    pub pending: Option<PendingChange>,
    /// Exclusions that wait, oldest first.
    pub exclusions: Vec<Exclusion>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Organisation {
    /// Version 1.
    V1 {
        /// The account that proposes and votes for it.
        governance: Option<Address>,
        /// Its authority's root certificate (X.509, DER); may be empty.
        #[serde(with = "crate::text::bytes")]
        certificate: Vec<u8>,
    },
}

/// For whom an account votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Voter {
    /// Version 1.
    V1 {
        /// Name of its organisation.
        organisation: String,
    },
}

/// The begin of an epoch; kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EpochRecord {
    /// Version 1.
    V1 {
        /// Its first height.
        #[serde(with = "crate::text::decimal")]
        height: u64,
        /// Time (ms) of the block before, which ended the epoch before; of the genesis for epoch 0.
        #[serde(with = "crate::text::decimal")]
        time: u64,
        /// Its validators.
        validators: ValidatorSet,
    },
}

/// The protocol version in force. Absent: that of the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProtocolVersion {
    /// Version 1.
    V1 {
        /// The version.
        version: u32,
    },
}

/// On which list a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeListing {
    /// 0: on the white list.
    Allowed,
    /// 1: on the black list.
    Denied,
}

/// What evidence led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidenceAction {
    /// 0: policy 0.
    Ignored,
    /// 1: policy 1; nodes alarm.
    Alarmed,
    /// 2: policy 2: organisations vote on the removal of the member.
    Proposed(ProposalId),
    /// 3: policy 3: the member goes at the next barrier.
    Scheduled(ProposalId),
    /// 4: policy 3: the same once the pending change has ended.
    Queued,
    /// 5: the set without the member would not be valid: it stays.
    Kept,
    /// 6: the key is in the set no more.
    Gone,
}

/// Evidence that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidenceRecord {
    /// Version 1.
    V1 {
        /// Key of the member.
        member: PublicKey,
        /// Its name in the set of that epoch.
        validator: String,
        /// Epoch of the statements.
        #[serde(with = "crate::text::decimal")]
        epoch: u64,
        /// Their engine.
        engine: String,
        /// Their height.
        #[serde(with = "crate::text::decimal")]
        height: u64,
        /// Their round.
        #[serde(with = "crate::text::decimal")]
        round: u64,
        /// Their phase; 4 is the commit vote.
        phase: u8,
        /// Digest of the first.
        digest_one: Hash,
        /// Digest of the second.
        digest_two: Hash,
        /// Who reported it.
        reporter: Address,
        /// Height of the block that holds the report.
        #[serde(with = "crate::text::decimal")]
        recorded: u64,
        /// What it led to.
        action: EvidenceAction,
    },
}

impl Change {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::SetParameter { name, .. }
            | Self::RemoveValidator { name }
            | Self::RemoveOrganisation { name }
            | Self::SetEngine { name } => check_text("name", name, limits::NAME_BYTES_MAX),
            Self::AddValidator(validator) => {
                check_weight(Some(validator.weight))?;
                check_text("validator name", &validator.name, limits::NAME_BYTES_MAX)?;
                check_text("organisation", &validator.organisation, limits::NAME_BYTES_MAX)
            }
            Self::ChangeValidator { name, weight, key } => {
                check_weight(*weight)?;
                if weight.is_none() && key.is_none() {
                    return Err(DecodeError::invalid("change_validator", "give a weight, a key or both"));
                }
                check_text("validator name", name, limits::NAME_BYTES_MAX)
            }
            Self::SetOrganisation { name, certificate, .. } => check_organisation(name, certificate),
            Self::SetAlgorithms { accounts, votes, .. } => {
                check_algorithms("accounts", accounts)?;
                check_algorithms("votes", votes)
            }
            Self::SetQuorum { .. }
            | Self::SetProtocolVersion { .. }
            | Self::AllowNode { .. }
            | Self::DenyNode { .. }
            | Self::ClearNode { .. }
            | Self::RevokeCertificate { .. } => Ok(()),
        }
    }
}

fn check_weight(weight: Option<u32>) -> Result<(), DecodeError> {
    if weight == Some(0) {
        return Err(DecodeError::invalid("weight", "it must be at least 1; remove the validator instead"));
    }
    Ok(())
}

/// Checks the name and the certificate of an organisation.
pub(crate) fn check_organisation(name: &str, certificate: &[u8]) -> Result<(), DecodeError> {
    check_text("organisation", name, limits::NAME_BYTES_MAX)?;
    at_most(limits::AUTHORITY_BYTES_MAX, "bytes of a certificate", certificate.len())
}

/// Checks a list of algorithm numbers.
pub(crate) fn check_algorithms(what: &'static str, numbers: &[u8]) -> Result<(), DecodeError> {
    if numbers.is_empty() || numbers.iter().any(|number| *number > 3) {
        return Err(DecodeError::invalid(what, "name at least one of 0 (Ed25519), 1 (secp256k1), 2 (P-256), 3 (SM2)"));
    }
    check_ascending(what, numbers.iter())
}

/// Checks everything that a proposal alone decides.
pub(crate) fn check_proposal(changes: &[Change], acknowledged: &[String], memo: &str) -> Result<(), DecodeError> {
    at_most(limits::CHANGES_MAX, "changes", changes.len())?;
    if changes.is_empty() {
        return Err(DecodeError::invalid("changes", "a proposal needs at least one"));
    }
    changes.iter().try_for_each(Change::check)?;
    at_most(limits::VALIDATORS_MAX, "acknowledged", acknowledged.len())?;
    check_ascending("acknowledged", acknowledged.iter())?;
    for name in acknowledged {
        check_text("acknowledged", name, limits::NAME_BYTES_MAX)?;
    }
    at_most(limits::MEMO_BYTES_MAX, "memo", memo.len())?;
    if memo.chars().any(char::is_control) {
        return Err(DecodeError::invalid("memo", "it must not hold control characters"));
    }
    let size =
        bcs::serialized_size(&(changes, acknowledged)).map_err(|error| DecodeError::NotCanonical(error.to_string()))?;
    at_most(limits::PROPOSAL_BYTES_MAX, "bytes of a proposal", size)
}

impl Evidence {
    /// Checks what the evidence alone decides of its form.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        for statement in [&self.statement_one, &self.statement_two] {
            if let Statement::Vote(vote) = statement {
                vote.check()?;
            }
            check_text("engine", &statement.slot().engine, limits::NAME_BYTES_MAX)?;
        }
        Ok(())
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
    ChangeProposal,
    Governance,
    Organisation,
    Voter,
    EpochRecord,
    ProtocolVersion,
    NodeListing,
    EvidenceRecord
);
