//! Evidence: two statements of one member that contradict each other (`spec/ledger.md` 11).

use super::{
    current, find,
    proposals::{approve_proposal, open},
    settings::Settings,
    store, system_cell,
};
use crate::{
    authority::Actor,
    cells::Defect,
    execution::{Context, Done, Run},
};
use bubi_codec::{
    block::{signed, Event},
    domain,
    governance::{
        Change, ChangeProposalV1, EpochRecord, Evidence, EvidenceAction, EvidenceRecord, Exclusion, GovernanceV1,
        ProposalStatus, Slot, Statement,
    },
    identity::{Address, ChainId, ProposalId},
    limits,
    state::{key, Validator, ValidatorSet},
    DecodeError, ResultCode,
};
use bubi_crypto::{Hash, HashSuite, PublicKey, Signature};
use std::{collections::BTreeMap, sync::Arc};

/// Reports of one block whose signatures were checked: by the account of a validator in force, and of all others together.
pub(crate) type Reports = BTreeMap<Option<Address>, usize>;
/// Reports of one validator whose signatures one block checks. Others cannot use them up.
const OF_VALIDATOR: usize = 4;

/// Policies (parameter `evidence_policy`).
const IGNORE: u32 = 0;
const ALARM: u32 = 1;
const VOTE: u32 = 2;

/// Key of the evidence against a member in a slot.
///
/// # Errors
/// The slot has no encoding.
pub fn evidence_key(suite: HashSuite, chain: &ChainId, member: &PublicKey, slot: &Slot) -> Result<Hash, DecodeError> {
    Ok(suite.hash(&[&signed(domain::EVIDENCE, chain, &(member, slot))?]))
}

/// A statement with its signature.
type Half<'t> = (&'t Statement, &'t Signature);

/// Operation 28.
pub(crate) fn report(run: &mut Run<'_, '_>, actor: &Actor, evidence: &Evidence) -> Done {
    let Evidence { member, statement_one, signature_one, statement_two, signature_two } = evidence;
    let (one, two) = ((statement_one, signature_one), (statement_two, signature_two));
    let slot = contradiction(one.0, two.0)?;
    if slot.height.saturating_add(run.context.parameters.evidence_max_age) < run.context.height {
        return Err(ResultCode::EvidenceOld);
    }
    let validator = member_of(run, member, &slot)?;
    let id = evidence_key(run.context.suite, &run.context.chain, member, &slot).map_err(|_| ResultCode::Internal)?;
    let cell = system_cell(run, &key::evidence(&id));
    if run.cells.exists(cell) {
        return Err(ResultCode::EvidenceKnown);
    }
    count(run, &actor.address)?;
    if ![one, two].into_iter().all(|half| is_signed(run.context, member, half)) {
        return Err(ResultCode::EvidenceSignature);
    }
    let action = act(run, member, &id, &actor.address)?;
    let record = EvidenceRecord::V1 {
        member: *member,
        validator: validator.clone(),
        epoch: slot.epoch,
        engine: slot.engine,
        height: slot.height,
        round: slot.round,
        phase: slot.phase,
        digest_one: *one.0.digest(),
        digest_two: *two.0.digest(),
        reporter: actor.address,
        recorded: run.context.height,
        action,
    };
    run.cells.write(cell, Arc::new(record));
    run.events.push(Event::EvidenceRecorded { evidence: id, validator, action });
    Ok(())
}

/// Counts a report, also one that turns out to be bad: checking signatures costs.
fn count(run: &mut Run<'_, '_>, reporter: &Address) -> Done {
    let ValidatorSet::V1 { validators, .. } = run.context.validators.as_ref();
    let suite = run.context.suite;
    let by_validator = validators.iter().any(|one| Address::of_key(suite, &one.key) == *reporter);
    let most = if by_validator { OF_VALIDATOR } else { limits::EVIDENCE_PER_BLOCK };
    let counted = run.reports.entry(by_validator.then_some(*reporter)).or_default();
    if *counted >= most {
        return Err(ResultCode::EvidenceFull);
    }
    *counted += 1;
    Ok(())
}

/// The slot in which two statements contradict each other.
fn contradiction(one: &Statement, two: &Statement) -> Result<Slot, ResultCode> {
    let slot = one.slot();
    if slot != two.slot() {
        return Err(ResultCode::EvidenceInvalid);
    }
    if one.digest() != two.digest() {
        return Ok(slot);
    }
    // The slots are equal, so both are votes or both are commit votes: what differs then is the outcome.
    Err(if one == two { ResultCode::EvidenceInvalid } else { ResultCode::EvidenceDivergence })
}

/// Name of the member of that epoch with this key.
fn member_of(run: &mut Run<'_, '_>, member: &PublicKey, slot: &Slot) -> Result<String, ResultCode> {
    let cell = system_cell(run, &key::epoch(slot.epoch));
    let record = run.cells.read::<Arc<EpochRecord>>(cell)?.cloned().ok_or(ResultCode::EvidenceForeign)?;
    let EpochRecord::V1 { validators: ValidatorSet::V1 { engine, validators, .. }, .. } = record.as_ref();
    let found = validators.iter().find(|one| one.key == *member && *engine == slot.engine);
    found.map(|one| one.name.clone()).ok_or(ResultCode::EvidenceForeign)
}

fn is_signed(context: &Context, member: &PublicKey, (statement, signature): Half<'_>) -> bool {
    let message = match statement {
        Statement::Vote(vote) => signed(domain::FIRST_VOTE, &context.chain, vote),
        Statement::Commit(commit) => signed(domain::COMMIT_VOTE, &context.chain, commit),
    };
    message.is_ok_and(|message| (context.vote_rule)(member, &message, signature))
}

/// Does what the policy says.
fn act(
    run: &mut Run<'_, '_>,
    member: &PublicKey,
    evidence: &Hash,
    reporter: &Address,
) -> Result<EvidenceAction, ResultCode> {
    let policy = run.context.parameters.evidence_policy;
    match policy {
        IGNORE => return Ok(EvidenceAction::Ignored),
        ALARM => return Ok(EvidenceAction::Alarmed),
        _ => {}
    }
    let removal = match removal(run, member)? {
        Ok(removal) => removal,
        Err(action) => return Ok(action),
    };
    let governance = current(run)?;
    if policy == VOTE {
        return suspend(run, governance, removal, evidence);
    }
    exclude(run, governance, member, removal, evidence, reporter)
}

/// The change that removes a member, or why there is none.
fn removal(run: &mut Run<'_, '_>, member: &PublicKey) -> Result<Result<Change, EvidenceAction>, Defect> {
    let ValidatorSet::V1 { validators, .. } = run.context.validators.as_ref();
    let found = validators.iter().find(|one: &&Validator| one.key == *member);
    let Some(name) = found.map(|one| one.name.clone()) else { return Ok(Err(EvidenceAction::Gone)) };
    let change = Change::RemoveValidator { name };
    match Settings::changed(run, std::slice::from_ref(&change), &[]) {
        Ok(_) => Ok(Ok(change)),
        Err(ResultCode::Internal) => Err(Defect("the settings cannot be read")),
        Err(_) => Ok(Err(EvidenceAction::Kept)),
    }
}

/// A proposal that evidence opens.
fn proposal(context: &Context, removal: Change, evidence: &Hash) -> ChangeProposalV1 {
    ChangeProposalV1 {
        proposer: None,
        evidence: Some(*evidence),
        changes: vec![removal],
        opened: context.height,
        expires: context.time.saturating_add(context.parameters.proposal_lifetime),
        not_before: None,
        acknowledged: Vec::new(),
        memo: String::new(),
        votes: Vec::new(),
        status: ProposalStatus::Open,
        changed: context.height,
    }
}

/// Policy 2: organisations vote on the removal.
fn suspend(
    run: &mut Run<'_, '_>,
    mut governance: GovernanceV1,
    removal: Change,
    evidence: &Hash,
) -> Result<EvidenceAction, ResultCode> {
    for id in &governance.open {
        let (_, open) = find(run, id)?.ok_or(Defect("an open proposal that does not exist"))?;
        if open.evidence.is_some() && open.changes.first() == Some(&removal) {
            return Ok(EvidenceAction::Proposed(*id));
        }
    }
    if governance.open.len() >= limits::PROPOSALS_OPEN_MAX {
        return Ok(EvidenceAction::Alarmed);
    }
    let id = ProposalId::of_evidence(run.context.suite, &run.context.chain, evidence);
    governance.open.push(id);
    store(run, governance);
    open(run, &id, proposal(run.context, removal, evidence));
    Ok(EvidenceAction::Proposed(id))
}

/// Policy 3: the member goes at the next barrier, or at the one after a change that is pending.
fn exclude(
    run: &mut Run<'_, '_>,
    mut governance: GovernanceV1,
    member: &PublicKey,
    removal: Change,
    evidence: &Hash,
    reporter: &Address,
) -> Result<EvidenceAction, ResultCode> {
    if governance.exclusions.iter().any(|waiting| waiting.member == *member) {
        return Ok(EvidenceAction::Queued);
    }
    if governance.pending.is_some() || !governance.exclusions.is_empty() {
        governance.exclusions.push(Exclusion { evidence: *evidence, member: *member });
        store(run, governance);
        return Ok(EvidenceAction::Queued);
    }
    schedule(run, removal, evidence, reporter).map(EvidenceAction::Scheduled)
}

/// Opens the exclusion and approves it at once; no change is pending.
fn schedule(
    run: &mut Run<'_, '_>,
    removal: Change,
    evidence: &Hash,
    reporter: &Address,
) -> Result<ProposalId, ResultCode> {
    let id = ProposalId::of_evidence(run.context.suite, &run.context.chain, evidence);
    open(run, &id, proposal(run.context, removal, evidence));
    let stored = find(run, &id)?.ok_or(Defect("a proposal that was opened is missing"))?;
    approve_proposal(run, &id, &stored, reporter)?;
    Ok(id)
}

/// Begins the first exclusion that waits and still makes sense; no change is pending.
pub(super) fn begin_waiting(run: &mut Run<'_, '_>) -> Result<(), Defect> {
    loop {
        let mut governance = current(run)?;
        if governance.exclusions.is_empty() {
            return Ok(());
        }
        let waiting = governance.exclusions.remove(0);
        store(run, governance);
        if let Ok(removal) = removal(run, &waiting.member)? {
            // Nobody new comes in, so no account is opened and nobody is its creator.
            let nobody = Address(Hash::ZERO);
            let begun = schedule(run, removal, &waiting.evidence, &nobody);
            return begun.map(drop).map_err(|_| Defect("an exclusion that was judged cannot begin"));
        }
    }
}
