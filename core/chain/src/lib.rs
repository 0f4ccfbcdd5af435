//! The ledger of one node: the door, the block pipeline, recovery, history and lists, over the pure ledger and the store.
//!
//! It knows how a block comes about and how it becomes durable; it does not know who votes, nor sockets, nor clocks.
//! Start with [`Chain`]: `admit` → `batch` → `propose` → `execute` → `commit`.

mod admission;
pub mod bench;
mod chain;
pub mod comet;
pub mod era;
mod error;
pub mod export;
mod governance;
mod history;
mod index;
mod inline;
mod lease;
pub mod proof;
mod proposal;
mod query;
mod recovery;
pub mod rows;
mod rule;
#[cfg(test)]
mod tests;
mod together;

pub use admission::{join_bulk, split_bulk, Admission, Entry, Verified};
pub use chain::{Batch, Chain, Execution, Options, Tip};
pub use error::{ChainError, Result};
pub use lease::Lease;
pub use proposal::BlockParts;
pub use recovery::chain_id_of;
pub use rule::ideal_signature;
