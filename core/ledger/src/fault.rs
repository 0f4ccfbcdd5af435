//! Defects that tests let happen inside an operation.

use crate::{authority::Actor, execution::Run};
use bubi_codec::state::{key, HoldingV1};
use std::cell::Cell;

/// A planted defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The program panics.
    Panic,
    /// The acting account gains one unit of every asset that it holds.
    Mint,
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Plants a defect into the next operation of this thread.
pub(crate) fn plant(fault: Fault) {
    PLANTED.set(Some(fault));
}

pub(crate) fn strike(run: &mut Run<'_, '_>, actor: &Actor) {
    match PLANTED.take() {
        Some(Fault::Panic) => panic!("planted"),
        Some(Fault::Mint) => {
            for holding in run.cells.keys(actor.account, &[key::HOLDING_PREFIX]) {
                let cell = run.cells.cell(actor.account, &holding);
                let mut holding = run.cells.read::<HoldingV1>(cell).unwrap().cloned().unwrap();
                holding.balance += 1;
                run.cells.write(cell, holding);
            }
        }
        None => {}
    }
}
