//! The ledger's rules: account tree, operations, permissions and execution of a block. Pure, no I/O.

pub mod tree;
