//! List trees of RFC 9162 section 2.1 over leaves that carry a tree tag.
//!
//! Leaf: `H(0x00 ‖ tag ‖ data)`; node: `H(0x01 ‖ left ‖ right)`; the root of no leaves is `H("")`.

use crate::hash::{Hash, HashSuite};

/// Which tree a leaf belongs to, so that a leaf of one tree is never a leaf of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeafTag {
    /// A signed transaction in a batch.
    Transaction = 1,
    /// A batch in a payload.
    Batch = 2,
    /// A receipt in a block.
    Receipt = 3,
    /// A cell of the state.
    Cell = 4,
    /// A live replay id in its expiry bucket.
    Id = 5,
    /// An account.
    Account = 6,
    /// An event of a receipt.
    Event = 7,
}

/// Below this many leaves a subtree is hashed by one thread: about 0.1 ms of work.
const PARALLEL_THRESHOLD: usize = 1024;

impl HashSuite {
    /// Hash of a leaf: `H(0x00 ‖ tag ‖ data)`.
    pub fn leaf_hash(self, tag: LeafTag, data: &[u8]) -> Hash {
        self.hash(&[&[0x00, tag as u8], data])
    }

    /// Hash of an inner node: `H(0x01 ‖ left ‖ right)`.
    pub fn node_hash(self, left: &Hash, right: &Hash) -> Hash {
        self.hash(&[&[0x01], &left.0, &right.0])
    }
}

/// Root of the tree over `leaves` (leaf hashes, in order). Large trees use all cores.
pub fn merkle_root(suite: HashSuite, leaves: &[Hash]) -> Hash {
    if leaves.len() <= PARALLEL_THRESHOLD {
        return root_in_one_thread(suite, leaves);
    }
    let (left, right) = leaves.split_at(split_point(leaves.len()));
    let (left, right) = rayon::join(|| merkle_root(suite, left), || merkle_root(suite, right));
    suite.node_hash(&left, &right)
}

/// Inclusion path of the leaf at `index`, from the leaf upwards; `None` if there is no such leaf.
pub fn merkle_path(suite: HashSuite, leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut rest, mut position) = (leaves, index);
    while rest.len() > 1 {
        let split = split_point(rest.len());
        let (left, right) = rest.split_at(split);
        if position < split {
            path.push(merkle_root(suite, right));
            rest = left;
        } else {
            path.push(merkle_root(suite, left));
            rest = right;
            position -= split;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves `leaf` to be number `index` of the `size` leaves below `root`
/// (RFC 9162 section 2.1.3.2). Paths that are too short or too long are refused.
pub fn merkle_verify(suite: HashSuite, leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = suite.node_hash(sibling, &hash);
            // A right edge without a partner was lifted unchanged: skip those levels.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = suite.node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The largest power of two below `count`, which is at least 2.
fn split_point(count: usize) -> usize {
    count.next_power_of_two() >> 1
}

/// Level by level in one buffer; an odd node at the end of a level is lifted unchanged, which gives
/// the same tree as the recursive definition.
fn root_in_one_thread(suite: HashSuite, leaves: &[Hash]) -> Hash {
    let mut level: Vec<Hash> = leaves.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => suite.node_hash(left, right),
                single => single.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(|| suite.hash(&[]))
}
