//! The hashes of the account tree: paths, leaves, inner nodes and the plain recursive root.

use bubi_crypto::{Hash, HashSuite};

use super::key::OwnerKey;

/// Root of a trie without leaves.
pub const EMPTY_ROOT: Hash = Hash::ZERO;

const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;
const PATH: u8 = 0x02;
const CELL_TAG: u8 = 0x04;
const OWNER_TAG: u8 = 0x06;

/// Position of a leaf in a trie: bits are taken most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) [u8; 32]);

impl Path {
    /// Bit number `level` (0 = first below the root); levels beyond the path read as zero.
    pub(crate) fn bit(&self, level: u32) -> bool {
        let byte = self.0.get((level / 8) as usize).copied().unwrap_or(0);
        byte & (0x80 >> (level % 8)) != 0
    }

    /// The first `level` bits as a number, `level` ≤ 32.
    pub(crate) fn prefix(&self, level: u32) -> u32 {
        let head = self.0.first_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
        head.checked_shr(32 - level).unwrap_or(0)
    }

    /// The first 64 bits as a number, for quick comparisons.
    pub(crate) fn head(&self) -> u64 {
        self.0.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes)
    }

    /// True if both paths agree in their first `bits` bits.
    pub(crate) fn shares_prefix(&self, other: &Self, bits: u32) -> bool {
        self.common_bits(other) >= bits
    }

    fn common_bits(&self, other: &Self) -> u32 {
        let mut count = 0;
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            let same = (mine ^ theirs).leading_zeros();
            count += same;
            if same < 8 {
                break;
            }
        }
        count
    }
}

/// Path of a key (owner key or cell key): H(0x02 ‖ key).
pub(crate) fn path_of(suite: HashSuite, key: &[u8]) -> Path {
    Path(suite.hash(&[&[PATH], key]).0)
}

/// Hash of an inner node: H(0x01 ‖ left ‖ right).
pub(crate) fn node_hash(suite: HashSuite, left: &Hash, right: &Hash) -> Hash {
    suite.hash(&[&[NODE], &left.0, &right.0])
}

/// Leaf of a cell: H(0x00 ‖ 0x04 ‖ uleb128(len key) ‖ key ‖ uleb128(len value) ‖ value).
pub(crate) fn cell_leaf(suite: HashSuite, key: &[u8], value: &[u8]) -> Hash {
    let (key_length, value_length) = (Uleb::of(key.len()), Uleb::of(value.len()));
    suite.hash(&[&[LEAF, CELL_TAG], key_length.bytes(), key, value_length.bytes(), value])
}

/// Leaf of an owner: H(0x00 ‖ 0x06 ‖ owner key ‖ cells root).
pub(crate) fn owner_leaf(suite: HashSuite, owner: &OwnerKey, cells_root: &Hash) -> Hash {
    suite.hash(&[&[LEAF, OWNER_TAG], owner.as_bytes(), &cells_root.0])
}

/// An unsigned LEB128 number on the stack.
pub(crate) struct Uleb {
    digits: [u8; 10],
    length: usize,
}

impl Uleb {
    /// Encodes `number` in its shortest form.
    pub(crate) fn of(mut number: usize) -> Self {
        let mut this = Self { digits: [0; 10], length: 0 };
        loop {
            let digit = u8::try_from(number & 0x7f).unwrap_or(0);
            number >>= 7;
            this.digits[this.length] = if number == 0 { digit } else { digit | 0x80 };
            this.length += 1;
            if number == 0 {
                return this;
            }
        }
    }

    /// The encoded bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

/// Reads an unsigned LEB128 number written by [`Uleb`] and returns it with the rest of the bytes.
pub(crate) fn read_uleb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_usize;
    for (position, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(position + 1..)?));
        }
    }
    None
}
