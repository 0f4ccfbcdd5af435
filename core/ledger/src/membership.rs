//! To which organisation an account belongs, operations 29 and 30 (`spec/ledger.md` 3.1).

use crate::{
    authority::Actor,
    cells::{Defect, Owner, Scratch},
    execution::{Done, Run},
    governance,
};
use bubi_codec::{
    block::Event,
    governance::Voter,
    identity::Address,
    state::{key, MembershipV1},
    ResultCode,
};
use std::sync::Arc;

/// The organisation to which an account belongs: the one for which it votes, else the one that took it in, if that still exists.
pub(crate) fn organisation_of(
    cells: &mut Scratch<'_>,
    address: &Address,
    account: Owner,
) -> Result<Option<String>, Defect> {
    let system = cells.system();
    let voter = cells.cell(system, &key::voter(address));
    if let Some(Voter::V1 { organisation }) = cells.read::<Voter>(voter)? {
        return Ok(Some(organisation.clone()));
    }
    let taken_in = read(cells, account)?.organisation;
    Ok(taken_in.filter(|name| exists(cells, name)))
}

fn exists(cells: &mut Scratch<'_>, organisation: &str) -> bool {
    let system = cells.system();
    let cell = cells.cell(system, &key::organisation(organisation));
    cells.exists(cell)
}

fn read(cells: &mut Scratch<'_>, account: Owner) -> Result<MembershipV1, Defect> {
    let cell = cells.cell(account, key::MEMBERSHIP);
    Ok(cells.read::<Arc<MembershipV1>>(cell)?.map(|found| found.as_ref().clone()).unwrap_or_default())
}

/// Writes a membership and tells of it; one without names has no cell.
fn store(run: &mut Run<'_, '_>, address: &Address, account: Owner, membership: MembershipV1) {
    let cell = run.cells.cell(account, key::MEMBERSHIP);
    if membership == MembershipV1::default() {
        run.cells.remove(cell);
    } else {
        run.cells.write(cell, Arc::new(membership.clone()));
    }
    let MembershipV1 { organisation, asks } = membership;
    run.events.push(Event::MembershipChanged { account: *address, organisation, asks });
}

/// A new account belongs where its creator does.
pub(crate) fn inherit(run: &mut Run<'_, '_>, creator: &Actor, address: &Address, account: Owner) -> Done {
    let organisation = organisation_of(run.cells, &creator.address, creator.account)?;
    if organisation.is_some() {
        store(run, address, account, MembershipV1 { organisation, asks: None });
    }
    Ok(())
}

/// Operation 29.
pub(crate) fn ask(run: &mut Run<'_, '_>, actor: &Actor, organisation: Option<&str>) -> Done {
    let before = read(run.cells, actor.account)?;
    let after = match organisation {
        Some(name) if !exists(run.cells, name) => return Err(ResultCode::OrganisationMissing),
        Some(name) => MembershipV1 { asks: Some(name.to_owned()), ..before },
        None if before == MembershipV1::default() => return Err(ResultCode::MembershipMissing),
        None => MembershipV1::default(),
    };
    store(run, &actor.address, actor.account, after);
    Ok(())
}

/// Operation 30.
pub(crate) fn set(run: &mut Run<'_, '_>, actor: &Actor, address: &Address, member: bool) -> Done {
    let own = Some(governance::organisation_of(run, actor)?);
    let account = run.open_account(address)?;
    let before = read(run.cells, account)?;
    let after = if member {
        if before.asks != own {
            return Err(ResultCode::MembershipMissing);
        }
        MembershipV1 { organisation: own, asks: None }
    } else {
        let kept = |name: &Option<String>| if *name == own { None } else { name.clone() };
        MembershipV1 { organisation: kept(&before.organisation), asks: kept(&before.asks) }
    };
    if after == before {
        return Err(ResultCode::MembershipMissing);
    }
    store(run, address, account, after);
    Ok(())
}
