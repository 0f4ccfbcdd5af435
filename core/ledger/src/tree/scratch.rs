//! The working set of one block under execution, with savepoints for its transactions.
#![allow(clippy::option_option, reason = "outer: whether the cell had been written; inner: value or removal")]

use std::ops::Bound;

use super::key::{check_cell, check_key, OwnerKey, TreeError};
use super::overlay::{Changes, MergedCells, Overlay, Source, View};

/// One write that a savepoint can take back.
struct Undone {
    owner: OwnerKey,
    key: Box<[u8]>,
    before: Option<Option<Box<[u8]>>>,
}

/// Reads through a view and collects writes. All writes since a savepoint can be taken back in time linear in
/// their number; savepoints nest.
pub struct Scratch<'a> {
    view: View<'a>,
    changes: Changes,
    journal: Vec<Undone>,
    savepoints: Vec<usize>,
}

impl<'a> Scratch<'a> {
    /// An empty working set on top of `view`.
    pub fn new(view: View<'a>) -> Self {
        Self { view, changes: Changes::new(), journal: Vec::new(), savepoints: Vec::new() }
    }

    /// Value of a cell, own writes first.
    pub fn get(&self, owner: &OwnerKey, key: &[u8]) -> Option<&[u8]> {
        self.changes.get(owner, key).unwrap_or_else(|| self.view.get(owner, key))
    }

    /// Writes a cell. Errors: key or value length out of bounds.
    pub fn put(&mut self, owner: &OwnerKey, key: &[u8], value: &[u8]) -> Result<(), TreeError> {
        check_cell(key, value)?;
        self.write(owner, key, Some(value.into()));
        Ok(())
    }

    /// Removes a cell, if there is one. Errors: key length out of bounds.
    pub fn remove(&mut self, owner: &OwnerKey, key: &[u8]) -> Result<(), TreeError> {
        check_key(key)?;
        self.write(owner, key, None);
        Ok(())
    }

    fn write(&mut self, owner: &OwnerKey, key: &[u8], value: Option<Box<[u8]>>) {
        let before = self.changes.write(owner, key, value);
        if !self.savepoints.is_empty() {
            self.journal.push(Undone { owner: *owner, key: key.into(), before });
        }
    }

    /// Cells of an owner in key order from a key on (or after it), own writes included.
    pub fn cells_from<'b>(&'b self, owner: &OwnerKey, from: Bound<&'b [u8]>) -> MergedCells<'b> {
        let mut merged = self.view.cells_from(owner, from);
        if let Some(writes) = self.changes.owners.get(owner) {
            merged.push(Source::Written(writes.range::<[u8], _>((from, Bound::Unbounded))));
        }
        merged
    }

    /// Opens a savepoint.
    pub fn begin(&mut self) {
        self.savepoints.push(self.journal.len());
    }

    /// Closes the last savepoint and keeps its writes; without one, nothing happens.
    pub fn commit(&mut self) {
        self.savepoints.pop();
        if self.savepoints.is_empty() {
            self.journal.clear();
        }
    }

    /// Closes the last savepoint and takes its writes back; without one, nothing happens.
    pub fn rollback(&mut self) {
        let Some(start) = self.savepoints.pop() else {
            return;
        };
        for undone in self.journal.drain(start..).rev() {
            self.changes.unwrite(&undone.owner, &undone.key, undone.before);
        }
    }

    /// The collected writes.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Computes the new state root and freezes the writes.
    pub fn finish(self) -> Overlay {
        self.view.finish(self.changes)
    }
}
