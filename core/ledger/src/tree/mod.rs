//! The account tree: all cells of the ledger, owner by owner, under one root that depends only on the set of
//! cells. `spec/state-tree.md` is normative for the structure and the proofs; README.md here tells how it is
//! kept in memory.

mod cells;
mod hashing;
mod key;
mod overlay;
mod proof;
mod scratch;
mod state;
mod trie;
mod window;

pub use cells::CellRef;
pub use hashing::EMPTY_ROOT;
pub use key::{OwnerKey, TreeError, MAX_KEY_BYTES, MAX_VALUE_BYTES, OWNER_KEY_BYTES};
pub(crate) use overlay::{CellChange, OwnerView, OwnerWrites};
pub use overlay::{Changes, MergedCells, Overlay, View};
pub use proof::{
    AccountEvidence, AccountProof, CellEvidence, CellGap, CellProof, OwnerGap, ProofError, MAX_ACCOUNT_CELLS,
    MAX_PROOF_BYTES, MAX_SIBLINGS,
};
pub use scratch::Scratch;
pub use state::{Chunk, State, StateBuilder, StoredCell};
pub use window::{ProofWindow, DEFAULT_WINDOW};
