//! Proofs against a state root: one cell present or absent, or an account with all its cells.
//!
//! A proof holds only what cannot be derived. For one root and one question there is one valid proof.

use bubi_crypto::{Hash, HashSuite};
use serde::{Deserialize, Serialize};

use super::cells::CellRef;
use super::hashing::{cell_leaf, node_hash, owner_leaf, path_of, Path, EMPTY_ROOT};
use super::key::{check_cell, check_key, OwnerKey, TreeError};
use super::overlay::View;
use super::trie::{subtrie, End, Leaf};

/// Most siblings on one path: the number of bits of a path.
pub const MAX_SIBLINGS: usize = 256;

/// Most cells of an owner that a complete proof may list.
pub const MAX_ACCOUNT_CELLS: usize = 16_384;

/// Most bytes of an encoded proof.
pub const MAX_PROOF_BYTES: usize = 8 * 1024 * 1024;

/// A key or value, encoded as a byte string.
type Bytes = serde_bytes::ByteBuf;

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not the one encoding of a proof, or there are too many of them.
    #[error("these bytes are not a proof")]
    Encoding,
    /// A key or a value is too long, or a key is empty.
    #[error("a key or value has a forbidden length")]
    Length,
    /// More than [`MAX_SIBLINGS`] siblings.
    #[error("a path has more than {MAX_SIBLINGS} siblings")]
    TooManySiblings,
    /// No cells or more than [`MAX_ACCOUNT_CELLS`].
    #[error("a complete account lists 1 to {MAX_ACCOUNT_CELLS} cells")]
    CellCount,
    /// Cells are not in strictly ascending order of keys.
    #[error("cells are not in strictly ascending order of keys")]
    CellOrder,
    /// The leaf that stands in for an absent one is not on its path, or is the very leaf said to be absent.
    #[error("the other leaf does not show absence")]
    OtherLeaf,
    /// A leaf or an empty place stands deeper than its shortest distinguishing prefix.
    #[error("a leaf stands at the wrong depth")]
    Depth,
    /// The computed root is another one.
    #[error("the proof leads to another root")]
    Root,
}

/// What stands where an absent cell would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellGap {
    /// Nothing.
    Empty,
    /// Another cell of the owner, the only one below this prefix.
    Other {
        /// Its key.
        key: Bytes,
        /// Its value.
        value: Bytes,
    },
}

/// What stands where an absent owner would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerGap {
    /// Nothing.
    Empty,
    /// Another owner, the only one below this prefix.
    Other {
        /// Its key.
        owner: OwnerKey,
        /// Its cells root.
        cells_root: Hash,
    },
}

/// What a [`CellProof`] shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellEvidence {
    /// The cell exists.
    Present {
        /// Its value.
        value: Bytes,
        /// Siblings in the owner's trie, from the top.
        lower: Vec<Hash>,
        /// Siblings in the owners' trie, from the top.
        upper: Vec<Hash>,
    },
    /// The owner exists without this cell.
    CellAbsent {
        /// What stands in its place.
        gap: CellGap,
        /// Siblings in the owner's trie, from the top.
        lower: Vec<Hash>,
        /// Siblings in the owners' trie, from the top.
        upper: Vec<Hash>,
    },
    /// The owner has no cells at all.
    OwnerAbsent {
        /// What stands in its place.
        gap: OwnerGap,
        /// Siblings in the owners' trie, from the top.
        upper: Vec<Hash>,
    },
}

/// Proof of one cell's value or absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellProof {
    /// First version.
    V1 {
        /// Owner of the cell.
        owner: OwnerKey,
        /// Key of the cell.
        key: Bytes,
        /// What the proof shows.
        evidence: CellEvidence,
    },
}

/// What an [`AccountProof`] shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvidence {
    /// The owner has exactly these cells.
    Complete {
        /// All cells, keys strictly ascending.
        cells: Vec<(Bytes, Bytes)>,
        /// Siblings in the owners' trie, from the top.
        upper: Vec<Hash>,
    },
    /// The owner has no cells.
    Absent {
        /// What stands in its place.
        gap: OwnerGap,
        /// Siblings in the owners' trie, from the top.
        upper: Vec<Hash>,
    },
}

/// Proof of all cells of one owner, with nothing left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountProof {
    /// First version.
    V1 {
        /// The owner.
        owner: OwnerKey,
        /// What the proof shows.
        evidence: AccountEvidence,
    },
}

impl CellProof {
    /// Checks the proof and returns the cell's value, or `None` if the cell is absent.
    pub fn verify(&self, suite: HashSuite, root: &Hash) -> Result<Option<&[u8]>, ProofError> {
        let Self::V1 { owner, key, evidence } = self;
        check_key(key).map_err(|_| ProofError::Length)?;
        match evidence {
            CellEvidence::Present { value, lower, upper } => {
                check_cell(key, value).map_err(|_| ProofError::Length)?;
                let start = Start::Leaf(cell_leaf(suite, key, value));
                let cells_root = fold(suite, &path_of(suite, key), lower, &start)?;
                check_owner(suite, owner, &cells_root, upper, root)?;
                Ok(Some(value))
            }
            CellEvidence::CellAbsent { gap, lower, upper } => {
                let path = path_of(suite, key);
                let start = cell_gap(suite, &path, gap, lower.len())?;
                let cells_root = fold(suite, &path, lower, &start)?;
                if cells_root == EMPTY_ROOT {
                    return Err(ProofError::CellCount);
                }
                check_owner(suite, owner, &cells_root, upper, root)?;
                Ok(None)
            }
            CellEvidence::OwnerAbsent { gap, upper } => {
                check_no_owner(suite, owner, gap, upper, root)?;
                Ok(None)
            }
        }
    }

    /// The owner and the key that the proof speaks of.
    pub fn cell(&self) -> (&OwnerKey, &[u8]) {
        let Self::V1 { owner, key, .. } = self;
        (owner, key)
    }

    /// The one encoding (BCS).
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProofError> {
        encode(self)
    }

    /// Decodes a proof; the bytes must be its one encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        decode(bytes)
    }
}

impl AccountProof {
    /// Checks the proof and returns all cells of the owner in key order; none if the owner is absent.
    pub fn verify(&self, suite: HashSuite, root: &Hash) -> Result<Vec<CellRef<'_>>, ProofError> {
        let Self::V1 { owner, evidence } = self;
        match evidence {
            AccountEvidence::Complete { cells, upper } => {
                if cells.is_empty() || cells.len() > MAX_ACCOUNT_CELLS {
                    return Err(ProofError::CellCount);
                }
                if !cells.is_sorted_by(|one, next| one.0 < next.0) {
                    return Err(ProofError::CellOrder);
                }
                let cells: Vec<CellRef<'_>> = cells.iter().map(|(key, value)| (&***key, &***value)).collect();
                cells.iter().try_for_each(|(key, value)| check_cell(key, value)).map_err(|_| ProofError::Length)?;
                let leaf =
                    |(key, value): &CellRef<'_>| Leaf { path: path_of(suite, key), hash: cell_leaf(suite, key, value) };
                let mut leaves: Vec<Leaf> = cells.iter().map(leaf).collect();
                leaves.sort_unstable_by_key(|leaf| leaf.path);
                check_owner(suite, owner, &subtrie(suite, &leaves, 0).hash, upper, root)?;
                Ok(cells)
            }
            AccountEvidence::Absent { gap, upper } => {
                check_no_owner(suite, owner, gap, upper, root)?;
                Ok(Vec::new())
            }
        }
    }

    /// The owner that the proof speaks of.
    pub fn owner(&self) -> &OwnerKey {
        let Self::V1 { owner, .. } = self;
        owner
    }

    /// The one encoding (BCS).
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProofError> {
        encode(self)
    }

    /// Decodes a proof; the bytes must be its one encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        decode(bytes)
    }
}

fn encode<T: Serialize>(proof: &T) -> Result<Vec<u8>, ProofError> {
    bcs::to_bytes(proof).map_err(|_| ProofError::Encoding)
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, ProofError> {
    if bytes.len() > MAX_PROOF_BYTES {
        return Err(ProofError::Encoding);
    }
    bcs::from_bytes(bytes).map_err(|_| ProofError::Encoding)
}

/// What stands at the end of a path.
enum Start {
    Empty,
    Leaf(Hash),
}

/// Hashes from the end of a path up to the root of its trie.
fn fold(suite: HashSuite, path: &Path, siblings: &[Hash], start: &Start) -> Result<Hash, ProofError> {
    if siblings.len() > MAX_SIBLINGS {
        return Err(ProofError::TooManySiblings);
    }
    // A node stands for at least two leaves, so neither a lone leaf nor nothing hangs beside nothing.
    if siblings.last() == Some(&EMPTY_ROOT) {
        return Err(ProofError::Depth);
    }
    let start = match start {
        Start::Empty => EMPTY_ROOT,
        Start::Leaf(hash) => *hash,
    };
    let levels = (0_u32..).zip(siblings).collect::<Vec<_>>();
    Ok(levels.into_iter().rev().fold(start, |hash, (level, sibling)| {
        if path.bit(level) {
            node_hash(suite, sibling, &hash)
        } else {
            node_hash(suite, &hash, sibling)
        }
    }))
}

/// Checks that another leaf's path may stand `depth` levels below the root on the way to `path`.
fn check_other(path: &Path, other: &Path, depth: usize) -> Result<(), ProofError> {
    let depth = u32::try_from(depth).map_err(|_| ProofError::TooManySiblings)?;
    if other == path || !other.shares_prefix(path, depth) {
        return Err(ProofError::OtherLeaf);
    }
    Ok(())
}

fn cell_gap(suite: HashSuite, path: &Path, gap: &CellGap, depth: usize) -> Result<Start, ProofError> {
    match gap {
        CellGap::Empty => Ok(Start::Empty),
        CellGap::Other { key, value } => {
            check_cell(key, value).map_err(|_| ProofError::Length)?;
            check_other(path, &path_of(suite, key), depth)?;
            Ok(Start::Leaf(cell_leaf(suite, key, value)))
        }
    }
}

fn check_owner(
    suite: HashSuite,
    owner: &OwnerKey,
    cells_root: &Hash,
    upper: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let start = Start::Leaf(owner_leaf(suite, owner, cells_root));
    check_root(&fold(suite, &path_of(suite, owner.as_bytes()), upper, &start)?, root)
}

fn check_no_owner(
    suite: HashSuite,
    owner: &OwnerKey,
    gap: &OwnerGap,
    upper: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let path = path_of(suite, owner.as_bytes());
    let start = match gap {
        OwnerGap::Empty => Start::Empty,
        OwnerGap::Other { owner, cells_root } => {
            check_other(&path, &path_of(suite, owner.as_bytes()), upper.len())?;
            if *cells_root == EMPTY_ROOT {
                return Err(ProofError::CellCount);
            }
            Start::Leaf(owner_leaf(suite, owner, cells_root))
        }
    };
    check_root(&fold(suite, &path, upper, &start)?, root)
}

fn check_root(computed: &Hash, root: &Hash) -> Result<(), ProofError> {
    if computed == root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

impl View<'_> {
    /// Proves the value or the absence of a cell against [`View::root`]. Errors: key length out of bounds.
    pub fn prove(&self, owner: &OwnerKey, key: &[u8]) -> Result<CellProof, TreeError> {
        check_key(key)?;
        Ok(CellProof::V1 { owner: *owner, key: bytes(key), evidence: self.evidence(owner, key) })
    }

    fn evidence(&self, owner: &OwnerKey, key: &[u8]) -> CellEvidence {
        let viewed = self.owner(owner);
        let (upper, end) = self.stack().walk(&viewed.path);
        if viewed.count() == 0 {
            return CellEvidence::OwnerAbsent { gap: self.owner_gap(&end), upper };
        }
        let lower_trie = viewed.lower();
        let (lower, end) = lower_trie.stack().walk(&path_of(self.suite(), key));
        if let Some(value) = viewed.get(key) {
            return CellEvidence::Present { value: bytes(value), lower, upper };
        }
        let other = match end {
            End::Empty => None,
            End::Leaf(leaf) => lower_trie.key_at(&leaf).and_then(|key| Some((key, viewed.get(key)?))),
        };
        let gap = other.map_or(CellGap::Empty, |(key, value)| CellGap::Other { key: bytes(key), value: bytes(value) });
        CellEvidence::CellAbsent { gap, lower, upper }
    }

    /// Proves all cells of an owner, or that it has none, against [`View::root`]. `None` if the owner has more
    /// than [`MAX_ACCOUNT_CELLS`] cells or the proof would be longer than [`MAX_PROOF_BYTES`].
    pub fn prove_account(&self, owner: &OwnerKey) -> Option<AccountProof> {
        let viewed = self.owner(owner);
        let (upper, end) = self.stack().walk(&viewed.path);
        let evidence = if viewed.count() == 0 {
            AccountEvidence::Absent { gap: self.owner_gap(&end), upper }
        } else {
            // Lengths and siblings need less than the reserve.
            let (mut room, reserve) = (MAX_PROOF_BYTES - MAX_SIBLINGS * 32 - 1024, 8);
            let mut cells = Vec::new();
            for (key, value) in self.cells(owner) {
                room = room.checked_sub(key.len() + value.len() + reserve)?;
                cells.push((bytes(key), bytes(value)));
                if cells.len() > MAX_ACCOUNT_CELLS {
                    return None;
                }
            }
            AccountEvidence::Complete { cells, upper }
        };
        Some(AccountProof::V1 { owner: *owner, evidence })
    }

    fn owner_gap(&self, end: &End) -> OwnerGap {
        let other = match end {
            End::Empty => None,
            End::Leaf(leaf) => self.owner_key_at(&leaf.path),
        };
        other.map_or(OwnerGap::Empty, |owner| OwnerGap::Other { owner, cells_root: self.owner(&owner).cells_root() })
    }
}

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::from(bytes)
}
