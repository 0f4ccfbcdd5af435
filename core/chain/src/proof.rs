//! Proofs that leave the node, made and checked. Checking needs the trust file and nothing else.

use crate::comet::verify_light;
use crate::error::{ChainError, Result};
use crate::rule::Rule;
use bubi_codec::{
    block::{digest, signed, Certificate, CommitStatement, Outcome, Proposal, ProposalV1, Receipt},
    comet::{self, LightBlock},
    decode, domain, encode,
    identity::ChainId,
    proof::{FinalityProof, ListPath, ReceiptProof},
    state::ValidatorSet,
    transaction::transaction_hash,
    ResultCode,
};
use bubi_crypto::{merkle_root, merkle_verify, Hash, HashSuite, LeafTag};

/// What a verifier trusts: a chain and its first validator set.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The chain.
    pub chain: ChainId,
    /// Its hash suite.
    pub suite: HashSuite,
    /// Its first validator set.
    pub validators: ValidatorSet,
}

/// What a valid receipt proof proves.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The transaction; zero for the receipt of what fell due by itself.
    pub transaction: Hash,
    /// How it ended.
    pub code: ResultCode,
    /// Height of its block.
    pub height: u64,
    /// Time of its block (ms).
    pub time: u64,
    /// Names of the validators that signed.
    pub signers: Vec<String>,
    /// Weight that signed and weight that was needed.
    pub quorum: (u64, u64),
}

pub(crate) fn invalid(detail: impl Into<String>) -> ChainError {
    ChainError::refused("proof_invalid", detail)
}

pub(crate) fn need(holds: bool, detail: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(invalid(detail))
    }
}

/// Checks a certificate against the set of its epoch: distinct members, strict signatures over one statement, weight q.
///
/// # Errors
/// `proof_invalid` with the reason.
pub fn verify_certificate(
    chain: &ChainId,
    set: &ValidatorSet,
    certificate: &Certificate,
) -> Result<(Vec<String>, u64)> {
    verify_votes(Rule::Real, chain, set, certificate)
}

/// [`verify_certificate`] by the rule of a chain.
pub(crate) fn verify_votes(
    rule: Rule,
    chain: &ChainId,
    set: &ValidatorSet,
    certificate: &Certificate,
) -> Result<(Vec<String>, u64)> {
    let Certificate::V1 { statement, votes } = certificate else {
        return Err(invalid("it carries no votes of validators"));
    };
    let CommitStatement::V1 { epoch, engine, .. } = statement;
    need(engine != comet::ENGINE, "where CometBFT decides a light block is the proof")?;
    let ValidatorSet::V1 { epoch: set_epoch, engine: set_engine, validators, .. } = set;
    need(epoch == set_epoch && engine == set_engine, "the certificate belongs to another epoch or engine")?;
    let message = signed(domain::COMMIT_VOTE, chain, statement)?;
    let ascending = votes.windows(2).all(|pair| matches!(pair, [one, other] if one.validator < other.validator));
    need(ascending, "a validator signed twice or votes are out of order")?;
    let mut signers = Vec::new();
    let mut weight = 0u64;
    for vote in votes {
        let member = usize::try_from(vote.validator).ok().and_then(|index| validators.get(index));
        let member = member.ok_or_else(|| invalid("a vote is by nobody in the validator set"))?;
        rule.verify_vote(&member.key, &message, &vote.signature)
            .map_err(|error| invalid(format!("the vote of {} is not valid: {error}", member.name)))?;
        weight = weight.saturating_add(u64::from(member.weight));
        signers.push(member.name.clone());
    }
    need(weight >= set.quorum(), "the votes do not reach the quorum")?;
    Ok((signers, weight))
}

/// What shows that validators decided a block.
#[derive(Clone, Copy)]
enum Evidence<'a> {
    Votes(&'a Certificate),
    Light(&'a LightBlock),
}

/// Checks that votes or a light block cover a proposal and its outcome.
fn verify_block(
    trust: &Trust,
    set: &ValidatorSet,
    proposal: &Proposal,
    outcome: &Outcome,
    evidence: Evidence<'_>,
) -> Result<(Vec<String>, u64)> {
    let Proposal::V1(fields) = proposal;
    need(fields.chain == trust.chain, "the proposal belongs to another chain")?;
    let set_hash = digest(trust.suite, domain::VALIDATORS, &trust.chain, set)?;
    need(fields.validators == set_hash, "the proposal names another validator set")?;
    let proposed = digest(trust.suite, domain::PROPOSAL, &trust.chain, proposal)?;
    let computed = digest(trust.suite, domain::OUTCOME, &trust.chain, outcome)?;
    match evidence {
        Evidence::Votes(certificate) => {
            let (voted, voted_outcome) = certificate.covers();
            need(*voted == proposed, "the certificate is for another proposal")?;
            need(*voted_outcome == computed, "the certificate is for another outcome")?;
            if let Certificate::V1 { statement: CommitStatement::V1 { height, .. }, .. } = certificate {
                need(*height == fields.height, "the certificate is for another height")?;
            }
            verify_certificate(&trust.chain, set, certificate)
        }
        Evidence::Light(light) => verify_light(&trust.chain, set, (&proposed, &computed), light),
    }
}

/// One step from an epoch to the next.
struct Step<'a> {
    proposal: &'a Proposal,
    outcome: &'a Outcome,
    evidence: Evidence<'a>,
    next: &'a ValidatorSet,
}

fn steps(proof: &FinalityProof) -> (Evidence<'_>, Vec<Step<'_>>) {
    match proof {
        FinalityProof::Native { certificate, handovers, .. } => {
            let step = handovers.iter().map(|one| Step {
                proposal: &one.proposal,
                outcome: &one.outcome,
                evidence: Evidence::Votes(&one.certificate),
                next: &one.next,
            });
            (Evidence::Votes(certificate), step.collect())
        }
        FinalityProof::Comet { light, handovers, .. } => {
            let step = handovers.iter().map(|one| Step {
                proposal: &one.proposal,
                outcome: &one.outcome,
                evidence: Evidence::Light(&one.light),
                next: &one.next,
            });
            (Evidence::Light(light), step.collect())
        }
    }
}

/// Checks a finality proof, epoch by epoch from the trust file on. Returns the signers, their weight and the quorum.
///
/// # Errors
/// `proof_invalid` with the reason.
pub fn verify_finality(trust: &Trust, proof: &FinalityProof) -> Result<(Vec<String>, u64, u64)> {
    let (proposal, outcome) = proof.block();
    let (evidence, handovers) = steps(proof);
    let mut set = trust.validators.clone();
    let mut last = 0;
    for handover in handovers {
        verify_block(trust, &set, handover.proposal, handover.outcome, handover.evidence)?;
        let Outcome::V1 { validators, .. } = handover.outcome;
        let next = digest(trust.suite, domain::VALIDATORS, &trust.chain, handover.next)?;
        need(*validators == next, "a hand-over names another validator set")?;
        let (ValidatorSet::V1 { epoch: old, .. }, ValidatorSet::V1 { epoch: new, .. }) = (&set, handover.next);
        need(old.checked_add(1) == Some(*new), "a hand-over skips an epoch")?;
        let Proposal::V1(ProposalV1 { height, .. }) = handover.proposal;
        need(*height > last, "hand-overs do not follow one another")?;
        last = *height;
        set = handover.next.clone();
    }
    let Proposal::V1(ProposalV1 { height, .. }) = proposal;
    need(*height > last, "the block is older than the hand-over before it")?;
    let (signers, weight) = verify_block(trust, &set, proposal, outcome, evidence)?;
    Ok((signers, weight, set.quorum()))
}

/// Checks an encoded [`ReceiptProof`].
///
/// # Errors
/// `proof_invalid` with the reason, or the code of a decoding refusal.
pub fn verify_receipt(trust: &Trust, bytes: &[u8]) -> Result<Proven> {
    let ReceiptProof::V1 { body, receipt, events, path, finality } = decode(bytes)?;
    let Receipt::V1 { transaction, code, events_root: claimed, .. } = &receipt;
    let hash = if body.is_empty() { Hash::ZERO } else { transaction_hash(trust.suite, &trust.chain, &body) };
    need(hash == *transaction, "the receipt belongs to another transaction")?;
    need(events_root(trust.suite, &events)? == *claimed, "the events are not those of the receipt")?;
    let (Proposal::V1(proposal), Outcome::V1 { receipt_root, .. }) = finality.block();
    let leaf = trust.suite.leaf_hash(LeafTag::Receipt, &encode(&receipt)?);
    let ListPath { index, size, siblings } = &path;
    let included = merkle_verify(trust.suite, &leaf, *index, *size, siblings, receipt_root);
    need(included, "the receipt is not in the block")?;
    let (signers, weight, quorum) = verify_finality(trust, &finality)?;
    let code = ResultCode::from_number(*code).ok_or_else(|| invalid("the result code is unknown"))?;
    Ok(Proven {
        transaction: hash,
        code,
        height: proposal.height,
        time: proposal.time,
        signers,
        quorum: (weight, quorum),
    })
}

/// RFC 9162 root over encoded events.
///
/// # Errors
/// An event cannot be encoded.
pub fn events_root(suite: HashSuite, events: &[bubi_codec::block::Event]) -> Result<Hash> {
    let leaves = events
        .iter()
        .map(|event| Ok(suite.leaf_hash(LeafTag::Event, &encode(event)?)))
        .collect::<Result<Vec<Hash>>>()?;
    Ok(merkle_root(suite, &leaves))
}
