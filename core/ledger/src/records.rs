//! Operations 21 to 23: namespaces and records (`spec/ledger.md` 7).

use crate::{
    authority::Actor,
    cells::{Defect, Owner, Scratch},
    execution::{Done, Run},
};
use bubi_codec::{
    block::Event,
    identity::{Address, NamespaceId},
    operation::{Content, Digest, RecordReference, Writers},
    state::{key, Namespace, RecordHead, RecordVersion},
    ResultCode,
};
use std::sync::Arc;

/// Operation 21.
pub(crate) fn create_namespace(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    name: &str,
    writers: &Writers,
    shared: bool,
) -> Done {
    let namespace = NamespaceId::derived(run.context.suite, name);
    let owner = run.cells.namespace(&namespace);
    let cell = run.cells.cell(owner, key::HEADER);
    if run.cells.exists(cell) {
        return Err(ResultCode::NamespaceExists);
    }
    let (name, writers) = (name.to_owned(), writers.clone());
    run.cells.write(cell, Arc::new(Namespace::V1 { name, owner: actor.address, writers, shared }));
    run.events.push(Event::NamespaceCreated { namespace, owner: actor.address });
    Ok(())
}

fn find(run: &mut Run<'_, '_>, namespace: &NamespaceId) -> Result<(Owner, Arc<Namespace>), ResultCode> {
    let owner = run.cells.namespace(namespace);
    let cell = run.cells.cell(owner, key::HEADER);
    let definition = run.cells.read::<Arc<Namespace>>(cell)?.ok_or(ResultCode::NamespaceMissing)?;
    Ok((owner, definition.clone()))
}

/// Operation 22.
pub(crate) fn set_namespace(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    namespace: &NamespaceId,
    new_owner: &Address,
    writers: &Writers,
    shared: bool,
) -> Done {
    let (cells_owner, definition) = find(run, namespace)?;
    let Namespace::V1 { name, owner, .. } = definition.as_ref();
    if *owner != actor.address {
        return Err(ResultCode::NotPermitted);
    }
    run.open_account(new_owner)?;
    let cell = run.cells.cell(cells_owner, key::HEADER);
    let (name, writers) = (name.clone(), writers.clone());
    run.cells.write(cell, Arc::new(Namespace::V1 { name, owner: *new_owner, writers, shared }));
    run.events.push(Event::NamespaceChanged { namespace: *namespace, owner: *new_owner });
    Ok(())
}

/// What a version of a record holds.
pub(crate) struct Version<'t> {
    pub(crate) digest: &'t Digest,
    pub(crate) content: &'t Content,
    pub(crate) parents: &'t [RecordReference],
}

/// Newest version of a record; 0 if it is absent.
pub(crate) fn record_version(cells: &mut Scratch<'_>, namespace: Owner, record: &str) -> Result<u32, Defect> {
    let cell = cells.cell(namespace, &key::record_head(record));
    Ok(match cells.read::<RecordHead>(cell)? {
        Some(RecordHead::V1 { version, .. }) => *version,
        None => 0,
    })
}

/// Operation 23.
pub(crate) fn put(
    run: &mut Run<'_, '_>,
    actor: &Actor,
    namespace: &NamespaceId,
    record: &str,
    new: &Version<'_>,
    expected_version: Option<u32>,
) -> Done {
    let (cells_owner, definition) = find(run, namespace)?;
    let Namespace::V1 { owner, writers, shared, .. } = definition.as_ref();
    let listed = match writers {
        Writers::Everyone => true,
        Writers::Listed(list) => list.binary_search(&actor.address).is_ok() || *owner == actor.address,
    };
    let head = run.cells.cell(cells_owner, &key::record_head(record));
    let (author, current) = match run.cells.read::<RecordHead>(head)? {
        Some(RecordHead::V1 { author, version }) => (*author, *version),
        None => (actor.address, 0),
    };
    if !listed || (!shared && author != actor.address) {
        return Err(ResultCode::NotWriter);
    }
    if expected_version.is_some_and(|expected| expected != current) {
        return Err(ResultCode::RecordVersionMismatch);
    }
    let version = current.checked_add(1).ok_or(ResultCode::RecordVersionMismatch)?;
    for parent in new.parents {
        let holder = run.cells.namespace(&parent.namespace);
        let cell = run.cells.cell(holder, &key::record_version(&parent.key, parent.version));
        if !run.cells.exists(cell) {
            return Err(ResultCode::ParentMissing);
        }
    }
    run.cells.write(head, RecordHead::V1 { author, version });
    let cell = run.cells.cell(cells_owner, &key::record_version(record, version));
    let value = RecordVersion::V1 {
        writer: actor.address,
        time: run.context.time,
        digest: new.digest.clone(),
        content: new.content.clone(),
        parents: new.parents.to_vec(),
    };
    run.cells.write(cell, Arc::new(value));
    run.events.push(Event::RecordPut { namespace: *namespace, key: record.to_owned(), version, writer: actor.address });
    Ok(())
}
