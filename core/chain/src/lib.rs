//! The ledger of one node.
mod admission;
mod error;
mod index;
