//! Proposals from their opening to their end (`spec/ledger.md` 10).

use super::{
    current, find, organisation_of, set_status,
    settings::{weights, Settings},
    store, system_cell, Stored,
};
use crate::{
    authority::Actor,
    cells::Defect,
    execution::{Done, Run},
};
use bubi_codec::{
    block::Event,
    governance::{Change, ChangeProposalV1, NextMember, OrganisationVote, PendingChange, ProposalStatus as Status},
    identity::{Address, ProposalId},
    limits,
    state::key,
    ResultCode,
};
use std::sync::Arc;

/// Blocks between approval and activation at least.
const AFTER_APPROVAL: u64 = 3;
/// Blocks between the last readiness that was needed and activation at least.
const AFTER_READY: u64 = 2;

/// What operation 24 asks for.
pub(crate) struct Draft<'t> {
    pub(crate) changes: &'t [Change],
    pub(crate) expires: u64,
    pub(crate) not_before: Option<u64>,
    pub(crate) acknowledged: &'t [String],
    pub(crate) memo: &'t str,
}

/// Operation 24.
pub(crate) fn propose(run: &mut Run<'_, '_>, actor: &Actor, draft: &Draft<'_>) -> Done {
    let organisation = organisation_of(run, actor)?;
    let (time, height) = (run.context.time, run.context.height);
    let latest = time.saturating_add(run.context.parameters.proposal_lifetime);
    let last_height = height.saturating_add(limits::ACTIVATION_AHEAD_MAX as u64);
    if draft.expires <= time || draft.expires > latest || draft.not_before.is_some_and(|first| first > last_height) {
        return Err(ResultCode::ExpiryInvalid);
    }
    let mut governance = current(run)?;
    let mut own = 0;
    for id in &governance.open {
        let (_, open) = find(run, id)?.ok_or(Defect("an open proposal that does not exist"))?;
        own += usize::from(open.proposer.as_ref() == Some(&organisation));
    }
    if governance.open.len() >= limits::PROPOSALS_OPEN_MAX || own >= limits::PROPOSALS_OF_ORGANISATION_MAX {
        return Err(ResultCode::ProposalsFull);
    }
    Settings::changed(run, draft.changes, draft.acknowledged)?;
    let id = ProposalId::derived(run.context.suite, &run.context.chain, &actor.address, run.replay, run.index);
    if find(run, &id)?.is_some() {
        return Err(ResultCode::IdConflict);
    }
    governance.open.push(id);
    store(run, governance);
    let proposal = ChangeProposalV1 {
        proposer: Some(organisation),
        evidence: None,
        changes: draft.changes.to_vec(),
        opened: height,
        expires: draft.expires,
        not_before: draft.not_before,
        acknowledged: draft.acknowledged.to_vec(),
        memo: draft.memo.to_owned(),
        votes: Vec::new(),
        status: Status::Open,
        changed: height,
    };
    open(run, &id, proposal);
    Ok(())
}

/// Writes a new proposal with its due cell.
pub(super) fn open(run: &mut Run<'_, '_>, id: &ProposalId, proposal: ChangeProposalV1) {
    let due = system_cell(run, &key::due_proposal(proposal.expires, id));
    run.cells.mark(due);
    let cell = system_cell(run, &key::proposal(id));
    let status = proposal.status;
    run.cells.write(cell, Arc::new(proposal));
    run.events.push(Event::ProposalChanged { proposal: *id, status });
}

/// An open proposal on which may be voted.
fn find_open(run: &mut Run<'_, '_>, id: &ProposalId) -> Result<Stored, ResultCode> {
    let found = find(run, id)?.ok_or(ResultCode::ProposalMissing)?;
    if found.1.status != Status::Open || found.1.expires <= run.context.time {
        return Err(ResultCode::ProposalClosed);
    }
    Ok(found)
}

/// An approved proposal that may still be taken back: its change waits for the next validators or for its height, and the block
/// in work is not the last one before it.
fn find_waiting(run: &mut Run<'_, '_>, id: &ProposalId) -> Result<Option<(Stored, PendingChange)>, ResultCode> {
    let found = find(run, id)?.ok_or(ResultCode::ProposalMissing)?;
    let (time, next_height) = (run.context.time, run.context.height.saturating_add(1));
    let waits = |change: &PendingChange| match change.activation {
        Some(height) => height > next_height,
        None => change.until > time,
    };
    let change = current(run)?.pending.filter(|change| change.proposal == *id && waits(change));
    Ok(change.map(|change| (found, change)))
}

/// Operation 25.
pub(crate) fn vote(run: &mut Run<'_, '_>, actor: &Actor, id: &ProposalId, approve: bool) -> Done {
    let organisation = organisation_of(run, actor)?;
    if let Some((stored, change)) = find_waiting(run, id)? {
        let stored = cast(run, id, stored, organisation, approve);
        let against = tally(run, &stored.1)?.against;
        return if against >= run.context.validators.quorum() {
            Ok(take_back(run, id, &stored, &change)?)
        } else {
            Ok(())
        };
    }
    let stored = find_open(run, id)?;
    let stored = cast(run, id, stored, organisation, approve);
    let Tally { approving, undecided, .. } = tally(run, &stored.1)?;
    let quorum = run.context.validators.quorum();
    if approving >= quorum {
        if current(run)?.pending.is_some() {
            return Err(ResultCode::ChangePending);
        }
        return approve_proposal(run, id, &stored, &actor.address);
    }
    if approving + undecided < quorum {
        end_open(run, id, &stored, Status::Rejected)?;
    }
    Ok(())
}

/// Adds or replaces the vote of an organisation.
fn cast(run: &mut Run<'_, '_>, id: &ProposalId, (cell, found): Stored, organisation: String, approve: bool) -> Stored {
    let mut proposal = found.as_ref().clone();
    let vote = OrganisationVote { organisation: organisation.clone(), approve };
    match proposal.votes.binary_search_by(|one| one.organisation.cmp(&organisation)) {
        Ok(place) => proposal.votes.splice(place..=place, [vote]).for_each(drop),
        Err(place) => proposal.votes.insert(place, vote),
    }
    let proposal = Arc::new(proposal);
    run.cells.write(cell, Arc::clone(&proposal));
    run.events.push(Event::Voted { proposal: *id, organisation, approve });
    (cell, proposal)
}

/// Weights of the organisations that voted for a proposal, against it, and not at all though they can.
#[derive(Default)]
struct Tally {
    approving: u64,
    against: u64,
    undecided: u64,
}

fn tally(run: &mut Run<'_, '_>, proposal: &ChangeProposalV1) -> Result<Tally, Defect> {
    let mut found = Tally::default();
    for (name, weight) in weights(run.context) {
        match proposal.votes.iter().find(|one| one.organisation == name) {
            Some(vote) if vote.approve => found.approving += weight,
            Some(_) => found.against += weight,
            None if Settings::has_voice(run, &name)? => found.undecided += weight,
            None => {}
        }
    }
    Ok(found)
}

/// Ends an approved change before it is in force.
fn take_back(run: &mut Run<'_, '_>, id: &ProposalId, stored: &Stored, change: &PendingChange) -> Result<(), Defect> {
    let mut governance = current(run)?;
    governance.pending = None;
    store(run, governance);
    if change.activation.is_none() {
        move_due(run, id, Some(change.until), None);
    }
    set_status(run, id, stored, Status::Withdrawn);
    Ok(())
}

/// Approves a proposal; no change is pending.
pub(super) fn approve_proposal(run: &mut Run<'_, '_>, id: &ProposalId, stored: &Stored, creator: &Address) -> Done {
    let proposal = &stored.1;
    let settings = Settings::changed(run, &proposal.changes, &proposal.acknowledged)?;
    let next = settings.next_set();
    let mut governance = current(run)?;
    governance.open.retain(|open| open != id);
    let until = run.context.time.saturating_add(run.context.parameters.ready_lifetime);
    let member = |one: &bubi_codec::state::Validator| NextMember {
        name: one.name.clone(),
        account: Address::of_key(run.context.suite, &one.key),
        weight: one.weight,
        ready: false,
    };
    governance.pending = Some(PendingChange {
        proposal: *id,
        approved: run.context.height,
        until,
        activation: None,
        quorum: next.quorum(),
        members: settings.validators.iter().map(member).collect(),
    });
    store(run, governance);
    move_due(run, id, Some(proposal.expires), Some(until));
    set_status(run, id, stored, Status::Approved);
    for account in settings.open_accounts(run)? {
        run.events.push(Event::AccountCreated { account, creator: *creator });
    }
    Ok(())
}

fn move_due(run: &mut Run<'_, '_>, id: &ProposalId, from: Option<u64>, to: Option<u64>) {
    if let Some(time) = from {
        let cell = system_cell(run, &key::due_proposal(time, id));
        run.cells.remove(cell);
    }
    if let Some(time) = to {
        let cell = system_cell(run, &key::due_proposal(time, id));
        run.cells.mark(cell);
    }
}

/// Ends an open proposal.
fn end_open(run: &mut Run<'_, '_>, id: &ProposalId, stored: &Stored, status: Status) -> Result<(), Defect> {
    let mut governance = current(run)?;
    governance.open.retain(|open| open != id);
    store(run, governance);
    move_due(run, id, Some(stored.1.expires), None);
    set_status(run, id, stored, status);
    Ok(())
}

/// Operation 26.
pub(crate) fn withdraw(run: &mut Run<'_, '_>, actor: &Actor, id: &ProposalId) -> Done {
    let organisation = organisation_of(run, actor)?;
    let stored = find_open(run, id)?;
    if stored.1.proposer.as_ref() != Some(&organisation) {
        return Err(ResultCode::NotPermitted);
    }
    Ok(end_open(run, id, &stored, Status::Withdrawn)?)
}

/// Operation 27.
pub(crate) fn ready(run: &mut Run<'_, '_>, actor: &Actor, id: &ProposalId) -> Done {
    let mut governance = current(run)?;
    let time = run.context.time;
    let is_awaited =
        |change: &&mut PendingChange| change.proposal == *id && change.activation.is_none() && change.until > time;
    let change = governance.pending.as_mut().filter(is_awaited).ok_or(ResultCode::ChangeMissing)?;
    let member = change.members.iter_mut().find(|member| member.account == actor.address);
    let member = member.ok_or(ResultCode::NotValidator)?;
    if member.ready {
        return Err(ResultCode::ReadyKnown);
    }
    member.ready = true;
    run.events.push(Event::ValidatorReady { proposal: *id, validator: member.name.clone() });
    let weight: u64 = change.members.iter().filter(|one| one.ready).map(|one| u64::from(one.weight)).sum();
    if weight >= change.quorum {
        let (_, proposal) = find(run, id)?.ok_or(Defect("an approved proposal that does not exist"))?;
        let earliest = change.approved.saturating_add(AFTER_APPROVAL);
        let height = earliest.max(run.context.height.saturating_add(AFTER_READY));
        let height = height.max(proposal.not_before.unwrap_or(0));
        change.activation = Some(height);
        move_due(run, id, Some(change.until), None);
        run.events.push(Event::ActivationFixed { proposal: *id, height });
    }
    store(run, governance);
    Ok(())
}

/// Acts on the due cell of a proposal: an open one expires, an approved one lapses.
pub(crate) fn end_due(run: &mut Run<'_, '_>, id: &ProposalId) -> Result<(), Defect> {
    let stored = find(run, id)?.ok_or(Defect("a due cell of a proposal that does not exist"))?;
    if stored.1.status == Status::Open {
        return end_open(run, id, &stored, Status::Expired);
    }
    let mut governance = current(run)?;
    let change = governance.pending.take().filter(|change| change.proposal == *id && change.activation.is_none());
    let change = change.ok_or(Defect("a due cell of a proposal that waits for nothing"))?;
    store(run, governance);
    move_due(run, id, Some(change.until), None);
    set_status(run, id, &stored, Status::Lapsed);
    Ok(())
}
