//! The end of an epoch: what was approved comes into force (`spec/ledger.md` 12).

use super::{current, evidence, find, set_status, settings::Settings, store, system_cell};
use crate::{cells::Defect, execution::Run};
use bubi_codec::{
    block::{digest, Event},
    domain,
    governance::{EpochRecord, ProposalStatus},
    identity::ProposalId,
    state::{key, Parameters},
};
use bubi_crypto::Hash;
use std::sync::Arc;

/// Hashes that the outcome names for the next block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextHashes {
    pub(crate) validators: Hash,
    pub(crate) parameters: Hash,
}

/// Lets the pending change come into force if the next block is its first; else, if none is pending, begins an exclusion that
/// waits. None if the epoch goes on.
pub(crate) fn pass(run: &mut Run<'_, '_>) -> Result<Option<NextHashes>, Defect> {
    let cell = system_cell(run, key::GOVERNANCE);
    if !run.cells.exists(cell) {
        return Ok(None);
    }
    let governance = current(run)?;
    let next_height = run.context.height.saturating_add(1);
    match governance.pending {
        None => evidence::begin_waiting(run).map(|()| None),
        Some(change) if change.activation == Some(next_height) => activate(run, &change.proposal).map(Some),
        Some(_) => Ok(None),
    }
}

fn activate(run: &mut Run<'_, '_>, id: &ProposalId) -> Result<NextHashes, Defect> {
    let stored = find(run, id)?.ok_or(Defect("an approved proposal that does not exist"))?;
    let before = Settings::read(run)?;
    let mut after = before.clone();
    after.apply(&stored.1.changes).map_err(|_| Defect("an approved change cannot be applied"))?;
    let mut governance = current(run)?;
    governance.pending = None;
    store(run, governance);
    set_status(run, id, &stored, ProposalStatus::Active);
    write(run, &before, &after)
}

/// Writes the settings of the next epoch.
fn write(run: &mut Run<'_, '_>, before: &Settings, after: &Settings) -> Result<NextHashes, Defect> {
    let next = after.next_set();
    let (height, time) = (run.context.height.saturating_add(1), run.context.time);
    let epoch = before.epoch.saturating_add(1);
    let parameters = Parameters::V1(after.parameters.clone());
    let (suite, chain) = (run.context.suite, run.context.chain);
    let unhashable = |_| Defect("settings without a hash");
    let hashes = NextHashes {
        validators: digest(suite, domain::VALIDATORS, &chain, &next).map_err(unhashable)?,
        parameters: digest(suite, domain::PARAMETERS, &chain, &parameters).map_err(unhashable)?,
    };
    after.write_changes(run, before);
    if after.parameters != before.parameters {
        let cell = system_cell(run, key::PARAMETERS);
        run.cells.write(cell, Arc::new(after.parameters.clone()));
    }
    let cell = system_cell(run, key::VALIDATORS);
    run.cells.write(cell, Arc::new(next.clone()));
    let cell = system_cell(run, &key::epoch(epoch));
    run.cells.write(cell, Arc::new(EpochRecord::V1 { height, time, validators: next }));
    let cell = system_cell(run, key::SCHEDULE);
    run.cells.remove(cell);
    run.events.push(Event::EpochBegins { epoch, height });
    Ok(hashes)
}
