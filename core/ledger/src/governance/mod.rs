//! Operations 24 to 28 and what follows from them: proposals, votes, readiness, evidence, epochs (`spec/ledger.md` 10 to 12).

mod barrier;
mod evidence;
mod proposals;
mod settings;

pub(crate) use barrier::{pass, NextHashes};
pub use evidence::evidence_key;
pub(crate) use evidence::{report, Reports};
pub(crate) use proposals::{end_due, propose, ready, vote, withdraw, Draft};

use crate::{
    authority::Actor,
    cells::{Cell, Defect},
    execution::Run,
};
use bubi_codec::{
    block::Event,
    governance::{ChangeProposalV1, GovernanceV1, ProposalStatus, Voter},
    identity::{Address, ProposalId},
    state::{key, ValidatorSet},
    ResultCode,
};
use std::sync::Arc;

/// The cell of a proposal and what stands in it.
type Stored = (Cell, Arc<ChangeProposalV1>);

/// What governance is about now.
fn current(run: &mut Run<'_, '_>) -> Result<GovernanceV1, Defect> {
    let cell = system_cell(run, key::GOVERNANCE);
    Ok(run.cells.read::<Arc<GovernanceV1>>(cell)?.map(|found| found.as_ref().clone()).unwrap_or_default())
}

/// Writes what governance is about; nothing has no cell.
fn store(run: &mut Run<'_, '_>, governance: GovernanceV1) {
    let cell = system_cell(run, key::GOVERNANCE);
    if governance == GovernanceV1::default() {
        run.cells.remove(cell);
    } else {
        run.cells.write(cell, Arc::new(governance));
    }
}

fn system_cell(run: &mut Run<'_, '_>, key: &[u8]) -> Cell {
    let system = run.cells.system();
    run.cells.cell(system, key)
}

fn find(run: &mut Run<'_, '_>, proposal: &ProposalId) -> Result<Option<Stored>, Defect> {
    let cell = system_cell(run, &key::proposal(proposal));
    Ok(run.cells.read::<Arc<ChangeProposalV1>>(cell)?.cloned().map(|found| (cell, found)))
}

/// Gives a proposal a status.
fn set_status(run: &mut Run<'_, '_>, id: &ProposalId, (cell, found): &Stored, status: ProposalStatus) {
    let changed = run.context.height;
    run.cells.write(*cell, Arc::new(ChangeProposalV1 { status, changed, ..found.as_ref().clone() }));
    run.events.push(Event::ProposalChanged { proposal: *id, status });
}

/// Whether an account is that of the key of a validator in force or of the pending change: without it a proposal that keeps the
/// validator would be refused.
pub(crate) fn is_validators(run: &mut Run<'_, '_>, account: &Address) -> Result<bool, Defect> {
    let ValidatorSet::V1 { validators, .. } = run.context.validators.as_ref();
    let suite = run.context.suite;
    if validators.iter().any(|one| Address::of_key(suite, &one.key) == *account) {
        return Ok(true);
    }
    Ok(current(run)?.pending.is_some_and(|change| change.members.iter().any(|one| one.account == *account)))
}

/// The organisation for which an account votes.
pub(crate) fn organisation_of(run: &mut Run<'_, '_>, actor: &Actor) -> Result<String, ResultCode> {
    let cell = system_cell(run, &key::voter(&actor.address));
    match run.cells.read::<Voter>(cell)? {
        Some(Voter::V1 { organisation }) => Ok(organisation.clone()),
        None => Err(ResultCode::NotVoter),
    }
}
