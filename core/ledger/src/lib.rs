//! The ledger's rules: account tree, operations, permissions and execution of a block. Pure: no I/O, no clock, no randomness
//! that a result could show. `spec/ledger.md` is the normative text.
//!
//! Start with [`execute`]: state and live ids stay as they are, a [`BlockResult`] says what the block would make of them.

mod accounts;
mod amounts;
mod assets;
mod authority;
mod cells;
mod due;
mod execution;
#[cfg(test)]
mod fault;
mod genesis;
mod governance;
mod holds;
mod id_lists;
mod invariants;
mod items;
pub mod live_ids;
mod lots;
mod membership;
pub mod protocol;
mod quotas;
mod receipts;
mod records;
pub mod schedule;
mod table;
#[cfg(test)]
mod tests;
pub mod tree;

pub use cells::Defect;
pub use execution::{
    execute, simulate, strict_vote_rule, Alarm, BlockError, BlockResult, Context, Door, ExecutedBlock, Network,
    Simulation, SkipReason, Skipped, VerifiedTransaction, VoteRule,
};
pub use genesis::{genesis_outcome, genesis_state, successor_state};
pub use governance::evidence_key;
pub use invariants::check_all;
pub use live_ids::{IdDelta, IdsView, LiveIds};
pub use lots::{lapsed, spendable};
pub use quotas::{standing, QuotaUse, Standing};
